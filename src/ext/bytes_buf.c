#include "bytes_buf.h"

#define FIRST_ROOM  ((size_t)4 << 10)
#define LIKELY_MOST ((size_t)1 << 20) /* no more is taken on a guess */
#define KEPT_MOST   ((size_t)64 << 10)

/* A smaller result is copied, which is quicker than giving memory back. */
#define COPIED_BELOW ((size_t)8 << 10)

void bytes_room_fini(struct bytes_room *room)
{
    Py_CLEAR(room->spare);
}

/* How an ngr_buf gets its memory here. */
static char *resize(struct ngr_buf *b, size_t *cap)
{
    struct bytes_buf *out = (struct bytes_buf *)b;
    if (out->object) {
        _PyBytes_Resize(&out->object, (Py_ssize_t)*cap);
    } else {
        size_t least = out->room->likely > FIRST_ROOM ? out->room->likely : FIRST_ROOM;
        if (*cap < least)
            *cap = least;
        out->object = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)*cap);
    }
    if (out->object)
        return PyBytes_AS_STRING(out->object);
    PyErr_Clear(); /* the writer answers that there is no memory */
    b->data = NULL;
    b->len = b->cap = 0;
    return NULL;
}

void bytes_buf_begin(struct bytes_buf *out, struct bytes_room *room)
{
    ngr_buf_init(&out->buf, 0);
    out->buf.resize = resize;
    out->object = room->spare;
    out->room = room;
    room->spare = NULL;
    if (out->object) {
        out->buf.data = PyBytes_AS_STRING(out->object);
        out->buf.cap = (size_t)PyBytes_GET_SIZE(out->object);
    }
}

static void keep(struct bytes_room *room, PyObject *object)
{
    if (room->spare || (size_t)PyBytes_GET_SIZE(object) > KEPT_MOST)
        Py_DECREF(object);
    else
        room->spare = object;
}

PyObject *bytes_buf_end(struct bytes_buf *out, bool is_wanted)
{
    PyObject *bytes = NULL;
    if (is_wanted && out->buf.len >= COPIED_BELOW) {
        out->room->likely = out->buf.cap < LIKELY_MOST ? out->buf.cap : LIKELY_MOST;
        _PyBytes_Resize(&out->object, (Py_ssize_t)out->buf.len);
        return out->object;
    }
    if (is_wanted) {
        out->room->likely = 0;
        bytes = PyBytes_FromStringAndSize(out->buf.data, (Py_ssize_t)out->buf.len);
    }
    if (out->object)
        keep(out->room, out->object);
    return bytes;
}
