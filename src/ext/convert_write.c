/* Python to JSON: walks a value with an explicit stack and feeds the writer of core/json.h. It decides as
 * json.dumps does, by the same order of questions, and it answers for what the value's own code may do in the
 * middle: everything it still needs is held by a reference of its own, and a container that changes size is
 * an error.
 *
 *     {"a": [1, 2   ->   levels:  0 {dict, key "a"}   1 {list, next 2} */
#include "encoder.h"

#include <string.h>

/* --- integers --------------------------------------------------------------------------------- */

PyObject *encode_int_text(struct encoder *e, PyObject *value)
{
    PyObject *text = PyLong_Type.tp_repr(value);
    if (!text && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
        encode_fail(
            e, NGR_E_ENCODE,
            "an integer has more digits than this interpreter converts; raise sys.set_int_max_str_digits() "
            "here and where it is read, or store hex() of it");
    }
    return text;
}

int encode_int(struct encoder *e, PyObject *value)
{
    int overflow;
    long long small = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (!overflow)
        return encode_check(e, ngr_json_integer(&e->writer, small));
    PyObject *text = encode_int_text(e, value);
    if (!text)
        return -1;
    int rc = encode_check(e, ngr_json_number_text(&e->writer, (const char *)PyUnicode_1BYTE_DATA(text),
                                                  (size_t)PyUnicode_GET_LENGTH(text)));
    Py_DECREF(text);
    return rc;
}

/* --- containers ------------------------------------------------------------------------------- */

static int make_room(struct encoder *e)
{
    if (e->depth < e->room)
        return 0;
    size_t room = e->room * 2;
    struct encode_level *old = e->levels == e->first ? NULL : e->levels;
    struct encode_level *levels = ngr_resize(old, room * sizeof *levels);
    if (!levels) {
        PyErr_NoMemory();
        return -1;
    }
    if (!old)
        memcpy(levels, e->first, sizeof e->first);
    e->levels = levels;
    e->room = room;
    return 0;
}

/* The value is the same object as that of the level `i`; always -1. */
static int refuse_circle(struct encoder *e, size_t i)
{
    PyObject *ancestor = encode_path(e->levels, i);
    if (ancestor)
        encode_fail(e, NGR_E_ENCODE,
                    "the value contains itself: this is the same object as %U; break the circle", ancestor);
    Py_XDECREF(ancestor);
    return -1;
}

/* Refuses what no JSON can hold before it has filled the memory: a container inside itself, and endless
 * nesting. */
static inline int check_circle(struct encoder *e, PyObject *container)
{
    for (size_t i = 0; i < e->depth; i++)
        if (e->levels[i].source == container)
            return refuse_circle(e, i);
    return 0;
}

static inline int check_depth(struct encoder *e)
{
    if (e->depth < NGR_JSON_MAX_DEPTH)
        return 0;
    return encode_fail(
        e, NGR_E_ENCODE,
        "the value is nested deeper than 1,000 levels; flatten it, or store the inner part as text");
}

static inline Py_ssize_t size_of(PyObject *items, enum encode_kind kind)
{
    if (kind == ENCODE_DICT)
        return PyDict_GET_SIZE(items);
    return kind == ENCODE_TUPLE ? PyTuple_GET_SIZE(items) : PyList_GET_SIZE(items);
}

/* A level for `source`, whose bracket is written, that walks `items`, which it takes over, from `next` on.
 * Behind it lies `key`, or NULL. */
static int push_level(struct encoder *e, PyObject *source, PyObject *items, enum encode_kind kind,
                      Py_ssize_t next, PyObject *key)
{
    if (make_room(e) < 0) {
        Py_DECREF(items);
        return -1;
    }
    e->levels[e->depth++] = (struct encode_level){.source = Py_NewRef(source),
                                                  .items = items,
                                                  .key = Py_XNewRef(key),
                                                  .size = size_of(items, kind),
                                                  .next = next,
                                                  .kind = kind};
    return 0;
}

static void drop_level(struct encoder *e)
{
    struct encode_level gone = e->levels[--e->depth];
    Py_XDECREF(gone.key);
    Py_DECREF(gone.items);
    Py_DECREF(gone.source);
}

static int close_level(struct encoder *e)
{
    bool is_dict = encode_level_is_dict(&e->levels[e->depth - 1]);
    drop_level(e);
    return encode_check(e, is_dict ? ngr_json_end_object(&e->writer) : ngr_json_end_array(&e->writer));
}

/* Writes a scalar of an exact type, of which no code can run and nothing but the writing can fail; false for
 * any other value, and for integers that take Python to be written. */
static inline bool write_scalar(struct encoder *e, PyObject *value, ngr_status *st)
{
    PyTypeObject *type = Py_TYPE(value);
    int overflow = 0;
    if (type == &PyUnicode_Type) {
        *st = encode_string(&e->writer, value);
    } else if (type == &PyLong_Type) {
        long long small = PyLong_AsLongLongAndOverflow(value, &overflow);
        *st = overflow ? NGR_OK : ngr_json_integer(&e->writer, small);
    } else if (type == &PyFloat_Type) {
        *st = ngr_json_real(&e->writer, PyFloat_AS_DOUBLE(value));
    } else if (type == &PyBool_Type) {
        *st = ngr_json_boolean(&e->writer, value == Py_True);
    } else if (value == Py_None) {
        *st = ngr_json_null(&e->writer);
    } else {
        return false;
    }
    return !overflow;
}

/* A list or tuple of an exact type. Most hold scalars alone, and are done with at once: 1, and no code has
 * run. 0 when a level is opened for the rest; -1. */
static int encode_items(struct encoder *e, PyObject *value, enum encode_kind kind)
{
    PyObject *const *items = PySequence_Fast_ITEMS(value);
    Py_ssize_t size = PySequence_Fast_GET_SIZE(value), next = 0;
    if (check_depth(e) < 0 || encode_check(e, ngr_json_begin_array(&e->writer)) < 0)
        return -1;
    ngr_status st = NGR_OK;
    while (next < size && st == NGR_OK && write_scalar(e, items[next], &st))
        next++;
    if (next == size && st == NGR_OK)
        return encode_check(e, ngr_json_end_array(&e->writer)) < 0 ? -1 : 1;
    if (check_circle(e, value) < 0 || push_level(e, value, Py_NewRef(value), kind, next, NULL) < 0)
        return -1;
    return encode_check(e, st);
}

static inline bool is_scalar(PyObject *value)
{
    int overflow = 0;
    if (PyLong_CheckExact(value))
        PyLong_AsLongLongAndOverflow(value, &overflow);
    else if (!PyUnicode_CheckExact(value) && !PyFloat_CheckExact(value) && !PyBool_Check(value))
        return value == Py_None;
    return !overflow;
}

static inline ngr_status write_key(struct encoder *e, PyObject *key)
{
    ngr_status st = encode_string(&e->writer, key);
    return st == NGR_OK ? ngr_json_key(&e->writer) : st;
}

/* A dict, likewise: as long as its keys are exact strs, and its values scalars. */
static int encode_pairs(struct encoder *e, PyObject *value)
{
    PyObject *key, *element;
    Py_ssize_t next = 0, before = 0;
    if (check_depth(e) < 0 || encode_check(e, ngr_json_begin_object(&e->writer)) < 0)
        return -1;
    for (; PyDict_Next(value, &next, &key, &element); before = next) {
        if (!PyUnicode_CheckExact(key) || !is_scalar(element))
            return check_circle(e, value) < 0
                       ? -1
                       : push_level(e, value, Py_NewRef(value), ENCODE_DICT, before, NULL);
        ngr_status st = write_key(e, key);
        if (st == NGR_OK)
            write_scalar(e, element, &st);
        if (st != NGR_OK)
            return push_level(e, value, Py_NewRef(value), ENCODE_DICT, next, key) < 0 ? -1
                                                                                      : encode_check(e, st);
    }
    return encode_check(e, ngr_json_end_object(&e->writer)) < 0 ? -1 : 1;
}

/* Opens a level for a container of another type, which is walked by its own iteration, as json.dumps walks
 * it, from a list made once. */
static int open_level(struct encoder *e, PyObject *source, PyObject *items, enum encode_kind kind)
{
    bool is_dict = kind == ENCODE_PAIRS;
    if (encode_check(e, is_dict ? ngr_json_begin_object(&e->writer) : ngr_json_begin_array(&e->writer)) == 0)
        return push_level(e, source, items, kind, 0, NULL);
    Py_DECREF(items);
    return -1;
}

static int encode_sequence(struct encoder *e, PyObject *value)
{
    if (check_circle(e, value) < 0 || check_depth(e) < 0)
        return -1;
    PyObject *items = PySequence_List(value);
    return items ? open_level(e, value, items, ENCODE_LIST) : encode_pass_on(e, "iter()", value);
}

static int encode_mapping(struct encoder *e, PyObject *value)
{
    if (PyDict_GET_SIZE(value) == 0) /* json.dumps asks an empty one for nothing */
        return encode_pairs(e, value) < 0 ? -1 : 0;
    if (check_circle(e, value) < 0 || check_depth(e) < 0)
        return -1;
    PyObject *pairs = PyMapping_Items(value);
    return pairs ? open_level(e, value, pairs, ENCODE_PAIRS) : encode_pass_on(e, "items()", value);
}

/* A value of any other type than the exact ones, or an integer of any size: code may run. 0 or -1. */
static int encode_other(struct encoder *e, PyObject *value)
{
    if (PyUnicode_Check(value))
        return encode_check(e, encode_string(&e->writer, value));
    if (PyLong_Check(value))
        return encode_int(e, value);
    if (PyFloat_Check(value))
        return encode_check(e, ngr_json_real(&e->writer, PyFloat_AS_DOUBLE(value)));
    if (PyList_Check(value) || PyTuple_Check(value))
        return encode_sequence(e, value);
    if (PyDict_Check(value))
        return encode_mapping(e, value);
    return encode_foreign(e, value);
}

/* A value that write_scalar() left: 1 when it is written, and no code has run; 0 when there is a new level,
 * or code may have run, even such as took the value out of its container; -1. */
static int encode_further(struct encoder *e, PyObject *value)
{
    if (PyList_CheckExact(value))
        return encode_items(e, value, ENCODE_LIST);
    if (PyDict_CheckExact(value))
        return encode_pairs(e, value);
    if (PyTuple_CheckExact(value))
        return encode_items(e, value, ENCODE_TUPLE);
    Py_INCREF(value);
    int rc = encode_other(e, value);
    Py_DECREF(value);
    return rc;
}

/* Any value; answers likewise. */
static inline int encode_value(struct encoder *e, PyObject *value)
{
    ngr_status st;
    if (write_scalar(e, value, &st))
        return encode_check(e, st) < 0 ? -1 : 1;
    return encode_further(e, value);
}

/* --- keys ------------------------------------------------------------------------------------- */

static PyObject *float_key_text(double value)
{
    if (Py_IS_NAN(value))
        return PyUnicode_FromString("NaN");
    if (Py_IS_INFINITY(value))
        return PyUnicode_FromString(value > 0 ? "Infinity" : "-Infinity");
    char *text = PyOS_double_to_string(value, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    PyObject *key = text ? PyUnicode_FromString(text) : NULL;
    PyMem_Free(text);
    return key;
}

/* The exact str that JSON knows a key by, or NULL with an exception set. Runs no code of the key's. */
static PyObject *key_text(struct encoder *e, PyObject *key)
{
    if (PyUnicode_Check(key))
        return PyUnicode_FromObject(key);
    if (PyFloat_Check(key))
        return float_key_text(PyFloat_AS_DOUBLE(key));
    if (key == Py_None)
        return PyUnicode_FromString("null");
    if (PyBool_Check(key))
        return PyUnicode_FromString(key == Py_True ? "true" : "false");
    if (PyLong_Check(key))
        return encode_int_text(e, key);
    PyObject *name = encode_type_name(Py_TYPE(key));
    if (name)
        encode_fail(e, NGR_E_ENCODE, "a key is of type %U: %.80R; keys must be str, int, float, bool or None",
                    name, key);
    Py_XDECREF(name);
    return NULL;
}

/* Notes `key` in `seen` (text -> key); refuses it when another has the same text. */
static int note_key(struct encoder *e, PyObject *seen, PyObject *key)
{
    int rc = -1;
    PyObject *text = key_text(e, key);
    if (!text)
        return -1;
    PyObject *other = PyDict_GetItemWithError(seen, text);
    if (other)
        encode_fail(e, NGR_E_ENCODE,
                    "the keys %.80R and %.80R are both %.80R in JSON, where one would be lost; rename one",
                    other, key, text);
    else if (!PyErr_Occurred())
        rc = PyDict_SetItem(seen, text, key);
    Py_DECREF(text);
    return rc;
}

static inline int check_size(struct encoder *e, const struct encode_level *top)
{
    if (size_of(top->items, top->kind) == top->size)
        return 0;
    return encode_fail(e, NGR_E_ENCODE,
                       "the %s changed size while it was written; do not change a value that is being stored",
                       encode_level_is_dict(top) ? "dict" : "list");
}

/* The next pair of a level: 1 and borrowed references, 0 at the end, -1. */
static inline int take_pair(struct encoder *e, struct encode_level *top, PyObject **key, PyObject **value)
{
    if (top->kind == ENCODE_DICT)
        return PyDict_Next(top->items, &top->next, key, value);
    if (top->next >= top->size)
        return 0;
    PyObject *pair = PyList_GET_ITEM(top->items, top->next);
    top->next++;
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2)
        return encode_fail(e, NGR_E_ENCODE, "items() of this %s holds something that is not a pair",
                           Py_TYPE(top->source)->tp_name);
    *key = PyTuple_GET_ITEM(pair, 0);
    *value = PyTuple_GET_ITEM(pair, 1);
    return 1;
}

/* Looks at all keys of the top level, when they are not just exact strs (which a dict keeps distinct by
 * itself). */
static int check_keys(struct encoder *e, struct encode_level *top)
{
    struct encode_level all = *top;
    PyObject *seen = PyDict_New(), *key = NULL, *value = NULL;
    int rc = seen ? 1 : -1;
    all.next = 0;
    while (rc > 0 && (rc = check_size(e, &all)) == 0 && (rc = take_pair(e, &all, &key, &value)) > 0) {
        Py_INCREF(key); /* making its text may allocate, and so collect */
        rc = note_key(e, seen, key) < 0 ? -1 : 1;
        Py_DECREF(key);
    }
    Py_XDECREF(seen);
    return rc;
}

static inline int encode_key(struct encoder *e, PyObject *key)
{
    struct encode_level *top = &e->levels[e->depth - 1];
    Py_CLEAR(top->key);
    bool is_distinct = PyUnicode_CheckExact(key) && top->kind == ENCODE_DICT;
    if (!is_distinct && !top->keys_are_distinct) {
        if (check_keys(e, top) < 0)
            return -1;
        top->keys_are_distinct = true;
    }
    top->key = PyUnicode_CheckExact(key) ? Py_NewRef(key) : key_text(e, key);
    if (!top->key)
        return -1;
    return encode_check(e, write_key(e, top->key));
}

/* --- the walk --------------------------------------------------------------------------------- */

/* Each of these goes on in the innermost container: up to an element for which a level is opened or code run,
 * or to its end. `top` may be gone then. */

static int encode_elements(struct encoder *e, struct encode_level *top)
{
    PyObject *const *items = PySequence_Fast_ITEMS(top->items);
    while (top->next < top->size) {
        int rc = encode_value(e, items[top->next++]);
        if (rc <= 0)
            return rc;
    }
    return close_level(e);
}

/* A pair that needs a second look: its key is not an exact str, or it comes from items(). */
static int encode_odd_pair(struct encoder *e, PyObject *key, PyObject *value)
{
    Py_INCREF(key);
    Py_INCREF(value);
    int rc = encode_key(e, key);
    if (rc == 0)
        rc = encode_value(e, value);
    Py_DECREF(value);
    Py_DECREF(key);
    return rc < 0 ? -1 : 0;
}

static int encode_dict_pairs(struct encoder *e, struct encode_level *top)
{
    PyObject *key, *value;
    while (PyDict_Next(top->items, &top->next, &key, &value)) {
        if (!PyUnicode_CheckExact(key))
            return encode_odd_pair(e, key, value);
        ngr_status st = write_key(e, key);
        if (st == NGR_OK && write_scalar(e, value, &st) && st == NGR_OK)
            continue;
        Py_XSETREF(top->key, Py_NewRef(key));
        int rc = st == NGR_OK ? encode_further(e, value) : encode_check(e, st);
        if (rc <= 0)
            return rc;
    }
    return close_level(e);
}

static int encode_listed_pairs(struct encoder *e, struct encode_level *top)
{
    PyObject *key = NULL, *value = NULL;
    int rc = take_pair(e, top, &key, &value);
    if (rc <= 0)
        return rc < 0 ? -1 : close_level(e);
    return encode_odd_pair(e, key, value);
}

static int encode_next(struct encoder *e)
{
    struct encode_level *top = &e->levels[e->depth - 1];
    if (check_size(e, top) < 0)
        return -1;
    if (top->kind == ENCODE_DICT)
        return encode_dict_pairs(e, top);
    return top->kind == ENCODE_PAIRS ? encode_listed_pairs(e, top) : encode_elements(e, top);
}

int convert_encode(struct ext_state *state, PyObject *value, bool strict, PyObject *id, struct ngr_buf *out)
{
    struct encoder e;
    size_t before = out->len;
    e.state = state;
    e.id = id;
    e.strict = strict;
    e.depth = 0;
    e.room = ENCODE_FIRST_LEVELS;
    e.levels = e.first;
    ngr_json_writer_init(&e.writer, out);
    int rc = encode_value(&e, value);
    while (rc >= 0 && e.depth)
        rc = encode_next(&e);
    while (e.depth)
        drop_level(&e);
    if (e.levels != e.first)
        ngr_release(e.levels);
    if (rc >= 0)
        return 0;
    out->len = before;
    return -1;
}
