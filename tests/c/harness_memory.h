/* An allocator for the core that counts what is alive, and whose Nth allocation fails when it is told to. */
#ifndef TESTS_HARNESS_MEMORY_H
#define TESTS_HARNESS_MEMORY_H

#include <stdlib.h>

#include "mem.h"

static long harness_alive, harness_fail_at, harness_allocations;

static inline int harness_must_fail(void)
{
    harness_allocations++;
    return harness_fail_at && harness_allocations == harness_fail_at;
}

static inline void *harness_alloc(size_t size)
{
    if (harness_must_fail())
        return NULL;
    void *p = malloc(size);
    if (p)
        harness_alive++;
    return p;
}

static inline void *harness_resize(void *old, size_t size)
{
    if (harness_must_fail())
        return NULL;
    void *p = realloc(old, size);
    if (p && !old)
        harness_alive++;
    return p;
}

static inline void harness_release(void *p)
{
    harness_alive--;
    free(p);
}

/* From here on the allocation number `nth` fails (0: none does); counters start anew. */
static inline void harness_fail_nth(long nth)
{
    static const struct ngr_mem failing = {harness_alloc, harness_resize, harness_release};
    ngr_mem_use(&failing);
    harness_fail_at = nth;
    harness_allocations = 0;
}

#endif
