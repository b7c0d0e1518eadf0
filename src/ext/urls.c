/* Turns a `struct ngr_url` into a dict. It knows no setting and no option by name, and no exception
 * it raises holds a piece of the URL: not in its message, not in its arguments, not as its cause.
 */
#include "urls.h"

#include "errors.h"

static const char *kind_name(enum ngr_url_kind kind)
{
    switch (kind) {
    case NGR_URL_SENTINEL:
        return "sentinel";
    case NGR_URL_CLUSTER:
        return "cluster";
    default:
        return "standalone";
    }
}

/* Stores `value` under `key` and owns it even on failure; a NULL value is a failure already
 * reported. */
static int put(PyObject *dict, const char *key, PyObject *value)
{
    int rc = value ? PyDict_SetItemString(dict, key, value) : -1;
    Py_XDECREF(value);
    return rc;
}

static PyObject *text_or_none(const char *text)
{
    return text ? PyUnicode_FromString(text) : Py_NewRef(Py_None);
}

static PyObject *db_or_none(long db)
{
    return db == NGR_URL_NO_DB ? Py_NewRef(Py_None) : PyLong_FromLong(db);
}

/* [(host, port), ...] */
static PyObject *nodes_of(const struct ngr_url *url)
{
    PyObject *list = PyList_New((Py_ssize_t)url->node_count);
    if (!list)
        return NULL;
    for (size_t i = 0; i < url->node_count; i++) {
        PyObject *node = Py_BuildValue("(si)", url->nodes[i].host, url->nodes[i].port);
        if (!node) {
            Py_DECREF(list);
            return NULL;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, node);
    }
    return list;
}

/* Of several values under one name the first counts, but an empty one is none. */
static int add_option(PyObject *dict, const struct ngr_url_option *option)
{
    PyObject *name = PyUnicode_FromString(option->name);
    if (!name)
        return -1;
    int rc = 0;
    PyObject *known = PyDict_GetItemWithError(dict, name);
    bool is_settled = known && (PyUnicode_GET_LENGTH(known) > 0 || option->value[0] == '\0');
    if (PyErr_Occurred())
        rc = -1;
    else if (!is_settled)
        rc = put(dict, option->name, PyUnicode_FromString(option->value));
    Py_DECREF(name);
    return rc;
}

static PyObject *options_of(const struct ngr_url *url)
{
    PyObject *dict = PyDict_New();
    if (!dict)
        return NULL;
    for (size_t i = 0; i < url->option_count; i++) {
        if (add_option(dict, &url->options[i]) < 0) {
            Py_DECREF(dict);
            return NULL;
        }
    }
    return dict;
}

static PyObject *dict_of(const struct ngr_url *url)
{
    PyObject *dict = PyDict_New();
    if (!dict)
        return NULL;
    if (put(dict, "scheme", PyUnicode_FromString(url->scheme)) < 0 ||
        put(dict, "kind", PyUnicode_FromString(kind_name(url->kind))) < 0 ||
        put(dict, "tls", PyBool_FromLong(url->tls)) < 0 || put(dict, "nodes", nodes_of(url)) < 0 ||
        put(dict, "path", text_or_none(url->path)) < 0 ||
        put(dict, "service", text_or_none(url->service)) < 0 || put(dict, "db", db_or_none(url->db)) < 0 ||
        put(dict, "username", text_or_none(url->username)) < 0 ||
        put(dict, "password", text_or_none(url->password)) < 0 || put(dict, "options", options_of(url)) < 0) {
        Py_DECREF(dict);
        return NULL;
    }
    return dict;
}

/* The UTF-8 of `url`. CPython's own error for a lone surrogate carries the whole text along, so
 * ours replaces it. */
static const char *utf8_of(struct ext_state *state, PyObject *url, Py_ssize_t *len)
{
    const char *text = PyUnicode_AsUTF8AndSize(url, len);
    if (!text && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        PyErr_Clear();
        errors_raise(state, NGR_E_CONFIG,
                     "redis_url: the URL holds a character that is not valid Unicode (a lone "
                     "surrogate); %%-encode it");
    }
    return text;
}

static PyObject *parse_url(PyObject *module, PyObject *url)
{
    struct ext_state *state = ext_state_of_module(module);
    if (!PyUnicode_Check(url))
        return PyErr_Format(PyExc_TypeError, "parse_url() takes a str, not %s", Py_TYPE(url)->tp_name);
    Py_ssize_t len;
    const char *text = utf8_of(state, url, &len);
    if (!text)
        return NULL;
    struct ngr_url parsed;
    char error[NGR_URL_ERROR];
    ngr_status st = ngr_url_parse(&parsed, text, (size_t)len, error);
    if (st != NGR_OK)
        return errors_raise(state, st, "redis_url: %s", error);
    PyObject *dict = dict_of(&parsed);
    ngr_url_fini(&parsed);
    return dict;
}

PyDoc_STRVAR(parse_url_doc,
             "parse_url($module, url, /)\n--\n\n"
             "The parts of a Redis URL as a dict: scheme, kind ('standalone', 'sentinel' or 'cluster'), "
             "tls,\n"
             "nodes [(host, port), ...], path (of a Unix socket), service (of sentinels), username, "
             "password,\n"
             "db (None when the URL names none) and options (the rest of the query, name -> value).\n\n"
             "Raises ConfigurationError; its message says what is wrong without quoting the URL.");

static PyMethodDef urls_methods[] = {
    {"parse_url", parse_url, METH_O, parse_url_doc},
    {NULL, NULL, 0, NULL},
};

int urls_init(PyObject *module, struct ext_state *state)
{
    return PyModule_AddFunctions(module, urls_methods);
}
