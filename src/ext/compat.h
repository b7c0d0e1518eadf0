/* What differs between the CPython versions we build on (3.10 to 3.13) and nothing else. */
#ifndef NGR_EXT_COMPAT_H
#define NGR_EXT_COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

/* The object of a weak reference, as a new reference; NULL without an exception when it is dead. */
static inline PyObject *compat_weakref_get(PyObject *ref)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *object = NULL;
    if (PyWeakref_GetRef(ref, &object) < 0)
        PyErr_Clear();
    return object;
#else
    PyObject *object = PyWeakref_GetObject(ref);
    return object && object != Py_None ? Py_NewRef(object) : NULL;
#endif
}

/* True when `ref` points at `object`, without taking a reference. */
static inline int compat_weakref_is(PyObject *ref, PyObject *object)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *current = compat_weakref_get(ref);
    Py_XDECREF(current);
    return current == object;
#else
    return PyWeakref_GET_OBJECT(ref) == object;
#endif
}

/* The exception in flight as one object (a new reference), cleared; compat_raise_again() takes it
 * back. */
static inline PyObject *compat_take_exception(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback)
        PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

static inline void compat_raise_again(PyObject *error)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(error);
#else
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(error)), error, PyException_GetTraceback(error));
#endif
}

/* Before 3.12 a str made by the old C interface may still lack its compact form. */
static inline int compat_str_ready(PyObject *s)
{
#if PY_VERSION_HEX >= 0x030C0000
    return 0;
#else
    return PyUnicode_READY(s);
#endif
}

static inline int compat_str_is_ready(PyObject *s)
{
#if PY_VERSION_HEX >= 0x030C0000
    return 1;
#else
    return PyUnicode_IS_READY(s) != 0;
#endif
}

#endif
