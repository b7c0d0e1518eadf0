#include "codec.h"

#include "convert.h"
#include "errors.h"

/* Puts positional and keyword arguments into `values`, in the order of `names`, the first of which is
 * required. What is not given stays as it is. 0, or -1 with TypeError. */
static int bind_arguments(const char *function, const char *const *names, Py_ssize_t count,
                          PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject **values)
{
    if (nargs > count) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd arguments (%zd given)", function, count, nargs);
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++)
        values[i] = args[i];
    for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); k++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, k);
        Py_ssize_t i = 0;
        while (i < count && PyUnicode_CompareWithASCIIString(name, names[i]) != 0)
            i++;
        if (i == count || i < nargs) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected or repeated argument %R", function, name);
            return -1;
        }
        values[i] = args[nargs + k];
    }
    if (!values[0]) {
        PyErr_Format(PyExc_TypeError, "%s() needs the argument '%s'", function, names[0]);
        return -1;
    }
    return 0;
}

/* What convert_decode() reported, as an exception; always NULL. */
static PyObject *raise_read_failure(struct ext_state *state, ngr_status st,
                                    const struct ngr_json_error *error)
{
    if (st == NGR_E_CALLBACK)
        return NULL;
    if (st == NGR_E_NOMEM)
        return PyErr_NoMemory();
    return errors_raise(state, st, "not valid JSON: %s (byte %zu)", error->what, error->offset);
}

static PyObject *codec_loads(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"data", "fields"};
    PyObject *values[] = {NULL, Py_None}, *fields = NULL, *value = NULL;
    struct ngr_json_error error;
    if (bind_arguments("loads", names, 2, args, nargs, kwnames, values) < 0)
        return NULL;
    if (!PyBytes_Check(values[0]))
        return PyErr_Format(PyExc_TypeError, "loads() needs bytes, not %s", Py_TYPE(values[0])->tp_name);
    if (values[1] != Py_None && !(fields = PyFrozenSet_New(values[1])))
        return NULL;
    struct ext_state *state = ext_state_of_module(module);
    ngr_status st = convert_decode(state, PyBytes_AS_STRING(values[0]), (size_t)PyBytes_GET_SIZE(values[0]),
                                   fields, &value, &error);
    Py_XDECREF(fields);
    return st == NGR_OK ? value : raise_read_failure(state, st, &error);
}

static PyObject *codec_dumps(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"value", "strict"};
    PyObject *values[] = {NULL, Py_False};
    if (bind_arguments("dumps", names, 2, args, nargs, kwnames, values) < 0)
        return NULL;
    int strict = PyObject_IsTrue(values[1]);
    return strict < 0 ? NULL : convert_to_bytes(ext_state_of_module(module), values[0], strict);
}

PyDoc_STRVAR(loads_doc,
             "loads($module, /, data, fields=None)\n--\n\n"
             "The value of a JSON document, as json.loads(data.decode()) gives it.\n\n"
             "With `fields`, a top-level object keeps only these keys. Raises CorruptValueError with the\n"
             "reason and the byte offset; nesting may be 1,000 levels deep.");

PyDoc_STRVAR(dumps_doc,
             "dumps($module, /, value, strict=False)\n--\n\n"
             "The value as compact UTF-8 JSON, taking what json.dumps(value, default=str) takes.\n\n"
             "With `strict`, a type that JSON does not know raises EncodeError instead of becoming text.");

static PyMethodDef codec_methods[] = {
    {"loads", (PyCFunction)(void (*)(void))codec_loads, METH_FASTCALL | METH_KEYWORDS, loads_doc},
    {"dumps", (PyCFunction)(void (*)(void))codec_dumps, METH_FASTCALL | METH_KEYWORDS, dumps_doc},
    {NULL, NULL, 0, NULL},
};

int codec_init(PyObject *module, struct ext_state *state)
{
    return convert_init(state) < 0 ? -1 : PyModule_AddFunctions(module, codec_methods);
}
