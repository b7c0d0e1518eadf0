/* What one loaded module owns: its types, the exceptions it raises, the names it looks up often.
 * Everything else of the extension reaches it through the module, never through a global. */
#ifndef NGR_EXT_STATE_H
#define NGR_EXT_STATE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "ngr.h"

struct ext_state {
    PyObject *error_classes[NGR_STATUS_COUNT]; /* status -> exception class, or NULL */
    struct convert *convert; /* what the JSON codec keeps between calls, see convert.c */
};

/* The definition of the module; what PyType_GetModuleByDef() needs. */
extern struct PyModuleDef ext_module;

struct ext_state *ext_state_of_module(PyObject *module);

#endif
