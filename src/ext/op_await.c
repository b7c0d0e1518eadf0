/* Awaiting an operation, and waking who awaits it.
 *
 *     task --send()--> Op, pending: answers itself --> the task calls add_done_callback(its wakeup)
 *     ... the answer comes: conn_set_wake() --> op_wake(): wakeup(op), in the task's context
 *     task --send()--> Op, done: the result, or the exception
 *
 * An asyncio.Future would do the same by way of loop.call_soon() for each call. Here the wakeup runs at the
 * end of the callback that read the answer, which is a turn of the event loop like any other: no task is
 * running. */
#include "op_await.h"

static struct op *op_of(PyObject *self)
{
    return (struct op *)self;
}

/* --- waking ----------------------------------------------------------------------------------- */

/* An exception of a callback goes where those of an event loop's callbacks go; only what must end the program
 * stays set: -1. */
static int report(struct op *op, PyObject *callback)
{
    if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) || PyErr_ExceptionMatches(PyExc_SystemExit))
        return -1;
    PyObject *error = compat_take_exception();
    PyObject *loop = loop_glue_loop(&op->set->glue), *done = NULL;
    PyObject *what = Py_BuildValue("{s:s, s:O, s:O}", "message", "exception in a callback of a call",
                                   "exception", error, "future", (PyObject *)op);
    if (what && loop)
        done = PyObject_CallMethodOneArg(loop, op->set->glue.state->names.call_exception_handler, what);
    if (!done)
        PyErr_WriteUnraisable(callback);
    Py_XDECREF(done);
    Py_XDECREF(what);
    Py_XDECREF(loop);
    Py_XDECREF(error);
    return 0;
}

/* A context that is entered already (a loop that runs inside a task) cannot be entered again: the event loop
 * runs the callback when that is over. */
static int call_later(struct op *op, PyObject *callback, PyObject *context)
{
    struct ext_names *names = &op->set->glue.state->names;
    PyObject *loop = loop_glue_loop(&op->set->glue), *done = NULL;
    PyObject *args[] = {loop, callback, (PyObject *)op, context};
    PyErr_Clear();
    if (loop)
        done = PyObject_VectorcallMethod(names->call_soon, args, 3, names->kw_context);
    Py_XDECREF(loop);
    if (!done)
        return PyErr_Occurred() ? report(op, callback) : 0;
    Py_DECREF(done);
    return 0;
}

static int call_back(struct op *op, PyObject *callback, PyObject *context)
{
    if (PyContext_Enter(context) < 0)
        return call_later(op, callback, context);
    PyObject *done = PyObject_CallOneArg(callback, (PyObject *)op);
    PyObject *error = done ? NULL : compat_take_exception();
    PyContext_Exit(context);
    Py_XDECREF(done);
    if (!error)
        return 0;
    compat_raise_again(error);
    return report(op, callback);
}

static int call_more(struct op *op, PyObject *more)
{
    int rc = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(more) && rc == 0; i++) {
        PyObject *pair = PyList_GET_ITEM(more, i);
        rc = call_back(op, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1));
    }
    return rc;
}

static int op_wake(PyObject *self)
{
    struct op *op = op_of(self);
    struct op_waiters w = op->waiters;
    op->waiters = (struct op_waiters){0};
    int rc = w.callback ? call_back(op, w.callback, w.context) : 0;
    if (rc == 0 && w.more)
        rc = call_more(op, w.more);
    Py_XDECREF(w.callback);
    Py_XDECREF(w.context);
    Py_XDECREF(w.more);
    return rc;
}

/* --- awaiting --------------------------------------------------------------------------------- */

static PyObject *answer(const struct op *op)
{
    if (op->is_taken)
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited call");
    else if (op->error)
        PyErr_SetObject((PyObject *)Py_TYPE(op->error), op->error);
    return PyErr_Occurred() ? NULL : Py_NewRef(op->result);
}

/* The answer moves out: whoever awaited it goes on while we still stand on its stack, and decides alone how
 * long a large value lives. */
static void drop_answer(struct op *op)
{
    op->is_taken = true;
    Py_CLEAR(op->result);
    Py_CLEAR(op->error);
}

static PyObject *take_answer(struct op *op)
{
    PyObject *value = answer(op);
    drop_answer(op);
    return value;
}

PySendResult op_await_send(PyObject *self, PyObject *value, PyObject **result)
{
    struct op *op = op_of(self);
    (void)value; /* a task sends None */
    if (op->is_done) {
        *result = take_answer(op);
        return *result ? PYGEN_RETURN : PYGEN_ERROR;
    }
    op->waiters.is_blocking = true;
    if (ngr_node_is_linked(&op->node))
        conn_set_anchor(op->set, &op->anchor, self, op_wake);
    *result = Py_NewRef(self);
    return PYGEN_NEXT;
}

PyObject *op_await_next(PyObject *self)
{
    PyObject *result;
    if (op_await_send(self, Py_None, &result) != PYGEN_RETURN)
        return result;
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, result);
    Py_DECREF(result);
    if (stop)
        PyErr_SetObject(PyExc_StopIteration, stop);
    Py_XDECREF(stop);
    return NULL;
}

PyObject *op_await_iter(PyObject *self)
{
    return Py_NewRef(self);
}

/* Nobody wants the answer any more: what was not sent is taken back, what was sent is answered into the void.
 */
static void give_up(struct op *op)
{
    op_withdraw(op);
    conn_set_let_go(&op->anchor);
}

/* Something was thrown into the waiting coroutine: a cancellation, most of the time. */
static PyObject *op_throw(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *type = nargs > 0 ? args[0] : NULL;
    PyObject *value = nargs > 1 && args[1] != Py_None ? args[1] : NULL;
    PyObject *trace = nargs > 2 && args[2] != Py_None ? args[2] : NULL;
    if (nargs < 1 || nargs > 3 || (trace && !PyTraceBack_Check(trace))) {
        PyErr_SetString(PyExc_TypeError, "throw() takes an exception, or its type, value and traceback");
        return NULL;
    }
    if (PyExceptionInstance_Check(type) && !value) {
        value = type;
        type = (PyObject *)Py_TYPE(value);
    }
    if (!PyExceptionClass_Check(type)) {
        PyErr_SetString(PyExc_TypeError,
                        "exceptions must be classes or instances deriving from BaseException");
        return NULL;
    }
    Py_INCREF(self); /* the anchor may hold the last reference */
    give_up(op_of(self));
    drop_answer(op_of(self));
    PyErr_Restore(Py_NewRef(type), Py_XNewRef(value), Py_XNewRef(trace));
    Py_DECREF(self);
    return NULL;
}

static PyObject *op_close_method(PyObject *self, PyObject *unused)
{
    (void)unused;
    Py_INCREF(self);
    give_up(op_of(self));
    Py_DECREF(self);
    Py_RETURN_NONE;
}

/* --- as a future ------------------------------------------------------------------------------ */

static PyObject *op_get_loop(PyObject *self, PyObject *unused)
{
    (void)unused;
    PyObject *loop = loop_glue_loop(&op_of(self)->set->glue);
    if (!loop)
        PyErr_SetString(PyExc_RuntimeError, "the event loop of this call is gone");
    return loop;
}

static int add_waiter(struct op *op, PyObject *callback, PyObject *context)
{
    struct op_waiters *w = &op->waiters;
    if (!w->callback) {
        w->callback = Py_NewRef(callback);
        w->context = Py_NewRef(context);
        return 0;
    }
    PyObject *pair = PyTuple_Pack(2, callback, context);
    if (!w->more)
        w->more = PyList_New(0);
    int rc = pair && w->more ? PyList_Append(w->more, pair) : -1;
    Py_XDECREF(pair);
    return rc;
}

/* Names of arguments are interned as ours are, so the pointers tell nearly always. */
static bool is_name(PyObject *name, PyObject *expected)
{
    return name == expected || PyUnicode_Compare(name, expected) == 0;
}

/* add_done_callback(callback, *, context=None) */
static PyObject *op_add_done_callback(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                      PyObject *names)
{
    struct op *op = op_of(self);
    bool has_context = names && PyTuple_GET_SIZE(names) == 1 &&
                       is_name(PyTuple_GET_ITEM(names, 0), op->set->glue.state->names.context);
    if (nargs != 1 || (names && PyTuple_GET_SIZE(names) && !has_context)) {
        PyErr_SetString(PyExc_TypeError, "add_done_callback() takes a callback and optionally context=");
        return NULL;
    }
    PyObject *context = has_context && args[1] != Py_None ? Py_NewRef(args[1]) : PyContext_CopyCurrent();
    if (!context)
        return NULL;
    int rc = add_waiter(op, args[0], context);
    Py_DECREF(context);
    if (rc < 0)
        return NULL;
    conn_set_anchor(op->set, &op->anchor, self, op_wake);
    if (op->is_done)
        conn_set_wake(op->set, &op->anchor);
    Py_RETURN_NONE;
}

/* Takes the pairs of `callback` off the list; how many, or -1. */
static Py_ssize_t remove_more(PyObject *more, PyObject *callback)
{
    Py_ssize_t removed = 0;
    for (Py_ssize_t i = PyList_GET_SIZE(more) - 1; i >= 0; i--) {
        if (i >= PyList_GET_SIZE(more))
            continue; /* comparing has run code that shortened it */
        PyObject *pair = Py_NewRef(PyList_GET_ITEM(more, i));
        int is_same = PyObject_RichCompareBool(PyTuple_GET_ITEM(pair, 0), callback, Py_EQ);
        if (is_same > 0 && i < PyList_GET_SIZE(more) && PyList_GET_ITEM(more, i) == pair) {
            removed++;
            is_same = PyList_SetSlice(more, i, i + 1, NULL);
        }
        Py_DECREF(pair);
        if (is_same < 0)
            return -1;
    }
    return removed;
}

static PyObject *op_remove_done_callback(PyObject *self, PyObject *callback)
{
    struct op *op = op_of(self);
    Py_ssize_t removed = 0;
    if (op->waiters.more) {
        PyObject *more = Py_NewRef(op->waiters.more);
        removed = remove_more(more, callback);
        Py_DECREF(more);
    }
    if (removed < 0)
        return NULL;
    int is_same = op->waiters.callback ? PyObject_RichCompareBool(op->waiters.callback, callback, Py_EQ) : 0;
    if (is_same < 0)
        return NULL;
    if (is_same && op->waiters.callback) {
        Py_CLEAR(op->waiters.callback);
        Py_CLEAR(op->waiters.context);
        removed++;
    }
    return PyLong_FromSsize_t(removed);
}

/* cancel(msg=None): the call is given up; who waits is woken, and finds a CancelledError. */
static PyObject *op_cancel(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"msg", NULL};
    struct op *op = op_of(self);
    PyObject *message = Py_None, *cls = op->set->glue.state->names.cancelled_error;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:cancel", names, &message))
        return NULL;
    if (op->is_done)
        Py_RETURN_FALSE;
    PyObject *error = message == Py_None ? PyObject_CallNoArgs(cls) : PyObject_CallOneArg(cls, message);
    if (!error)
        return NULL;
    op_withdraw(op);
    Py_XSETREF(op->error, error);
    op->is_done = op->is_cancelled = true;
    conn_set_wake(op->set, &op->anchor);
    Py_RETURN_TRUE;
}

static PyObject *op_cancelled(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(op_of(self)->is_cancelled);
}

static PyObject *op_done_method(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(op_of(self)->is_done);
}

static PyObject *op_result(PyObject *self, PyObject *unused)
{
    const struct op *op = op_of(self);
    (void)unused;
    if (op->is_done)
        return answer(op);
    PyErr_SetString(op->set->glue.state->names.invalid_state, "the call has no result yet");
    return NULL;
}

static PyObject *op_exception(PyObject *self, PyObject *unused)
{
    const struct op *op = op_of(self);
    if (!op->is_done || op->is_cancelled)
        return op_result(self, unused);
    return Py_NewRef(op->error ? op->error : Py_None);
}

#define FAST(function) (PyCFunction)(void (*)(void))(function)

/* No send(): with it, an Op would count as a coroutine (collections.abc), too. Interpreters use the slot. */
PyMethodDef op_await_methods[] = {
    {"throw", FAST(op_throw), METH_FASTCALL, "Gives the call up and raises in the waiting task."},
    {"close", op_close_method, METH_NOARGS, "Gives the call up."},
    {"get_loop", op_get_loop, METH_NOARGS, "The event loop whose connections it uses."},
    {"add_done_callback", FAST(op_add_done_callback), METH_FASTCALL | METH_KEYWORDS,
     "Calls callback(op) once the call has ended."},
    {"remove_done_callback", op_remove_done_callback, METH_O, "Takes a callback back; how many there were."},
    {"cancel", FAST(op_cancel), METH_VARARGS | METH_KEYWORDS, "Gives the call up; False when it has ended."},
    {"cancelled", op_cancelled, METH_NOARGS, "Whether it was cancelled."},
    {"done", op_done_method, METH_NOARGS, "Whether it has ended."},
    {"result", op_result, METH_NOARGS, "The answer, or raises what ended it."},
    {"exception", op_exception, METH_NOARGS, "What ended it, or None."},
    {NULL, NULL, 0, NULL},
};

PyMemberDef op_await_members[] = {
    {"_asyncio_future_blocking", T_BOOL, offsetof(struct op, waiters.is_blocking), 0,
     "asyncio's mark of a future that was handed to a task in this very step."},
    {NULL, 0, 0, 0, NULL},
};
