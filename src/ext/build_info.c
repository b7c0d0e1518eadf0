#include "build_info.h"

#ifdef __clang__
#define COMPILER __VERSION__ /* it names itself there */
#else
#define COMPILER "gcc " __VERSION__
#endif

int build_info_init(PyObject *module)
{
    struct ngr_versions v = ngr_versions();
    PyObject *info = Py_BuildValue("{ssssssssssss}", "hiredis", v.hiredis_compiled, "openssl",
                                   v.openssl_loaded, "openssl_compiled", v.openssl_compiled, "cjson",
                                   v.cjson_loaded, "python_compiled", PY_VERSION, "compiler", COMPILER);
    int rc = info ? PyModule_AddObjectRef(module, "build_info", info) : -1;
    Py_XDECREF(info);
    return rc;
}
