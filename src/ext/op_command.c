/* Operations that are one command or a walk over the namespace: remove, keys, clear, and execute for anything
 * else. */
#include "op.h"

#include "errors.h"

/* --- remove ----------------------------------------------------------------------------------- */

static ngr_status on_removed(void *user, size_t index, long long number)
{
    struct op *op = user;
    (void)index;
    Py_XSETREF(op->result, PyBool_FromLong(number > 0));
    return NGR_OK;
}

static const struct op_kind remove_kind = {"delete_by_id", op_take_result};

PyObject *op_remove(struct store *store, PyObject *id)
{
    static const struct ngr_sink sink = {.number = on_removed, .done = op_done};
    struct ngr_span span;
    if (op_span(store->state, id, &span) < 0)
        return NULL;
    struct op *op = op_new(store, &remove_kind);
    if (!op)
        return NULL;
    struct ngr_keys keys = {store->prefix, &span, 1};
    return op_started(op, ngr_remove(op->set->client, &keys, &sink, op));
}

/* --- keys, clear ------------------------------------------------------------------------------ */

/* SCAN may name a key twice; a dict keeps each id once, in the order of its first sight. */
static ngr_status on_id(void *user, size_t index, const char *data, size_t len)
{
    struct op *op = user;
    (void)index;
    Py_INCREF(op);
    PyObject *id = PyUnicode_DecodeUTF8(data, (Py_ssize_t)len, "backslashreplace");
    bool is_good = id && PyDict_SetItem(op->result, id, Py_None) == 0;
    ngr_status st = is_good ? NGR_OK : op_keep_error(op);
    Py_XDECREF(id);
    Py_DECREF(op);
    return st;
}

static PyObject *list_ids(struct op *op)
{
    return PyDict_Keys(op->result);
}

static const struct op_kind keys_kind = {"all_keys", list_ids};

PyObject *op_keys(struct store *store)
{
    static const struct ngr_sink sink = {.value = on_id, .done = op_done};
    struct op *op = op_new(store, &keys_kind);
    if (!op)
        return NULL;
    op->result = PyDict_New();
    if (!op->result) {
        Py_DECREF(op);
        return NULL;
    }
    return op_started(op, ngr_list_ids(op->set->client, store->prefix, &sink, op));
}

static ngr_status on_cleared(void *user, size_t index, long long number)
{
    struct op *op = user;
    (void)index;
    Py_XSETREF(op->result, PyLong_FromLongLong(number));
    return op->result ? NGR_OK : op_keep_error(op);
}

static const struct op_kind clear_kind = {"drop", op_take_result};

PyObject *op_clear(struct store *store)
{
    static const struct ngr_sink sink = {.number = on_cleared, .done = op_done};
    struct op *op = op_new(store, &clear_kind);
    if (!op)
        return NULL;
    return op_started(op, ngr_drop(op->set->client, store->prefix, &sink, op));
}

/* --- execute ---------------------------------------------------------------------------------- */

static PyObject *make_element(struct op *op, const struct ngr_reply *r)
{
    switch (r->type) {
    case NGR_REPLY_BULK:
        return PyBytes_FromStringAndSize(r->data, (Py_ssize_t)r->len);
    case NGR_REPLY_STATUS:
        return PyUnicode_DecodeUTF8(r->data, (Py_ssize_t)r->len, "backslashreplace");
    case NGR_REPLY_INTEGER:
        return PyLong_FromLongLong(r->integer);
    case NGR_REPLY_ARRAY:
        return PyList_New(0);
    case NGR_REPLY_ERROR: {
        PyObject *text = PyUnicode_DecodeUTF8(r->data, (Py_ssize_t)r->len, "backslashreplace");
        PyObject *error =
            text ? PyObject_CallOneArg(op->store->state->error_classes[NGR_E_SERVER], text) : NULL;
        Py_XDECREF(text);
        return error;
    }
    default:
        return Py_NewRef(Py_None);
    }
}

/* Puts an element where it belongs: elements come in order, so the list that is open at the depth above is
 * its home. */
static int place(struct op *op, const struct ngr_reply *r, PyObject *element)
{
    if (r->type == NGR_REPLY_ARRAY && r->depth < OP_MAX_NESTING)
        op->containers[r->depth] = element;
    if (r->depth == 0) {
        Py_XSETREF(op->result, Py_NewRef(element));
        return 0;
    }
    return r->depth <= OP_MAX_NESTING ? PyList_Append(op->containers[r->depth - 1], element) : -1;
}

static ngr_status on_reply(void *user, const struct ngr_reply *r)
{
    struct op *op = user;
    Py_INCREF(op);
    PyObject *element = make_element(op, r);
    ngr_status st = element && place(op, r, element) == 0 ? NGR_OK : op_keep_error(op);
    Py_XDECREF(element);
    Py_DECREF(op);
    return st;
}

static const struct op_kind execute_kind = {"command", op_take_result};

/* The bytes of one word of a command: str, bytes or int. The object that owns them goes into `owner`. */
static int word_span(struct ext_state *state, PyObject *word, PyObject **owner, struct ngr_span *span)
{
    if (PyBytes_Check(word)) {
        *owner = Py_NewRef(word);
        *span = (struct ngr_span){PyBytes_AS_STRING(word), (size_t)PyBytes_GET_SIZE(word)};
        return 0;
    }
    bool is_number = PyLong_Check(word) && !PyBool_Check(word);
    *owner = is_number ? PyObject_Str(word) : Py_NewRef(word);
    return *owner ? op_span(state, *owner, span) : -1;
}

/* The core copies the words, so their owners need to live only until the call has started. */
PyObject *op_execute(struct store *store, PyObject *words, bool is_repeatable)
{
    static const struct ngr_sink sink = {.reply = on_reply, .done = op_done};
    Py_ssize_t count = PyTuple_GET_SIZE(words), filled = 0;
    struct ngr_span *spans = PyMem_New(struct ngr_span, (size_t)count + 1);
    PyObject **owners = PyMem_Calloc((size_t)count + 1, sizeof *owners), *result = NULL;
    bool is_good = spans && owners;
    if (!is_good)
        PyErr_NoMemory();
    while (is_good && filled < count) {
        is_good =
            word_span(store->state, PyTuple_GET_ITEM(words, filled), &owners[filled], &spans[filled]) == 0;
        filled++;
    }
    struct op *op = is_good ? op_new(store, &execute_kind) : NULL;
    if (op)
        op->command = Py_NewRef(PyTuple_GET_ITEM(words, 0));
    if (op)
        result = op_started(op, ngr_exec(op->set->client, spans, (size_t)count, is_repeatable, &sink, op));
    for (Py_ssize_t i = 0; owners && i < filled; i++)
        Py_XDECREF(owners[i]);
    PyMem_Free(owners);
    PyMem_Free(spans);
    return result;
}
