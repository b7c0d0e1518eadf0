/* What the module was built from and runs on, as `build_info`: for the reports of those who run it. */
#ifndef NGR_EXT_BUILD_INFO_H
#define NGR_EXT_BUILD_INFO_H

#include "state.h"

/* Adds the dict to the module; -1 with an exception. */
int build_info_init(PyObject *module);

#endif
