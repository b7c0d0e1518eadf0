/* What makes an `Op` something that a task can wait for: asyncio's protocol for futures that are not its own
 * (docs.python.org, asyncio.isfuture(): an object with `_asyncio_future_blocking`). The slots and tables of
 * the type, for op.c. */
#ifndef NGR_EXT_OP_AWAIT_H
#define NGR_EXT_OP_AWAIT_H

#include "compat.h"
#include "op.h"

extern PyMethodDef op_await_methods[];
extern PyMemberDef op_await_members[];

PyObject *op_await_iter(PyObject *self);
PyObject *op_await_next(PyObject *self);
PySendResult op_await_send(PyObject *self, PyObject *value, PyObject **result);

#endif
