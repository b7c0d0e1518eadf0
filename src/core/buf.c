#include "buf.h"

#include <stdint.h>

#include "mem.h"

void ngr_buf_init(struct ngr_buf *b, size_t max)
{
    b->data = NULL;
    b->len = b->cap = 0;
    b->max = max;
    b->resize = NULL;
}

void ngr_buf_fini(struct ngr_buf *b)
{
    ngr_release(b->data);
    b->data = NULL;
    b->len = b->cap = 0;
}

ngr_status ngr__buf_grow(struct ngr_buf *b, size_t extra)
{
    if (extra > SIZE_MAX / 2 - b->len)
        return NGR_E_TOOBIG;
    size_t need = b->len + extra;
    if (b->max && need > b->max)
        return NGR_E_TOOBIG;
    size_t cap = b->cap < 64 ? 64 : b->cap + b->cap / 2;
    if (cap < need)
        cap = need;
    if (b->max && cap > b->max)
        cap = b->max;
    char *data = b->resize ? b->resize(b, &cap) : ngr_resize(b->data, cap);
    if (!data)
        return NGR_E_NOMEM;
    b->data = data;
    b->cap = cap;
    return NGR_OK;
}

char *ngr_buf_take(struct ngr_buf *b, size_t *len)
{
    char *data = b->data;
    *len = b->len;
    b->data = NULL;
    b->len = b->cap = 0;
    return data;
}
