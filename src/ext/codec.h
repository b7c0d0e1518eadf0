/* The codec as module functions, `loads` and `dumps`: what the tests compare with Python's json, and what
 * the command line uses to compare values. */
#ifndef NGR_EXT_CODEC_H
#define NGR_EXT_CODEC_H

#include "state.h"

int codec_init(PyObject *module, struct ext_state *state);

#endif
