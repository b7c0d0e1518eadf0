/* The host of the targets written in Python: an interpreter with the extension built in, instrumented like
 * all of src, which hands every input to check(data) of the module TARGET. An exception that leaves it is a
 * finding.
 *
 * Python's own memory comes from malloc here, so that AddressSanitizer watches the strings and lists that the
 * extension fills. At its end the interpreter leaves memory behind, so leaks are not looked for by the
 * sanitizer; what the core asks for is counted instead. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <stdlib.h>

#include "harness_memory.h"

/* The codec keeps an idle decoder with its stack, and three scratch buffers. */
#define KEPT_BY_THE_CODEC 8

PyMODINIT_FUNC PyInit__native(void);
const char *__asan_default_options(void);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static PyObject *check;

const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static void insist(int condition, const char *what)
{
    if (condition)
        return;
    if (PyErr_Occurred())
        PyErr_Print();
    fprintf(stderr, "host: %s\n", what);
    abort();
}

static void start_python(void)
{
    PyPreConfig before;
    PyConfig config;
    PyPreConfig_InitIsolatedConfig(&before);
    before.allocator = PYMEM_ALLOCATOR_MALLOC;
    before.utf8_mode = 1;
    insist(!PyStatus_Exception(Py_PreInitialize(&before)), "Python does not start");
    insist(PyImport_AppendInittab("_native", PyInit__native) == 0, "no room for the module");
    PyConfig_InitIsolatedConfig(&config);
    insist(!PyStatus_Exception(Py_InitializeFromConfig(&config)), "Python does not start");
    PyConfig_Clear(&config);
}

/* The reference recurses; inputs are some KiB of brackets at most. */
static const char boot[] =
    "import sys\n"
    "sys.setrecursionlimit(20_000)\n"
    "sys.path[:0] = [r'" ROOT "', r'" ROOT "/tests/fuzz', r'" ROOT "/tests/codec']\n"
    "import _native, nano_graphrag_redis\n"
    "sys.modules['nano_graphrag_redis._native'] = nano_graphrag_redis._native = _native\n";

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    harness_fail_nth(0);
    start_python();
    insist(PyRun_SimpleString(boot) == 0, "the extension cannot be imported");
    PyObject *module = PyImport_ImportModule(TARGET);
    insist(module != NULL, "the target cannot be imported");
    check = PyObject_GetAttrString(module, "check");
    insist(check != NULL, "the target has no check()");
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PyObject *done = PyObject_CallFunction(check, "y#", (const char *)data, (Py_ssize_t)size);
    insist(done != NULL, "check() raised");
    Py_DECREF(done);
    insist(harness_alive <= KEPT_BY_THE_CODEC, "the codec keeps more and more memory");
    return 0;
}
