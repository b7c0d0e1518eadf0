#include "encode_path.h"

/* A path longer than both ends together shows only these. */
#define SHOWN_FIRST 8
#define SHOWN_LAST  8

/* `.key`, `["any other key"]`, `[3]`, or nothing before the first key of a dict. */
static PyObject *segment(const struct encode_level *level)
{
    if (!encode_level_is_dict(level))
        return PyUnicode_FromFormat("[%zd]", level->next - 1);
    if (!level->key)
        return PyUnicode_FromString("");
    if (PyUnicode_GET_LENGTH(level->key) <= 80 && PyUnicode_IsIdentifier(level->key))
        return PyUnicode_FromFormat(".%U", level->key);
    return PyUnicode_FromFormat("[%.80R]", level->key);
}

/* Takes `piece` over; `*path` becomes NULL, with an exception set, when that or `piece` fails. */
static void append(PyObject **path, PyObject *piece)
{
    if (!piece)
        Py_CLEAR(*path);
    else
        PyUnicode_Append(path, piece);
    Py_XDECREF(piece);
}

PyObject *encode_path(const struct encode_level *levels, size_t depth)
{
    PyObject *path = PyUnicode_FromString("$");
    for (size_t i = 0; path && i < depth; i++) {
        if (depth > SHOWN_FIRST + SHOWN_LAST && i == SHOWN_FIRST) {
            i = depth - SHOWN_LAST;
            append(&path, PyUnicode_FromString(" ... "));
        }
        if (path)
            append(&path, segment(&levels[i]));
    }
    return path;
}
