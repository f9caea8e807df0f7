/* SPDX-License-Identifier: Apache-2.0 */
/* A name service as directories are: it knows users and groups but does not list them,
 * and it may hang. For tests. */
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define REMOTE_ID 64200

static enum nss_status fill_user(struct passwd *result)
{
	*result = (struct passwd){
		.pw_name = (char *)"remote",
		.pw_passwd = (char *)"x",
		.pw_uid = REMOTE_ID,
		.pw_gid = REMOTE_ID,
		.pw_gecos = (char *)"",
		.pw_dir = (char *)"/",
		.pw_shell = (char *)"/bin/sh",
	};
	return NSS_STATUS_SUCCESS;
}

static enum nss_status fill_group(struct group *result)
{
	static char *nobody[] = { NULL };

	*result = (struct group){
		.gr_name = (char *)"remote-team",
		.gr_passwd = (char *)"x",
		.gr_gid = REMOTE_ID,
		.gr_mem = nobody,
	};
	return NSS_STATUS_SUCCESS;
}

enum nss_status _nss_directory_getpwnam_r(const char *name, struct passwd *result,
					  char *buffer, size_t length, int *error)
{
	(void)buffer;
	(void)length;
	while (strcmp(name, "hang") == 0)
		pause();
	*error = ENOENT;
	return strcmp(name, "remote") == 0 ? fill_user(result) : NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_directory_getpwuid_r(uid_t uid, struct passwd *result, char *buffer,
					  size_t length, int *error)
{
	(void)buffer;
	(void)length;
	*error = ENOENT;
	return uid == REMOTE_ID ? fill_user(result) : NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_directory_getgrnam_r(const char *name, struct group *result,
					  char *buffer, size_t length, int *error)
{
	(void)buffer;
	(void)length;
	*error = ENOENT;
	return strcmp(name, "remote-team") == 0 ? fill_group(result)
						: NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_directory_getgrgid_r(gid_t gid, struct group *result, char *buffer,
					  size_t length, int *error)
{
	(void)buffer;
	(void)length;
	*error = ENOENT;
	return gid == REMOTE_ID ? fill_group(result) : NSS_STATUS_NOTFOUND;
}
