/* What differs between the CPython versions we build on (3.10 to 3.13) and nothing else. */
#ifndef NGR_EXT_COMPAT_H
#define NGR_EXT_COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#endif
