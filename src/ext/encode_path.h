/* Where in a value the encoder is: the open containers from the outermost to the innermost, and their
 * spelling in a message, `$.findings[3].rating`. */
#ifndef NGR_EXT_ENCODE_PATH_H
#define NGR_EXT_ENCODE_PATH_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>

enum encode_kind {
    ENCODE_LIST,
    ENCODE_TUPLE,
    ENCODE_DICT,
    ENCODE_PAIRS, /* the items() of a dict subclass, which may differ from what the dict holds */
};

struct encode_level {
    PyObject *source; /* the caller's container, owned */
    PyObject *items;  /* what is walked, owned: `source` itself, or a list made from a subclass */
    PyObject *key;    /* the key being written, an exact str, owned; NULL outside dicts and before the
                         first */
    Py_ssize_t size;  /* of `items` when it was opened */
    Py_ssize_t next;  /* the next index, or the cursor of PyDict_Next() */
    enum encode_kind kind;
    bool keys_are_distinct; /* known, not assumed: see check_keys() */
};

static inline bool encode_level_is_dict(const struct encode_level *level)
{
    return level->kind == ENCODE_DICT || level->kind == ENCODE_PAIRS;
}

/* The path of the element that the last of `depth` levels is at, as a new str. Very long paths lose their
 * middle. */
PyObject *encode_path(const struct encode_level *levels, size_t depth);

#endif
