/* Reading operations: get, get_many, missing. The value arrives in the reader's buffer and is decoded there.
 */
#include "op.h"

#include "convert.h"
#include "errors.h"

/* --- values ----------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* With `fields`, an empty record counts as absent (as JsonKVStorage has it), and a record without the wanted
 * fields does not; after filtering they look the same, so the document itself is asked. */
static bool is_empty_object(const char *data, size_t len)
{
    size_t i = 0;
    while (i < len && is_space(data[i]))
        i++;
    if (i == len || data[i++] != '{')
        return false;
    while (i < len && is_space(data[i]))
        i++;
    return i < len && data[i] == '}';
}

static ngr_status report_corrupt(struct op *op, size_t index, const struct ngr_json_error *error)
{
    struct store *store = op->store;
    PyObject *key = PyUnicode_DecodeUTF8(op->spans[index].data, (Py_ssize_t)op->spans[index].len, "replace");
    PyObject *prefix = PyUnicode_DecodeUTF8(store->prefix.data, (Py_ssize_t)store->prefix.len, "replace");
    store->counters.corrupt++;
    if (key && prefix)
        errors_raise(store->state, NGR_E_CORRUPT,
                     "%s in namespace %R: the value of the key '%U%U' is not valid JSON: %s (byte %zu); "
                     "look at it with redis-cli GET, then delete or repair it",
                     op->kind->name, store->namespace_name, prefix, key, error->what, error->offset);
    Py_XDECREF(key);
    Py_XDECREF(prefix);
    return op_keep_error(op);
}

/* The Python value of one answer, a new reference; None for an absent key, NULL when the operation ended
 * meanwhile: decoding may run any code. */
static ngr_status decode(struct op *op, size_t index, const char *data, size_t len, PyObject **value)
{
    struct ngr_json_error error;
    if (!data) {
        op->store->counters.misses++;
        *value = Py_NewRef(Py_None);
        return NGR_OK;
    }
    op->store->counters.hits++;
    ngr_status st = convert_decode(op->store->state, data, len, op->fields, value, &error);
    if (op->is_done) {
        PyErr_Clear();
        Py_CLEAR(*value);
        return NGR_OK;
    }
    if (st == NGR_E_CORRUPT)
        return report_corrupt(op, index, &error);
    if (st == NGR_E_CALLBACK)
        return op_keep_error(op);
    if (st != NGR_OK || !op->fields)
        return st;
    bool counts_as_absent = PyDict_Check(*value) ? is_empty_object(data, len) : PyObject_IsTrue(*value) == 0;
    if (counts_as_absent)
        Py_SETREF(*value, Py_NewRef(Py_None));
    return NGR_OK;
}

static ngr_status on_value(void *user, size_t index, const char *data, size_t len)
{
    struct op *op = user;
    PyObject *value = NULL;
    Py_INCREF(op);
    ngr_status st = decode(op, index, data, len, &value);
    if (st == NGR_OK && value && op->result)
        PyList_SetItem(op->result, (Py_ssize_t)index, value);
    else
        Py_XDECREF(value);
    Py_DECREF(op);
    return st;
}

static ngr_status on_single_value(void *user, size_t index, const char *data, size_t len)
{
    struct op *op = user;
    PyObject *value = NULL;
    Py_INCREF(op);
    ngr_status st = decode(op, index, data, len, &value);
    if (st == NGR_OK && value)
        Py_XSETREF(op->result, value);
    Py_DECREF(op);
    return st;
}

static struct ngr_keys keys_of(const struct op *op)
{
    return (struct ngr_keys){op->store->prefix, op->spans, op->count};
}

static long long renewal(const struct store *store)
{
    return store->renews ? store->put.ttl : 0;
}

static const struct op_kind get_kind = {"get_by_id", op_take_result};

PyObject *op_get(struct store *store, PyObject *id)
{
    static const struct ngr_sink sink = {.value = on_single_value, .done = op_done};
    struct ngr_span span;
    if (op_span(store->state, id, &span) < 0)
        return NULL;
    struct op *op = op_new(store, &get_kind);
    if (!op)
        return NULL;
    op->held = Py_NewRef(id);
    op->one = span;
    op->spans = &op->one;
    op->count = 1;
    struct ngr_keys keys = keys_of(op);
    return op_started(op, ngr_get(op->set->client, &keys, renewal(store), &sink, op));
}

/* --- many ids --------------------------------------------------------------------------------- */

/* Takes a snapshot of the ids and their bytes; -1 with an exception. */
static int hold_ids(struct op *op, PyObject *ids)
{
    if (PyUnicode_Check(ids) || PyBytes_Check(ids)) {
        PyErr_Format(PyExc_TypeError, "%s takes a list of ids, not one %.20s", op->kind->name,
                     Py_TYPE(ids)->tp_name);
        return -1;
    }
    op->held = PySequence_Tuple(ids);
    if (!op->held)
        return -1;
    op->count = (size_t)PyTuple_GET_SIZE(op->held);
    op->spans = PyMem_New(struct ngr_span, op->count ? op->count : 1);
    if (!op->spans) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < op->count; i++)
        if (op_span(op->store->state, PyTuple_GET_ITEM(op->held, i), &op->spans[i]) < 0)
            return -1;
    return 0;
}

static int hold_fields(struct op *op, PyObject *fields)
{
    if (fields == Py_None)
        return 0;
    if (PyUnicode_Check(fields)) {
        PyErr_SetString(PyExc_TypeError, "fields takes a set of names, not one str");
        return -1;
    }
    op->fields = PyFrozenSet_New(fields);
    return op->fields ? 0 : -1;
}

static PyObject *new_list_of_none(size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (Py_ssize_t i = 0; list && i < (Py_ssize_t)count; i++)
        PyList_SET_ITEM(list, i, Py_NewRef(Py_None));
    return list;
}

static const struct op_kind get_many_kind = {"get_by_ids", op_take_result};

PyObject *op_get_many(struct store *store, PyObject *ids, PyObject *fields)
{
    static const struct ngr_sink sink = {.value = on_value, .done = op_done};
    struct op *op = op_new(store, &get_many_kind);
    if (!op)
        return NULL;
    if (hold_ids(op, ids) < 0 || hold_fields(op, fields) < 0 || !(op->result = new_list_of_none(op->count))) {
        Py_DECREF(op);
        return NULL;
    }
    if (!op->count)
        return op_finish_at_once(op);
    struct ngr_keys keys = keys_of(op);
    return op_started(op, ngr_get(op->set->client, &keys, renewal(store), &sink, op));
}

/* --- which are missing ------------------------------------------------------------------------ */

static ngr_status on_exists(void *user, size_t index, long long number)
{
    struct op *op = user;
    op->flags[index] = number == 0;
    return NGR_OK;
}

static PyObject *build_missing(struct op *op)
{
    PyObject *missing = PySet_New(NULL);
    for (size_t i = 0; missing && i < op->count; i++)
        if (op->flags[i] && PySet_Add(missing, PyTuple_GET_ITEM(op->held, i)) < 0)
            Py_CLEAR(missing);
    return missing;
}

static const struct op_kind missing_kind = {"filter_keys", build_missing};

PyObject *op_missing(struct store *store, PyObject *ids)
{
    static const struct ngr_sink sink = {.number = on_exists, .done = op_done};
    struct op *op = op_new(store, &missing_kind);
    if (!op)
        return NULL;
    if (hold_ids(op, ids) < 0) {
        Py_DECREF(op);
        return NULL;
    }
    op->flags = PyMem_Calloc(op->count ? op->count : 1, 1);
    if (!op->flags)
        return op_started(op, NULL);
    if (!op->count)
        return op_finish_at_once(op);
    struct ngr_keys keys = keys_of(op);
    return op_started(op, ngr_exists(op->set->client, &keys, &sink, op));
}
