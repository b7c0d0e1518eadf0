/* The writing half of json.h. Room is reserved by the least that the rest can need (a byte per character),
 * never by the most: so the buffer's ceiling is exact, and no value is refused for what it might have
 * needed. */
#include "json.h"

#include <math.h>
#include <string.h>

#include "json_mixed.h"
#include "json_number.h"
#include "json_scan.h"
#include "json_triples.h"
#include "utf8.h"

void ngr_json_writer_init(struct ngr_json_writer *w, struct ngr_buf *out)
{
    w->out = out;
    w->depth = 0;
    w->needs_comma = false;
}

/* Begins a value: room for its `extra` bytes, and the comma if one is due. Without room, nothing is
 * written. */
static inline ngr_status begin(struct ngr_json_writer *w, size_t extra)
{
    ngr_status st = extra == SIZE_MAX ? NGR_E_TOOBIG : ngr_buf_reserve(w->out, extra + w->needs_comma);
    if (st != NGR_OK)
        return st;
    if (w->needs_comma)
        /* Room for a byte was asked for: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
        w->out->data[w->out->len++] = ',';
    w->needs_comma = true;
    return NGR_OK;
}

ngr_status ngr_json_number_text(struct ngr_json_writer *w, const char *text, size_t len)
{
    ngr_status st = begin(w, len);
    if (st != NGR_OK)
        return st;
    memcpy(w->out->data + w->out->len, text, len);
    w->out->len += len;
    return NGR_OK;
}

/* Where a value of at most `longest` bytes can be written at once, behind its comma; NULL when there is not
 * as much room. end_short() follows: a value is counted once, since each count waits for the one before. */
static inline char *begin_short(struct ngr_json_writer *w, size_t longest)
{
    struct ngr_buf *out = w->out;
    if (out->cap - out->len <= longest)
        return NULL;
    char *at = out->data + out->len;
    *at = ',';
    at += w->needs_comma;
    w->needs_comma = true;
    return at;
}

static inline ngr_status end_short(struct ngr_json_writer *w, const char *end)
{
    w->out->len = (size_t)(end - w->out->data);
    return NGR_OK;
}

static inline ngr_status write_word(struct ngr_json_writer *w, const char *word, size_t len)
{
    char *at = begin_short(w, len);
    if (!at)
        return ngr_json_number_text(w, word, len);
    memcpy(at, word, len);
    return end_short(w, at + len);
}

ngr_status ngr_json_null(struct ngr_json_writer *w)
{
    return write_word(w, "null", 4);
}

ngr_status ngr_json_boolean(struct ngr_json_writer *w, bool value)
{
    return value ? write_word(w, "true", 4) : write_word(w, "false", 5);
}

ngr_status ngr_json_integer(struct ngr_json_writer *w, int64_t value)
{
    char text[NGR__INTEGER_LONGEST], *at = begin_short(w, NGR__INTEGER_LONGEST);
    size_t len = ngr__integer_write(at ? at : text, value);
    return at ? end_short(w, at + len) : ngr_json_number_text(w, text, len);
}

static ngr_status write_finite(struct ngr_json_writer *w, double value)
{
    char text[NGR__REAL_LONGEST], *at = begin_short(w, NGR__REAL_LONGEST);
    size_t len = ngr__real_write(at ? at : text, value);
    return at ? end_short(w, at + len) : ngr_json_number_text(w, text, len);
}

ngr_status ngr_json_real(struct ngr_json_writer *w, double value)
{
    if (isfinite(value))
        return write_finite(w, value);
    if (isnan(value))
        return ngr_json_number_text(w, "NaN", 3);
    return value > 0 ? ngr_json_number_text(w, "Infinity", 8) : ngr_json_number_text(w, "-Infinity", 9);
}

/* --- strings ---------------------------------------------------------------------------------- */

/* Where the bytes of a string go: a window on the buffer's free room, so that the inner loops touch no
 * memory but text. */
struct window {
    struct ngr_buf *out;
    uint8_t *at, *end;
};

static void open_window(struct window *win, struct ngr_buf *out)
{
    win->out = out;
    win->at = (uint8_t *)out->data + out->len;
    win->end = (uint8_t *)out->data + out->cap;
}

static void close_window(struct window *win)
{
    win->out->len = (size_t)(win->at - (uint8_t *)win->out->data);
}

static ngr_status widen_window(struct window *win, size_t extra)
{
    if (extra <= (size_t)(win->end - win->at))
        return NGR_OK;
    close_window(win);
    ngr_status st = ngr_buf_reserve(win->out, extra);
    open_window(win, win->out);
    return st;
}

/* How the ASCII characters that are not plain are spelled, and in how many bytes. */
struct spelling {
    /* cppcheck-suppress unusedStructMember ; it is copied together with `len` */
    char text[7];
    uint8_t len;
};

static const struct spelling spellings[0x80] = {
    {"\\u0000", 6}, {"\\u0001", 6}, {"\\u0002", 6},      {"\\u0003", 6},       {"\\u0004", 6}, {"\\u0005", 6},
    {"\\u0006", 6}, {"\\u0007", 6}, {"\\b", 2},          {"\\t", 2},           {"\\n", 2},     {"\\u000b", 6},
    {"\\f", 2},     {"\\r", 2},     {"\\u000e", 6},      {"\\u000f", 6},       {"\\u0010", 6}, {"\\u0011", 6},
    {"\\u0012", 6}, {"\\u0013", 6}, {"\\u0014", 6},      {"\\u0015", 6},       {"\\u0016", 6}, {"\\u0017", 6},
    {"\\u0018", 6}, {"\\u0019", 6}, {"\\u001a", 6},      {"\\u001b", 6},       {"\\u001c", 6}, {"\\u001d", 6},
    {"\\u001e", 6}, {"\\u001f", 6}, ['"'] = {"\\\"", 2}, ['\\'] = {"\\\\", 2},
};

#define LONGEST_SPELLING 8 /* bytes that spell() may touch; it uses six at most */

/* Bytes behind the place of writing, besides one for each character to come, with which a step of
 * write_while_room() may be taken without asking: no step touches more. */
#define STEP 128

/* Bytes that a string is given at most beyond one per character before it is known to need them. */
#define MOST_SPARE ((size_t)1 << 17)

static inline size_t spell_escape(uint8_t *at, uint32_t c)
{
    memcpy(at, &spellings[c], sizeof spellings[c]);
    return spellings[c].len;
}

static size_t spell_surrogate(uint8_t *at, uint32_t c)
{
    static const char hex[] = "0123456789abcdef";
    at[0] = '\\';
    at[1] = 'u';
    at[2] = 'd';
    at[3] = (uint8_t)hex[c >> 8 & 15];
    at[4] = (uint8_t)hex[c >> 4 & 15];
    at[5] = (uint8_t)hex[c & 15];
    return 6;
}

/* Writes a character that is not plain as it stands in a JSON string; answers the number of bytes. */
static inline size_t spell(uint8_t *at, uint32_t c)
{
    if (c < 0x80)
        return spell_escape(at, c);
    return ngr__is_surrogate(c) ? spell_surrogate(at, c) : ngr__utf8_put(at, c);
}

/* Writes one character when room runs out: no more is asked for than it takes, and one byte for each of
 * the `rest`. */
static ngr_status spell_tightly(struct window *win, uint32_t c, size_t rest)
{
    uint8_t spelling[LONGEST_SPELLING] = {(uint8_t)c};
    size_t n = ngr__is_plain(c) ? 1 : spell(spelling, c);
    ngr_status st = widen_window(win, n + rest);
    if (st != NGR_OK)
        return st;
    memcpy(win->at, spelling, n);
    win->at += n;
    return NGR_OK;
}

/* The part of a string that is being written, from unit `i` on. */
struct source {
    const void *text;
    size_t i, chars;
};

static inline size_t left(const struct source *src)
{
    return src->chars - src->i;
}

static inline bool has_room(const struct source *src, const uint8_t *at, const uint8_t *end)
{
    return (size_t)(end - at) >= STEP + left(src);
}

/* Copies the `len` bytes at `p` of which `special` are not plain, a block or less. Each stretch between two
 * of these is copied together with all that follows it in the block, which is put right by the next copy: so
 * that no copy waits for the place where the one before it ended. */
static inline uint8_t *write_mixed(uint8_t *at, const uint8_t *p, size_t len, ngr__mask special)
{
    size_t from = 0;
    for (; special; special = ngr__mask_rest(special)) {
        size_t n = ngr__mask_first(special);
        at += n - from;
        at += spell(at, p[n]);
        from = n + 1;
        if (len == NGR__BLOCK)
            ngr__block_store1(at, ngr__block_ucs1(p + from));
        else
            ngr__copy_short(at, p + from, len - from);
    }
    return at + len - from;
}

/* Writes blocks of bytes, plain or not, as long as another block follows. */
static inline uint8_t *write_bytes(struct source *src, uint8_t *at, const uint8_t *end)
{
    if (left(src) < 2 * NGR__BLOCK)
        return at;
    const uint8_t *p = (const uint8_t *)src->text + src->i, *stop = (const uint8_t *)src->text + src->chars;
    const uint8_t *last = stop - 2 * NGR__BLOCK;
    for (; p <= last; p += NGR__BLOCK) {
        ngr__block b = ngr__block_ucs1(p);
        ngr__mask special = ngr__block_special(b);
        ngr__block_store1(at, b);
        if (!special)
            at += NGR__BLOCK;
        else if (end - at >= STEP + (stop - p))
            at = write_mixed(at, p, NGR__BLOCK, special);
        else
            break;
    }
    src->i = (size_t)(p - (const uint8_t *)src->text);
    return at;
}

/* Writes fewer bytes than a block, plain or not. */
static inline uint8_t *write_short(uint8_t *at, const uint8_t *p, size_t len)
{
    ngr__block b = ngr__block_short(p, len);
    ngr__block_store1(at, b);
    return write_mixed(at, p, len, ngr__block_special(b) & ngr__mask_below(len));
}

/* Writes blocks, up to the first character that is not plain or until less than a block is left. There is
 * always room for a byte per character to come, so that a block may be stored although only its beginning
 * counts. `*more` tells whether the last one held others that are not plain. */
NGR__BY_WIDTH uint8_t *write_blocks(struct source *src, uint8_t *at, ngr__mask *more, unsigned width)
{
    for (size_t n = NGR__BLOCK; n == NGR__BLOCK && left(src) >= NGR__BLOCK; src->i += n, at += n) {
        ngr__block b = ngr__block_load(src->text, src->i, width);
        ngr__mask special = ngr__block_special(b);
        ngr__block_store1(at, b);
        n = special ? ngr__mask_first(special) : NGR__BLOCK;
        *more = ngr__mask_rest(special);
    }
    return at;
}

/* The same for the end of a string, which is shorter than a block. */
NGR__BY_WIDTH uint8_t *write_rest(struct source *src, uint8_t *at, unsigned width)
{
    if (width == 1) {
        size_t from = src->i;
        src->i = src->chars;
        return write_short(at, (const uint8_t *)src->text + from, src->chars - from);
    }
    for (; left(src); src->i++) {
        uint32_t c = ngr__unit(src->text, src->i, width);
        if (!ngr__is_plain(c))
            break;
        *at++ = (uint8_t)c;
    }
    return at;
}

/* Writes characters that take three bytes of UTF-8, as long as they last: most text that is neither Latin
 * nor plain. */
NGR__BY_WIDTH uint8_t *write_triples(struct source *src, uint8_t *at, const uint8_t *end, unsigned width)
{
    while (width == 2 && left(src) >= NGR__TRIPLES && has_room(src, at, end)) {
        size_t n = ngr__triples_put(at, (const uint16_t *)src->text + src->i);
        src->i += n;
        at += 3 * n;
        if (n < NGR__TRIPLES)
            break;
    }
    return at;
}

/* Writes text of any mixture as far as json_mixed.h can. */
NGR__BY_WIDTH uint8_t *write_mixed_text(struct source *src, uint8_t *at, const uint8_t *end, unsigned width)
{
#if defined(NGR__MIXED)
    if (left(src) < NGR__MIXED_UNITS)
        return at;
    if (width == 2)
        return ngr__mixed_write2(src->text, src->chars, &src->i, at, end);
    return ngr__mixed_write4(src->text, src->chars, &src->i, at, end);
#else
    return at;
#endif
}

/* Goes on behind a character that was not plain when the next one is not, either. */
NGR__BY_WIDTH uint8_t *write_run(struct source *src, uint8_t *at, const uint8_t *end, uint32_t c,
                                 unsigned width)
{
    uint32_t next = left(src) ? ngr__unit(src->text, src->i, width) : 0;
    if (c < 0x80 || next < 0x80)
        return at;
    if (width == 2 && c >= 0x800 && next >= 0x800)
        return write_triples(src, at, end, width);
    return write_mixed_text(src, at, end, width);
}

/* Whether here begins what write_triples() has. A block is left. */
NGR__BY_WIDTH bool begins_triples(const struct source *src, unsigned width)
{
    return width == 2 && ngr__unit(src->text, src->i, width) >= 0x800 &&
           ngr__unit(src->text, src->i + 1, width) >= 0x800;
}

/* Writes until the end, or until room runs short; answers where the bytes end. */
NGR__BY_WIDTH uint8_t *write_while_room(struct source *whole, uint8_t *at, const uint8_t *end, unsigned width)
{
    struct source src = *whole;
    for (;;) {
        if (width == 1)
            at = write_bytes(&src, at, end);
        ngr__mask more = 0;
        at = write_blocks(&src, at, &more, width);
        if (!has_room(&src, at, end))
            break;
        if (left(&src) < NGR__BLOCK)
            at = write_rest(&src, at, width);
        if (!left(&src))
            break;
        if (width > 1 && more && !begins_triples(&src, width)) {
            size_t from = src.i;
            at = write_mixed_text(&src, at, end, width);
            if (src.i > from)
                continue;
        }
        uint32_t c = ngr__unit(src.text, src.i++, width);
        at += spell(at, c);
        if (width > 1)
            at = write_run(&src, at, end, c, width);
    }
    *whole = src;
    return at;
}

NGR__BY_WIDTH ngr_status write_body(struct window *win, const void *text, size_t chars, unsigned width)
{
    struct source src = {.text = text, .chars = chars};
    for (;;) {
        win->at = write_while_room(&src, win->at, win->end, width);
        if (!left(&src))
            return NGR_OK;
        ngr_status st = spell_tightly(win, ngr__unit(text, src.i, width), left(&src));
        if (st != NGR_OK)
            return st;
        src.i++;
    }
}

/* Reserves what a string likely takes, or the least it can take when the ceiling is near, and writes its
 * opening quote. */
static inline ngr_status open_string(struct ngr_json_writer *w, struct window *win, size_t chars,
                                     unsigned width)
{
    if (chars > SIZE_MAX / 4)
        return NGR_E_TOOBIG;
    size_t spare = width == 1 ? chars / 8 : chars < MOST_SPARE / 2 ? chars * 2 : MOST_SPARE;
    ngr_status st = begin(w, chars + 2 + spare + STEP);
    if (st == NGR_E_TOOBIG)
        st = begin(w, chars + 2);
    if (st != NGR_OK)
        return st;
    open_window(win, w->out);
    *win->at++ = '"';
    return NGR_OK;
}

/* Writes a whole string of fewer bytes than a block, when there is room for whatever it may need. */
static inline bool write_short_string(struct ngr_json_writer *w, const uint8_t *text, size_t chars)
{
    uint8_t *at = (uint8_t *)begin_short(w, STEP);
    if (!at)
        return false;
    *at++ = '"';
    at = write_short(at, text, chars);
    *at++ = '"';
    end_short(w, (const char *)at);
    return true;
}

NGR__BY_WIDTH ngr_status write_string(struct ngr_json_writer *w, const void *text, size_t chars,
                                      unsigned width)
{
    struct window win;
    if (width == 1 && chars < NGR__BLOCK && write_short_string(w, text, chars))
        return NGR_OK;
    ngr_status st = open_string(w, &win, chars, width);
    if (st != NGR_OK)
        return st;
    st = write_body(&win, text, chars, width);
    if (st == NGR_OK)
        *win.at++ = '"';
    close_window(&win);
    return st;
}

ngr_status ngr_json_string_ucs1(struct ngr_json_writer *w, const uint8_t *text, size_t chars)
{
    return write_string(w, text, chars, 1);
}

ngr_status ngr_json_string_ucs2(struct ngr_json_writer *w, const uint16_t *text, size_t chars)
{
    return write_string(w, text, chars, 2);
}

ngr_status ngr_json_string_ucs4(struct ngr_json_writer *w, const uint32_t *text, size_t chars)
{
    return write_string(w, text, chars, 4);
}

/* --- containers ------------------------------------------------------------------------------- */

static ngr_status open_bracket(struct ngr_json_writer *w, char bracket)
{
    if (w->depth == NGR_JSON_MAX_DEPTH)
        return NGR_E_ENCODE;
    ngr_status st = write_word(w, &bracket, 1);
    if (st != NGR_OK)
        return st;
    w->depth++;
    w->needs_comma = false;
    return NGR_OK;
}

static ngr_status close_bracket(struct ngr_json_writer *w, char bracket)
{
    ngr_status st = ngr_buf_add(w->out, &bracket, 1);
    if (st != NGR_OK)
        return st;
    w->depth--;
    w->needs_comma = true;
    return NGR_OK;
}

ngr_status ngr_json_begin_array(struct ngr_json_writer *w)
{
    return open_bracket(w, '[');
}

ngr_status ngr_json_end_array(struct ngr_json_writer *w)
{
    return close_bracket(w, ']');
}

ngr_status ngr_json_begin_object(struct ngr_json_writer *w)
{
    return open_bracket(w, '{');
}

ngr_status ngr_json_end_object(struct ngr_json_writer *w)
{
    return close_bracket(w, '}');
}

ngr_status ngr_json_key(struct ngr_json_writer *w)
{
    ngr_status st = ngr_buf_add(w->out, ":", 1);
    if (st == NGR_OK)
        w->needs_comma = false;
    return st;
}
