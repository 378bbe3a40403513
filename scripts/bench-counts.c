// Counts what a program calls: allocations, copies and clock reads, by the name of the thread.
//
// scripts/bench-counts compiles it and puts it before libc with LD_PRELOAD. Copies that the compiler
// makes without a call (small ones of known size) are not seen. At the end of the program one line a
// thread goes to the file of BENCH_COUNTS: name, allocations, reallocations, copies, bytes copied,
// clock reads.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

enum { THREADS_MAX = 64, NAME_EVERY = 256 };

struct counts {
    char name[16];
    uint64_t calls, allocations, reallocations, copies, bytes, clocks;
};

static struct counts threads[THREADS_MAX + 1];
static atomic_int threads_count;
static __thread struct counts *mine __attribute__((tls_model("initial-exec")));

// Threads beyond the last one share its line, and may lose counts there.
static struct counts *counts(void) {
    if (!mine) {
        int index = atomic_fetch_add(&threads_count, 1);
        mine = &threads[index < THREADS_MAX ? index : THREADS_MAX];
    }
    // A thread gets its name after its first calls.
    if (mine->calls++ % NAME_EVERY == 0)
        prctl(PR_GET_NAME, mine->name);
    return mine;
}

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t size) {
    counts()->allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    counts()->allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    counts()->reallocations++;
    return __libc_realloc(old, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    counts()->allocations++;
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : 12;
}

void *aligned_alloc(size_t alignment, size_t size) {
    counts()->allocations++;
    return __libc_memalign(alignment, size);
}

// Byte by byte through volatile, so that the compiler does not make a call to memcpy of it.
static void copy(volatile char *to, const volatile char *from, size_t size, int is_backward) {
    for (size_t i = 0; i < size; i++) {
        size_t at = is_backward ? size - 1 - i : i;
        to[at] = from[at];
    }
}

static void note_copy(size_t size) {
    struct counts *one = counts();
    one->copies++;
    one->bytes += size;
}

void *memcpy(void *to, const void *from, size_t size) {
    note_copy(size);
    copy(to, from, size, 0);
    return to;
}

void *memmove(void *to, const void *from, size_t size) {
    note_copy(size);
    copy(to, from, size, (uintptr_t)to > (uintptr_t)from);
    return to;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    counts()->clocks++;
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    return real(clock, now);
}

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("BENCH_COUNTS");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file)
        return;
    for (int i = 0; i <= THREADS_MAX; i++) {
        struct counts one = threads[i];
        if (one.calls)
            fprintf(file, "%s\t%lu\t%lu\t%lu\t%lu\t%lu\n", one.name, one.allocations,
                    one.reallocations, one.copies, one.bytes, one.clocks);
    }
    fclose(file);
}
