/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded: of a program's requests for memory, whatever library makes them, those fail
 * whose numbers the test says, in a file that it shares with the program. For tests. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* tests/e2e/faults.py has the same. */
struct faults {
	_Atomic int64_t n_calls;
	_Atomic int64_t first, last; /* fail; 0: none */
	_Atomic int64_t n_failed;
};

static struct faults *faults;

/* Before the libraries of the program begin, and long before main(). */
static void __attribute__((constructor)) share_faults(void)
{
	const char *path = getenv("MALLOC_FAULTS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	struct group group, *found;
	char buffer[4096];
	void *shared;

	if (fd < 0)
		return;
	/* The C library (2.36) aborts if it has no memory to read nsswitch.conf, which it
	 * does at the first question. */
	getgrgid_r(0, &group, buffer, sizeof(buffer), &found);
	shared = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (shared != MAP_FAILED)
		faults = shared;
}

static _Thread_local bool is_exempt __attribute__((tls_model("initial-exec")));

/* libseccomp makes 2,900 requests for a filter, and takes the failure of some for a
 * smaller one: only its first is counted, which seccomp_init(3) makes. */
static bool is_counted(void *caller)
{
	static atomic_bool seen;
	Dl_info info;

	if (is_exempt)
		return false;
	if (!dladdr(caller, &info) || !strstr(info.dli_fname, "/libseccomp.so"))
		return true;
	return !atomic_exchange(&seen, true);
}

static bool must_fail(void *caller)
{
	int64_t n;

	if (!faults || !is_counted(caller))
		return false;
	n = atomic_fetch_add(&faults->n_calls, 1) + 1;
	if (n < atomic_load(&faults->first) || n > atomic_load(&faults->last))
		return false;
	atomic_fetch_add(&faults->n_failed, 1);
	errno = ENOMEM;
	return true;
}

/* The program's own, which may be a sanitizer's. */
#define NEXT(function)                                                               \
	({                                                                           \
		static __typeof__(function) *_next;                                  \
		if (!_next)                                                          \
			_next = (__typeof__(function) *)dlsym(RTLD_NEXT, #function); \
		_next;                                                               \
	})

/* A sanitizer, which asks at the start of each thread, ends the program if it fails. */
int pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes)
{
	int r;

	is_exempt = true;
	r = NEXT(pthread_getattr_np)(thread, attributes);
	is_exempt = false;
	return r;
}

void *malloc(size_t size)
{
	return must_fail(__builtin_return_address(0)) ? NULL : NEXT(malloc)(size);
}

void *calloc(size_t n, size_t size)
{
	return must_fail(__builtin_return_address(0)) ? NULL : NEXT(calloc)(n, size);
}

void *realloc(void *old, size_t size)
{
	return must_fail(__builtin_return_address(0)) ? NULL : NEXT(realloc)(old, size);
}

void *reallocarray(void *old, size_t n, size_t size)
{
	return must_fail(__builtin_return_address(0)) ? NULL
						      : NEXT(reallocarray)(old, n, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return must_fail(__builtin_return_address(0))
		       ? NULL
		       : NEXT(aligned_alloc)(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	return must_fail(__builtin_return_address(0))
		       ? ENOMEM
		       : NEXT(posix_memalign)(ret, alignment, size);
}

/* Those of the C library call malloc(3), those of a sanitizer do not. */
char *strdup(const char *text)
{
	return strndup(text, strlen(text));
}

char *strndup(const char *text, size_t size)
{
	size_t length = strnlen(text, size);
	char *copy = malloc(length + 1);

	if (!copy)
		return NULL;
	copy[length] = '\0';
	return memcpy(copy, text, length);
}
