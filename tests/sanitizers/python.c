/* A Python interpreter with AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer linked in, so that
 * it can import an extension built with them. Whatever starts sys.executable is sanitised with it; servers,
 * shells and compilers that a test starts are not, as they would be with LD_PRELOAD. It obeys the usual
 * environment variables (ASAN_OPTIONS and so on); what they leave open is said here.
 * tools/sanitized_python.sh builds it. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <sanitizer/lsan_interface.h>
#include <stdlib.h>

/* Leaks are looked for before the interpreter is taken down: what is in use is then still referenced, which
 * is not so afterwards, when CPython and the libraries have let go of what they never free. */
const char *__asan_default_options(void)
{
    return "detect_leaks=1:leak_check_at_exit=0:detect_stack_use_after_return=1:strict_string_checks=1:"
           "allocator_may_return_null=1";
}

const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:print_stacktrace=1";
}

const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}

/* By library, never by a function of CPython: through those, our own objects are allocated, too. */
const char *__lsan_default_suppressions(void)
{
    return "leak:/cryptography/hazmat/bindings/_rust.abi3.so\n" /* its types, made once, kept by pointers in
                                                                   Rust */
           "leak:/pydantic_core/_pydantic_core.\n"              /* the same */
           "leak:/_cffi_backend.\n"; /* what it found in libraries, kept for ever */
}

static PyObject *check_leaks(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    __lsan_do_leak_check(); /* ends the process with an error when there are any */
    return Py_NewRef(Py_None);
}

/* Registered first, it runs last. */
static void check_leaks_at_exit(void)
{
    static PyMethodDef definition = {"check_leaks", check_leaks, METH_NOARGS, NULL};
    PyObject *function = PyCFunction_New(&definition, NULL);
    PyObject *module = PyImport_ImportModule("atexit");
    PyObject *done = module && function ? PyObject_CallMethod(module, "register", "O", function) : NULL;
    if (!done)
        PyErr_Print();
    Py_XDECREF(done);
    Py_XDECREF(module);
    Py_XDECREF(function);
}

int main(int argc, char **argv)
{
    PyConfig config;
    setenv("PYTHONMALLOC", "malloc", 1); /* pymalloc would hide the borders of objects */
    PyConfig_InitPythonConfig(&config);
    PyStatus status = PyConfig_SetBytesArgv(&config, argc, argv);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status))
        Py_ExitStatusException(status);
    check_leaks_at_exit();
    return Py_RunMain();
}
