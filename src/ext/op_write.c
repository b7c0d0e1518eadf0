/* Writing: put. The whole batch is encoded before a byte of it is queued, from a shallow copy of the caller's
 * dict, and in slices of time so that a large batch does not hold up the event loop. */
#include "op.h"

#include <limits.h>

#include "convert.h"
#include "errors.h"

#define SLICE_SECONDS 0.005
#define SLICE_ENTRIES 16 /* so many entries, or so many bytes, between two looks at the clock */
#define SLICE_BYTES   (64u * 1024)

static ngr_status on_acked(void *user, size_t group, long long number)
{
    struct op *op = user;
    (void)group;
    if (number < op->acked)
        op->acked = number;
    return NGR_OK;
}

/* None; or, when the write waited for replicas or the disk, how many have it. */
static PyObject *finish(struct op *op)
{
    op->store->counters.writes += op->count;
    if (!op->store->put.wait_aof && !op->store->put.wait_replicas)
        Py_RETURN_NONE;
    return PyLong_FromLongLong(op->acked);
}

static const struct op_kind put_kind = {"upsert", finish};

static void refuse_size(struct op *op, PyObject *id)
{
    errors_raise(
        op->store->state, NGR_E_TOOBIG,
        "upsert in namespace %R: the value of %R is larger than redis_max_value_bytes (%zu bytes); nothing "
        "was "
        "written; split the value or raise the limit (the server's proto-max-bulk-len limits it too)",
        op->store->namespace_name, id, op->store->put.max_value_bytes);
}

/* Encodes one entry, whose length is added to `bytes`; -1 with an exception. */
static int encode_entry(struct op *op, PyObject *id, PyObject *value, size_t *bytes)
{
    struct store *store = op->store;
    struct ngr_span span;
    if (op_span(store->state, id, &span) < 0)
        return -1;
    struct ngr_buf *out = ngr_put_begin(op->put, span);
    if (!out) {
        PyErr_NoMemory();
        return -1;
    }
    size_t before = out->len;
    if (convert_encode(store->state, value, store->is_strict, id, out) < 0)
        return -1;
    *bytes += out->len - before;
    ngr_status st = ngr_put_end(op->put);
    if (st == NGR_E_TOOBIG)
        refuse_size(op, id);
    else if (st != NGR_OK)
        PyErr_NoMemory();
    return st == NGR_OK ? 0 : -1;
}

/* Encodes until the batch is complete (1) or the slice is used up (0); -1 with an exception. */
static int encode_slice(struct op *op)
{
    double end = loop_glue_now() + SLICE_SECONDS;
    size_t entries = 0, bytes = 0;
    PyObject *id, *value;
    while (!op->is_over && PyDict_Next(op->snapshot, &op->position, &id, &value)) {
        Py_INCREF(id);
        Py_INCREF(value);
        int rc = encode_entry(op, id, value, &bytes);
        Py_DECREF(id);
        Py_DECREF(value);
        if (rc < 0)
            return -1;
        if (++entries < SLICE_ENTRIES && bytes < SLICE_BYTES)
            continue;
        entries = bytes = 0;
        if (loop_glue_now() > end)
            return 0;
    }
    return 1;
}

/* The next step: another slice, or sending. 0, or -1 with an exception. The code that a value runs may end
 * this very operation (by closing the storage): its buffers stay until that code has returned, and then there
 * is nothing left to do. */
static int go_on(struct op *op)
{
    static const struct ngr_sink sink = {.number = on_acked, .done = op_done};
    op->is_encoding = true;
    int rc = encode_slice(op);
    op->is_encoding = false;
    if (op->is_over) {
        PyErr_Clear();
        op_release_work(op);
        return 0;
    }
    if (rc == 0) {
        struct ngr_loop loop = loop_glue_functions(&op->set->glue);
        ngr_status st = loop.defer(loop.self, &op->task);
        if (st == NGR_E_NOMEM)
            PyErr_NoMemory();
        else if (st != NGR_OK)
            PyErr_SetString(PyExc_RuntimeError, "the event loop is closed");
        return st == NGR_OK ? 0 : -1;
    }
    if (rc > 0) {
        struct ngr_put *put = op->put;
        op->put = NULL;
        Py_CLEAR(op->snapshot);
        op->call = ngr_put_send(op->set->client, put, &sink, op);
        rc = op->call ? 0 : -1;
        if (rc < 0)
            PyErr_NoMemory();
    }
    return rc;
}

static void on_slice(struct ngr_task *task)
{
    struct op *op = ngr_of(task, struct op, task);
    Py_INCREF(op);
    if (go_on(op) < 0)
        op_fail(op);
    Py_DECREF(op);
}

/* A shallow copy of the batch, taken before any code of a value can run. */
static PyObject *copy_batch(PyObject *mapping)
{
    if (PyDict_Check(mapping))
        return PyDict_Copy(mapping);
    return PyObject_CallOneArg((PyObject *)&PyDict_Type, mapping);
}

PyObject *op_put(struct store *store, PyObject *mapping)
{
    struct op *op = op_new(store, &put_kind);
    if (!op)
        return NULL;
    op->acked = LLONG_MAX;
    op->task.run = on_slice;
    op->snapshot = copy_batch(mapping);
    if (!op->snapshot) {
        Py_DECREF(op);
        return NULL;
    }
    op->count = (size_t)PyDict_Size(op->snapshot);
    if (!op->count)
        return op_finish_at_once(op);
    op->put = ngr_put_new(&store->put);
    if (!op->put)
        PyErr_NoMemory();
    op_link(op);
    if (op->put && go_on(op) == 0)
        return (PyObject *)op;
    Py_DECREF(op);
    return NULL;
}
