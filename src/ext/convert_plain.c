/* Looking at a value before it is encoded: whether that can fail at all, and how much it will be. */
#include "convert.h"

#include "compat.h"

#define DEEPEST 16 /* a circle is deeper */

/* In bytes of text that take as long to write (measured: text 0.6 ns per byte, a float 70, any other value 5
 * to 20). */
#define EFFORT_OF_FLOAT 128
#define EFFORT_OF_VALUE 32

/* No less than a sixth of what the longest form takes. A character counts as one at least, and is six bytes
 * at most. */
#define BYTES_OF_FLOAT    18
#define BYTES_OF_SCALAR   5
#define BYTES_OF_BRACKETS 4

static void count(struct convert_estimate *e, size_t bytes, size_t effort)
{
    e->bytes += bytes;
    e->effort += effort;
}

#define SAMPLE 32 /* first characters, which speak for a whole text and come with one cache line */

/* The length in UTF-8, guessed where not all characters are ASCII. */
static size_t guess_bytes(PyObject *s, size_t chars)
{
    size_t at = 0, bytes = 0;
    if (PyUnicode_IS_ASCII(s) || !chars)
        return chars;
    for (; at < chars && at < SAMPLE; at++) {
        Py_UCS4 c = PyUnicode_READ_CHAR(s, (Py_ssize_t)at);
        bytes += 1u + (c >= 0x80) + (c >= 0x800) + (c >= 0x10000);
    }
    return bytes * chars / at;
}

static bool is_plain_string(PyObject *s, struct convert_estimate *e)
{
    if (!compat_str_is_ready(s))
        return false;
    size_t bytes = BYTES_OF_BRACKETS + guess_bytes(s, (size_t)PyUnicode_GET_LENGTH(s));
    count(e, bytes, EFFORT_OF_VALUE + bytes);
    return true;
}

static bool is_plain(PyObject *value, int depth, struct convert_estimate *e);

static bool is_plain_dict(PyObject *dict, int depth, struct convert_estimate *e)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(dict, &at, &key, &value))
        if (!PyUnicode_CheckExact(key) || !is_plain_string(key, e) || !is_plain(value, depth, e))
            return false;
    return true;
}

static bool are_plain(PyObject *const *items, Py_ssize_t size, int depth, struct convert_estimate *e)
{
    for (Py_ssize_t i = 0; i < size; i++)
        if (!is_plain(items[i], depth, e))
            return false;
    return true;
}

static bool is_plain_scalar(PyObject *value, struct convert_estimate *e)
{
    if (PyLong_CheckExact(value)) {
        int overflow;
        PyLong_AsLongLongAndOverflow(value, &overflow);
        count(e, BYTES_OF_SCALAR, EFFORT_OF_VALUE);
        return !overflow; /* longer ones are made by Python */
    }
    if (PyFloat_CheckExact(value)) {
        count(e, BYTES_OF_FLOAT, EFFORT_OF_FLOAT);
        return true;
    }
    count(e, BYTES_OF_SCALAR, EFFORT_OF_VALUE);
    return value == Py_None || PyBool_Check(value);
}

static bool is_plain(PyObject *value, int depth, struct convert_estimate *e)
{
    if (PyUnicode_CheckExact(value))
        return is_plain_string(value, e);
    bool is_list = PyList_CheckExact(value), is_tuple = PyTuple_CheckExact(value);
    if (!is_list && !is_tuple && !PyDict_CheckExact(value))
        return is_plain_scalar(value, e);
    count(e, BYTES_OF_BRACKETS, EFFORT_OF_VALUE);
    if (depth == DEEPEST)
        return false;
    if (is_list || is_tuple)
        return are_plain(PySequence_Fast_ITEMS(value), PySequence_Fast_GET_SIZE(value), depth + 1, e);
    return is_plain_dict(value, depth + 1, e);
}

bool convert_is_plain(PyObject *value, struct convert_estimate *estimate)
{
    return is_plain(value, 0, estimate);
}
