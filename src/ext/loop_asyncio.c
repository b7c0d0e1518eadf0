#include "loop_asyncio.h"

#include <netdb.h>
#include <time.h>

#include "compat.h"

enum handle_kind { HANDLE_WATCH, HANDLE_TIMER, HANDLE_TASK, HANDLE_LOOKUP };

/* What the event loop calls. `target` is the C struct it stands for, NULL once that has lost interest. */
struct handle {
    PyObject_HEAD vectorcallfunc vectorcall;
    enum handle_kind kind;
    void *target;
    struct loop_glue *glue;
    PyObject *owner;     /* the glue lives in it: kept alive while the loop may call */
    PyObject *scheduled; /* TIMER, TASK: what the loop gave for cancelling; LOOKUP: the task */
};

static void **slot_of(enum handle_kind kind, void *target)
{
    switch (kind) {
    case HANDLE_WATCH:
        return &((struct ngr_watch *)target)->host;
    case HANDLE_TIMER:
        return &((struct ngr_timer *)target)->host;
    case HANDLE_TASK:
        return &((struct ngr_task *)target)->host;
    default:
        return &((struct ngr_lookup *)target)->host;
    }
}

/* Parts a handle from its C struct: neither knows the other any more. */
static void detach(struct handle *h)
{
    if (h->target)
        *slot_of(h->kind, h->target) = NULL;
    h->target = NULL;
}

/* --- calls from the loop ---------------------------------------------------------------------- */

static struct ngr_address *read_addresses(PyObject *infos, size_t *count)
{
    Py_ssize_t n = PySequence_Size(infos);
    if (n <= 0)
        return NULL;
    struct ngr_address *list = PyMem_Calloc((size_t)n, sizeof *list);
    *count = 0;
    for (Py_ssize_t i = 0; list && i < n; i++) {
        PyObject *info = PySequence_GetItem(infos, i);
        PyObject *address = info ? PySequence_GetItem(info, 4) : NULL;
        PyObject *host = address ? PySequence_GetItem(address, 0) : NULL;
        PyObject *port = address ? PySequence_GetItem(address, 1) : NULL;
        const char *text = host && PyUnicode_Check(host) ? PyUnicode_AsUTF8(host) : NULL;
        if (text && port && ngr_address_numeric(&list[*count], text, (unsigned)PyLong_AsLong(port)))
            (*count)++;
        Py_XDECREF(port);
        Py_XDECREF(host);
        Py_XDECREF(address);
        Py_XDECREF(info);
        PyErr_Clear();
    }
    return list;
}

/* The text of the exception that is set, which is cleared. */
static PyObject *take_error_text(void)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyObject *text = value ? PyObject_Str(value) : NULL;
    if (!text) {
        PyErr_Clear();
        text = PyUnicode_FromString("the lookup failed");
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    return text;
}

static void lookup_done(struct ext_state *state, struct ngr_lookup *l, PyObject *future)
{
    size_t count = 0;
    struct ngr_address *list = NULL;
    PyObject *why = NULL;
    PyObject *infos = PyObject_CallMethodNoArgs(future, state->names.result);
    if (infos)
        list = read_addresses(infos, &count);
    else
        why = take_error_text();
    const char *text = why ? PyUnicode_AsUTF8(why) : "the name has no address";
    if (l) {
        l->is_pending = false;
        l->done(l, list, count, text ? text : "the lookup failed");
    }
    PyMem_Free(list);
    Py_XDECREF(why);
    Py_XDECREF(infos);
    PyErr_Clear();
}

static void run(struct handle *h, struct ext_state *state, PyObject *argument)
{
    void *target = h->target;
    if (h->kind == HANDLE_LOOKUP) {
        detach(h);
        lookup_done(state, target, argument);
        return;
    }
    if (!target)
        return;
    if (h->kind == HANDLE_WATCH) {
        struct ngr_watch *w = target;
        w->ready(w, (unsigned)PyLong_AsLong(argument));
        return;
    }
    detach(h);
    if (h->kind == HANDLE_TIMER) {
        struct ngr_timer *t = target;
        t->is_on = false;
        t->fire(t);
    } else {
        struct ngr_task *t = target;
        t->is_pending = false;
        t->run(t);
    }
}

static PyObject *handle_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    struct handle *h = (struct handle *)self;
    struct loop_glue *glue = h->glue;
    PyObject *argument = PyVectorcall_NARGS(nargsf) ? args[0] : NULL, *owner = h->owner;
    if (!owner)
        Py_RETURN_NONE;
    Py_INCREF(self);
    Py_INCREF(owner);
    if (h->kind == HANDLE_TIMER || h->kind == HANDLE_TASK)
        Py_CLEAR(h->scheduled);
    glue->depth++;
    run(h, glue->state, argument);
    if (PyErr_Occurred())
        PyErr_WriteUnraisable(self);
    int rc = glue->epilogue(glue);
    glue->depth--;
    Py_DECREF(owner);
    Py_DECREF(self);
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

static int handle_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct handle *h = (struct handle *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(h->owner);
    Py_VISIT(h->scheduled);
    return 0;
}

static int handle_clear(PyObject *self)
{
    struct handle *h = (struct handle *)self;
    if (h->target && h->kind == HANDLE_WATCH)
        ((struct ngr_watch *)h->target)->events = 0;
    if (h->target && h->kind == HANDLE_TIMER)
        ((struct ngr_timer *)h->target)->is_on = false;
    if (h->target && h->kind == HANDLE_TASK)
        ((struct ngr_task *)h->target)->is_pending = false;
    detach(h);
    Py_CLEAR(h->scheduled);
    Py_CLEAR(h->owner);
    return 0;
}

static void handle_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    handle_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef handle_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct handle, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot handle_slots[] = {
    {Py_tp_doc, "A callback of the connections, for the event loop."},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_members, handle_members},
    {0, NULL},
};

static PyType_Spec handle_spec = {
    .name = "nano_graphrag_redis._native.Handle",
    .basicsize = sizeof(struct handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = handle_slots,
};

static struct handle *new_handle(struct loop_glue *glue, enum handle_kind kind, void *target)
{
    PyTypeObject *type = (PyTypeObject *)glue->state->handle_type;
    struct handle *h = (struct handle *)type->tp_alloc(type, 0);
    if (!h)
        return NULL;
    h->vectorcall = handle_vectorcall;
    h->kind = kind;
    h->target = target;
    h->glue = glue;
    h->owner = Py_NewRef(glue->owner);
    *slot_of(kind, target) = h;
    return h;
}

/* --- calls to the loop ------------------------------------------------------------------------ */

PyObject *loop_glue_loop(const struct loop_glue *glue)
{
    if (glue->is_abandoned || !glue->loop_ref)
        return NULL;
    return compat_weakref_get(glue->loop_ref);
}

/* Turns an exception of the event loop into a status; a closed loop is the usual cause. CPython says
 * SystemError instead of MemoryError when there is no memory for the frame of a call. */
static ngr_status swallow(void)
{
    if (!PyErr_Occurred())
        return NGR_E_CLOSED;
    bool is_memory = PyErr_ExceptionMatches(PyExc_MemoryError) || PyErr_ExceptionMatches(PyExc_SystemError);
    PyErr_Clear();
    return is_memory ? NGR_E_NOMEM : NGR_E_CLOSED;
}

/* Exceptions that were set before must survive what the loop does. */
struct saved_error {
    PyObject *type, *value, *trace;
};

static struct saved_error save_error(void)
{
    struct saved_error e;
    PyErr_Fetch(&e.type, &e.value, &e.trace);
    return e;
}

static void restore_error(struct saved_error e)
{
    PyErr_Restore(e.type, e.value, e.trace);
}

static PyObject *call_loop(PyObject *loop, PyObject *method, PyObject *a, PyObject *b, PyObject *c)
{
    PyObject *args[] = {loop, a, b, c};
    size_t count = (size_t)1 + (a != NULL) + (b != NULL) + (c != NULL);
    return PyObject_VectorcallMethod(method, args, count, NULL);
}

/* Runs `method` of `object` outside of the caller's context variables, which would otherwise live as long as
 * the connection. A context of its own, because the one of the callbacks is entered while they run. */
static PyObject *call_outside(PyObject *object, PyObject *method, PyObject *a, PyObject *b, PyObject *c)
{
    PyObject *context = PyContext_New(), *result = NULL;
    if (context && PyContext_Enter(context) == 0) {
        result = call_loop(object, method, a, b, c);
        struct saved_error e = save_error();
        PyContext_Exit(context);
        restore_error(e);
    }
    Py_XDECREF(context);
    return result;
}

/* Starts one direction of a watch. */
static int add_watch(PyObject *loop, PyObject *method, PyObject *fd, struct handle *h, long event)
{
    PyObject *number = PyLong_FromLong(event);
    PyObject *done = number ? call_outside(loop, method, fd, (PyObject *)h, number) : NULL;
    Py_XDECREF(number);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static int remove_watch(PyObject *loop, PyObject *method, PyObject *fd)
{
    PyObject *done = call_loop(loop, method, fd, NULL, NULL);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static int change_watch(struct loop_glue *glue, PyObject *loop, struct ngr_watch *w, struct handle *h,
                        unsigned events)
{
    struct ext_names *n = &glue->state->names;
    unsigned added = events & ~w->events, removed = w->events & ~events;
    int rc = 0;
    PyObject *fd = PyLong_FromLong(w->fd);
    if (!fd)
        return -1;
    if (removed & NGR_READABLE)
        rc |= remove_watch(loop, n->remove_reader, fd);
    if (removed & NGR_WRITABLE)
        rc |= remove_watch(loop, n->remove_writer, fd);
    if (rc == 0 && added & NGR_READABLE)
        rc |= add_watch(loop, n->add_reader, fd, h, NGR_READABLE);
    if (rc == 0 && added & NGR_WRITABLE)
        rc |= add_watch(loop, n->add_writer, fd, h, NGR_WRITABLE);
    Py_DECREF(fd);
    return rc;
}

/* Tries twice, since the first try may find no memory: a descriptor that stays known to the loop after it was
 * closed makes every later one of the same number fail. */
static void end_watch(struct loop_glue *glue, struct ngr_watch *w)
{
    struct handle *h = w->host;
    PyObject *loop = loop_glue_loop(glue);
    Py_XINCREF(h);
    for (int i = 0; i < 2 && loop && h && w->events && change_watch(glue, loop, w, h, 0) < 0; i++)
        PyErr_Clear();
    w->events = 0;
    if (h)
        detach(h);
    Py_XDECREF(h);
    Py_XDECREF(loop);
}

static ngr_status loop_watch(void *self, struct ngr_watch *w, unsigned events)
{
    struct loop_glue *glue = self;
    struct saved_error e = save_error();
    ngr_status st = NGR_OK;
    if (!events) {
        end_watch(glue, w);
        restore_error(e);
        return NGR_OK;
    }
    PyObject *loop = loop_glue_loop(glue);
    struct handle *h = w->host ? (struct handle *)Py_NewRef((PyObject *)w->host) : NULL;
    if (loop && !h)
        h = new_handle(glue, HANDLE_WATCH, w);
    if (!loop || !h || change_watch(glue, loop, w, h, events) < 0) {
        st = swallow();
        events |= w->events; /* whatever came of it, all of this is to be ended */
    }
    w->events = events;
    Py_XDECREF(h);
    Py_XDECREF(loop);
    restore_error(e);
    return st;
}

/* Schedules a handle with call_soon or, with a delay, call_later; keeps what is needed to cancel it. */
static ngr_status schedule(struct loop_glue *glue, struct handle *h, PyObject *delay)
{
    struct ext_names *n = &glue->state->names;
    PyObject *loop = loop_glue_loop(glue);
    if (loop && h) {
        PyObject *args[] = {loop, delay ? delay : (PyObject *)h, delay ? (PyObject *)h : glue->context,
                            glue->context};
        h->scheduled = PyObject_VectorcallMethod(delay ? n->call_later : n->call_soon, args, (delay ? 3 : 2),
                                                 n->kw_context);
    }
    ngr_status st = h && h->scheduled ? NGR_OK : swallow();
    if (st != NGR_OK && h)
        detach(h);
    Py_XDECREF(loop);
    return st;
}

/* Takes a scheduled handle back. Tries twice, as above: the loop would keep it, and the connections with it,
 * until the time has come. */
static void unschedule(struct loop_glue *glue, struct handle *h)
{
    if (!h)
        return;
    struct saved_error e = save_error();
    PyObject *scheduled = h->scheduled;
    Py_INCREF(h);
    h->scheduled = NULL;
    detach(h);
    bool is_done = !scheduled || glue->is_abandoned;
    for (int i = 0; i < 2 && !is_done; i++) {
        PyObject *done = PyObject_CallMethodNoArgs(scheduled, glue->state->names.cancel);
        is_done = done;
        if (!done)
            PyErr_Clear();
        Py_XDECREF(done);
    }
    Py_XDECREF(scheduled);
    Py_DECREF(h);
    restore_error(e);
}

static void loop_timer_off(void *self, struct ngr_timer *t)
{
    unschedule(self, t->host);
    t->is_on = false;
}

static ngr_status loop_timer_on(void *self, struct ngr_timer *t, double seconds)
{
    struct loop_glue *glue = self;
    loop_timer_off(self, t);
    struct saved_error e = save_error();
    PyObject *delay = PyFloat_FromDouble(seconds);
    struct handle *h = delay ? new_handle(glue, HANDLE_TIMER, t) : NULL;
    ngr_status st = schedule(glue, h, delay);
    t->is_on = st == NGR_OK;
    Py_XDECREF(h);
    Py_XDECREF(delay);
    restore_error(e);
    return st;
}

static ngr_status loop_defer(void *self, struct ngr_task *t)
{
    struct loop_glue *glue = self;
    if (t->is_pending)
        return NGR_OK;
    struct saved_error e = save_error();
    struct handle *h = new_handle(glue, HANDLE_TASK, t);
    ngr_status st = schedule(glue, h, NULL);
    t->is_pending = st == NGR_OK;
    Py_XDECREF(h);
    restore_error(e);
    return st;
}

static void loop_forget(void *self, struct ngr_task *t)
{
    unschedule(self, t->host);
    t->is_pending = false;
}

double loop_glue_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static double loop_now(void *self)
{
    (void)self;
    return loop_glue_now();
}

/* A task that runs loop.getaddrinfo(host, port, type=SOCK_STREAM). */
static PyObject *start_lookup(struct loop_glue *glue, PyObject *loop, const char *host, unsigned port)
{
    struct ext_names *n = &glue->state->names;
    PyObject *name = PyUnicode_FromString(host), *number = PyLong_FromUnsignedLong(port);
    PyObject *stream = PyLong_FromLong(SOCK_STREAM), *coroutine = NULL, *task = NULL;
    if (name && number && stream) {
        PyObject *args[] = {loop, name, number, stream};
        coroutine = PyObject_VectorcallMethod(n->getaddrinfo, args, 3, n->kw_type);
    }
    if (coroutine)
        task = call_outside(loop, n->create_task, coroutine, NULL, NULL);
    /* Nobody loses anything when the loop ends before the lookup does: asyncio need not report it. */
    if (task && PyObject_SetAttrString(task, "_log_destroy_pending", Py_False) < 0)
        PyErr_Clear();
    Py_XDECREF(coroutine);
    Py_XDECREF(stream);
    Py_XDECREF(number);
    Py_XDECREF(name);
    return task;
}

static ngr_status loop_resolve(void *self, struct ngr_lookup *l, const char *host, unsigned port)
{
    struct loop_glue *glue = self;
    struct saved_error e = save_error();
    PyObject *loop = loop_glue_loop(glue), *done = NULL;
    struct handle *h = loop ? new_handle(glue, HANDLE_LOOKUP, l) : NULL;
    if (h)
        h->scheduled = start_lookup(glue, loop, host, port);
    if (h && h->scheduled)
        done = call_outside(h->scheduled, glue->state->names.add_done_callback, (PyObject *)h, NULL, NULL);
    ngr_status st = done ? NGR_OK : swallow();
    l->is_pending = st == NGR_OK;
    if (st != NGR_OK && h)
        detach(h);
    Py_XDECREF(done);
    Py_XDECREF(h);
    Py_XDECREF(loop);
    restore_error(e);
    return st;
}

/* The lookup runs in a thread and cannot be stopped; its end will find nobody interested. */
static void loop_resolve_cancel(void *self, struct ngr_lookup *l)
{
    (void)self;
    if (l->host)
        detach(l->host);
    l->is_pending = false;
}

struct ngr_loop loop_glue_functions(struct loop_glue *glue)
{
    return (struct ngr_loop){
        .self = glue,
        .watch = loop_watch,
        .timer_on = loop_timer_on,
        .timer_off = loop_timer_off,
        .now = loop_now,
        .defer = loop_defer,
        .forget = loop_forget,
        .resolve = loop_resolve,
        .resolve_cancel = loop_resolve_cancel,
    };
}

/* --- life ------------------------------------------------------------------------------------- */

int loop_glue_init(struct loop_glue *glue, struct ext_state *state, PyObject *owner, PyObject *loop)
{
    glue->state = state;
    glue->owner = owner;
    glue->loop_ref = PyWeakref_NewRef(loop, NULL);
    glue->context = PyContext_New();
    return glue->loop_ref && glue->context ? 0 : -1;
}

void loop_glue_clear(struct loop_glue *glue)
{
    Py_CLEAR(glue->loop_ref);
    Py_CLEAR(glue->context);
}

int loop_asyncio_init(PyObject *module, struct ext_state *state)
{
    state->handle_type = PyType_FromModuleAndSpec(module, &handle_spec, NULL);
    return state->handle_type ? 0 : -1;
}
