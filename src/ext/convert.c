/* What the codec keeps between calls: made with the module, gone with it. */
#include "convert_int.h"

/* A buffer beyond this many bytes is not kept for the next document. */
#define KEPT_BYTES ((size_t)1 << 20)

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
    ngr_buf_fini(&convert->spare);
    key_cache_clear(&convert->keys);
    Py_XDECREF(convert->reported);
    ngr_release(convert);
}

void convert_borrow_buf(struct ext_state *state, struct ngr_buf *out)
{
    *out = state->convert->spare;
    ngr_buf_init(&state->convert->spare, 0);
}

void convert_give_back_buf(struct ext_state *state, struct ngr_buf *out)
{
    struct ngr_buf *spare = &state->convert->spare;
    if (out->cap > KEPT_BYTES || out->cap <= spare->cap) {
        ngr_buf_fini(out);
        return;
    }
    ngr_buf_fini(spare);
    *spare = *out;
    spare->len = 0;
}
