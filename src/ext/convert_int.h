/* What the two halves of convert.h share, and nobody else sees. */
#ifndef NGR_EXT_CONVERT_INT_H
#define NGR_EXT_CONVERT_INT_H

#include "bytes_buf.h"
#include "convert.h"
#include "key_cache.h"

struct decoder;

struct convert {
    struct decoder *idle;   /* a decoder nobody uses now, or NULL: whoever takes it leaves NULL behind */
    struct bytes_room room; /* for convert_to_bytes() */
    struct key_cache keys;
    PyObject *reported; /* set of str: the types whose str() was stored, each told about once */
};

/* convert_read.c: frees an idle decoder; NULL is fine. */
void convert__decoder_free(struct decoder *d);

#endif
