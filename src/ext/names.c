#include "names.h"

#include <string.h>

static int intern_all(struct ext_names *names)
{
#define NGR_X(name)                                                                                          \
    if (!(names->name = PyUnicode_InternFromString(#name)))                                                  \
        return -1;
    EXT_NAMES(NGR_X)
#undef NGR_X
    return 0;
}

static PyObject *get_from(const char *module, const char *attribute)
{
    PyObject *m = PyImport_ImportModule(module);
    PyObject *value = m ? PyObject_GetAttrString(m, attribute) : NULL;
    Py_XDECREF(m);
    return value;
}

static PyObject *get_logger(void)
{
    PyObject *get = get_from("logging", "getLogger");
    PyObject *logger = get ? PyObject_CallFunction(get, "s", "nano_graphrag_redis") : NULL;
    Py_XDECREF(get);
    return logger;
}

int names_init(struct ext_names *names)
{
    if (intern_all(names) < 0)
        return -1;
    /* One after the other: nothing may be called while an exception is set. */
    if (!(names->kw_context = PyTuple_Pack(1, names->context)) ||
        !(names->kw_type = PyTuple_Pack(1, names->type)) ||
        !(names->cancelled_error = get_from("asyncio", "CancelledError")) ||
        !(names->invalid_state = get_from("asyncio", "InvalidStateError")) ||
        !(names->get_running_loop = get_from("asyncio", "_get_running_loop")) ||
        !(names->logger = get_logger()))
        return -1;
    return 0;
}

int names_traverse(struct ext_names *names, visitproc visit, void *arg)
{
    PyObject **all = (PyObject **)names;
    for (size_t i = 0; i < sizeof *names / sizeof *all; i++)
        Py_VISIT(all[i]);
    return 0;
}

void names_clear(struct ext_names *names)
{
    PyObject **all = (PyObject **)names;
    for (size_t i = 0; i < sizeof *names / sizeof *all; i++)
        Py_CLEAR(all[i]);
}
