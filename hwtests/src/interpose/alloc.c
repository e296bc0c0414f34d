/* Counts what the armed thread asks of the C library's allocator and of the kernel's memory calls. Loaded by
 * LD_PRELOAD; see hwtests/src/interpose.rs. A thread arms itself by asking for the environment variable BEGIN, and
 * disarms itself and reads its counts by asking for END: both are answered here, without touching the allocator. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BEGIN "FLYPACK_COUNT_ALLOCATIONS"
#define END "FLYPACK_COUNTED_ALLOCATIONS"

enum { MALLOC, CALLOC, REALLOC, FREE, ALIGNED, MMAP, MUNMAP, BRK, KINDS };

static const char *const names[KINDS] = { "malloc", "calloc", "realloc", "free", "aligned", "mmap", "munmap", "brk" };

static __thread int armed;
static __thread unsigned long counts[KINDS];
static __thread char report[32 * KINDS];

/* Resolved before main; until then nobody is armed and nobody asks for variables of ours. */
static char *(*real_getenv)(const char *);
static int (*real_brk)(void *);
static void *(*real_sbrk)(intptr_t);

/* The C library's own entrances: dlsym would itself allocate. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);
extern void *__libc_memalign(size_t, size_t);

static void count(int kind)
{
	if (armed)
		counts[kind]++;
}

__attribute__((constructor)) static void resolve(void)
{
	real_getenv = (char *(*)(const char *))dlsym(RTLD_NEXT, "getenv");
	real_brk = (int (*)(void *))dlsym(RTLD_NEXT, "brk");
	real_sbrk = (void *(*)(intptr_t))dlsym(RTLD_NEXT, "sbrk");
}

void *malloc(size_t octets)
{
	count(MALLOC);
	return __libc_malloc(octets);
}

void *calloc(size_t items, size_t octets)
{
	count(CALLOC);
	return __libc_calloc(items, octets);
}

void *realloc(void *old, size_t octets)
{
	count(REALLOC);
	return __libc_realloc(old, octets);
}

void free(void *old)
{
	/* free(NULL) does nothing, and C code calls it freely. */
	if (old)
		count(FREE);
	__libc_free(old);
}

int posix_memalign(void **out, size_t alignment, size_t octets)
{
	void *block;

	count(ALIGNED);
	if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0)
		return EINVAL;
	block = __libc_memalign(alignment, octets);
	if (!block)
		return ENOMEM;
	*out = block;
	return 0;
}

void *aligned_alloc(size_t alignment, size_t octets)
{
	count(ALIGNED);
	return __libc_memalign(alignment, octets);
}

void *memalign(size_t alignment, size_t octets)
{
	count(ALIGNED);
	return __libc_memalign(alignment, octets);
}

void *mmap(void *address, size_t octets, int protection, int flags, int fd, off_t offset)
{
	count(MMAP);
	return (void *)syscall(SYS_mmap, address, octets, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t octets, int protection, int flags, int fd, off64_t offset)
{
	count(MMAP);
	return (void *)syscall(SYS_mmap, address, octets, protection, flags, fd, offset);
}

int munmap(void *address, size_t octets)
{
	count(MUNMAP);
	return (int)syscall(SYS_munmap, address, octets);
}

int brk(void *end)
{
	count(BRK);
	return real_brk(end);
}

void *sbrk(intptr_t octets)
{
	count(BRK);
	return real_sbrk(octets);
}

char *getenv(const char *name)
{
	size_t length = 0;
	int kind;

	if (!real_getenv)
		return NULL;
	if (strcmp(name, BEGIN) == 0) {
		memset(counts, 0, sizeof(counts));
		armed = 1;
		return NULL;
	}
	if (strcmp(name, END) != 0)
		return real_getenv(name);
	armed = 0;
	for (kind = 0; kind < KINDS; kind++)
		length += (size_t)snprintf(report + length, sizeof(report) - length, "%s %lu ", names[kind], counts[kind]);
	return report;
}
