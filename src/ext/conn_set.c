#include "conn_set.h"

#include <pthread.h>

#include "compat.h"
#include "errors.h"

/* Grows by one in each forked child: what was made before the fork belongs to the parent. */
static unsigned long fork_generation;

static void on_fork(void)
{
    fork_generation++;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, on_fork);
}

/* --- what the core tells ---------------------------------------------------------------------- */

static void on_log(void *user, bool is_good, const char *line)
{
    struct conn_set *set = user;
    if (set->glue.is_abandoned)
        return;
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyObject *done =
        PyObject_CallMethod(set->glue.state->names.logger, is_good ? "info" : "warning", "ss", "%s", line);
    if (!done)
        PyErr_WriteUnraisable(set->glue.state->names.logger);
    Py_XDECREF(done);
    PyErr_Restore(type, value, trace);
}

static void on_idle(void *user)
{
    struct conn_set *set = user;
    if (set->users == 0)
        ngr_client_close(set->client);
}

/* --- waking ----------------------------------------------------------------------------------- */

static void wake_soon(struct conn_set *set)
{
    struct ngr_loop loop = loop_glue_functions(&set->glue);
    if (loop.defer(loop.self, &set->wake) == NGR_E_NOMEM)
        loop.defer(loop.self,
                   &set->wake); /* memory may be back: after a close, no other call would wake them */
}

void conn_set_wake(struct conn_set *set, struct anchor *a)
{
    if (!a->object)
        return;
    ngr_node_unlink(&a->node);
    ngr_list_push(&set->ready, &a->node);
    if (!set->glue.depth || set->is_waking)
        wake_soon(set);
}

/* Running the task is enough: what is ready is woken when it returns. */
static void on_wake(struct ngr_task *task)
{
    (void)task;
}

static int wake_one(struct anchor *a)
{
    PyObject *object = a->object;
    a->object = NULL;
    int rc = a->wake(object);
    Py_DECREF(object);
    return rc;
}

/* The end of every callback: wakes what was ready when it began. What gets ready meanwhile has asked for a
 * turn of its own. */
static int wake_ready(struct loop_glue *glue)
{
    struct conn_set *set = (struct conn_set *)glue->owner;
    const struct ngr_node *last = set->ready.head.prev;
    struct ngr_node *n = NULL;
    int rc = 0;
    bool was_waking = set->is_waking;
    set->is_waking = true;
    while (rc == 0 && n != last && (n = ngr_list_pop(&set->ready)))
        rc = wake_one(ngr_of(n, struct anchor, node));
    set->is_waking = was_waking;
    if (rc < 0 && !ngr_list_is_empty(&set->ready))
        wake_soon(set);
    return rc;
}

/* --- making and finding ----------------------------------------------------------------------- */

static PyObject *make_registry_key(PyObject *key, PyObject *loop)
{
    PyObject *id = PyLong_FromVoidPtr(loop);
    PyObject *pair = id ? PyTuple_Pack(2, key, id) : NULL;
    Py_XDECREF(id);
    return pair;
}

static struct conn_set *find(struct ext_state *state, PyObject *registry_key, PyObject *loop)
{
    PyObject *ref = PyDict_GetItemWithError(state->conn_sets, registry_key);
    struct conn_set *set = ref ? (struct conn_set *)compat_weakref_get(ref) : NULL;
    if (set && conn_set_serves(set, loop))
        return set;
    Py_XDECREF(set);
    return NULL;
}

static int fill(struct conn_set *set, struct ext_state *state, const struct ngr_settings *settings,
                PyObject *loop)
{
    const struct ngr_hooks hooks = {on_log, on_idle, set};
    if (loop_glue_init(&set->glue, state, (PyObject *)set, loop) < 0)
        return -1;
    set->glue.epilogue = wake_ready;
    struct ngr_loop functions = loop_glue_functions(&set->glue);
    set->client = ngr_client_new(settings, &functions, &hooks);
    if (!set->client)
        PyErr_NoMemory();
    return set->client ? 0 : -1;
}

static int enter_registry(struct ext_state *state, struct conn_set *set)
{
    PyObject *ref = PyWeakref_NewRef((PyObject *)set, NULL);
    int rc = ref ? PyDict_SetItem(state->conn_sets, set->registry_key, ref) : -1;
    Py_XDECREF(ref);
    return rc;
}

static struct conn_set *make(struct ext_state *state, PyObject *registry_key,
                             const struct ngr_settings *settings, PyObject *loop)
{
    PyTypeObject *type = (PyTypeObject *)state->conn_set_type;
    struct conn_set *set = (struct conn_set *)type->tp_alloc(type, 0);
    if (!set)
        return NULL;
    ngr_list_init(&set->anchors);
    ngr_list_init(&set->ready);
    set->wake.run = on_wake;
    set->process = fork_generation;
    set->registry_key = Py_NewRef(registry_key);
    if (fill(set, state, settings, loop) < 0 || enter_registry(state, set) < 0) {
        Py_DECREF(set);
        return NULL;
    }
    return set;
}

struct conn_set *conn_set_attach(struct ext_state *state, PyObject *key, const struct ngr_settings *settings,
                                 PyObject *loop)
{
    PyObject *registry_key = make_registry_key(key, loop);
    if (!registry_key)
        return NULL;
    struct conn_set *set = find(state, registry_key, loop);
    if (!set && !PyErr_Occurred())
        set = make(state, registry_key, settings, loop);
    Py_DECREF(registry_key);
    if (set)
        set->users++;
    return set;
}

void conn_set_detach(struct conn_set *set, bool may_close)
{
    if (--set->users == 0 && may_close && !conn_set_is_stale(set))
        ngr_client_close(set->client);
}

bool conn_set_serves(const struct conn_set *set, PyObject *loop)
{
    return !set->glue.is_abandoned && set->process == fork_generation &&
           compat_weakref_is(set->glue.loop_ref, loop);
}

bool conn_set_is_stale(const struct conn_set *set)
{
    if (set->glue.is_abandoned || set->process != fork_generation)
        return true;
    PyObject *loop = loop_glue_loop(&set->glue);
    if (!loop)
        return true;
    PyObject *closed = PyObject_CallMethodNoArgs(loop, set->glue.state->names.is_closed);
    bool is_stale = !closed || PyObject_IsTrue(closed) != 0;
    PyErr_Clear();
    Py_XDECREF(closed);
    Py_DECREF(loop);
    return is_stale;
}

void conn_set_abandon(struct conn_set *set)
{
    if (set->glue.is_abandoned)
        return;
    set->glue.is_abandoned = true;
    ngr_client_close(set->client);
}

void conn_set_anchor(struct conn_set *set, struct anchor *a, PyObject *object, int (*wake)(PyObject *object))
{
    if (a->object)
        return;
    a->object = Py_NewRef(object);
    a->wake = wake;
    ngr_list_push(&set->anchors, &a->node);
}

void conn_set_let_go(struct anchor *a)
{
    PyObject *object = a->object;
    if (!object)
        return;
    a->object = NULL;
    ngr_node_unlink(&a->node);
    Py_DECREF(object);
}

/* --- the type --------------------------------------------------------------------------------- */

static void leave_registry(struct conn_set *set)
{
    PyObject *sets = set->glue.state ? set->glue.state->conn_sets : NULL;
    PyObject *ref = sets && set->registry_key ? PyDict_GetItemWithError(sets, set->registry_key) : NULL;
    /* A dead reference is this set's own; a living one belongs to its successor. */
    PyObject *current = ref ? compat_weakref_get(ref) : NULL;
    if (ref && !current)
        PyDict_DelItem(sets, set->registry_key);
    Py_XDECREF(current);
    PyErr_Clear();
}

static int conn_set_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct conn_set *set = (struct conn_set *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(set->registry_key);
    Py_VISIT(set->glue.loop_ref);
    Py_VISIT(set->glue.context);
    for (struct ngr_node *n = set->anchors.head.next; n && n != &set->anchors.head; n = n->next)
        Py_VISIT(ngr_of(n, struct anchor, node)->object);
    for (struct ngr_node *n = set->ready.head.next; n && n != &set->ready.head; n = n->next)
        Py_VISIT(ngr_of(n, struct anchor, node)->object);
    return 0;
}

static void let_all_go(struct ngr_list *list)
{
    struct ngr_node *n;
    while ((n = ngr_list_first(list)))
        conn_set_let_go(ngr_of(n, struct anchor, node));
}

static int conn_set_clear(PyObject *self)
{
    struct conn_set *set = (struct conn_set *)self;
    let_all_go(&set->anchors);
    let_all_go(&set->ready);
    return 0;
}

static void conn_set_dealloc(PyObject *self)
{
    struct conn_set *set = (struct conn_set *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject *error_type, *value, *trace;
    PyObject_GC_UnTrack(self);
    PyErr_Fetch(&error_type, &value, &trace);
    PyObject_ClearWeakRefs(self);
    leave_registry(set);
    set->glue.is_abandoned = true; /* nothing here may call the loop */
    if (set->client)
        ngr_client_release(set->client);
    loop_glue_clear(&set->glue);
    Py_CLEAR(set->registry_key);
    PyErr_Restore(error_type, value, trace);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef conn_set_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct conn_set, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot conn_set_slots[] = {
    {Py_tp_doc, "The connections shared on one event loop."},
    {Py_tp_traverse, conn_set_traverse},
    {Py_tp_clear, conn_set_clear},
    {Py_tp_dealloc, conn_set_dealloc},
    {Py_tp_members, conn_set_members},
    {0, NULL},
};

static PyType_Spec conn_set_spec = {
    .name = "nano_graphrag_redis._native.ConnSet",
    .basicsize = sizeof(struct conn_set),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = conn_set_slots,
};

int conn_set_init(PyObject *module, struct ext_state *state)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    state->conn_sets = PyDict_New();
    state->conn_set_type = PyType_FromModuleAndSpec(module, &conn_set_spec, NULL);
    return state->conn_sets && state->conn_set_type ? 0 : -1;
}
