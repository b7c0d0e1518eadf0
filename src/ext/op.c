#include "op.h"

#include "compat.h"
#include "errors.h"
#include "op_await.h"

/* --- making ----------------------------------------------------------------------------------- */

struct op *op_new(struct store *store, const struct op_kind *kind)
{
    PyTypeObject *type = (PyTypeObject *)store->state->op_type;
    PyObject *loop = NULL;
    struct conn_set *set = NULL;
    if (store_connections(store, &loop, &set) < 0)
        return NULL;
    Py_DECREF(loop);
    struct op *op = (struct op *)type->tp_alloc(type, 0);
    if (!op)
        return NULL;
    ngr_node_init(&op->node);
    ngr_node_init(&op->anchor.node);
    op->kind = kind;
    op->store = (struct store *)Py_NewRef((PyObject *)store);
    op->set = (struct conn_set *)Py_NewRef((PyObject *)set);
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

ngr_status op_keep_error(struct op *op)
{
    Py_XSETREF(op->error, compat_take_exception());
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
    Py_CLEAR(op->store);
}

static PyObject *make_error(struct op *op, ngr_status st, const char *message)
{
    struct ext_state *state = op->store->state;
    if (st == NGR_E_NOMEM)
        PyErr_NoMemory();
    else if (op->command)
        errors_raise(state, st, "%S in namespace %R: %s", op->command, op->store->namespace_name, message);
    else
        errors_raise(state, st, "%s in namespace %R: %s", op->kind->name, op->store->namespace_name, message);
    return compat_take_exception();
}

/* The core has let go; `op` may be freed by the caller's last reference afterwards. */
static void finish(struct op *op, ngr_status st, const char *message)
{
    bool was_asked = op->call;
    op->call = NULL;
    ngr_node_unlink(&op->node);
    if (st == NGR_OK) {
        op->store->has_answered |= was_asked;
        PyObject *value = op->kind->finish(op);
        if (value)
            Py_XSETREF(op->result, value);
        else
            op_keep_error(op);
    } else if (!op->error) {
        op->error = make_error(op, st, message);
    }
    if (op->error)
        Py_CLEAR(op->result);
    op_release_work(op);
    op->is_done = true;
    conn_set_wake(op->set, &op->anchor);
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

void op_withdraw(struct op *op)
{
    struct ngr_loop loop = loop_glue_functions(&op->set->glue);
    struct ngr_call *call = op->call;
    op->call = NULL;
    op->is_over = true;
    ngr_node_unlink(&op->node);
    loop.forget(loop.self, &op->task);
    if (call)
        ngr_cancel(call);
}

void op_close(struct op *op)
{
    Py_INCREF(op);
    op_withdraw(op);
    finish(op, NGR_E_CLOSED, "aclose() was called while this call was waiting");
    Py_DECREF(op);
}

/* --- the type --------------------------------------------------------------------------------- */

static int op_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct op *op = (struct op *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)op->store);
    Py_VISIT((PyObject *)op->set);
    Py_VISIT(op->waiters.callback);
    Py_VISIT(op->waiters.context);
    Py_VISIT(op->waiters.more);
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
    if (op->set) {
        op_withdraw(op);
        conn_set_let_go(&op->anchor);
    }
    op_release_work(op);
    Py_CLEAR(op->waiters.callback);
    Py_CLEAR(op->waiters.context);
    Py_CLEAR(op->waiters.more);
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
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *op_repr(PyObject *self)
{
    const struct op *op = (struct op *)self;
    return PyUnicode_FromFormat("<Op %s, %s>", op->kind->name,
                                !op->is_done       ? "pending"
                                : op->is_cancelled ? "cancelled"
                                                   : "done");
}

static PyType_Slot op_slots[] = {
    {Py_tp_doc, "A call under way; await it."},
    {Py_tp_repr, op_repr},
    {Py_tp_iter, op_await_iter},
    {Py_tp_iternext, op_await_next},
    {Py_am_await, op_await_iter},
    {Py_am_send, op_await_send},
    {Py_tp_methods, op_await_methods},
    {Py_tp_members, op_await_members},
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
