/* Python values to JSON and back: the codec of core/json.h with Python at the other end. convert_read.c
 * builds values, convert_write.c takes them apart (and convert_plain.c tells what that will be like); what
 * both keep from call to call (scratch memory, known keys) belongs to the module.
 *
 * Both directions may run any Python code in the middle: the garbage collector in reading, `__str__` and
 * its kin in writing. That code may call either function again, so nothing is shared between two calls in
 * progress. */
#ifndef NGR_EXT_CONVERT_H
#define NGR_EXT_CONVERT_H

#include "state.h"

#include <stdbool.h>

#include "json.h"

/* Gives the module its part of the codec; -1 with an exception set. Every one is given back by
 * convert_fini(). */
int convert_init(struct ext_state *state);
void convert_fini(struct ext_state *state);

/* The Python value of the document `data`, as json.loads() would build it, into `*value` (a new reference).
 *
 * `fields` (NULL or a frozenset of str) names the keys to keep of a top-level object; the values of others
 * are checked and not built. A document that is not an object is kept whole.
 *
 * NGR_OK; NGR_E_CORRUPT with `error` filled and no exception set: naming the key is up to the caller;
 * NGR_E_NOMEM with no exception set; NGR_E_CALLBACK with an exception set. `*value` is NULL then. `data`
 * must stay as it is meanwhile. */
ngr_status convert_decode(struct ext_state *state, const char *data, size_t len, PyObject *fields,
                          PyObject **value, struct ngr_json_error *error);

/* Appends `value` as JSON to `out`; 0, or -1 with an exception set and `out` as it was before.
 *
 * What json.dumps(value, default=str) accepts is accepted, plus the numbers of numpy; with `strict`, what
 * only str() could save is refused. `id` (a str, or NULL) names the value in messages. EncodeError names
 * id, path, fact and way out; ValueTooLargeError is for the ceiling of `out`; an exception of the value's
 * own code passes through with a note on where it came from. Nothing else may write to `out` meanwhile,
 * which code run by the value could. */
int convert_encode(struct ext_state *state, PyObject *value, bool strict, PyObject *id, struct ngr_buf *out);

/* The same as a bytes object, without a ceiling; NULL with an exception set. */
PyObject *convert_to_bytes(struct ext_state *state, PyObject *value, bool strict);

/* What a value is going to be as JSON: about so many bytes, six times as many at most, and how long writing
 * them takes, in bytes of plain text. */
struct convert_estimate {
    size_t bytes, effort;
};

/* Adds what is found of `value` to `estimate`. True when only the end of memory can make convert_encode()
 * fail, and no code of the value runs: there are only exact types of Python in it that JSON knows, and none
 * of the rare cases. Never raises. */
bool convert_is_plain(PyObject *value, struct convert_estimate *estimate);

#endif
