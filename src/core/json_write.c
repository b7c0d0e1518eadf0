/* The writing half of json.h. Room is reserved by the least that the rest can need (a byte per character),
 * never by the most: so the buffer's ceiling is exact, and no value is refused for what it might have
 * needed. */
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

/* Begins a value: room for its `extra` bytes, and the comma if one is due. Without room, nothing is
 * written. */
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

/* How the ASCII characters that are not plain are spelled: eight bytes to copy, of which two count, or six
 * when the second is a `u`. */
static const char escapes[0x80][8] = {
    "\\u0000", "\\u0001", "\\u0002", "\\u0003", "\\u0004",      "\\u0005",       "\\u0006",
    "\\u0007", "\\b",     "\\t",     "\\n",     "\\u000b",      "\\f",           "\\r",
    "\\u000e", "\\u000f", "\\u0010", "\\u0011", "\\u0012",      "\\u0013",       "\\u0014",
    "\\u0015", "\\u0016", "\\u0017", "\\u0018", "\\u0019",      "\\u001a",       "\\u001b",
    "\\u001c", "\\u001d", "\\u001e", "\\u001f", ['"'] = "\\\"", ['\\'] = "\\\\",
};

#define LONGEST_SPELLING 8 /* bytes that spell() may touch; it uses six at most */

static inline size_t spell_escape(uint8_t *at, uint32_t c)
{
    memcpy(at, escapes[c], 8);
    return escapes[c][1] == 'u' ? 6 : 2;
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

/* Writes one character as it stands in a JSON string; answers the number of bytes. */
static inline size_t spell(uint8_t *at, uint32_t c)
{
    if (c >= 0x80)
        return ngr__is_surrogate(c) ? spell_surrogate(at, c) : ngr__utf8_put(at, c);
    if (!ngr__is_plain(c))
        return spell_escape(at, c);
    at[0] = (uint8_t)c;
    return 1;
}

/* Writes one character when room runs out: no more is asked for than it takes, and one byte for each of
 * the `rest`. */
static ngr_status spell_tightly(struct window *win, uint32_t c, size_t rest)
{
    uint8_t spelling[LONGEST_SPELLING];
    size_t n = spell(spelling, c);
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

/* Whether any character can be spelled without asking; the rest takes a byte each, the closing quote one. */
static inline bool has_room(const struct source *src, const uint8_t *at, const uint8_t *end)
{
    return (size_t)(end - at) >= LONGEST_SPELLING + left(src);
}

/* Writes characters that take three bytes of UTF-8, as long as they last: most text that is neither Latin
 * nor plain. */
NGR__BY_WIDTH uint8_t *write_three_bytes(struct source *src, uint8_t *at, const uint8_t *end, unsigned width)
{
    size_t spare = (size_t)(end - at) - LONGEST_SPELLING - left(src); /* a byte each is set aside already */
    size_t most = spare / 2;
    size_t last = src->i + (most < left(src) ? most : left(src));
    for (; src->i < last; src->i++, at += 3) {
        uint32_t c = ngr__unit(src->text, src->i, width);
        if (c - 0x800 >= 0xd800 - 0x800)
            break;
        at[0] = (uint8_t)(0xe0 | c >> 12);
        at[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        at[2] = (uint8_t)(0x80 | (c & 0x3f));
    }
    return at;
}

/* Writes blocks, up to the first character that is not plain or until less than a block is left. There is
 * always room for a byte per character to come, so that a block may be stored although only its beginning
 * counts. */
NGR__BY_WIDTH uint8_t *write_blocks(struct source *src, uint8_t *at, unsigned width)
{
    for (size_t n = NGR__BLOCK; n == NGR__BLOCK && left(src) >= NGR__BLOCK; src->i += n, at += n) {
        ngr__block b = ngr__block_load(src->text, src->i, width);
        ngr__block_store1(at, b);
        n = ngr__block_plain(b);
    }
    return at;
}

/* Writes until the end, or until room runs short; answers where the bytes end. */
NGR__BY_WIDTH uint8_t *write_while_room(struct source *whole, uint8_t *at, const uint8_t *end, unsigned width)
{
    struct source src = *whole;
    for (;;) {
        at = write_blocks(&src, at, width);
        if (left(&src) < NGR__BLOCK || !has_room(&src, at, end))
            break;
        uint32_t c = ngr__unit(src.text, src.i++, width);
        at += c < 0x80 ? spell_escape(at, c) : spell(at, c);
        if (width > 1 && has_room(&src, at, end))
            at = write_three_bytes(&src, at, end, width);
    }
    for (; left(&src); src.i++) {
        uint32_t c = ngr__unit(src.text, src.i, width);
        if (ngr__is_plain(c))
            *at++ = (uint8_t)c;
        else if (has_room(&src, at, end))
            at += spell(at, c);
        else
            break;
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

/* Reserves what a string needs, a little more where the ceiling allows, and writes its opening quote. */
static inline ngr_status open_string(struct ngr_json_writer *w, struct window *win, size_t chars)
{
    if (chars > SIZE_MAX / 2)
        return NGR_E_TOOBIG;
    ngr_status st = begin(w, chars + 2 + chars / 8 + LONGEST_SPELLING);
    if (st == NGR_E_TOOBIG)
        st = begin(w, chars + 2);
    if (st != NGR_OK)
        return st;
    open_window(win, w->out);
    *win->at++ = '"';
    return NGR_OK;
}

NGR__BY_WIDTH ngr_status write_string(struct ngr_json_writer *w, const void *text, size_t chars,
                                      unsigned width)
{
    struct window win;
    ngr_status st = open_string(w, &win, chars);
    if (st != NGR_OK)
        return st;
    if (width == 1 && chars < NGR__BLOCK && ngr__short_plain_copy(win.at, text, chars))
        win.at += chars;
    else
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
