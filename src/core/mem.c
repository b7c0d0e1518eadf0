#include "mem.h"

#include <stdlib.h>
#include <string.h>

static struct ngr_mem current = {malloc, realloc, free};

void ngr_mem_use(const struct ngr_mem *mem)
{
    static const struct ngr_mem libc = {malloc, realloc, free};
    current = mem ? *mem : libc;
}

void *ngr_alloc(size_t size)
{
    return current.alloc(size ? size : 1);
}

void *ngr_alloc_zero(size_t size)
{
    void *p = ngr_alloc(size);
    if (p)
        memset(p, 0, size);
    return p;
}

void *ngr_resize(void *old, size_t size)
{
    return current.resize(old, size ? size : 1);
}

void ngr_release(void *p)
{
    if (p)
        current.release(p);
}

char *ngr_copy_string(const char *text, size_t len)
{
    char *copy = ngr_alloc(len + 1);
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

void ngr_wipe(void *p, size_t size)
{
    for (volatile char *at = p; size; size--)
        *at++ = 0;
}

void ngr_release_secret(char *text)
{
    if (!text)
        return;
    ngr_wipe(text, strlen(text));
    ngr_release(text);
}
