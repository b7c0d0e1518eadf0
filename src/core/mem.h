/* The one door to the allocator. Tests replace it to make the Nth allocation fail; the extension may
 * point it at another heap. The functions follow malloc(3), except that a size of 0 is served as 1. */
#ifndef NGR_MEM_H
#define NGR_MEM_H

#include <stddef.h>

struct ngr_mem {
    void *(*alloc)(size_t size);
    void *(*resize)(void *old, size_t size);
    void (*release)(void *p);
};

/* Replaces the allocator of the whole process; NULL restores malloc. Only while nothing is allocated. */
void ngr_mem_use(const struct ngr_mem *mem);

void *ngr_alloc(size_t size);
void *ngr_alloc_zero(size_t size);
void *ngr_resize(void *old, size_t size);
void ngr_release(void *p);

/* A NUL-terminated copy of `len` bytes; NULL when memory ends. */
char *ngr_copy_string(const char *text, size_t len);

/* Overwrites a secret in a way the compiler may not remove. */
void ngr_wipe(void *p, size_t size);

/* Wipes a NUL-terminated secret, then releases it. NULL is fine. */
void ngr_release_secret(char *text);

#endif
