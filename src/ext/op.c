#include "op.h"

#include "compat.h"
#include "errors.h"

/* --- making ----------------------------------------------------------------------------------- */

static PyObject *new_future(struct ext_state *state, PyObject *loop)
{
    PyObject *args[] = {loop};
    return PyObject_Vectorcall(state->names.future_class, args, 0, state->names.kw_loop);
}

struct op *op_new(struct store *store, const struct op_kind *kind)
{
    PyTypeObject *type = (PyTypeObject *)store->state->op_type;
    PyObject *loop = NULL;
    struct conn_set *set = NULL;
    if (store_connections(store, &loop, &set) < 0)
        return NULL;
    struct op *op = (struct op *)type->tp_alloc(type, 0);
    if (op) {
        ngr_node_init(&op->node);
        ngr_node_init(&op->anchor.node);
        op->kind = kind;
        op->store = (struct store *)Py_NewRef((PyObject *)store);
        op->set = (struct conn_set *)Py_NewRef((PyObject *)set);
        op->future = new_future(store->state, loop);
        if (!op->future)
            Py_CLEAR(op);
    }
    Py_DECREF(loop);
    return op;
}

PyObject *op_started(struct op *op, struct ngr_call *call)
{
    if (!call) {
        Py_DECREF(op);
        return PyErr_NoMemory();
    }
    op->call = call;
    op_link(op);
    return (PyObject *)op;
}

void op_link(struct op *op)
{
    if (!ngr_node_is_linked(&op->node))
        ngr_list_push(&op->store->ops, &op->node);
}

int op_span(struct ext_state *state, PyObject *text, struct ngr_span *span)
{
    Py_ssize_t len;
    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "an id must be str, not %.80s: convert it before the call",
                     Py_TYPE(text)->tp_name);
        return -1;
    }
    const char *data = PyUnicode_AsUTF8AndSize(text, &len);
    if (!data) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            PyErr_Clear();
            errors_raise(state, NGR_E_ENCODE,
                         "the id %.200R holds a lone surrogate and has no UTF-8 form; replace that character",
                         text);
        }
        return -1;
    }
    *span = (struct ngr_span){data, (size_t)len};
    return 0;
}

/* --- ending ----------------------------------------------------------------------------------- */

/* Gives the future its end, unless it has one: the waiting task may have been cancelled in the same tick. An
 * exception here has nowhere to go but the unraisable hook. */
static void resolve(struct op *op, PyObject *value, PyObject *error)
{
    struct ext_names *names = &op->store->state->names;
    PyObject *future = op->future, *rc = NULL;
    PyObject *done = PyObject_CallMethodNoArgs(future, names->done);
    if (done == Py_False)
        rc = value ? PyObject_CallMethodOneArg(future, names->set_result, value)
                   : PyObject_CallMethodOneArg(future, names->set_exception, error);
    if (PyErr_Occurred())
        PyErr_WriteUnraisable(future);
    Py_XDECREF(rc);
    Py_XDECREF(done);
}

static PyObject *take_exception(void)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace && value)
        PyException_SetTraceback(value, trace);
    Py_XDECREF(type);
    Py_XDECREF(trace);
    return value;
}

ngr_status op_keep_error(struct op *op)
{
    Py_XSETREF(op->error, take_exception());
    return NGR_E_CALLBACK;
}

void op_release_work(struct op *op)
{
    if (op->is_encoding)
        return;
    ngr_put_discard(op->put);
    op->put = NULL;
    PyMem_Free(op->flags);
    op->flags = NULL;
    if (op->spans != &op->one)
        PyMem_Free(op->spans);
    op->spans = NULL;
}

static PyObject *make_error(struct op *op, ngr_status st, const char *message)
{
    struct ext_state *state = op->store->state;
    if (op->error)
        return Py_NewRef(op->error);
    if (st == NGR_E_NOMEM)
        PyErr_NoMemory();
    else if (op->command)
        errors_raise(state, st, "%S in namespace %R: %s", op->command, op->store->namespace_name, message);
    else
        errors_raise(state, st, "%s in namespace %R: %s", op->kind->name, op->store->namespace_name, message);
    return take_exception();
}

/* The core lets go; `op` may be freed by the caller's last reference afterwards. */
static void finish(struct op *op, ngr_status st, const char *message)
{
    PyObject *value = NULL, *error = NULL;
    bool was_asked = op->call;
    op->call = NULL;
    ngr_node_unlink(&op->node);
    conn_set_let_go(&op->anchor);
    if (st == NGR_OK) {
        op->store->has_answered |= was_asked;
        value = op->kind->finish(op);
        if (!value)
            op_keep_error(op);
    }
    if (!value)
        error = make_error(op, st, message);
    op_release_work(op);
    if (value || error)
        resolve(op, value, error);
    Py_XDECREF(value);
    Py_XDECREF(error);
}

void op_done(void *user, ngr_status st, const char *message)
{
    struct op *op = user;
    Py_INCREF(op);
    if (op->set->glue.is_abandoned) {
        op->call = NULL;
        ngr_node_unlink(&op->node);
        conn_set_let_go(&op->anchor);
    } else {
        finish(op, st, message);
    }
    Py_DECREF(op);
}

void op_fail(struct op *op)
{
    op_keep_error(op);
    Py_INCREF(op);
    finish(op, NGR_E_CALLBACK, "");
    Py_DECREF(op);
}

PyObject *op_take_result(struct op *op)
{
    PyObject *result = op->result;
    op->result = NULL;
    return result;
}

PyObject *op_finish_at_once(struct op *op)
{
    op_done(op, NGR_OK, "");
    return (PyObject *)op;
}

/* Takes it out of the core's hands. The caller holds a reference, or there is none left. */
static void withdraw(struct op *op)
{
    struct ngr_loop loop = loop_glue_functions(&op->set->glue);
    struct ngr_call *call = op->call;
    op->call = NULL;
    op->is_over = true;
    ngr_node_unlink(&op->node);
    conn_set_let_go(&op->anchor);
    loop.forget(loop.self, &op->task);
    if (call)
        ngr_cancel(call);
}

void op_close(struct op *op)
{
    Py_INCREF(op);
    withdraw(op);
    finish(op, NGR_E_CLOSED, "aclose() was called while this call was waiting");
    Py_DECREF(op);
}

/* --- awaiting --------------------------------------------------------------------------------- */

static PyObject *waiter_of(struct op *op)
{
    if (op->waiter || !op->future)
        return op->waiter;
    op->waiter = Py_TYPE(op->future)->tp_as_async->am_await(op->future);
    if (op->waiter && ngr_node_is_linked(&op->node))
        conn_set_anchor(op->set, &op->anchor, (PyObject *)op);
    return op->waiter;
}

static PyObject *op_iternext(PyObject *self)
{
    PyObject *waiter = waiter_of((struct op *)self);
    return waiter ? Py_TYPE(waiter)->tp_iternext(waiter) : NULL;
}

static PyObject *op_send(PyObject *self, PyObject *value)
{
    (void)value; /* a future's iterator takes None only, and so does every event loop */
    PyObject *result = op_iternext(self);
    if (!result && !PyErr_Occurred())
        PyErr_SetNone(PyExc_StopIteration);
    return result;
}

/* The waiting task was cancelled (or something else was thrown into it): nobody wants the answer any more. */
static PyObject *op_throw(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct op *op = (struct op *)self;
    PyObject *stack[4] = {waiter_of(op), NULL, NULL, NULL};
    if (!stack[0] || nargs < 1 || nargs > 3) {
        if (stack[0])
            PyErr_SetString(PyExc_TypeError, "throw() takes one to three arguments");
        return NULL;
    }
    withdraw(op);
    for (Py_ssize_t i = 0; i < nargs; i++)
        stack[i + 1] = args[i];
    return PyObject_VectorcallMethod(op->store->state->names.throw, stack, (size_t)nargs + 1, NULL);
}

static PyObject *op_close_method(PyObject *self, PyObject *unused)
{
    struct op *op = (struct op *)self;
    (void)unused;
    withdraw(op);
    if (!op->waiter)
        Py_RETURN_NONE;
    return PyObject_CallMethodNoArgs(op->waiter, op->store->state->names.close);
}

static PyObject *op_await(PyObject *self)
{
    return Py_NewRef(self);
}

/* --- the type --------------------------------------------------------------------------------- */

static int op_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct op *op = (struct op *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)op->store);
    Py_VISIT((PyObject *)op->set);
    Py_VISIT(op->future);
    Py_VISIT(op->waiter);
    Py_VISIT(op->error);
    Py_VISIT(op->result);
    Py_VISIT(op->held);
    Py_VISIT(op->fields);
    Py_VISIT(op->snapshot);
    Py_VISIT(op->command);
    return 0;
}

static int op_clear_references(PyObject *self)
{
    struct op *op = (struct op *)self;
    if (op->set)
        withdraw(op);
    op_release_work(op);
    Py_CLEAR(op->waiter);
    Py_CLEAR(op->future);
    Py_CLEAR(op->error);
    Py_CLEAR(op->result);
    Py_CLEAR(op->held);
    Py_CLEAR(op->fields);
    Py_CLEAR(op->snapshot);
    Py_CLEAR(op->command);
    return 0;
}

static void op_dealloc(PyObject *self)
{
    struct op *op = (struct op *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    op_clear_references(self);
    Py_CLEAR(op->set);
    Py_CLEAR(op->store);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef op_methods[] = {
    {"send", op_send, METH_O, "Goes on waiting; part of the iterator protocol."},
    {"throw", (PyCFunction)(void (*)(void))op_throw, METH_FASTCALL,
     "Gives the call up and raises in the waiting task."},
    {"close", op_close_method, METH_NOARGS, "Gives the call up."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot op_slots[] = {
    {Py_tp_doc, "A call under way; await it."},
    {Py_tp_iter, op_await},
    {Py_tp_iternext, op_iternext},
    {Py_am_await, op_await},
    {Py_tp_methods, op_methods},
    {Py_tp_traverse, op_traverse},
    {Py_tp_clear, op_clear_references},
    {Py_tp_dealloc, op_dealloc},
    {0, NULL},
};

static PyType_Spec op_spec = {
    .name = "nano_graphrag_redis._native.Op",
    .basicsize = sizeof(struct op),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = op_slots,
};

int op_init(PyObject *module, struct ext_state *state)
{
    state->op_type = PyType_FromModuleAndSpec(module, &op_spec, NULL);
    return state->op_type ? 0 : -1;
}
