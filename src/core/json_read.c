/* The reading half of json.h. One pass, no recursion: `is_object` remembers one bit per open container.
 * Whoever touches `p` first asks whether it is `end`; the document need not end in a NUL byte.
 *
 *     read_document -> read_value (scalar, or an opening bracket)
 *                   -> read_element, until the outermost container is closed */
#include "json.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "json_mixed.h"
#include "json_number.h"
#include "json_scan.h"
#include "json_triples.h"
#include "utf8.h"

struct reading {
    const uint8_t *start, *p, *end;
    const struct ngr_json_sink *sink; /* where pieces go now: `wanted`, or `nowhere` inside a skipped value */
    const struct ngr_json_sink *wanted; /* the caller's */
    void *user;
    struct ngr_buf *scratch; /* three, by width of unit */
    struct ngr_json_error *error;
    unsigned depth;      /* open containers */
    unsigned skip_depth; /* the depth at which the skipped value's key stands */
    bool is_fresh;       /* the innermost container was opened by the last piece */
    uint8_t is_object[NGR_JSON_MAX_DEPTH / 8 + 1];
};

/* --- a skipped value goes here: it is read like any other, but nobody hears of it ------------- */

static ngr_status ignore(void *user)
{
    return NGR_OK;
}

static ngr_status ignore_boolean(void *user, bool value)
{
    return NGR_OK;
}

static ngr_status ignore_integer(void *user, int64_t value)
{
    return NGR_OK;
}

static ngr_status ignore_real(void *user, double value)
{
    return NGR_OK;
}

static ngr_status ignore_number(void *user, const char *text, size_t len)
{
    return NGR_OK;
}

static ngr_status ignore_text(void *user, const struct ngr_json_text *text)
{
    return NGR_OK;
}

static const struct ngr_json_sink nowhere = {
    .null = ignore,
    .boolean = ignore_boolean,
    .integer = ignore_integer,
    .big_integer = ignore_number,
    .real = ignore_real,
    .real_text = ignore_number,
    .string = ignore_text,
    .begin_array = ignore,
    .end_array = ignore,
    .begin_object = ignore,
    .key = ignore_text,
    .end_object = ignore,
};

static bool is_skipping(const struct reading *rd)
{
    return rd->sink == &nowhere;
}

/* --- the small things ------------------------------------------------------------------------- */

static ngr_status refuse(struct reading *rd, const uint8_t *at, const char *what)
{
    rd->error->what = what;
    rd->error->offset = (size_t)(at - rd->start);
    return NGR_E_CORRUPT;
}

/* Every answer of a callback passes through here: one that calls the piece at `at` corrupt has its place
 * noted. */
static ngr_status heard(struct reading *rd, const uint8_t *at, ngr_status st)
{
    return st == NGR_E_CORRUPT ? refuse(rd, at, ngr_status_text(st)) : st;
}

static inline void pass_space(struct reading *rd)
{
    while (rd->p < rd->end && (*rd->p == ' ' || *rd->p == '\n' || *rd->p == '\t' || *rd->p == '\r'))
        rd->p++;
}

static inline bool next_is(const struct reading *rd, char c)
{
    return rd->p < rd->end && *rd->p == (uint8_t)c;
}

static bool in_object(const struct reading *rd)
{
    return rd->is_object[(rd->depth - 1) / 8] >> ((rd->depth - 1) % 8) & 1;
}

/* --- strings ---------------------------------------------------------------------------------- */

/* Four hexadecimal digits, or -1. */
static inline int32_t read_hex4(const uint8_t *p, const uint8_t *end)
{
/* An initializer, no expression: NOLINTNEXTLINE(bugprone-macro-parentheses) */
#define D(c) [c] = (c) <= '9' ? (c) - '0' + 1 : ((c) | 0x20) - 'a' + 11
    static const uint8_t digit_plus_one[256] = {
        D('0'), D('1'), D('2'), D('3'), D('4'), D('5'), D('6'), D('7'), D('8'), D('9'), D('a'),
        D('b'), D('c'), D('d'), D('e'), D('f'), D('A'), D('B'), D('C'), D('D'), D('E'), D('F')};
#undef D
    if (end - p < 4)
        return -1;
    uint32_t a = digit_plus_one[p[0]] - 1u, b = digit_plus_one[p[1]] - 1u;
    uint32_t c = digit_plus_one[p[2]] - 1u, d = digit_plus_one[p[3]] - 1u;
    if ((a | b | c | d) > 15)
        return -1;
    return (int32_t)(a << 12 | b << 8 | c << 4 | d);
}

/* Takes the escape whose backslash is at `*p` as the character `*c`; answers NULL, or what is wrong with
 * it. A surrogate pair is one character, a surrogate without its other half is a character of its own. */
NGR__BY_WIDTH const char *take_escape(const uint8_t **p, const uint8_t *end, uint32_t *c)
{
    const uint8_t *at = *p + 1;
    if (at == end)
        return "a string is cut off";
    *c = ngr__escaped(*at);
    if (*c) {
        *p = at + 1;
        return NULL;
    }
    if (*at != 'u')
        return "a backslash is followed by a character that it does not escape";
    int32_t first = read_hex4(at + 1, end);
    if (first < 0)
        return "\\u is not followed by four hexadecimal digits";
    *c = (uint32_t)first;
    *p = at += 5;
    if ((first & 0xfc00) != 0xd800 || end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return NULL;
    int32_t second = read_hex4(at + 2, end);
    if (second >= 0 && (second & 0xfc00) == 0xdc00) {
        *c = 0x10000 + ((uint32_t)(first & 0x3ff) << 10 | (uint32_t)(second & 0x3ff));
        *p = at + 6;
    }
    return NULL;
}

/* Says why a string cannot go on at rd->p, where there is neither a quote nor a backslash. */
static ngr_status refuse_in_string(struct reading *rd)
{
    if (rd->p == rd->end)
        return refuse(rd, rd->p, "a string is cut off");
    if (*rd->p < 0x20)
        return refuse(rd, rd->p, "a control character stands in a string and is not escaped");
    return refuse(rd, rd->p, "a string is not valid UTF-8");
}

/* A string on its way from the document to units of one width. */
struct decoding {
    const uint8_t *p, *end; /* what is still to be read of the document */
    void *out;              /* room for one unit per byte of the document behind the opening quote */
    size_t count;           /* units in `out` */
    uint32_t c;             /* the last character that was not plain */
    uint32_t seen;          /* the bits of all such characters */
    const char *problem;    /* what is wrong with the escape at `p`, or NULL */
};

enum stop {
    STOP_QUOTE, /* at the closing quote */
    STOP_WIDER, /* behind the character `c`, which does not fit the unit and was not put */
    STOP_BAD,   /* at what may not be in a string */
};

/* The largest character that a unit holds. */
NGR__BY_WIDTH uint32_t widest(unsigned width)
{
    return width == 1 ? 0xff : width == 2 ? 0xffff : 0x10ffff;
}

/* The length of what stands at `p` and is not plain, when it is one character that fits and is soon told: an
 * escape of two characters or UTF-8. Zero for anything else, also for the first of many of three bytes. Reads
 * four bytes. */
NGR__BY_WIDTH size_t take_special(const uint8_t *p, uint32_t *c, unsigned width)
{
    if (*p == '\\') {
        *c = ngr__escaped(p[1]);
        return *c ? 2 : 0;
    }
    if (*p < 0x80 || (width > 1 && *p >= 0xe0 && p[3] >= 0xe0))
        return 0;
    size_t n = ngr__utf8_get(p, p + 4, c);
    return *c <= widest(width) ? n : 0;
}

/* Copies a block of which some characters are `special`, as far as take_special() knows them; false when it
 * stops at another one. What follows a character is stored together with it and put right by the next store,
 * so that no load waits for the place where the character before it ended. */
NGR__BY_WIDTH bool copy_mixed(struct decoding *d, ngr__mask special, unsigned width)
{
    size_t from = 0;
    uint32_t c = 0;
    while (special) {
        size_t n = ngr__mask_first(special), len = take_special(d->p + n, &c, width);
        d->count += n - from;
        if (!len) {
            d->p += n;
            return false;
        }
        d->seen |= c;
        ngr__put_unit(d->out, d->count++, c, width);
        from = n + len;
        ngr__block_store(d->out, d->count, ngr__block_ucs1(d->p + from), width);
        special = from < NGR__BLOCK ? special & ~ngr__mask_below(from) : 0;
    }
    size_t step = from < NGR__BLOCK ? NGR__BLOCK : from;
    d->p += step;
    d->count += step - from;
    return true;
}

/* Copies plain characters and those of take_special(), up to the first other or until the end of the document
 * is near. No character takes more units than bytes: so a block that may be loaded may also be
 * stored, although only its beginning counts. */
NGR__BY_WIDTH void copy_blocks(struct decoding *d, unsigned width)
{
    while (d->end - d->p >= 2 * NGR__BLOCK + 4) {
        ngr__block b = ngr__block_ucs1(d->p);
        ngr__mask special = ngr__block_special(b);
        ngr__block_store(d->out, d->count, b, width);
        if (special) {
            if (!copy_mixed(d, special, width))
                return;
        } else {
            d->p += NGR__BLOCK;
            d->count += NGR__BLOCK;
        }
    }
    for (; d->p < d->end && ngr__is_plain(*d->p); d->p++)
        ngr__put_unit(d->out, d->count++, *d->p, width);
}

/* Reads the character at d->p, which is not plain, into d->c; false when it is none, be it a quote or an
 * error. */
NGR__BY_WIDTH bool take_character(struct decoding *d)
{
    if (*d->p >= 0x80) {
        size_t n = ngr__utf8_get(d->p, d->end, &d->c);
        d->p += n;
        return n != 0;
    }
    if (*d->p != '\\')
        return false;
    d->problem = take_escape(&d->p, d->end, &d->c);
    return !d->problem;
}

/* Copies characters of three bytes as long as they last: most text that is neither Latin nor plain. */
NGR__BY_WIDTH void copy_triples(struct decoding *d, unsigned width)
{
    size_t n = NGR__TRIPLES;
    for (; width == 2 && n == NGR__TRIPLES && d->end - d->p >= NGR__TRIPLES_READ;
         d->p += 3 * n, d->count += n)
        n = ngr__triples_get((uint16_t *)d->out + d->count, d->p);
}

/* Copies \uXXXX escapes of whole characters as long as they last: text that is not Latin, as json.dumps
 * writes it. */
NGR__BY_WIDTH void copy_unicode_escapes(struct decoding *d, unsigned width)
{
    for (; d->end - d->p >= 6 && d->p[0] == '\\' && d->p[1] == 'u'; d->p += 6) {
        int32_t c = read_hex4(d->p + 2, d->end);
        if (c < 0 || (uint32_t)c > widest(width) || ngr__is_surrogate((uint32_t)c))
            return;
        ngr__put_unit(d->out, d->count++, (uint32_t)c, width);
    }
}

/* Reads text of any mixture as far as json_mixed.h can, which looks at two bytes before it: what made units
 * wider than one byte took two at least. */
NGR__BY_WIDTH void copy_mixed_text(struct decoding *d, unsigned width)
{
#if defined(NGR__MIXED)
    if (d->end - d->p < NGR__MIXED_READ)
        return;
    if (width == 1) {
        int is_ascii = 1;
        d->p = ngr__mixed_read1(d->p, d->end, d->out, &d->count, &is_ascii);
        d->seen |= is_ascii ? 0 : 0x80;
    } else if (width == 2) {
        d->p = ngr__mixed_read2(d->p, d->end, d->out, &d->count);
    } else {
        d->p = ngr__mixed_read4(d->p, d->end, d->out, &d->count);
    }
#endif
}

/* Decodes as far as units of this width go. It works on a copy of `*whole`, which the compiler can keep in
 * registers. */
NGR__BY_WIDTH enum stop decode(struct decoding *whole, unsigned width)
{
    struct decoding d = *whole;
    enum stop stop = STOP_BAD;
    while (d.p < d.end) {
        copy_mixed_text(&d, width);
        if (ngr__is_plain(*d.p)) {
            copy_blocks(&d, width);
            continue;
        }
        if (!take_character(&d)) {
            stop = *d.p == '"' ? STOP_QUOTE : STOP_BAD;
            break;
        }
        d.seen |= d.c;
        if (d.c > widest(width)) {
            stop = STOP_WIDER;
            break;
        }
        ngr__put_unit(d.out, d.count++, d.c, width);
        if (width > 1) {
            copy_triples(&d, width);
            copy_unicode_escapes(&d, width);
        }
    }
    *whole = d;
    return stop;
}

static enum stop decode_ucs1(struct decoding *d)
{
    return decode(d, 1);
}

/* Goes on in units of two bytes behind a character that needs them; or leaves that one to decode_ucs4(). */
static enum stop decode_ucs2(struct decoding *d, uint16_t *out)
{
    const uint8_t *so_far = d->out;
    for (size_t i = 0; i < d->count; i++)
        out[i] = so_far[i];
    d->out = out;
    if (d->c > 0xffff)
        return STOP_WIDER;
    out[d->count++] = (uint16_t)d->c;
    return decode(d, 2);
}

static enum stop decode_ucs4(struct decoding *d, uint32_t *out)
{
    const uint16_t *so_far = d->out;
    for (size_t i = 0; i < d->count; i++)
        out[i] = so_far[i];
    d->out = out;
    out[d->count++] = d->c;
    return decode(d, 4);
}

/* Room for `units` of 1 << index bytes in the scratch buffer of that width, or NULL. */
static void *scratch_room(struct reading *rd, size_t units, unsigned index)
{
    if (units > SIZE_MAX >> 3 || ngr_buf_reserve(&rd->scratch[index], units << index) != NGR_OK)
        return NULL;
    return rd->scratch[index].data;
}

/* From so many bytes on, a string of wider units is decoded where it stays: finding its end and cutting it to
 * its length takes longer than copying a shorter one. The tests have it sooner. */
#if !defined(NGR_LENT_FROM)
#define NGR_LENT_FROM 2048
#endif

/* Units that decoding touches behind the last one of a string. */
#define LENT_SPARE 64

/* Where the string that goes on at `p`, not behind a backslash, has its closing quote; at the latest. */
static const uint8_t *find_quote(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *begin = p;
    for (; p < end && (p = memchr(p, '"', (size_t)(end - p))); p++) {
        const uint8_t *escape = p;
        while (escape > begin && escape[-1] == '\\')
            escape--;
        if ((p - escape) % 2 == 0)
            return p;
    }
    return end;
}

/* Room for the whole string behind `begin`, which goes on at `p`, in units of 1 << index bytes: the
 * receiver's, or scratch memory; or NULL. */
static void *wider_room(struct reading *rd, const uint8_t *begin, const uint8_t *p, bool is_key,
                        unsigned index)
{
    void *(*lend)(void *, size_t, unsigned) = rd->sink->lend;
    const uint8_t *quote = lend && !is_key ? find_quote(p, rd->end) : begin;
    void *out = NULL;
    if (quote - begin >= NGR_LENT_FROM)
        out = lend(rd->user, (size_t)(quote - begin) + LENT_SPARE, 1u << index);
    return out ? out : scratch_room(rd, (size_t)(rd->end - begin), index);
}

/* Decodes a string that is not plain. `begin` is the first byte behind the opening quote; all until rd->p
 * is plain. It is decoded into the narrowest units, which are widened once or twice when a character asks
 * for it. */
static ngr_status decode_string(struct reading *rd, const uint8_t *begin, bool is_key,
                                struct ngr_json_text *text)
{
    size_t room = (size_t)(rd->end - begin);
    void *out = scratch_room(rd, room, 0);
    if (!out)
        return NGR_E_NOMEM;
    struct decoding d = {.p = rd->p, .end = rd->end, .out = out, .count = (size_t)(rd->p - begin)};
    memcpy(out, begin, d.count);
    enum stop stop = decode_ucs1(&d);
    text->max_char = d.seen > 0x7f ? 0xff : 0x7f;
    if (stop == STOP_WIDER) {
        if (!(out = wider_room(rd, begin, d.p, is_key, 1)))
            return NGR_E_NOMEM;
        text->max_char = 0xffff;
        stop = decode_ucs2(&d, out);
    }
    if (stop == STOP_WIDER) {
        if (!(out = wider_room(rd, begin, d.p, is_key, 2)))
            return NGR_E_NOMEM;
        text->max_char = 0x10ffff;
        stop = decode_ucs4(&d, out);
    }
    rd->p = d.p;
    if (stop != STOP_QUOTE)
        return d.problem ? refuse(rd, d.p, d.problem) : refuse_in_string(rd);
    text->units = d.out;
    text->chars = d.count;
    rd->p++;
    return NGR_OK;
}

/* Reads the string whose opening quote is at rd->p. Plain text is not copied: it is handed on where it
 * stands. */
static ngr_status read_string(struct reading *rd, bool is_key, struct ngr_json_text *text)
{
    const uint8_t *begin = rd->p + 1;
    size_t len = ngr__plain_length(begin, (size_t)(rd->end - begin));
    rd->p = begin + len;
    if (rd->p == rd->end)
        return refuse_in_string(rd);
    if (*rd->p != '"')
        return decode_string(rd, begin, is_key, text);
    *text = (struct ngr_json_text){.units = begin, .chars = len, .max_char = 0x7f};
    rd->p++;
    return NGR_OK;
}

/* The length of a run of characters of three bytes at `p`, as far as it is soon told. */
static inline size_t run_length(const uint8_t *p, const uint8_t *end)
{
    uint16_t unused[NGR__TRIPLES];
    const uint8_t *begin = p;
    size_t n = *p >= 0xe0 ? NGR__TRIPLES : 0;
    for (; n == NGR__TRIPLES && end - p >= NGR__TRIPLES_READ && p[3] >= 0xe0; p += 3 * n)
        n = ngr__triples_get(unused, p);
    return (size_t)(p - begin);
}

/* The length of what stands at `p` and is not plain: an escape, a character or a run of them. Zero when it is
 * none of these, or a wrong one. */
static inline size_t special_length(const uint8_t *p, const uint8_t *end)
{
    uint32_t c;
    if (*p == '\\' && end - p >= 2) {
        if (ngr__escaped(p[1]))
            return 2;
        return p[1] == 'u' && read_hex4(p + 2, end) >= 0 ? 6 : 0;
    }
    if (*p < 0x80)
        return 0;
    size_t n = run_length(p, end);
    return n ? n : ngr__utf8_get(p, end, &c);
}

/* Passes blocks of a string that stands in an object, so that there is something before its quote; answers
 * where it stops, at something that special_length() does not know or where less than a block is left. */
static const uint8_t *pass_blocks(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= NGR__BLOCK) {
#if defined(NGR__MIXED)
        p = ngr__mixed_pass(p, end);
        if (end - p < NGR__BLOCK)
            break;
#endif
        ngr__mask special = ngr__block_special(ngr__block_ucs1(p));
        size_t step = 0;
        while (special) {
            size_t n = ngr__mask_first(special), len = special_length(p + n, end);
            if (!len)
                return p + n;
            step = n + len;
            special = step < NGR__BLOCK ? special & ~ngr__mask_below(step) : 0;
        }
        p += step < NGR__BLOCK ? NGR__BLOCK : step;
    }
    return p;
}

/* Checks a string that nobody wants: no copy is made. */
static ngr_status pass_string(struct reading *rd)
{
    uint32_t c;
    const uint8_t *p = pass_blocks(rd->p + 1, rd->end);
    for (size_t n = 1; n && p < rd->end; p += n)
        n = ngr__is_plain(*p) ? 1 : special_length(p, rd->end);
    rd->p = p;
    if (next_is(rd, '\\'))
        return refuse(rd, p, take_escape(&p, rd->end, &c));
    if (!next_is(rd, '"'))
        return refuse_in_string(rd);
    rd->p++;
    return NGR_OK;
}

/* --- numbers ---------------------------------------------------------------------------------- */

struct number {
    uint64_t digits;  /* all digits, without the point */
    int64_t exponent; /* of ten */
    bool is_exact;    /* the digits fit */
    bool is_negative;
};

static inline bool is_digit(const struct reading *rd)
{
    return rd->p < rd->end && (uint8_t)(*rd->p - '0') < 10;
}

static void read_digits(struct reading *rd, struct number *n)
{
    uint64_t eight;
    while (rd->end - rd->p >= 8 && n->digits < UINT64_MAX / 100000000 - 1 &&
           ngr__eight_digits(rd->p, &eight)) {
        n->digits = n->digits * 100000000 + eight;
        rd->p += 8;
    }
    for (; is_digit(rd); rd->p++) {
        if (n->digits > (UINT64_MAX - 9) / 10)
            n->is_exact = false;
        else
            n->digits = n->digits * 10 + (uint64_t)(*rd->p - '0');
    }
}

/* Fraction and exponent, each only when complete: what is left of an incomplete one ("1.", "1e+") is then
 * refused as something that may not follow a number. Answers whether there was any. */
static bool read_fraction_and_exponent(struct reading *rd, struct number *n)
{
    const uint8_t *before = rd->p;
    if (next_is(rd, '.')) {
        const uint8_t *first = ++rd->p;
        read_digits(rd, n);
        n->exponent = -(rd->p - first);
        if (rd->p == first) {
            rd->p = before;
            return false;
        }
    }
    if (!next_is(rd, 'e') && !next_is(rd, 'E'))
        return rd->p > before;
    const uint8_t *mark = rd->p++;
    bool is_negative = next_is(rd, '-');
    if (is_negative || next_is(rd, '+'))
        rd->p++;
    int64_t exponent = 0;
    const uint8_t *first = rd->p;
    for (; is_digit(rd); rd->p++)
        if (exponent < INT64_MAX / 100) /* beyond what any number of zeros makes up for */
            exponent = exponent * 10 + (*rd->p - '0');
    if (rd->p == first) {
        rd->p = mark;
        return mark > before;
    }
    n->exponent += is_negative ? -exponent : exponent;
    return true;
}

static ngr_status give_integer(struct reading *rd, const uint8_t *begin, const struct number *n)
{
    uint64_t limit = (uint64_t)INT64_MAX + n->is_negative;
    if (!n->is_exact || n->digits > limit)
        return heard(rd, begin,
                     rd->sink->big_integer(rd->user, (const char *)begin, (size_t)(rd->p - begin)));
    int64_t value = (int64_t)n->digits;
    if (n->is_negative)
        value = n->digits > INT64_MAX ? INT64_MIN : -value;
    return heard(rd, begin, rd->sink->integer(rd->user, value));
}

static ngr_status give_real(struct reading *rd, const uint8_t *begin, const struct number *n)
{
    if (!n->is_exact)
        return heard(rd, begin, rd->sink->real_text(rd->user, (const char *)begin, (size_t)(rd->p - begin)));
    double value = ngr__real_read(n->digits, n->exponent);
    return heard(rd, begin, rd->sink->real(rd->user, n->is_negative ? -value : value));
}

static ngr_status read_number(struct reading *rd)
{
    const uint8_t *begin = rd->p;
    struct number n = {.is_exact = true, .is_negative = *rd->p == '-'};
    rd->p += n.is_negative;
    if (next_is(rd, '0'))
        rd->p++;
    else if (is_digit(rd))
        read_digits(rd, &n);
    else
        return refuse(rd, begin, "a minus sign is not followed by a digit");
    return read_fraction_and_exponent(rd, &n) ? give_real(rd, begin, &n) : give_integer(rd, begin, &n);
}

/* --- values ----------------------------------------------------------------------------------- */

static bool take_word(struct reading *rd, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(rd->end - rd->p) < len || memcmp(rd->p, word, len) != 0)
        return false;
    rd->p += len;
    return true;
}

static ngr_status read_word(struct reading *rd)
{
    const struct ngr_json_sink *sink = rd->sink;
    const uint8_t *at = rd->p;
    if (take_word(rd, "null"))
        return heard(rd, at, sink->null(rd->user));
    if (take_word(rd, "true"))
        return heard(rd, at, sink->boolean(rd->user, true));
    if (take_word(rd, "false"))
        return heard(rd, at, sink->boolean(rd->user, false));
    if (take_word(rd, "NaN"))
        return heard(rd, at, sink->real(rd->user, (double)NAN));
    if (take_word(rd, "Infinity"))
        return heard(rd, at, sink->real(rd->user, (double)INFINITY));
    if (take_word(rd, "-Infinity"))
        return heard(rd, at, sink->real(rd->user, -(double)INFINITY));
    return *at == '-' ? read_number(rd) : refuse(rd, at, "a value was expected");
}

static ngr_status open_container(struct reading *rd, bool is_object)
{
    const uint8_t *at = rd->p;
    if (rd->depth == NGR_JSON_MAX_DEPTH)
        return refuse(rd, at, "arrays and objects are nested deeper than 1,000 levels");
    uint8_t bit = (uint8_t)(1u << (rd->depth % 8));
    if (is_object)
        rd->is_object[rd->depth / 8] |= bit;
    else
        rd->is_object[rd->depth / 8] &= (uint8_t)~bit;
    rd->depth++;
    rd->is_fresh = true;
    rd->p++;
    return heard(rd, at, is_object ? rd->sink->begin_object(rd->user) : rd->sink->begin_array(rd->user));
}

static ngr_status close_container(struct reading *rd)
{
    const uint8_t *at = rd->p++;
    bool was_object = in_object(rd);
    rd->depth--;
    rd->is_fresh = false;
    return heard(rd, at, was_object ? rd->sink->end_object(rd->user) : rd->sink->end_array(rd->user));
}

/* A scalar as a whole, or the opening bracket of a container. */
static ngr_status read_value(struct reading *rd)
{
    struct ngr_json_text text;
    if (rd->p == rd->end)
        return refuse(rd, rd->p, "the document is cut off where a value was expected");
    const uint8_t *at = rd->p;
    switch (*at) {
    case '"':
        if (is_skipping(rd))
            return pass_string(rd);
        ngr_status st = read_string(rd, false, &text);
        return st == NGR_OK ? heard(rd, at, rd->sink->string(rd->user, &text)) : st;
    case '{':
        return open_container(rd, true);
    case '[':
        return open_container(rd, false);
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return read_number(rd);
    default:
        return read_word(rd);
    }
}

/* A key and its colon. From here on the sink is `nowhere` when the caller does not want the value. */
static ngr_status read_key(struct reading *rd)
{
    struct ngr_json_text text;
    const uint8_t *at = rd->p;
    if (!next_is(rd, '"'))
        return refuse(rd, at, "a key in double quotes was expected");
    ngr_status st = is_skipping(rd) ? pass_string(rd) : read_string(rd, true, &text);
    if (st != NGR_OK)
        return st;
    if (!is_skipping(rd))
        st = heard(rd, at, rd->sink->key(rd->user, &text));
    if (st == NGR_JSON_SKIP) {
        rd->sink = &nowhere;
        rd->skip_depth = rd->depth;
    } else if (st != NGR_OK) {
        return st;
    }
    pass_space(rd);
    if (!next_is(rd, ':'))
        return refuse(rd, rd->p, "a ':' was expected behind a key");
    rd->p++;
    pass_space(rd);
    return NGR_OK;
}

/* One step inside the innermost container: its closing bracket, or its next element as far as read_value()
 * goes. */
static ngr_status read_element(struct reading *rd)
{
    bool is_object = in_object(rd);
    pass_space(rd);
    if (next_is(rd, is_object ? '}' : ']'))
        return close_container(rd);
    if (!rd->is_fresh) {
        if (!next_is(rd, ','))
            return refuse(rd, rd->p, is_object ? "a ',' or '}' was expected" : "a ',' or ']' was expected");
        rd->p++;
        pass_space(rd);
    }
    rd->is_fresh = false;
    ngr_status st = is_object ? read_key(rd) : NGR_OK;
    return st == NGR_OK ? read_value(rd) : st;
}

static ngr_status read_document(struct reading *rd)
{
    if (rd->end - rd->p >= 3 && memcmp(rd->p, "\xef\xbb\xbf", 3) == 0)
        return refuse(rd, rd->p, "the document starts with a byte order mark");
    pass_space(rd);
    ngr_status st = read_value(rd);
    while (st == NGR_OK && rd->depth) {
        st = read_element(rd);
        if (is_skipping(rd) && rd->depth == rd->skip_depth)
            rd->sink = rd->wanted;
    }
    if (st != NGR_OK)
        return st;
    pass_space(rd);
    return rd->p == rd->end ? NGR_OK : refuse(rd, rd->p, "more data follows the end of the document");
}

ngr_status ngr_json_read(struct ngr_json_reader *r, const char *data, size_t len,
                         const struct ngr_json_sink *sink, void *user, struct ngr_json_error *error)
{
    assert(data || !len);
    const uint8_t *start = (const uint8_t *)(data ? data : "");
    struct reading rd = {.start = start,
                         .p = start,
                         .end = start + len,
                         .sink = sink,
                         .wanted = sink,
                         .user = user,
                         .scratch = r->scratch,
                         .error = error};
    return read_document(&rd);
}

void ngr_json_reader_init(struct ngr_json_reader *r)
{
    for (int i = 0; i < 3; i++)
        ngr_buf_init(&r->scratch[i], 0);
}

void ngr_json_reader_trim(struct ngr_json_reader *r, size_t bytes)
{
    for (int i = 0; i < 3; i++)
        if (r->scratch[i].cap > bytes)
            ngr_buf_fini(&r->scratch[i]);
}

void ngr_json_reader_fini(struct ngr_json_reader *r)
{
    ngr_json_reader_trim(r, 0);
}
