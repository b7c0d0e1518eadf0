/* The writing half of json.h. Room is reserved by the least that the rest can need (a byte per
 * character), never by the most: so the buffer's ceiling is exact, and no value is refused for what
 * it might have needed. */
#include "json.h"

#include <string.h>

#include "json_scan.h"
#include "utf8.h"

void ngr_json_writer_init(struct ngr_json_writer *w, struct ngr_buf *out)
{
    w->out = out;
    w->depth = 0;
    w->needs_comma = false;
}

/* Begins a value: room for its `extra` bytes, and the comma if one is due. */
static inline ngr_status begin(struct ngr_json_writer *w, size_t extra)
{
    ngr_status st = extra == SIZE_MAX ? NGR_E_TOOBIG : ngr_buf_reserve(w->out, extra + w->needs_comma);
    if (st != NGR_OK)
        return st;
    if (w->needs_comma)
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

ngr_status ngr_json_null(struct ngr_json_writer *w)
{
    return ngr_json_number_text(w, "null", 4);
}

ngr_status ngr_json_boolean(struct ngr_json_writer *w, bool value)
{
    return value ? ngr_json_number_text(w, "true", 4) : ngr_json_number_text(w, "false", 5);
}

ngr_status ngr_json_integer(struct ngr_json_writer *w, int64_t value)
{
    char digits[20], *p = digits + sizeof digits; /* "-9223372036854775808" */
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        *--p = '-';
    return ngr_json_number_text(w, p, (size_t)(digits + sizeof digits - p));
}

/* --- strings ---------------------------------------------------------------------------------- */

/* Where the bytes of a string go: a window on the buffer's free room, so that the inner loops touch
 * no memory but text. */
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

static inline ngr_status widen_window(struct window *win, size_t extra)
{
    if (extra <= (size_t)(win->end - win->at))
        return NGR_OK;
    close_window(win);
    ngr_status st = ngr_buf_reserve(win->out, extra);
    open_window(win, win->out);
    return st;
}

/* The letter of the short escape of an ASCII character, or 0. */
static inline char short_escape(uint32_t c)
{
    static const char letter[0x80] = {
        ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    return letter[c];
}

/* The number of bytes that spell() needs. */
static inline size_t spelled_length(uint32_t c)
{
    if (c < 0x80)
        return ngr__is_plain(c) ? 1 : short_escape(c) ? 2 : 6;
    if (c < 0x800)
        return 2;
    if (c < 0x10000)
        return ngr__is_surrogate(c) ? 6 : 3;
    return 4;
}

static void spell_hex(uint8_t *at, uint32_t c)
{
    static const char hex[] = "0123456789abcdef";
    at[0] = '\\';
    at[1] = 'u';
    at[2] = (uint8_t)hex[c >> 12 & 15];
    at[3] = (uint8_t)hex[c >> 8 & 15];
    at[4] = (uint8_t)hex[c >> 4 & 15];
    at[5] = (uint8_t)hex[c & 15];
}

/* Writes one character as it stands in a JSON string; answers the number of bytes. */
static inline size_t spell(uint8_t *at, uint32_t c)
{
    if (c >= 0x80 && !ngr__is_surrogate(c))
        return ngr__utf8_put(at, c);
    if (ngr__is_plain(c)) {
        at[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x80 && short_escape(c)) {
        at[0] = '\\';
        at[1] = (uint8_t)short_escape(c);
        return 2;
    }
    spell_hex(at, c);
    return 6;
}

/* The body of a string, by the width of its units: blocks as long as all is plain, single
 * characters from the first that is not until the next that is. */
#define DEFINE_BODY(name, unit, load)                                                                        \
    static ngr_status name(struct window *win, const unit *p, size_t chars)                                  \
    {                                                                                                        \
        const unit *end = p + chars;                                                                         \
        while (p < end) {                                                                                    \
            while (end - p >= NGR__BLOCK) {                                                                  \
                ngr__block b = load(p);                                                                      \
                ngr__block_store(win->at, b);                                                                \
                size_t n = ngr__block_plain(b);                                                              \
                win->at += n;                                                                                \
                p += n;                                                                                      \
                if (n < NGR__BLOCK)                                                                          \
                    break;                                                                                   \
            }                                                                                                \
            for (; p < end; p++) {                                                                           \
                bool was_plain = ngr__is_plain(*p);                                                          \
                if (was_plain && end - p >= NGR__BLOCK)                                                      \
                    break;                                                                                   \
                size_t rest = (size_t)(end - p);                                                             \
                ngr_status st = widen_window(win, spelled_length(*p) + rest); /* and the closing quote */    \
                if (st != NGR_OK)                                                                            \
                    return st;                                                                               \
                win->at += spell(win->at, *p);                                                               \
            }                                                                                                \
        }                                                                                                    \
        return NGR_OK;                                                                                       \
    }

DEFINE_BODY(write_ucs1, uint8_t, ngr__block_ucs1)
DEFINE_BODY(write_ucs2, uint16_t, ngr__block_ucs2)
DEFINE_BODY(write_ucs4, uint32_t, ngr__block_ucs4)

/* Reserves the least a string needs and writes its opening quote. */
static ngr_status open_string(struct ngr_json_writer *w, struct window *win, size_t chars)
{
    ngr_status st = chars > SIZE_MAX - 3 ? NGR_E_TOOBIG : begin(w, chars + 2);
    if (st != NGR_OK)
        return st;
    open_window(win, w->out);
    *win->at++ = '"';
    return NGR_OK;
}

/* Writes the closing quote unless the body failed with `st`. */
static ngr_status close_string(struct window *win, ngr_status st)
{
    if (st == NGR_OK)
        *win->at++ = '"';
    close_window(win);
    return st;
}

ngr_status ngr_json_string_ucs1(struct ngr_json_writer *w, const uint8_t *text, size_t chars)
{
    struct window win;
    ngr_status st = open_string(w, &win, chars);
    return st == NGR_OK ? close_string(&win, write_ucs1(&win, text, chars)) : st;
}

ngr_status ngr_json_string_ucs2(struct ngr_json_writer *w, const uint16_t *text, size_t chars)
{
    struct window win;
    ngr_status st = open_string(w, &win, chars);
    return st == NGR_OK ? close_string(&win, write_ucs2(&win, text, chars)) : st;
}

ngr_status ngr_json_string_ucs4(struct ngr_json_writer *w, const uint32_t *text, size_t chars)
{
    struct window win;
    ngr_status st = open_string(w, &win, chars);
    return st == NGR_OK ? close_string(&win, write_ucs4(&win, text, chars)) : st;
}

ngr_status ngr_json_string_ascii(struct ngr_json_writer *w, const char *text, size_t len)
{
    return ngr_json_string_ucs1(w, (const uint8_t *)text, len);
}

/* --- containers ------------------------------------------------------------------------------- */

static ngr_status open_bracket(struct ngr_json_writer *w, char bracket)
{
    if (w->depth == NGR_JSON_MAX_DEPTH)
        return NGR_E_ENCODE;
    ngr_status st = ngr_json_number_text(w, &bracket, 1);
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
