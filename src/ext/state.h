/* What one loaded module owns: its types, the exceptions it raises, the names it looks up often. Everything
 * else of the extension reaches it through the module or a type, never through a global. */
#ifndef NGR_EXT_STATE_H
#define NGR_EXT_STATE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "ngr.h"

#include "names.h"

struct ext_state {
    PyObject *error_classes[NGR_STATUS_COUNT]; /* status -> exception class, or NULL */
    struct convert *convert;                   /* the codec's own part, see convert.h */
    struct ext_names names;
    PyObject *handle_type;   /* loop_asyncio.c */
    PyObject *conn_set_type; /* conn_set.c */
    PyObject *conn_sets;     /* dict: (settings key, id of the loop) -> weak reference to a conn_set */
    PyObject *op_type;       /* op.c */
    PyObject *store_type;    /* store.c */
};

/* The definition of the module; what PyType_GetModuleByDef() needs. */
extern struct PyModuleDef ext_module;

struct ext_state *ext_state_of_module(PyObject *module);

/* For the types of this module (they are final, so a type's own module is the right one); NULL with an
 * exception set. */
struct ext_state *ext_state_of_type(PyTypeObject *type);

#endif
