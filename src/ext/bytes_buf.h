/* A buffer whose memory is that of a bytes object: what was written into it becomes one without being copied.
 */
#ifndef NGR_EXT_BYTES_BUF_H
#define NGR_EXT_BYTES_BUF_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>

#include "json.h" /* struct ngr_buf */

/* What is kept from one buffer to the next. All zeros to begin with; buffers may be open at the same time. */
struct bytes_room {
    PyObject *spare; /* a bytes object that nobody else knows, or NULL */
    size_t likely;   /* the room that the last large result took, in bytes */
};

void bytes_room_fini(struct bytes_room *room);

struct bytes_buf {
    struct ngr_buf buf; /* where to write; comes first */
    PyObject *object;
    struct bytes_room *room;
};

/* An empty buffer without a ceiling. Every one is given to bytes_buf_end(), and stays where it is until then.
 */
void bytes_buf_begin(struct bytes_buf *out, struct bytes_room *room);

/* What was written, as a bytes object, when it `is_wanted`; else NULL, or when there is no memory (with an
 * exception set). */
PyObject *bytes_buf_end(struct bytes_buf *out, bool is_wanted);

#endif
