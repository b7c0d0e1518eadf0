/* The module: multi-phase initialisation, its state, and the order in which its parts come up. */
#include "state.h"

#include "allocator.h"
#include "build_info.h"
#include "codec.h"
#include "conn_set.h"
#include "convert.h"
#include "errors.h"
#include "loop_asyncio.h"
#include "op.h"
#include "store.h"
#include "urls.h"

struct ext_state *ext_state_of_module(PyObject *module)
{
    return PyModule_GetState(module);
}

struct ext_state *ext_state_of_type(PyTypeObject *type)
{
    return PyType_GetModuleState(type);
}

static int init_parts(PyObject *module, struct ext_state *state)
{
    if (errors_init(state) < 0 || names_init(&state->names) < 0 || build_info_init(module) < 0)
        return -1;
    if (codec_init(module, state) < 0 || urls_init(module, state) < 0)
        return -1;
    if (loop_asyncio_init(module, state) < 0 || conn_set_init(module, state) < 0)
        return -1;
    return op_init(module, state) < 0 || store_init(module, state) < 0 ? -1 : 0;
}

static int module_exec(PyObject *module)
{
    allocator_init();
    int rc = init_parts(module, ext_state_of_module(module));
    if (rc < 0 && !PyErr_Occurred())
        PyErr_NoMemory(); /* making a type can fail without a word */
    return rc;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct ext_state *state = ext_state_of_module(module);
    for (int st = 0; st < NGR_STATUS_COUNT; st++)
        Py_VISIT(state->error_classes[st]);
    Py_VISIT(state->handle_type);
    Py_VISIT(state->conn_set_type);
    Py_VISIT(state->conn_sets);
    Py_VISIT(state->op_type);
    Py_VISIT(state->store_type);
    return names_traverse(&state->names, visit, arg);
}

static int module_clear(PyObject *module)
{
    struct ext_state *state = ext_state_of_module(module);
    for (int st = 0; st < NGR_STATUS_COUNT; st++)
        Py_CLEAR(state->error_classes[st]);
    Py_CLEAR(state->handle_type);
    Py_CLEAR(state->conn_set_type);
    Py_CLEAR(state->conn_sets);
    Py_CLEAR(state->op_type);
    Py_CLEAR(state->store_type);
    names_clear(&state->names);
    return 0;
}

static void module_free(void *module)
{
    module_clear(module);
    convert_fini(ext_state_of_module(module));
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_SUPPORTED},
#endif
    {0, NULL},
};

struct PyModuleDef ext_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "nano_graphrag_redis._native",
    .m_doc = "The C side of nano_graphrag_redis: connections, pipelining and the JSON codec.",
    .m_size = sizeof(struct ext_state),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

/* The import looks it up: NOLINTNEXTLINE(misc-use-internal-linkage) */
PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&ext_module);
}
