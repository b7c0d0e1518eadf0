/* UTF-8, one sequence at a time: checking, decoding, encoding. The rules are those of RFC 3629 (no
 * overlong forms, no surrogates, nothing beyond U+10FFFF); only the encoder also accepts
 * surrogates, because JSON can spell them. */
#ifndef NGR_UTF8_H
#define NGR_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool ngr__is_surrogate(uint32_t c)
{
    return (c & 0xfffff800u) == 0xd800;
}

static inline bool ngr__is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The code points that the sequences of two, three and four bytes at `p` stand for; nothing is
 * checked. */
static inline uint32_t ngr__utf8_two(const uint8_t *p)
{
    return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
}

static inline uint32_t ngr__utf8_three(const uint8_t *p)
{
    return (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
}

static inline uint32_t ngr__utf8_four(const uint8_t *p)
{
    return (p[0] & 7u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
}

/* The length of the sequence that starts with the non-ASCII byte at `p`; 0 when it is malformed or
 * cut off by `end`. */
static inline size_t ngr__utf8_check(const uint8_t *p, const uint8_t *end)
{
    size_t room = (size_t)(end - p);
    uint8_t lead = p[0];
    if (lead < 0xe0)
        return lead >= 0xc2 && room >= 2 && ngr__is_continuation(p[1]) ? 2 : 0;
    if (room < 3 || !ngr__is_continuation(p[1]) || !ngr__is_continuation(p[2]))
        return 0;
    if (lead < 0xf0) {
        uint32_t c = ngr__utf8_three(p);
        return c >= 0x800 && !ngr__is_surrogate(c) ? 3 : 0;
    }
    if (lead > 0xf4 || room < 4 || !ngr__is_continuation(p[3]))
        return 0;
    uint32_t c = ngr__utf8_four(p);
    return c >= 0x10000 && c <= 0x10ffff ? 4 : 0;
}

/* Writes `c` (at most U+10FFFF) and answers the number of bytes, 1 to 4. */
static inline size_t ngr__utf8_put(uint8_t *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

#endif
