/* The URL parser as a module function, `parse_url`: what config.py builds its settings from. */
#ifndef NGR_EXT_URLS_H
#define NGR_EXT_URLS_H

#include "state.h"

/* Adds the function to the module; -1 with an exception. */
int urls_init(PyObject *module, struct ext_state *state);

#endif
