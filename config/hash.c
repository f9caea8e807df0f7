/* SPDX-License-Identifier: Apache-2.0 */
/* The fingerprint of a policy's text, by OpenSSL's libcrypto. */
#include <errno.h>
#include <openssl/evp.h>

#include "config/hash.h"

int policy_hash(const char *text, size_t length, char ret[65])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	/* The only ways to fail are no memory and a libcrypto without SHA-256. */
	if (EVP_Digest(text, length, digest, &size, EVP_sha256(), NULL) != 1 ||
	    size != 32)
		return -ENOMEM;
	for (unsigned i = 0; i < size; i++) {
		ret[2 * i] = digits[digest[i] >> 4];
		ret[2 * i + 1] = digits[digest[i] & 0xf];
	}
	ret[64] = '\0';
	return 0;
}
