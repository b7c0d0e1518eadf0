#include "allocator.h"

#include <Python.h>

#include <pthread.h>
#include <stdlib.h>

#include "ngr.h"

/* The core's memory comes from where Python's raw memory comes from, so that tracemalloc and
 * PYTHONMALLOC=debug see it, too; other interpreters have the same allocator. */
static void share_memory(void)
{
    static const struct ngr_mem raw = {PyMem_RawMalloc, PyMem_RawRealloc, PyMem_RawFree};
    ngr_mem_use(&raw);
}

#define LARGE_BLOCK ((size_t)8 << 20)

/* A batch is thousands of strings of some KiB, taken and released together. At first glibc gives free memory
 * at its heap's end back to the system beyond 128 KiB, so that each batch would fault all its pages in again:
 * half of the time of reading 1,000 chunks where a fault is dear (docs/performance.md). It learns from blocks
 * that are freed how much a program is going to want again, mallopt(3), M_MMAP_THRESHOLD: as much as twice
 * the largest of them stays. Ours are too small to teach it, so one is freed that is as large as a batch; as
 * nobody touches it, no memory is behind it. A user who has set MALLOC_TRIM_THRESHOLD_ has switched the
 * learning off, and another C library frees a block. */
static void teach_batches(void)
{
    /* volatile, since a compiler may leave out a pair it sees through */
    /* cppcheck-suppress unusedAllocatedMemory ; to be freed is its use */
    void *volatile block = malloc(LARGE_BLOCK);
    free(block);
}

static void init_once(void)
{
    share_memory();
    teach_batches();
}

void allocator_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_once);
}
