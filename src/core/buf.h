/* A growing byte buffer with a ceiling. Who declares one owns it: init, use, fini. */
#ifndef NGR_BUF_H
#define NGR_BUF_H

#include <stddef.h>
#include <string.h>

#include "status.h"

struct ngr_buf {
    char *data;
    size_t len; /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* never grow beyond this; 0: no ceiling */
    /* NULL, or what to call instead of ngr_resize(): answers the memory, `*cap` bytes or more (and says so
     * there), or NULL, which may have emptied the buffer. Then ngr_buf_fini() and _take() are not called. */
    char *(*resize)(struct ngr_buf *b, size_t *cap);
};

void ngr_buf_init(struct ngr_buf *b, size_t max);
void ngr_buf_fini(struct ngr_buf *b);

/* The slow path of ngr_buf_reserve(). */
ngr_status ngr__buf_grow(struct ngr_buf *b, size_t extra);

/* Makes room for `extra` more bytes behind `len`. NGR_E_TOOBIG at the ceiling, NGR_E_NOMEM; the content
 * stays as it was. */
static inline ngr_status ngr_buf_reserve(struct ngr_buf *b, size_t extra)
{
    return extra <= b->cap - b->len ? NGR_OK : ngr__buf_grow(b, extra);
}

static inline ngr_status ngr_buf_add(struct ngr_buf *b, const void *data, size_t len)
{
    ngr_status st = ngr_buf_reserve(b, len);
    if (st != NGR_OK)
        return st;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    return NGR_OK;
}

/* Hands the bytes to the caller, who releases them with ngr_release(); the buffer is empty afterwards. */
char *ngr_buf_take(struct ngr_buf *b, size_t *len);

#endif
