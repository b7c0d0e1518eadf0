/* UTF-8, one sequence at a time: decoding with all checks, and encoding. The rules are those of RFC 3629
 * (no overlong forms, no surrogates, nothing beyond U+10FFFF); only the encoder also accepts surrogates,
 * because JSON can spell them. */
#ifndef NGR_UTF8_H
#define NGR_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool ngr__is_surrogate(uint32_t c)
{
    return (c & 0xfffff800u) == 0xd800;
}

/* Six bits of a character from a byte that must continue a sequence; adds to `wrong` when it does not. */
static inline uint32_t ngr__utf8_continue(uint8_t byte, uint32_t *wrong)
{
    *wrong |= (byte & 0xc0u) ^ 0x80u;
    return byte & 0x3fu;
}

/* Reads the sequence whose lead byte, not ASCII, is at `p`, into `*c`. The number of bytes, 2 to 4; 0 when
 * it is malformed or cut off by `end`. */
static inline size_t ngr__utf8_get(const uint8_t *p, const uint8_t *end, uint32_t *c)
{
    ptrdiff_t room = end - p;
    uint32_t lead = p[0], wrong = 0;
    if (lead >= 0xe0 && lead < 0xf0 && room >= 3) {
        *c = (lead & 0xf) << 12 | ngr__utf8_continue(p[1], &wrong) << 6 | ngr__utf8_continue(p[2], &wrong);
        return !wrong && *c >= 0x800 && !ngr__is_surrogate(*c) ? 3 : 0;
    }
    if (lead >= 0xc2 && lead < 0xe0 && room >= 2) {
        *c = (lead & 0x1f) << 6 | ngr__utf8_continue(p[1], &wrong);
        return !wrong ? 2 : 0;
    }
    if (lead >= 0xf0 && lead < 0xf5 && room >= 4) {
        *c = (lead & 7) << 18 | ngr__utf8_continue(p[1], &wrong) << 12 |
             ngr__utf8_continue(p[2], &wrong) << 6 | ngr__utf8_continue(p[3], &wrong);
        return !wrong && *c >= 0x10000 && *c <= 0x10ffff ? 4 : 0;
    }
    return 0;
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
