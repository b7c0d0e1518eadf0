/* One value on its way to JSON: what convert_write.c (the walk), encode_failure.c (exceptions) and
 * encode_foreign.c (types that JSON does not know) share. */
#ifndef NGR_EXT_ENCODER_H
#define NGR_EXT_ENCODER_H

#include "convert_int.h"

#include "compat.h"
#include "encode_path.h"

#define ENCODE_FIRST_LEVELS 8 /* open containers before any memory is asked for */

struct encoder {
    struct ext_state *state;
    struct ngr_json_writer writer;
    PyObject *id; /* borrowed, or NULL */
    bool strict;
    size_t depth, room;
    struct encode_level *levels; /* `first`, or longer and ours */
    struct encode_level first[ENCODE_FIRST_LEVELS];
};

/* Raises the exception of `st`: which value, where in it, the fact; always -1. */
int encode_fail(struct encoder *e, ngr_status st, const char *format, ...);

/* The same for an answer of the writer that is not NGR_OK. */
int encode_writer_failed(struct encoder *e, ngr_status st);

/* The answer of a writer function as the answer of ours. */
static inline int encode_check(struct encoder *e, ngr_status st)
{
    return st == NGR_OK ? 0 : encode_writer_failed(e, st);
}

/* The value's own code raised: its exception goes on as it is, with a note on where it came from; always -1.
 */
int encode_pass_on(struct encoder *e, const char *code, PyObject *value);

/* Writes a str, of an exact type or not. */
static inline ngr_status encode_string(struct ngr_json_writer *w, PyObject *s)
{
    if (PyUnicode_IS_COMPACT_ASCII(s))
        return ngr_json_string_ucs1(w, PyUnicode_1BYTE_DATA(s), (size_t)PyUnicode_GET_LENGTH(s));
    if (compat_str_ready(s) < 0) {
        PyErr_Clear();
        return NGR_E_NOMEM;
    }
    size_t chars = (size_t)PyUnicode_GET_LENGTH(s);
    switch (PyUnicode_KIND(s)) {
    case PyUnicode_1BYTE_KIND:
        return ngr_json_string_ucs1(w, PyUnicode_1BYTE_DATA(s), chars);
    case PyUnicode_2BYTE_KIND:
        return ngr_json_string_ucs2(w, PyUnicode_2BYTE_DATA(s), chars);
    default:
        return ngr_json_string_ucs4(w, PyUnicode_4BYTE_DATA(s), chars);
    }
}

/* Writes an integer of any size and type, by int's own repr; 0 or -1. */
int encode_int(struct encoder *e, PyObject *value);

/* Its decimal digits by int's own repr, whatever a subclass (an IntEnum) has made of its own. */
PyObject *encode_int_text(struct encoder *e, PyObject *value);

/* `module.qualname`, or what the type calls itself when it hides those. */
PyObject *encode_type_name(PyTypeObject *type);

/* Writes a value of a type that JSON does not know: numpy's numbers as numbers, all else as str(value), or
 * refuses it. Code may run. 0 or -1. */
int encode_foreign(struct encoder *e, PyObject *value);

#endif
