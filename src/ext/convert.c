/* What the codec keeps between calls: made with the module, gone with it. */
#include "convert_int.h"

int convert_init(struct ext_state *state)
{
    struct convert *convert = ngr_alloc_zero(sizeof *convert);
    if (!convert) {
        PyErr_NoMemory();
        return -1;
    }
    state->convert = convert;
    convert->reported = PySet_New(NULL);
    return convert->reported ? 0 : -1;
}

void convert_fini(struct ext_state *state)
{
    struct convert *convert = state->convert;
    if (!convert)
        return;
    state->convert = NULL;
    convert__decoder_free(convert->idle);
    key_cache_clear(&convert->keys);
    Py_XDECREF(convert->reported);
    ngr_release(convert);
}
