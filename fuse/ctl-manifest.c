/* SPDX-License-Identifier: Apache-2.0 */
/* modelguardctl manifest: what a promoted model consists of, for others to sign. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "config/text.h"

#include "fuse/ctl-json.h"
#include "fuse/ctl-source.h"
#include "fuse/ctl.h"
#include "fuse/statement.h"
#include "fuse/util.h"

#define SIGNATURE_MAX 65536

enum { OPTION_PAE = CTL_LONG, OPTION_ENVELOPE, OPTION_SIGNATURE };

static const struct ctl_option options[] = {
	{ OPTION_PAE, "pae", NULL, "print the bytes that DSSE has signed" },
	{ OPTION_ENVELOPE, "envelope", NULL, "print DSSE's envelope, not signed" },
	{ OPTION_SIGNATURE, "signature", "FILE",
	  "print DSSE's envelope with the signature in FILE" },
	{ 0, NULL, NULL, NULL },
};

struct request {
	bool pae, envelope;
	unsigned char *signature;
	size_t signature_length;
};

static int read_signature(const char *file, struct request *request)
{
	FILE *stream = fopen(file, "re");
	int status = CTL_OK;

	request->signature = malloc(SIGNATURE_MAX);
	if (stream && request->signature)
		request->signature_length =
			fread(request->signature, 1, SIGNATURE_MAX, stream);
	if (!stream || ferror(stream))
		status = ctl_fail("cannot read %s: %m", QUOTED(file));
	else if (request->signature_length == 0 ||
		 request->signature_length == SIGNATURE_MAX)
		status = ctl_fail("%s is no signature: it is empty, or too long",
				  QUOTED(file));
	if (stream)
		fclose(stream);
	return status;
}

static int print(const struct request *request, const char *payload)
{
	_cleanup_(freep) char *pae = NULL;
	size_t length;

	if (request->envelope)
		return ctl_json_print(statement_envelope(payload, request->signature,
							 request->signature_length)) < 0
			       ? ctl_fail("no memory")
			       : CTL_OK;
	if (!request->pae) {
		puts(payload);
		return CTL_OK;
	}
	if (statement_pae(payload, &pae, &length) < 0)
		return ctl_fail("no memory");
	fwrite(pae, 1, length, stdout);
	return CTL_OK;
}

static int fail_at(const char *path, int error)
{
	return ctl_fail("%s: %s", QUOTED(path),
			error == -ENODATA
				? "it was not promoted: 'modelguardctl verify --keep' "
				  "writes down what it is now"
			: error == -ENOENT  ? "it, or the manifest that was kept of it, "
					      "is not there"
			: error == -EBADMSG ? "what is kept of its promotion was changed"
					    : strerrordesc_np(-error));
}

static int show(const struct request *request, const char *path)
{
	const struct manifest_entry top = { .path = (char *)"" };
	_cleanup_(ctl_place_fini) struct ctl_place place = { .fd = -1 };
	_cleanup_(manifest_fini) struct manifest manifest = { 0 };
	_cleanup_(freep) char *payload = NULL;
	_cleanup_(closep) int fd = -1;
	struct promoted promoted;
	const char *slash;
	int r, status = ctl_place_find(path, &place);

	if (status != CTL_OK)
		return status;
	fd = manifest_open(place.fd, place.below, &top, O_PATH);
	r = fd < 0 ? fd : promoted_read(fd, &promoted);
	if (r == 0)
		r = promoted_manifest(fd, &promoted, &manifest);
	slash = strrchr(place.below, '/');
	if (r == 0)
		r = statement_text(slash ? slash + 1 : place.below, &promoted, &manifest,
				   &payload);
	return r < 0 ? fail_at(path, r) : print(request, payload);
}

static int run(const struct ctl_verb *verb, int argc, char **argv)
{
	struct request request = { 0 };
	const char *signature = NULL;
	int code, status = CTL_OK;

	while ((code = ctl_getopt(verb, argc, argv)) != -1) {
		if (code == '?')
			return CTL_USAGE;
		request.pae = request.pae || code == OPTION_PAE;
		request.envelope = request.envelope || code != OPTION_PAE;
		if (code == OPTION_SIGNATURE)
			signature = optarg;
	}
	if (argc - optind != 1 || (request.pae && request.envelope))
		return ctl_usage(verb, "takes one PATH, and at most one of --pae, "
				       "--envelope and --signature");
	if (signature)
		status = read_signature(signature, &request);
	if (status == CTL_OK)
		status = show(&request, argv[optind]);
	free(request.signature);
	return status;
}

const struct ctl_verb ctl_manifest = {
	.name = "manifest",
	.arguments = "PATH",
	.summary = "Print what a promoted model consists of, for others to sign.",
	.details = "It is an in-toto Statement, which is what 'modelguardctl verify' "
		   "compares with.\n"
		   "Nothing is read of the files. For root.\n",
	.options = options,
	.run = run,
};
