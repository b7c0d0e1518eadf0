/* A module for tests: it stands between Python and its three allocators, counts the allocations that are made
 * on behalf of one shared object (one of its functions is on the stack), lets a chosen one of them fail, and
 * knows how many blocks are alive. Everything else in the process (the event loop, the test itself) never
 * fails. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unwind.h>

static struct door {
    PyMemAllocatorDomain domain;
    PyMemAllocatorEx real;
} doors[] = {{.domain = PYMEM_DOMAIN_RAW}, {.domain = PYMEM_DOMAIN_MEM}, {.domain = PYMEM_DOMAIN_OBJ}};

static atomic_long alive;

/* Where a shared object lies in memory. */
struct range {
    uintptr_t from, to;
};

static _Thread_local struct {
    struct range blamed, excused; /* `blamed` is empty: nothing fails */
    long first, last;             /* these fail, counted from 1 */
    long counted, failed;
} armed;

/* --- who asks ----------------------------------------------------------------------------------- */

static bool is_in(const struct range *r, uintptr_t at)
{
    return at >= r->from && at < r->to;
}

/* The innermost of the two objects answers for an allocation. */
static _Unwind_Reason_Code look_at(struct _Unwind_Context *context, void *is_blamed)
{
    uintptr_t at = _Unwind_GetIP(context);
    *(bool *)is_blamed = is_in(&armed.blamed, at);
    return *(bool *)is_blamed || is_in(&armed.excused, at) ? _URC_NORMAL_STOP : _URC_NO_REASON;
}

struct search {
    uintptr_t address;
    struct range found;
};

static int find_object(struct dl_phdr_info *object, size_t size, void *data)
{
    struct search *search = data;
    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        uintptr_t from = object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;
        struct range r = {from, from + object->dlpi_phdr[i].p_memsz};
        if (object->dlpi_phdr[i].p_type != PT_LOAD || !is_in(&r, search->address))
            continue;
        search->found = r;
        return 1;
    }
    return 0;
}

/* Where the code of a loaded module is; empty when it has no file of its own. */
static struct range range_of(const char *path, const char *symbol)
{
    void *library = path ? dlopen(path, RTLD_NOW | RTLD_NOLOAD) : NULL;
    struct search search = {library ? (uintptr_t)dlsym(library, symbol) : 0, {0, 0}};
    if (search.address)
        dl_iterate_phdr(find_object, &search);
    if (library)
        dlclose(library);
    return search.found;
}

static bool is_on_the_stack(void)
{
    bool is_blamed = false;
    _Unwind_Backtrace(look_at, &is_blamed);
    return is_blamed;
}

static bool must_fail(void)
{
    if (!armed.blamed.to || !is_on_the_stack())
        return false;
    armed.counted++;
    if (armed.counted < armed.first || armed.counted > armed.last)
        return false;
    armed.failed++;
    return true;
}

/* --- the allocator ------------------------------------------------------------------------------ */

static void *count(void *block)
{
    if (block)
        atomic_fetch_add(&alive, 1);
    return block;
}

static void *hook_malloc(void *context, size_t size)
{
    struct door *d = context;
    return must_fail() ? NULL : count(d->real.malloc(d->real.ctx, size));
}

static void *hook_calloc(void *context, size_t items, size_t size)
{
    struct door *d = context;
    return must_fail() ? NULL : count(d->real.calloc(d->real.ctx, items, size));
}

static void *hook_realloc(void *context, void *old, size_t size)
{
    struct door *d = context;
    if (must_fail())
        return NULL;
    void *block = d->real.realloc(d->real.ctx, old, size);
    return old ? block : count(block);
}

static void hook_free(void *context, void *block)
{
    struct door *d = context;
    if (block)
        atomic_fetch_sub(&alive, 1);
    d->real.free(d->real.ctx, block);
}

static void install(void)
{
    for (size_t i = 0; i < sizeof doors / sizeof doors[0]; i++) {
        PyMemAllocatorEx hook = {&doors[i], hook_malloc, hook_calloc, hook_realloc, hook_free};
        PyMem_GetAllocator(doors[i].domain, &doors[i].real);
        PyMem_SetAllocator(doors[i].domain, &hook);
    }
}

/* --- the module --------------------------------------------------------------------------------- */

static PyObject *arm(PyObject *module, PyObject *args)
{
    const char *path, *symbol, *excused, *excused_symbol;
    long first, last;
    (void)module;
    if (!PyArg_ParseTuple(args, "sszsll:arm", &path, &symbol, &excused, &excused_symbol, &first, &last))
        return NULL;
    struct range blamed = range_of(path, symbol);
    if (!blamed.to)
        return PyErr_Format(PyExc_RuntimeError, "%s is not loaded, or has no %s", path, symbol);
    armed.excused = range_of(excused, excused_symbol);
    armed.first = first;
    armed.last = last;
    armed.counted = armed.failed = 0;
    armed.blamed = blamed;
    Py_RETURN_NONE;
}

static PyObject *disarm(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    armed.blamed = (struct range){0, 0};
    return Py_BuildValue("ll", armed.counted, armed.failed);
}

static PyObject *get_alive(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyLong_FromLong(atomic_load(&alive));
}

static PyMethodDef methods[] = {
    {"arm", arm, METH_VARARGS,
     "arm(path, symbol, excused, excused_symbol, first, last): of the allocations made in this thread on "
     "behalf of the "
     "shared object `path`, which exports `symbol`, the numbers `first` to `last` fail; not those which "
     "`excused`, "
     "called by it, makes on its own behalf."},
    {"disarm", disarm, METH_NOARGS, "(counted, failed) since arm(); nothing fails any more."},
    {"alive", get_alive, METH_NOARGS, "Blocks allocated minus blocks freed since the import."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "failing_memory", .m_size = -1,
                                        .m_methods = methods};

PyMODINIT_FUNC PyInit_failing_memory(void)
{
    install();
    return PyModule_Create(&definition);
}
