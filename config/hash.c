/* SPDX-License-Identifier: Apache-2.0 */
/* The fingerprint of a policy's text, by OpenSSL's libcrypto. */
/* OpenSSL 3 would rather have EVP_Digest(3), which loads its configuration and a
 * provider: some 6,000 allocations, and version 3.0 crashes if one of them fails. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "config/hash.h"

void policy_hash(const char *text, size_t length, char ret[65])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256_CTX context;

	SHA256_Init(&context);
	SHA256_Update(&context, text, length);
	SHA256_Final(digest, &context);
	for (unsigned i = 0; i < sizeof(digest); i++) {
		ret[2 * i] = digits[digest[i] >> 4];
		ret[2 * i + 1] = digits[digest[i] & 0xf];
	}
	ret[64] = '\0';
}
