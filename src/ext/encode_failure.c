/* How encoding fails: with an exception that names the value, the place in it, the fact and the way out. */
#include "encoder.h"

#include <stdarg.h>

#include "errors.h"

int encode_fail(struct encoder *e, ngr_status st, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    PyObject *fact = PyUnicode_FromFormatV(format, args);
    va_end(args);
    PyObject *path = fact ? encode_path(e->levels, e->depth) : NULL;
    if (path && e->id)
        errors_raise(e->state, st, "cannot store %.200R: at %U: %U", e->id, path, fact);
    else if (path)
        errors_raise(e->state, st, "cannot encode the value: at %U: %U", path, fact);
    Py_XDECREF(path);
    Py_XDECREF(fact);
    return -1;
}

int encode_writer_failed(struct encoder *e, ngr_status st)
{
    if (st == NGR_E_TOOBIG)
        return encode_fail(
            e, st,
            "the JSON grows beyond the limit of %zu bytes; split the value, or raise redis_max_value_bytes",
            e->writer.out->max);
    if (st == NGR_E_NOMEM) {
        PyErr_NoMemory();
        return -1;
    }
    return encode_fail(e, st, "%s", ngr_status_text(st));
}

/* PEP 678: a note on the exception in flight. Interpreters before 3.11 show it only in tools, but it is
 * there. */
static int attach(PyObject *error, PyObject *note)
{
    PyObject *done = PyObject_CallMethod(error, "add_note", "O", note);
    if (!done && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        PyObject *notes = Py_BuildValue("[O]", note);
        int rc = notes ? PyObject_SetAttrString(error, "__notes__", notes) : -1;
        Py_XDECREF(notes);
        return rc;
    }
    Py_XDECREF(done);
    return done ? 0 : -1;
}

int encode_pass_on(struct encoder *e, const char *code, PyObject *value)
{
    PyObject *error = compat_take_exception();
    PyObject *path = encode_path(e->levels, e->depth);
    PyObject *note = NULL;
    if (path && e->id)
        note = PyUnicode_FromFormat("while storing %.200R: %s of %s at %U", e->id, code,
                                    Py_TYPE(value)->tp_name, path);
    else if (path)
        note = PyUnicode_FromFormat("while encoding: %s of %s at %U", code, Py_TYPE(value)->tp_name, path);
    if (!note || attach(error, note) < 0)
        PyErr_Clear();
    Py_XDECREF(note);
    Py_XDECREF(path);
    compat_raise_again(error);
    return -1;
}
