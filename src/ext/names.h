/* The attribute names and asyncio functions the extension uses on its hot path, looked up once. */
#ifndef NGR_EXT_NAMES_H
#define NGR_EXT_NAMES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define EXT_NAMES(X)                                                                                         \
    X(add_done_callback)                                                                                     \
    X(add_reader)                                                                                            \
    X(add_writer)                                                                                            \
    X(call_exception_handler)                                                                                \
    X(call_later)                                                                                            \
    X(call_soon)                                                                                             \
    X(cancel)                                                                                                \
    X(context)                                                                                               \
    X(create_task)                                                                                           \
    X(getaddrinfo)                                                                                           \
    X(is_closed)                                                                                             \
    X(remove_reader)                                                                                         \
    X(remove_writer)                                                                                         \
    X(result)                                                                                                \
    X(type)

struct ext_names {
#define NGR_X(name) PyObject *name;
    EXT_NAMES(NGR_X)
#undef NGR_X
    PyObject *kw_context;       /* ("context",) */
    PyObject *kw_type;          /* ("type",) */
    PyObject *cancelled_error;  /* asyncio.CancelledError */
    PyObject *invalid_state;    /* asyncio.InvalidStateError */
    PyObject *get_running_loop; /* asyncio._get_running_loop */
    PyObject *logger;           /* logging.getLogger("nano_graphrag_redis") */
};

int names_init(struct ext_names *names);
int names_traverse(struct ext_names *names, visitproc visit, void *arg);
void names_clear(struct ext_names *names);

#endif
