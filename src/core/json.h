/* The streaming JSON codec: bytes in, callbacks out (reading), and a writer into a buffer (writing).
 *
 * It follows Python's `json` module to the letter, in both directions, because the values it reads were
 * written by json.dumps and the values it writes are read by json.loads: NaN, Infinity and -Infinity are
 * numbers, integers have any size, lone surrogates survive as \uXXXX, duplicate keys are all reported (the
 * receiver lets the last win), a control character inside a string is an error. Differences: the nesting
 * limit is ours (NGR_JSON_MAX_DEPTH), whatever the interpreter.
 *
 * Numbers are converted exactly or not at all: the text of those that are too long goes through untouched,
 * and the receiver decides. It knows nothing of Python and nothing of Redis. */
#ifndef NGR_JSON_H
#define NGR_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "status.h"

/* Arrays and objects nested deeper than this are refused, in both directions: 1,000 levels pass, 1,001 do
 * not. */
#define NGR_JSON_MAX_DEPTH 1000

/* --- reading ---------------------------------------------------------------------------------- */

/* A decoded string, one unit per code point, as narrow as its widest one allows: uint8_t up to U+00FF,
 * uint16_t up to U+FFFF, uint32_t beyond. Surrogates are in it only where the document spelled a lone one
 * as an escape. It lives until the callback returns. */
struct ngr_json_text {
    const void *units;
    size_t chars;
    uint32_t max_char; /* 0x7f, 0xff, 0xffff or 0x10ffff: the least that covers all of them */
};

/* The size of a unit in bytes. */
static inline size_t ngr_json_text_width(const struct ngr_json_text *text)
{
    return text->max_char <= 0xff ? 1 : text->max_char <= 0xffff ? 2 : 4;
}

/* What a `key` callback may answer besides a status: leave the value of this key out. The value is still
 * checked for correctness, no callback is made for it. */
#define NGR_JSON_SKIP ((ngr_status)-1)

/* Where the pieces of a document go, in document order. Any answer but NGR_OK stops the reading and is
 * what ngr_json_read() returns; a callback that answers NGR_E_CORRUPT has the place of its piece noted in
 * the error. Every `begin_*` is followed by its `end_*` unless the reading stops. */
struct ngr_json_sink {
    ngr_status (*null)(void *user);
    ngr_status (*boolean)(void *user, bool value);
    ngr_status (*integer)(void *user, int64_t value);
    /* "-?digits", beyond int64_t */
    ngr_status (*big_integer)(void *user, const char *text, size_t len);
    /* rounded to nearest, ties to even; NaN, infinities */
    ngr_status (*real)(void *user, double value);
    /* a number of more digits than fit 64 bits, which the receiver must round */
    ngr_status (*real_text)(void *user, const char *text, size_t len);
    ngr_status (*string)(void *user, const struct ngr_json_text *text);
    /* May be NULL. Room for `units` of `width` (2 or 4) bytes, or NULL: a long string of the next string() is
     * decoded there, instead of in the reader's scratch memory, and ends before them. One string may ask for
     * both widths, of which the second counts; after a failure nothing comes of it. */
    void *(*lend)(void *user, size_t units, unsigned width);
    ngr_status (*begin_array)(void *user);
    ngr_status (*end_array)(void *user);
    ngr_status (*begin_object)(void *user);
    ngr_status (*key)(void *user, const struct ngr_json_text *text); /* or NGR_JSON_SKIP */
    ngr_status (*end_object)(void *user);
};

/* Why and where a document was refused; set when ngr_json_read() answers NGR_E_CORRUPT. */
struct ngr_json_error {
    const char *what; /* a constant sentence: "a ':' was expected behind a key" */
    size_t offset;    /* in bytes from the start */
};

/* Scratch memory of a reader, kept from one document to the next. */
struct ngr_json_reader {
    struct ngr_buf scratch[3]; /* strings that are not plain ASCII are decoded here, by width of unit */
};

void ngr_json_reader_init(struct ngr_json_reader *r);
void ngr_json_reader_fini(struct ngr_json_reader *r);

/* Gives memory back, unless it is no more than `bytes`: after an exceptionally large document. */
void ngr_json_reader_trim(struct ngr_json_reader *r, size_t bytes);

/* Reads one complete document. `data` need not be NUL-terminated and is not changed. NGR_OK; NGR_E_CORRUPT
 * with `error` filled; NGR_E_NOMEM; or what a callback answered. A callback may run anything but this
 * reader. */
ngr_status ngr_json_read(struct ngr_json_reader *r, const char *data, size_t len,
                         const struct ngr_json_sink *sink, void *user, struct ngr_json_error *error);

/* --- writing ---------------------------------------------------------------------------------- */

/* The writer appends compact JSON to a buffer the caller owns. Commas and colons are its business, so
 * calls come in document order: inside an object a string, then ngr_json_key(), then the value. Every
 * function answers NGR_OK, NGR_E_NOMEM, or NGR_E_TOOBIG when the buffer's ceiling is reached (what was
 * written until then stays in the buffer); ngr_json_begin_* also NGR_E_ENCODE beyond the nesting limit. A
 * document of exactly the ceiling's size fits. */
struct ngr_json_writer {
    struct ngr_buf *out;
    unsigned depth;
    bool needs_comma;
};

void ngr_json_writer_init(struct ngr_json_writer *w, struct ngr_buf *out);

ngr_status ngr_json_null(struct ngr_json_writer *w);
ngr_status ngr_json_boolean(struct ngr_json_writer *w, bool value);
ngr_status ngr_json_integer(struct ngr_json_writer *w, int64_t value);
/* As Python's repr() spells it: the shortest text that reads back as the same double; NaN, Infinity. */
ngr_status ngr_json_real(struct ngr_json_writer *w, double value);
/* Writes a number as it is spelled; the caller answers for its form. */
ngr_status ngr_json_number_text(struct ngr_json_writer *w, const char *text, size_t len);

/* Strings, in the three forms a Python str has; ASCII is the first. Everything is written as UTF-8 but
 * `"`, `\`, control characters below 0x20 and lone surrogates, which are escaped. */
ngr_status ngr_json_string_ucs1(struct ngr_json_writer *w, const uint8_t *text, size_t chars);
ngr_status ngr_json_string_ucs2(struct ngr_json_writer *w, const uint16_t *text, size_t chars);
ngr_status ngr_json_string_ucs4(struct ngr_json_writer *w, const uint32_t *text, size_t chars);

ngr_status ngr_json_begin_array(struct ngr_json_writer *w);
ngr_status ngr_json_end_array(struct ngr_json_writer *w);
ngr_status ngr_json_begin_object(struct ngr_json_writer *w);
ngr_status ngr_json_end_object(struct ngr_json_writer *w);
/* Call directly after a string function wrote the key: it turns that string into a key by adding the
 * colon. */
ngr_status ngr_json_key(struct ngr_json_writer *w);

#endif
