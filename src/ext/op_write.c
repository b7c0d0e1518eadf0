/* Writing: put, from a shallow copy of the caller's dict. The whole batch is encoded before a byte of it is
 * queued, in slices of time so that a large one does not hold up the event loop: between and within slices
 * code may run, and any value may turn out not to be JSON.
 *
 * A batch of plain values that fits into one slice goes another way: it is looked at first, and sent while it
 * is encoded. Nothing runs in between that could change what was seen. */
#include "op.h"

#include <limits.h>

#include "convert.h"
#include "errors.h"

#define SLICE_SECONDS 0.005
#define SLICE_ENTRIES 16 /* so many entries, or so many bytes, between two looks at the clock */
#define SLICE_BYTES   (64u * 1024)

/* Below, there is nothing that the server could do meanwhile; beyond, it would take longer than a slice. */
#define STREAM_MIN_ENTRIES 16
#define STREAM_MIN_BYTES   (512u * 1024)
#define STREAM_MAX_EFFORT  (8u * 1024 * 1024)

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

/* Encodes one entry into `put`; its length is added to `bytes`. -1 with an exception. */
static int encode_entry(struct op *op, struct ngr_put *put, PyObject *id, PyObject *value, size_t *bytes)
{
    struct store *store = op->store;
    struct ngr_span span;
    if (op_span(store->state, id, &span) < 0)
        return -1;
    struct ngr_buf *out = ngr_put_begin(put, span);
    if (!out) {
        PyErr_NoMemory();
        return -1;
    }
    size_t before = out->len;
    if (convert_encode(store->state, value, store->is_strict, id, out) < 0)
        return -1;
    *bytes += out->len - before;
    ngr_status st = ngr_put_end(put);
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
        int rc = encode_entry(op, op->put, id, value, &bytes);
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

static const struct ngr_sink put_sink = {.number = on_acked, .done = op_done};

/* --- sending while it is encoded -------------------------------------------------------------- */

/* Whether an entry can be encoded without fail; what it is going to be is added to `batch`. */
static bool is_certain(const struct store *store, PyObject *id, PyObject *value,
                       struct convert_estimate *batch)
{
    struct ngr_span span;
    struct convert_estimate entry = {0};
    if (op_span(store->state, id, &span) < 0) {
        PyErr_Clear();
        return false;
    }
    if (!convert_is_plain(value, &entry) || 6 * entry.bytes > store->put.max_value_bytes)
        return false;
    batch->bytes += entry.bytes + span.len + store->put.prefix.len + 64; /* the words around it */
    batch->effort += entry.effort;
    return batch->effort <= STREAM_MAX_EFFORT;
}

static bool may_stream(const struct op *op, struct convert_estimate *batch)
{
    PyObject *id, *value;
    Py_ssize_t at = 0;
    if (op->count < STREAM_MIN_ENTRIES)
        return false;
    while (PyDict_Next(op->snapshot, &at, &id, &value))
        if (!is_certain(op->store, id, value, batch))
            return false;
    return batch->bytes >= STREAM_MIN_BYTES && 6 * batch->bytes <= op->store->put.max_atomic_bytes;
}

/* 0, or -1 with an exception. */
static int stream(struct op *op, size_t bytes)
{
    struct ngr_put *put = op->put;
    struct ngr_call *call = ngr_put_stream(op->set->client, put, op->count, bytes, &put_sink, op);
    PyObject *id, *value;
    size_t sum = 0;
    op->put = NULL;
    if (!call) {
        PyErr_NoMemory();
        return -1;
    }
    int rc = 0;
    while (rc == 0 && PyDict_Next(op->snapshot, &op->position, &id, &value))
        rc = encode_entry(op, put, id, value, &sum);
    if (rc == 0 && ngr_put_finish(put) != NGR_OK) {
        PyErr_NoMemory();
        rc = -1;
    }
    if (rc == 0)
        op->call = call;
    else
        ngr_put_break(put);
    return rc;
}

/* --- the whole way ---------------------------------------------------------------------------- */

/* 0, or -1 with an exception. */
static int send_all(struct op *op)
{
    struct ngr_put *put = op->put;
    op->put = NULL;
    op->call = ngr_put_send(op->set->client, put, &put_sink, op);
    if (op->call)
        return 0;
    PyErr_NoMemory();
    return -1;
}

/* The next step: another slice, or sending. 0, or -1 with an exception. The code that a value runs may end
 * this very operation (by closing the storage): its buffers stay until that code has returned, and then there
 * is nothing left to do. */
static int go_on(struct op *op)
{
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
    if (rc > 0)
        rc = send_all(op);
    Py_CLEAR(op->snapshot);
    return rc;
}

static int begin(struct op *op)
{
    struct convert_estimate batch = {0};
    if (!may_stream(op, &batch))
        return go_on(op);
    int rc = stream(op, batch.bytes);
    Py_CLEAR(op->snapshot);
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
    if (op->put && begin(op) == 0)
        return (PyObject *)op;
    Py_DECREF(op);
    return NULL;
}
