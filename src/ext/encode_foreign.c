/* Values of types that JSON does not know. numpy's numbers are numbers; all else is stored as text, which is
 * told about once for each type, or is refused. */
#include "encoder.h"

#include <string.h>

#define REPORTED_TYPES 256 /* after so many types told about, further ones are no news */

PyObject *encode_type_name(PyTypeObject *type)
{
    PyObject *module = PyObject_GetAttrString((PyObject *)type, "__module__");
    PyObject *name = module ? PyObject_GetAttrString((PyObject *)type, "__qualname__") : NULL;
    PyObject *full = NULL;
    if (name && PyUnicode_Check(module) && PyUnicode_Check(name))
        full = PyUnicode_CompareWithASCIIString(module, "builtins") == 0
                   ? PyUnicode_FromObject(name)
                   : PyUnicode_FromFormat("%U.%U", module, name);
    Py_XDECREF(name);
    Py_XDECREF(module);
    if (!full) {
        PyErr_Clear();
        full = PyUnicode_FromString(type->tp_name);
    }
    return full;
}

static bool descends_from(PyTypeObject *type, const char *name)
{
    PyObject *mro = type->tp_mro;
    for (Py_ssize_t i = 0; mro && i < PyTuple_GET_SIZE(mro); i++)
        if (strcmp(((PyTypeObject *)PyTuple_GET_ITEM(mro, i))->tp_name, name) == 0)
            return true;
    return false;
}

/* Whether numpy calls values of this type numbers or truth values. Known by name: numpy need not be
 * installed, and asking must not import it. Durations are integers to numpy, but not to anybody who reads
 * them back. */
static bool is_numpy_number(PyTypeObject *type)
{
    return (descends_from(type, "numpy.integer") || descends_from(type, "numpy.floating") ||
            descends_from(type, "numpy.bool") || descends_from(type, "numpy.bool_")) &&
           !descends_from(type, "numpy.timedelta64");
}

/* Tells once per type that its values are stored as text. */
static int report(struct encoder *e, PyTypeObject *type)
{
    int rc = -1;
    PyObject *reported = e->state->convert->reported;
    PyObject *logging = NULL, *logger = NULL, *path = NULL, *where = NULL, *done = NULL;
    PyObject *name = encode_type_name(type);
    if (!name)
        return -1;
    int is_known = PySet_Contains(reported, name);
    if (is_known || PySet_GET_SIZE(reported) >= REPORTED_TYPES) {
        rc = is_known < 0 ? -1 : 0;
        goto exit;
    }
    if (PySet_Add(reported, name) < 0 || !(path = encode_path(e->levels, e->depth)) ||
        !(where = e->id ? PyUnicode_FromFormat("%U of %.200R", path, e->id) : Py_NewRef(path)) ||
        !(logging = PyImport_ImportModule("logging")) ||
        !(logger = PyObject_CallMethod(logging, "getLogger", "s", "nano_graphrag_redis")))
        goto exit;
    done = PyObject_CallMethod(
        logger, "warning", "sOO",
        "values of type %s are stored as text, str(value), and read back as str (first seen at "
        "%s); convert them before storing, or set redis_strict_json to refuse them",
        name, where);
    rc = done ? 0 : -1;
exit:
    Py_XDECREF(done);
    Py_XDECREF(logger);
    Py_XDECREF(logging);
    Py_XDECREF(where);
    Py_XDECREF(path);
    Py_DECREF(name);
    return rc;
}

static int encode_as_text(struct encoder *e, PyObject *value)
{
    if (e->strict) {
        PyObject *name = encode_type_name(Py_TYPE(value));
        if (name)
            encode_fail(
                e, NGR_E_ENCODE,
                "JSON has no form for the type %U; convert it before storing, or turn redis_strict_json off "
                "to store str() of it",
                name);
        Py_XDECREF(name);
        return -1;
    }
    PyObject *text = PyObject_Str(value);
    if (!text)
        return encode_pass_on(e, "str()", value);
    int rc = report(e, Py_TYPE(value));
    if (rc == 0)
        rc = encode_check(e, encode_string(&e->writer, text));
    Py_DECREF(text);
    return rc;
}

static int encode_numpy_number(struct encoder *e, PyObject *value)
{
    int rc;
    PyObject *number = PyObject_CallMethod(value, "item", NULL);
    if (!number)
        return encode_pass_on(e, "item()", value);
    if (PyBool_Check(number))
        rc = encode_check(e, ngr_json_boolean(&e->writer, number == Py_True));
    else if (PyLong_Check(number))
        rc = encode_int(e, number);
    else if (PyFloat_Check(number))
        rc = encode_check(e, ngr_json_real(&e->writer, PyFloat_AS_DOUBLE(number)));
    else
        rc = encode_as_text(e, value); /* numpy.longdouble: no Python number holds it */
    Py_DECREF(number);
    return rc;
}

int encode_foreign(struct encoder *e, PyObject *value)
{
    return is_numpy_number(Py_TYPE(value)) ? encode_numpy_number(e, value) : encode_as_text(e, value);
}
