#include "errors.h"

#include <stdarg.h>

static int is_named(const char *name)
{
    return name[0] != '\0';
}

int errors_init(struct ext_state *state)
{
    int rc = -1;
    PyObject *errors = PyImport_ImportModule("nano_graphrag_redis.errors");
    if (!errors)
        return -1;
    for (int st = 0; st < NGR_STATUS_COUNT; st++) {
        const char *name = ngr_status_exception((ngr_status)st);
        if (!is_named(name))
            continue;
        PyObject *cls = strcmp(name, "MemoryError") == 0 ? Py_NewRef(PyExc_MemoryError)
                                                         : PyObject_GetAttrString(errors, name);
        if (!cls)
            goto exit;
        Py_XSETREF(state->error_classes[st], cls);
    }
    rc = 0;
exit:
    Py_DECREF(errors);
    return rc;
}

static PyObject *class_of(struct ext_state *state, ngr_status st)
{
    PyObject *cls = (unsigned)st < NGR_STATUS_COUNT ? state->error_classes[st] : NULL;
    return cls ? cls : PyExc_SystemError;
}

PyObject *errors_new(struct ext_state *state, ngr_status st, const char *message)
{
    PyObject *text = PyUnicode_DecodeUTF8(message, (Py_ssize_t)strlen(message), "backslashreplace");
    if (!text)
        return NULL;
    PyObject *error = PyObject_CallOneArg(class_of(state, st), text);
    Py_DECREF(text);
    return error;
}

PyObject *errors_raise(struct ext_state *state, ngr_status st, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    PyObject *text = PyUnicode_FromFormatV(format, args);
    va_end(args);
    if (text) {
        PyErr_SetObject(class_of(state, st), text);
        Py_DECREF(text);
    }
    return NULL;
}
