/* Python to JSON: walks a value with an explicit stack and feeds the writer of core/json.h. It decides as
 * json.dumps does, by the same order of questions, and it answers for what the value's own code may do in the
 * middle: everything it still needs is held by a reference of its own, and a container that changes size is
 * an error.
 *
 *     {"a": [1, 2   ->   levels:  0 {dict, key "a"}   1 {list, next 2} */
#include "convert_int.h"

#include <stdarg.h>
#include <string.h>

#include "compat.h"
#include "encode_path.h"
#include "errors.h"

#define FIRST_LEVELS   8   /* open containers before any memory is asked for */
#define REPORTED_TYPES 256 /* after so many types told about, further ones are no news */

struct encoder {
    struct ext_state *state;
    struct ngr_json_writer writer;
    PyObject *id; /* borrowed, or NULL */
    bool strict;
    size_t depth, room;
    struct encode_level *levels; /* `first`, or longer and ours */
    struct encode_level first[FIRST_LEVELS];
};

/* --- what can go wrong ------------------------------------------------------------------------ */

/* Raises the exception of `st`: which value, where in it, the fact; always -1. */
static int fail(struct encoder *e, ngr_status st, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    PyObject *fact = PyUnicode_FromFormatV(format, args);
    va_end(args);
    PyObject *path = fact ? encode_path(e->levels, e->depth) : NULL;
    if (path && e->id)
        errors_raise(e->state, st, "cannot store %.200R: at %U: %U", e->id, path, fact);
    else if (path)
        errors_raise(e->state, st, "cannot encode the value: at %U: %U", path, fact);
    Py_XDECREF(path);
    Py_XDECREF(fact);
    return -1;
}

/* The answer of a writer function as the answer of ours. */
static inline int check(struct encoder *e, ngr_status st)
{
    if (st == NGR_OK)
        return 0;
    if (st == NGR_E_TOOBIG)
        return fail(
            e, st,
            "the JSON grows beyond the limit of %zu bytes; split the value, or raise redis_max_value_bytes",
            e->writer.out->max);
    if (st == NGR_E_NOMEM) {
        PyErr_NoMemory();
        return -1;
    }
    return fail(e, st, "%s", ngr_status_text(st));
}

/* PEP 678: a note on the exception in flight. Interpreters before 3.11 show it only in tools, but it is
 * there. */
static int attach(PyObject *error, PyObject *note)
{
    PyObject *done = PyObject_CallMethod(error, "add_note", "O", note);
    if (!done && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        PyObject *notes = Py_BuildValue("[O]", note);
        int rc = notes ? PyObject_SetAttrString(error, "__notes__", notes) : -1;
        Py_XDECREF(notes);
        return rc;
    }
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* The value's own code raised: its exception goes on as it is, with a note on where it came from; always
 * -1. */
static int pass_on(struct encoder *e, const char *code, PyObject *value)
{
    PyObject *error = compat_take_exception();
    PyObject *path = encode_path(e->levels, e->depth);
    PyObject *note = NULL;
    if (path && e->id)
        note = PyUnicode_FromFormat("while storing %.200R: %s of %s at %U", e->id, code,
                                    Py_TYPE(value)->tp_name, path);
    else if (path)
        note = PyUnicode_FromFormat("while encoding: %s of %s at %U", code, Py_TYPE(value)->tp_name, path);
    if (!note || attach(error, note) < 0)
        PyErr_Clear();
    Py_XDECREF(note);
    Py_XDECREF(path);
    compat_raise_again(error);
    return -1;
}

/* --- scalars ---------------------------------------------------------------------------------- */

static inline ngr_status write_string(struct ngr_json_writer *w, PyObject *s)
{
    if (PyUnicode_IS_COMPACT_ASCII(s))
        return ngr_json_string_ucs1(w, PyUnicode_1BYTE_DATA(s), (size_t)PyUnicode_GET_LENGTH(s));
    if (compat_str_ready(s) < 0) {
        PyErr_Clear();
        return NGR_E_NOMEM;
    }
    size_t chars = (size_t)PyUnicode_GET_LENGTH(s);
    switch (PyUnicode_KIND(s)) {
    case PyUnicode_1BYTE_KIND:
        return ngr_json_string_ucs1(w, PyUnicode_1BYTE_DATA(s), chars);
    case PyUnicode_2BYTE_KIND:
        return ngr_json_string_ucs2(w, PyUnicode_2BYTE_DATA(s), chars);
    default:
        return ngr_json_string_ucs4(w, PyUnicode_4BYTE_DATA(s), chars);
    }
}

/* The decimal digits by int's own repr, whatever a subclass (an IntEnum) has made of its own. */
static PyObject *int_text(struct encoder *e, PyObject *value)
{
    PyObject *text = PyLong_Type.tp_repr(value);
    if (!text && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
        fail(e, NGR_E_ENCODE,
             "an integer has more digits than this interpreter converts; raise sys.set_int_max_str_digits() "
             "here and where it is read, or store hex() of it");
    }
    return text;
}

static int encode_int(struct encoder *e, PyObject *value)
{
    int overflow;
    long long small = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (!overflow)
        return check(e, ngr_json_integer(&e->writer, small));
    PyObject *text = int_text(e, value);
    if (!text)
        return -1;
    int rc = check(e, ngr_json_number_text(&e->writer, (const char *)PyUnicode_1BYTE_DATA(text),
                                           (size_t)PyUnicode_GET_LENGTH(text)));
    Py_DECREF(text);
    return rc;
}

/* --- types that JSON does not know ------------------------------------------------------------ */

/* `module.qualname`, or what the type calls itself when it hides those. */
static PyObject *type_name(PyTypeObject *type)
{
    PyObject *module = PyObject_GetAttrString((PyObject *)type, "__module__");
    PyObject *name = module ? PyObject_GetAttrString((PyObject *)type, "__qualname__") : NULL;
    PyObject *full = NULL;
    if (name && PyUnicode_Check(module) && PyUnicode_Check(name))
        full = PyUnicode_CompareWithASCIIString(module, "builtins") == 0
                   ? PyUnicode_FromObject(name)
                   : PyUnicode_FromFormat("%U.%U", module, name);
    Py_XDECREF(name);
    Py_XDECREF(module);
    if (!full) {
        PyErr_Clear();
        full = PyUnicode_FromString(type->tp_name);
    }
    return full;
}

static bool descends_from(PyTypeObject *type, const char *name)
{
    PyObject *mro = type->tp_mro;
    for (Py_ssize_t i = 0; mro && i < PyTuple_GET_SIZE(mro); i++)
        if (strcmp(((PyTypeObject *)PyTuple_GET_ITEM(mro, i))->tp_name, name) == 0)
            return true;
    return false;
}

/* Whether numpy calls values of this type numbers or truth values. Known by name: numpy need not be
 * installed, and asking must not import it. Durations are integers to numpy, but not to anybody who reads
 * them back. */
static bool is_numpy_number(PyTypeObject *type)
{
    return (descends_from(type, "numpy.integer") || descends_from(type, "numpy.floating") ||
            descends_from(type, "numpy.bool") || descends_from(type, "numpy.bool_")) &&
           !descends_from(type, "numpy.timedelta64");
}

/* Tells once per type that its values are stored as text. */
static int report(struct encoder *e, PyTypeObject *type)
{
    int rc = -1;
    PyObject *reported = e->state->convert->reported;
    PyObject *logging = NULL, *logger = NULL, *path = NULL, *where = NULL, *done = NULL;
    PyObject *name = type_name(type);
    if (!name)
        return -1;
    int is_known = PySet_Contains(reported, name);
    if (is_known || PySet_GET_SIZE(reported) >= REPORTED_TYPES) {
        rc = is_known < 0 ? -1 : 0;
        goto exit;
    }
    if (PySet_Add(reported, name) < 0 || !(path = encode_path(e->levels, e->depth)) ||
        !(where = e->id ? PyUnicode_FromFormat("%U of %.200R", path, e->id) : Py_NewRef(path)) ||
        !(logging = PyImport_ImportModule("logging")) ||
        !(logger = PyObject_CallMethod(logging, "getLogger", "s", "nano_graphrag_redis")))
        goto exit;
    done = PyObject_CallMethod(
        logger, "warning", "sOO",
        "values of type %s are stored as text, str(value), and read back as str (first seen at "
        "%s); convert them before storing, or set redis_strict_json to refuse them",
        name, where);
    rc = done ? 0 : -1;
exit:
    Py_XDECREF(done);
    Py_XDECREF(logger);
    Py_XDECREF(logging);
    Py_XDECREF(where);
    Py_XDECREF(path);
    Py_DECREF(name);
    return rc;
}

static int encode_as_text(struct encoder *e, PyObject *value)
{
    if (e->strict) {
        PyObject *name = type_name(Py_TYPE(value));
        if (name)
            fail(e, NGR_E_ENCODE,
                 "JSON has no form for the type %U; convert it before storing, or turn redis_strict_json off "
                 "to store str() of it",
                 name);
        Py_XDECREF(name);
        return -1;
    }
    PyObject *text = PyObject_Str(value);
    if (!text)
        return pass_on(e, "str()", value);
    int rc = report(e, Py_TYPE(value));
    if (rc == 0)
        rc = check(e, write_string(&e->writer, text));
    Py_DECREF(text);
    return rc;
}

static int encode_numpy_number(struct encoder *e, PyObject *value)
{
    int rc;
    PyObject *number = PyObject_CallMethod(value, "item", NULL);
    if (!number)
        return pass_on(e, "item()", value);
    if (PyBool_Check(number))
        rc = check(e, ngr_json_boolean(&e->writer, number == Py_True));
    else if (PyLong_Check(number))
        rc = encode_int(e, number);
    else if (PyFloat_Check(number))
        rc = check(e, ngr_json_real(&e->writer, PyFloat_AS_DOUBLE(number)));
    else
        rc = encode_as_text(e, value); /* numpy.longdouble: no Python number holds it */
    Py_DECREF(number);
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
        fail(e, NGR_E_ENCODE, "the value contains itself: this is the same object as %U; break the circle",
             ancestor);
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
    return fail(e, NGR_E_ENCODE,
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
    return check(e, is_dict ? ngr_json_end_object(&e->writer) : ngr_json_end_array(&e->writer));
}

/* Writes a scalar of an exact type, of which no code can run and nothing but the writing can fail; false for
 * any other value, and for integers that take Python to be written. */
static inline bool write_scalar(struct encoder *e, PyObject *value, ngr_status *st)
{
    PyTypeObject *type = Py_TYPE(value);
    int overflow = 0;
    if (type == &PyUnicode_Type) {
        *st = write_string(&e->writer, value);
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
    if (check_depth(e) < 0 || check(e, ngr_json_begin_array(&e->writer)) < 0)
        return -1;
    ngr_status st = NGR_OK;
    while (next < size && st == NGR_OK && write_scalar(e, items[next], &st))
        next++;
    if (next == size && st == NGR_OK)
        return check(e, ngr_json_end_array(&e->writer)) < 0 ? -1 : 1;
    if (check_circle(e, value) < 0 || push_level(e, value, Py_NewRef(value), kind, next, NULL) < 0)
        return -1;
    return check(e, st);
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
    ngr_status st = write_string(&e->writer, key);
    return st == NGR_OK ? ngr_json_key(&e->writer) : st;
}

/* A dict, likewise: as long as its keys are exact strs, and its values scalars. */
static int encode_pairs(struct encoder *e, PyObject *value)
{
    PyObject *key, *element;
    Py_ssize_t next = 0, before = 0;
    if (check_depth(e) < 0 || check(e, ngr_json_begin_object(&e->writer)) < 0)
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
            return push_level(e, value, Py_NewRef(value), ENCODE_DICT, next, key) < 0 ? -1 : check(e, st);
    }
    return check(e, ngr_json_end_object(&e->writer)) < 0 ? -1 : 1;
}

/* Opens a level for a container of another type, which is walked by its own iteration, as json.dumps walks
 * it, from a list made once. */
static int open_level(struct encoder *e, PyObject *source, PyObject *items, enum encode_kind kind)
{
    bool is_dict = kind == ENCODE_PAIRS;
    if (check(e, is_dict ? ngr_json_begin_object(&e->writer) : ngr_json_begin_array(&e->writer)) == 0)
        return push_level(e, source, items, kind, 0, NULL);
    Py_DECREF(items);
    return -1;
}

static int encode_sequence(struct encoder *e, PyObject *value)
{
    if (check_circle(e, value) < 0 || check_depth(e) < 0)
        return -1;
    PyObject *items = PySequence_List(value);
    return items ? open_level(e, value, items, ENCODE_LIST) : pass_on(e, "iter()", value);
}

static int encode_mapping(struct encoder *e, PyObject *value)
{
    if (PyDict_GET_SIZE(value) == 0) /* json.dumps asks an empty one for nothing */
        return encode_pairs(e, value) < 0 ? -1 : 0;
    if (check_circle(e, value) < 0 || check_depth(e) < 0)
        return -1;
    PyObject *pairs = PyMapping_Items(value);
    return pairs ? open_level(e, value, pairs, ENCODE_PAIRS) : pass_on(e, "items()", value);
}

/* A value of any other type than the exact ones, or an integer of any size: code may run. 0 or -1. */
static int encode_other(struct encoder *e, PyObject *value)
{
    if (PyUnicode_Check(value))
        return check(e, write_string(&e->writer, value));
    if (PyLong_Check(value))
        return encode_int(e, value);
    if (PyFloat_Check(value))
        return check(e, ngr_json_real(&e->writer, PyFloat_AS_DOUBLE(value)));
    if (PyList_Check(value) || PyTuple_Check(value))
        return encode_sequence(e, value);
    if (PyDict_Check(value))
        return encode_mapping(e, value);
    return is_numpy_number(Py_TYPE(value)) ? encode_numpy_number(e, value) : encode_as_text(e, value);
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

static int encode_value(struct encoder *e, PyObject *value)
{
    ngr_status st;
    return write_scalar(e, value, &st) ? check(e, st) : encode_further(e, value);
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
        return int_text(e, key);
    PyObject *name = type_name(Py_TYPE(key));
    if (name)
        fail(e, NGR_E_ENCODE, "a key is of type %U: %.80R; keys must be str, int, float, bool or None", name,
             key);
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
        fail(e, NGR_E_ENCODE,
             "the keys %.80R and %.80R are both %.80R in JSON, where one would be lost; rename one", other,
             key, text);
    else if (!PyErr_Occurred())
        rc = PyDict_SetItem(seen, text, key);
    Py_DECREF(text);
    return rc;
}

static inline int check_size(struct encoder *e, const struct encode_level *top)
{
    if (size_of(top->items, top->kind) == top->size)
        return 0;
    return fail(e, NGR_E_ENCODE,
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
        return fail(e, NGR_E_ENCODE, "items() of this %s holds something that is not a pair",
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
    return check(e, write_key(e, top->key));
}

/* --- the walk --------------------------------------------------------------------------------- */

/* Each of these goes on in the innermost container: up to an element for which a level is opened or code run,
 * or to its end. `top` may be gone then. */

static int encode_elements(struct encoder *e, struct encode_level *top)
{
    PyObject *const *items = PySequence_Fast_ITEMS(top->items);
    ngr_status st;
    while (top->next < top->size) {
        PyObject *value = items[top->next++];
        if (write_scalar(e, value, &st)) {
            if (st != NGR_OK)
                return check(e, st);
            continue;
        }
        int rc = encode_further(e, value);
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
        int rc = st == NGR_OK ? encode_further(e, value) : check(e, st);
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
    e.room = FIRST_LEVELS;
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
