/* From a core status to a raised Python exception. The classes live in nano_graphrag_redis/errors.py; which
 * status raises which is the X-macro of core/status.h. */
#ifndef NGR_EXT_ERRORS_H
#define NGR_EXT_ERRORS_H

#include "state.h"

/* Looks every class up once; -1 with an exception when errors.py and status.h disagree. */
int errors_init(struct ext_state *state);

/* A new exception instance for `st` with this message; NULL with an exception set. A borrowed `message` may
 * be any UTF-8; bytes that are none are shown as \xNN. */
PyObject *errors_new(struct ext_state *state, ngr_status st, const char *message);

/* Raises it; always returns NULL, so that a caller can `return errors_raise(...)`. */
PyObject *errors_raise(struct ext_state *state, ngr_status st, const char *format, ...);

#endif
