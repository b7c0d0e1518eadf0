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
    bytes_room_fini(&convert->room);
    key_cache_clear(&convert->keys);
    Py_XDECREF(convert->reported);
    ngr_release(convert);
}

PyObject *convert_to_bytes(struct ext_state *state, PyObject *value, bool strict)
{
    struct bytes_buf out;
    bytes_buf_begin(&out, &state->convert->room);
    return bytes_buf_end(&out, convert_encode(state, value, strict, NULL, &out.buf) == 0);
}
