/* JSON to Python: the sink of core/json.h that builds values. A finished value goes into the innermost open
 * container, or is the result. The containers under construction are held here, so that the garbage
 * collector, which may run whenever one is made, finds nothing half done that could break.
 *
 *     {"a": [1, 2   ->   levels:  0 {dict, key "a"}   1 {list, no key} */
#include "convert_int.h"

#include <string.h>

/* A scratch buffer beyond this many bytes is not kept for the next document. */
#define KEPT_SCRATCH ((size_t)1 << 20)

struct level {
    PyObject *container; /* owned */
    PyObject *key;       /* owned; NULL in a list, and in a dict between a value and the next key */
};

struct decoder {
    struct ngr_json_reader reader;
    struct convert *convert;
    PyObject *fields;    /* borrowed, or NULL */
    PyObject *result;    /* owned, or NULL */
    const char *refusal; /* why a callback called the document corrupt, or NULL */
    PyObject *lent[2];   /* owned, or NULL: a str that is being written, of units of two, of four bytes */
    unsigned depth;
    struct level levels[NGR_JSON_MAX_DEPTH];
};

/* --- pieces of text --------------------------------------------------------------------------- */

static PyObject *new_string(const struct ngr_json_text *text)
{
    PyObject *s = PyUnicode_New((Py_ssize_t)text->chars, text->max_char);
    if (s)
        memcpy(PyUnicode_DATA(s), text->units, text->chars * ngr_json_text_width(text));
    return s;
}

/* A long string is written where it stays, in a str of its own. */
static void *on_lend(void *user, size_t units, unsigned width)
{
    struct decoder *d = user;
    PyObject **lent = &d->lent[width == 4];
    Py_XSETREF(*lent, PyUnicode_New((Py_ssize_t)units, width == 4 ? 0x10ffff : 0xffff));
    if (*lent)
        return PyUnicode_DATA(*lent);
    PyErr_Clear(); /* there may be memory for less */
    return NULL;
}

/* The str that `text` was written into, cut to its length; NULL when it was written elsewhere, or there is no
 * memory to cut it. */
static PyObject *take_lent(struct decoder *d, const struct ngr_json_text *text)
{
    PyObject **lent = &d->lent[ngr_json_text_width(text) == 4], *s = *lent;
    if (!s || PyUnicode_DATA(s) != text->units)
        return NULL;
    *lent = NULL;
    if (PyUnicode_Resize(&s, (Py_ssize_t)text->chars) == 0)
        return s;
    PyErr_Clear();
    *lent = s;
    return NULL;
}

static void drop_lent(struct decoder *d)
{
    Py_CLEAR(d->lent[0]);
    Py_CLEAR(d->lent[1]);
}

static PyObject *new_key(struct key_cache *keys, const struct ngr_json_text *text)
{
    PyObject *key = key_cache_find(keys, text);
    if (key)
        return key;
    key = new_string(text);
    if (key)
        key_cache_keep(keys, text, key);
    return key;
}

/* What `convert` makes of a number's text, which CPython wants NUL-terminated. */
static PyObject *with_copy(const char *text, size_t len, PyObject *(*convert)(const char *))
{
    char small[64];
    char *copy = len < sizeof small ? small : ngr_alloc(len + 1);
    if (!copy)
        return PyErr_NoMemory();
    memcpy(copy, text, len);
    copy[len] = '\0';
    PyObject *number = convert(copy);
    if (copy != small)
        ngr_release(copy);
    return number;
}

static PyObject *new_big_integer(const char *text)
{
    return PyLong_FromString(text, NULL, 10);
}

static PyObject *new_rounded_float(const char *text)
{
    double value = PyOS_string_to_double(text, NULL, NULL);
    return value == -1.0 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(value);
}

/* --- the sink --------------------------------------------------------------------------------- */

/* Takes `value` over: a new reference, or NULL with an exception set. */
static ngr_status place(struct decoder *d, PyObject *value)
{
    int rc = 0;
    if (!value)
        return NGR_E_CALLBACK;
    if (d->depth == 0) {
        d->result = value;
        return NGR_OK;
    }
    struct level *top = &d->levels[d->depth - 1];
    if (top->key) {
        rc = PyDict_SetItem(top->container, top->key, value);
        Py_CLEAR(top->key);
    } else {
        rc = PyList_Append(top->container, value);
    }
    Py_DECREF(value);
    return rc < 0 ? NGR_E_CALLBACK : NGR_OK;
}

static ngr_status on_null(void *user)
{
    return place(user, Py_NewRef(Py_None));
}

static ngr_status on_boolean(void *user, bool value)
{
    return place(user, PyBool_FromLong(value));
}

static ngr_status on_integer(void *user, int64_t value)
{
    return place(user, PyLong_FromLongLong(value));
}

/* The interpreter limits how many digits it converts (sys.set_int_max_str_digits); json.loads() refuses
 * then, too. */
static ngr_status on_big_integer(void *user, const char *text, size_t len)
{
    struct decoder *d = user;
    PyObject *value = with_copy(text, len, new_big_integer);
    if (!value && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
        d->refusal = "an integer has more digits than sys.get_int_max_str_digits() allows";
        return NGR_E_CORRUPT;
    }
    return place(d, value);
}

static ngr_status on_real(void *user, double value)
{
    return place(user, PyFloat_FromDouble(value));
}

static ngr_status on_real_text(void *user, const char *text, size_t len)
{
    return place(user, with_copy(text, len, new_rounded_float));
}

static ngr_status on_string(void *user, const struct ngr_json_text *text)
{
    struct decoder *d = user;
    PyObject *s = take_lent(d, text);
    if (!s)
        s = new_string(text);
    drop_lent(d);
    return place(d, s);
}

/* Takes `container` over, as place() does. */
static ngr_status open_level(struct decoder *d, PyObject *container)
{
    if (!container)
        return NGR_E_CALLBACK;
    d->levels[d->depth++] = (struct level){.container = container};
    return NGR_OK;
}

static ngr_status on_begin_array(void *user)
{
    return open_level(user, PyList_New(0));
}

static ngr_status on_begin_object(void *user)
{
    return open_level(user, PyDict_New());
}

static ngr_status on_end(void *user)
{
    struct decoder *d = user;
    PyObject *container = d->levels[--d->depth].container;
    return place(d, container);
}

static ngr_status on_key(void *user, const struct ngr_json_text *text)
{
    struct decoder *d = user;
    PyObject *key = new_key(&d->convert->keys, text);
    if (!key)
        return NGR_E_CALLBACK;
    int is_wanted = d->fields && d->depth == 1 ? PySet_Contains(d->fields, key) : 1;
    if (is_wanted > 0) {
        d->levels[d->depth - 1].key = key;
        return NGR_OK;
    }
    Py_DECREF(key);
    return is_wanted < 0 ? NGR_E_CALLBACK : NGR_JSON_SKIP;
}

static const struct ngr_json_sink sink = {
    .null = on_null,
    .boolean = on_boolean,
    .integer = on_integer,
    .big_integer = on_big_integer,
    .real = on_real,
    .real_text = on_real_text,
    .string = on_string,
    .lend = on_lend,
    .begin_array = on_begin_array,
    .end_array = on_end,
    .begin_object = on_begin_object,
    .key = on_key,
    .end_object = on_end,
};

/* --- a decoder, borrowed and given back ------------------------------------------------------- */

/* The idle decoder, or a new one when a call in progress has it; NULL when memory ends. */
static struct decoder *borrow(struct convert *convert)
{
    struct decoder *d = convert->idle;
    convert->idle = NULL;
    if (d)
        return d;
    d = ngr_alloc(sizeof *d);
    if (!d)
        return NULL;
    ngr_json_reader_init(&d->reader);
    d->convert = convert;
    d->depth = 0;
    d->lent[0] = d->lent[1] = NULL;
    return d;
}

/* Forgets what an abandoned document left. Dropping a container may run code that decodes: `d` is still
 * ours. */
static void abandon(struct decoder *d)
{
    drop_lent(d);
    while (d->depth) {
        struct level *top = &d->levels[--d->depth];
        Py_XDECREF(top->key);
        Py_DECREF(top->container);
    }
    Py_CLEAR(d->result);
}

static void give_back(struct convert *convert, struct decoder *d)
{
    ngr_json_reader_trim(&d->reader, KEPT_SCRATCH);
    if (convert->idle)
        convert__decoder_free(d);
    else
        convert->idle = d;
}

void convert__decoder_free(struct decoder *d)
{
    if (!d)
        return;
    ngr_json_reader_fini(&d->reader);
    ngr_release(d);
}

ngr_status convert_decode(struct ext_state *state, const char *data, size_t len, PyObject *fields,
                          PyObject **value, struct ngr_json_error *error)
{
    struct decoder *d = borrow(state->convert);
    *value = NULL;
    if (!d)
        return NGR_E_NOMEM;
    d->fields = fields;
    d->result = NULL;
    d->refusal = NULL;
    ngr_status st = ngr_json_read(&d->reader, data, len, &sink, d, error);
    if (st == NGR_E_CORRUPT && d->refusal)
        error->what = d->refusal;
    if (st == NGR_OK) {
        *value = d->result;
        d->result = NULL;
    } else {
        abandon(d);
    }
    give_back(state->convert, d);
    return st;
}
