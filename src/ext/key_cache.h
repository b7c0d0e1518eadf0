/* The keys of records repeat: `content`, `chunk_order_index`, `full_doc_id`. The cache answers the Python
 * string for the bytes of a key without building it again, its hash already computed. Its size is fixed: a
 * newcomer takes the place of the one before it. The strings are not interned for the whole interpreter,
 * because CPython 3.12 never frees an interned string, and keys may be as many as the documents. */
#ifndef NGR_EXT_KEY_CACHE_H
#define NGR_EXT_KEY_CACHE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "json.h"

#define KEY_CACHE_BITS    10
#define KEY_CACHE_SLOTS   (1 << KEY_CACHE_BITS)
#define KEY_CACHE_LONGEST 64 /* characters; longer keys are not kept */

struct key_cache {
    PyObject *slots[KEY_CACHE_SLOTS];
};

/* A new reference to the str, or NULL when it is not there (or too long, or not ASCII). */
PyObject *key_cache_find(struct key_cache *cache, const struct ngr_json_text *text);

/* Keeps `key`, the str of `text`, if it is of the kind that is kept. */
void key_cache_keep(struct key_cache *cache, const struct ngr_json_text *text, PyObject *key);

void key_cache_clear(struct key_cache *cache);

#endif
