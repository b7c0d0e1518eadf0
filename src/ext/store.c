#include "store.h"

#include "compat.h"
#include "errors.h"
#include "op.h"

/* --- the connections of the running loop ------------------------------------------------------ */

/* Takes a set off the list; false when it is no longer there. */
static bool remove_set(struct store *store, struct conn_set *set)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(store->sets); i++) {
        if (PyList_GET_ITEM(store->sets, i) != (PyObject *)set)
            continue;
        if (store->current == set)
            store->current = NULL;
        if (PyList_SetSlice(store->sets, i, i + 1, NULL) < 0)
            PyErr_Clear();
        return true;
    }
    return false;
}

/* Lets go of sets that can never be used again. Asking a loop whether it is closed runs Python code, and with
 * it perhaps another thread that changes the list: so this walks over a copy. */
static void drop_stale(struct store *store)
{
    PyObject *sets = PyList_GetSlice(store->sets, 0, PyList_GET_SIZE(store->sets));
    for (Py_ssize_t i = 0; sets && i < PyList_GET_SIZE(sets); i++) {
        struct conn_set *set = (struct conn_set *)PyList_GET_ITEM(sets, i);
        if (!conn_set_is_stale(set) || !remove_set(store, set))
            continue;
        conn_set_abandon(set);
        conn_set_detach(set, false);
    }
    if (!sets)
        PyErr_Clear();
    Py_XDECREF(sets);
}

static struct conn_set *find_set(struct store *store, PyObject *loop)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(store->sets); i++) {
        struct conn_set *set = (struct conn_set *)PyList_GET_ITEM(store->sets, i);
        if (conn_set_serves(set, loop))
            return set;
    }
    return NULL;
}

static struct conn_set *add_set(struct store *store, PyObject *loop)
{
    drop_stale(store);
    struct conn_set *set = conn_set_attach(store->state, store->settings_key, &store->settings, loop);
    if (!set)
        return NULL;
    int rc = PyList_Append(store->sets, (PyObject *)set);
    if (rc < 0)
        conn_set_detach(set, false);
    Py_DECREF(set);
    return rc < 0 ? NULL : set;
}

int store_connections(struct store *store, PyObject **loop, struct conn_set **set)
{
    PyObject *running = PyObject_CallNoArgs(store->state->names.get_running_loop);
    if (!running)
        return -1;
    if (running == Py_None) {
        Py_DECREF(running);
        PyErr_SetString(PyExc_RuntimeError, "no running event loop: await this from a coroutine");
        return -1;
    }
    if (!store->current || !conn_set_serves(store->current, running)) {
        store->current = find_set(store, running);
        if (!store->current)
            store->current = add_set(store, running);
    }
    *set = store->current;
    *loop = running;
    if (*set)
        return 0;
    Py_CLEAR(*loop);
    return -1;
}

/* --- construction ----------------------------------------------------------------------------- */

/* The value of an option, borrowed; NULL when it is absent or None. Answers -1 with an exception. */
static int get_option(PyObject *options, const char *name, PyObject **value)
{
    PyObject *key = PyUnicode_FromString(name);
    *value = key ? PyDict_GetItemWithError(options, key) : NULL;
    Py_XDECREF(key);
    if (*value == Py_None)
        *value = NULL;
    return PyErr_Occurred() ? -1 : 0;
}

static int get_text(PyObject *options, const char *name, char **to)
{
    PyObject *value;
    Py_ssize_t len;
    if (get_option(options, name, &value) < 0)
        return -1;
    if (!value)
        return 0;
    const char *text = PyUnicode_AsUTF8AndSize(value, &len);
    *to = text ? ngr_copy_string(text, (size_t)len) : NULL;
    if (text && !*to)
        PyErr_NoMemory();
    return *to ? 0 : -1;
}

static int get_number(PyObject *options, const char *name, double *to)
{
    PyObject *value;
    if (get_option(options, name, &value) == 0 && value)
        *to = PyFloat_AsDouble(value);
    return PyErr_Occurred() ? -1 : 0;
}

static int get_integer(PyObject *options, const char *name, long long *to)
{
    PyObject *value;
    if (get_option(options, name, &value) == 0 && value)
        *to = PyLong_AsLongLong(value);
    return PyErr_Occurred() ? -1 : 0;
}

static int get_flag(PyObject *options, const char *name, bool *to)
{
    PyObject *value;
    if (get_option(options, name, &value) == 0 && value)
        *to = PyObject_IsTrue(value) == 1;
    return PyErr_Occurred() ? -1 : 0;
}

static int read_texts(struct ngr_settings *s, PyObject *options)
{
    if (get_text(options, "host", &s->host) < 0 || get_text(options, "path", &s->path) < 0 ||
        get_text(options, "username", &s->username) < 0 || get_text(options, "password", &s->password) < 0 ||
        get_text(options, "client_name", &s->client_name) < 0 ||
        get_text(options, "ssl_ca_certs", &s->tls.ca_certs) < 0 ||
        get_text(options, "ssl_certfile", &s->tls.certfile) < 0 ||
        get_text(options, "ssl_keyfile", &s->tls.keyfile) < 0 ||
        get_text(options, "endpoint", &s->endpoint) < 0)
        return -1;
    if ((s->host || s->path) && s->endpoint)
        return 0;
    PyErr_SetString(PyExc_ValueError, "options need endpoint, and host or path");
    return -1;
}

static int read_settings(struct ngr_settings *s, PyObject *options)
{
    long long port = 6379, db = 0, connections = 50, retries = 3, value_bytes = 512LL * 1024 * 1024;
    *s = (struct ngr_settings){
        .connect_timeout = 5, .socket_timeout = 5, .idle_check = 30, .retry_base = 1, .retry_cap = 10};
    if (read_texts(s, options) < 0)
        return -1;
    if (get_integer(options, "port", &port) < 0 || get_integer(options, "db", &db) < 0 ||
        get_integer(options, "max_connections", &connections) < 0 ||
        get_integer(options, "retry_attempts", &retries) < 0 ||
        get_integer(options, "max_value_bytes", &value_bytes) < 0 ||
        get_flag(options, "tls", &s->tls.is_on) < 0 ||
        get_flag(options, "ssl_verify", &s->tls.verifies) < 0 ||
        get_flag(options, "ssl_check_hostname", &s->tls.checks_host) < 0 ||
        get_number(options, "connection_timeout", &s->connect_timeout) < 0 ||
        get_number(options, "socket_timeout", &s->socket_timeout) < 0 ||
        get_number(options, "health_check_interval", &s->idle_check) < 0 ||
        get_number(options, "retry_base", &s->retry_base) < 0 ||
        get_number(options, "retry_cap", &s->retry_cap) < 0)
        return -1;
    s->port = (unsigned)port;
    s->db = (int)db;
    s->max_connections = (unsigned)connections;
    s->retries = (unsigned)retries;
    s->max_value_bytes = (size_t)value_bytes;
    return 0;
}

static int read_put_options(struct store *store, PyObject *options)
{
    long long atomic_bytes = 64LL * 1024 * 1024, replicas = 0, wait_ms = 1000;
    if (get_integer(options, "ttl", &store->put.ttl) < 0 ||
        get_flag(options, "ttl_sliding", &store->renews) < 0 ||
        get_flag(options, "strict_json", &store->is_strict) < 0 ||
        get_integer(options, "max_atomic_bytes", &atomic_bytes) < 0 ||
        get_integer(options, "wait_replicas", &replicas) < 0 ||
        get_flag(options, "wait_aof", &store->put.wait_aof) < 0 ||
        get_integer(options, "wait_ms", &wait_ms) < 0)
        return -1;
    store->put.prefix = store->prefix;
    store->put.max_value_bytes = store->settings.max_value_bytes;
    store->put.max_atomic_bytes = (size_t)atomic_bytes;
    store->put.wait_replicas = (unsigned)replicas;
    store->put.wait_ms = (unsigned)wait_ms;
    return 0;
}

static PyObject *store_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"namespace", "prefix", "key", "options", NULL};
    PyObject *name, *prefix, *key, *options;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "UUOO!:Store", names, &name, &prefix, &key, &PyDict_Type,
                                     &options))
        return NULL;
    struct store *store = (struct store *)type->tp_alloc(type, 0);
    if (!store)
        return NULL;
    ngr_list_init(&store->ops);
    store->state = ext_state_of_type(type);
    store->namespace_name = Py_NewRef(name);
    store->settings_key = Py_NewRef(key);
    store->prefix_text = PyUnicode_AsUTF8String(prefix);
    store->sets = PyList_New(0);
    if (store->state && store->prefix_text && store->sets && read_settings(&store->settings, options) == 0) {
        store->prefix = (struct ngr_span){PyBytes_AS_STRING(store->prefix_text),
                                          (size_t)PyBytes_GET_SIZE(store->prefix_text)};
        if (read_put_options(store, options) == 0)
            return (PyObject *)store;
    }
    Py_DECREF(store);
    return NULL;
}

/* --- methods ---------------------------------------------------------------------------------- */

static struct store *store_of(PyObject *self)
{
    return (struct store *)self;
}

static PyObject *method_get(PyObject *self, PyObject *id)
{
    return op_get(store_of(self), id);
}

static PyObject *method_get_many(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 1 || nargs > 2) {
        PyErr_SetString(PyExc_TypeError, "get_many() takes ids and optionally fields");
        return NULL;
    }
    return op_get_many(store_of(self), args[0], nargs == 2 ? args[1] : Py_None);
}

static PyObject *method_missing(PyObject *self, PyObject *ids)
{
    return op_missing(store_of(self), ids);
}

static PyObject *method_put(PyObject *self, PyObject *mapping)
{
    return op_put(store_of(self), mapping);
}

static PyObject *method_remove(PyObject *self, PyObject *id)
{
    return op_remove(store_of(self), id);
}

static PyObject *method_keys(PyObject *self, PyObject *unused)
{
    (void)unused;
    return op_keys(store_of(self));
}

static PyObject *method_clear(PyObject *self, PyObject *unused)
{
    (void)unused;
    return op_clear(store_of(self));
}

static PyObject *method_execute(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"words", "repeatable", NULL};
    PyObject *words;
    int is_repeatable = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!|$p:execute", names, &PyTuple_Type, &words,
                                     &is_repeatable))
        return NULL;
    if (PyTuple_GET_SIZE(words) == 0) {
        PyErr_SetString(PyExc_ValueError, "a command has at least one word");
        return NULL;
    }
    return op_execute(store_of(self), words, is_repeatable);
}

/* The connections of the loop used last, a new reference; NULL when there are none that could be used. The
 * caller holds them because another thread may let go of them at any call of Python code. */
static struct conn_set *live_connections(struct store *store)
{
    struct conn_set *set = store->current;
    if (!set)
        return NULL;
    Py_INCREF(set);
    if (conn_set_is_stale(set))
        Py_CLEAR(set);
    return set;
}

static PyObject *method_stats(PyObject *self, PyObject *unused)
{
    struct store *store = store_of(self);
    const struct store_counters *n = &store->counters;
    struct conn_set *set = live_connections(store);
    char *core = set ? ngr_client_stats(set->client) : NULL;
    (void)unused;
    PyObject *stats = set && !core ? PyErr_NoMemory()
                                   : Py_BuildValue("{sKsKsKsKsz}", "hits", n->hits, "misses", n->misses,
                                                   "writes", n->writes, "corrupt", n->corrupt, "core", core);
    ngr_release(core);
    Py_XDECREF(set);
    return stats;
}

/* Ends the calls of this storage that wait on one set of connections. Those of other loops, in other threads,
 * are not ours to touch: their connections end them. They are gathered first, because ending one runs the
 * event loop's code, and other threads with it, which may end any other. */
static void close_ops(struct store *store, const struct conn_set *set)
{
    struct ngr_list own;
    struct ngr_node *n, *next;
    ngr_list_init(&own);
    for (n = store->ops.head.next; n != &store->ops.head; n = next) {
        next = n->next;
        if (ngr_of(n, struct op, node)->set != set)
            continue;
        ngr_node_unlink(n);
        ngr_list_push(&own, n);
    }
    /* Until `own` is empty: NOLINTNEXTLINE(clang-analyzer-core.StackAddressEscape) */
    while ((n = ngr_list_first(&own)))
        op_close(ngr_of(n, struct op, node));
}

/* Ends what this storage does on the running loop. What it does on others goes on there. */
static PyObject *method_close(PyObject *self, PyObject *unused)
{
    struct store *store = store_of(self);
    (void)unused;
    PyObject *loop = PyObject_CallNoArgs(store->state->names.get_running_loop);
    if (!loop)
        return NULL;
    drop_stale(store);
    struct conn_set *own = loop == Py_None ? NULL : find_set(store, loop);
    Py_DECREF(loop);
    if (own) {
        Py_INCREF(own);
        remove_set(store, own);
        close_ops(store, own);
        conn_set_detach(own, true);
        Py_DECREF(own);
    }
    return Py_NewRef(Py_None);
}

/* --- the type --------------------------------------------------------------------------------- */

static int store_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct store *store = store_of(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(store->settings_key);
    Py_VISIT(store->sets);
    return 0;
}

/* The connections close themselves at their next idle check when nobody else has them. */
static void leave_connections(struct store *store)
{
    for (Py_ssize_t i = 0; store->sets && i < PyList_GET_SIZE(store->sets); i++)
        conn_set_detach((struct conn_set *)PyList_GET_ITEM(store->sets, i), false);
    Py_CLEAR(store->sets);
}

static void store_dealloc(PyObject *self)
{
    struct store *store = store_of(self);
    PyTypeObject *type = Py_TYPE(self);
    PyObject *error_type, *value, *trace;
    PyObject_GC_UnTrack(self);
    PyErr_Fetch(&error_type, &value, &trace);
    PyObject_ClearWeakRefs(self);
    leave_connections(store);
    ngr_settings_fini(&store->settings);
    Py_CLEAR(store->namespace_name);
    Py_CLEAR(store->prefix_text);
    Py_CLEAR(store->settings_key);
    PyErr_Restore(error_type, value, trace);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef store_methods[] = {
    {"get", method_get, METH_O, "The value of one id, or None."},
    {"get_many", (PyCFunction)(void (*)(void))method_get_many, METH_FASTCALL,
     "The values of many ids, in their order."},
    {"missing", method_missing, METH_O, "The set of those ids that are absent."},
    {"put", method_put, METH_O, "Stores a batch, all or nothing."},
    {"remove", method_remove, METH_O, "Deletes one id; True if it was there."},
    {"keys", method_keys, METH_NOARGS, "All ids of the namespace."},
    {"clear", method_clear, METH_NOARGS, "Removes the namespace; answers how many keys it had."},
    {"execute", (PyCFunction)(void (*)(void))method_execute, METH_VARARGS | METH_KEYWORDS,
     "Any one command, given as a tuple of words; answers the raw reply."},
    {"stats", method_stats, METH_NOARGS, "Counters; `core` is a JSON text, or None before the first call."},
    {"close", method_close, METH_NOARGS, "Ends the calls under way and lets go of the connections."},
    {NULL, NULL, 0, NULL},
};

static PyObject *get_is_connected(PyObject *self, void *unused)
{
    struct store *store = store_of(self);
    PyObject *loop = PyObject_CallNoArgs(store->state->names.get_running_loop);
    (void)unused;
    if (!loop)
        return NULL;
    const struct conn_set *set = loop == Py_None ? NULL : find_set(store, loop);
    Py_DECREF(loop);
    return PyBool_FromLong(set && ngr_client_is_connected(set->client));
}

static PyGetSetDef store_properties[] = {
    {"is_connected", get_is_connected, NULL, "Whether a connection is open on the running event loop.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef store_members[] = {
    {"has_answered", T_BOOL, offsetof(struct store, has_answered), READONLY,
     "Whether the server has ever answered a call of this store."},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct store, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot store_slots[] = {
    {Py_tp_doc, "One namespace on one server: Store(namespace, prefix, key, options)."},
    {Py_tp_new, store_new},
    {Py_tp_methods, store_methods},
    {Py_tp_getset, store_properties},
    {Py_tp_members, store_members},
    {Py_tp_traverse, store_traverse},
    {Py_tp_dealloc, store_dealloc},
    {0, NULL},
};

static PyType_Spec store_spec = {
    .name = "nano_graphrag_redis._native.Store",
    .basicsize = sizeof(struct store),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = store_slots,
};

int store_init(PyObject *module, struct ext_state *state)
{
    state->store_type = PyType_FromModuleAndSpec(module, &store_spec, NULL);
    return state->store_type ? PyModule_AddObjectRef(module, "Store", state->store_type) : -1;
}
