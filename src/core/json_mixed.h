/* Text that mixes characters of one, two and three bytes of UTF-8, as any text but English and Chinese does:
 * 32 bytes at a time when reading, sixteen characters at a time when writing, without asking of any
 * character what it is. This takes AVX2, which most x86-64 processors since 2013 have, but not those that
 * compilers build for by default. So the processor is asked; where it has none, and on other machines, these
 * functions do nothing, and what json_read.c and json_write.c do for any text has all the work.
 *
 * All of them stop at what they do not know, or when less is left than they may touch, and never in the
 * middle of a character. Whoever calls them goes on from there by other means. */
#ifndef NGR_JSON_MIXED_H
#define NGR_JSON_MIXED_H

#include <stddef.h>
#include <stdint.h>

#include "simd.h"

#if defined(NGR__SSE2) && !defined(NGR_NO_MIXED) && defined(__GNUC__)
#define NGR__MIXED
#endif

#if defined(NGR__MIXED)

#define NGR__MIXED_TARGET __attribute__((target("avx2,popcnt")))

static inline int ngr__mixed_is_supported(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
}

/* Bytes that reading touches at once. No less may be left of the document. */
#define NGR__MIXED_READ 33

/* Reads what a JSON string holds from `p` on, up to `end`, the end of the document, into out[*count] and
 * further: a unit per character, and *count grows by them. Nothing is known but UTF-8 and escapes of two
 * characters; so it stops at the closing quote, at \uXXXX, at what is wrong, and at what a unit cannot hold
 * (or, four bytes being rare, at any character of four). Answers where. There is room in `out` for one
 * unit per byte of the document that is left.
 *
 * ngr__mixed_read1() sets *is_ascii to zero when some character was not. Two bytes before `p` are
 * looked at, one by ngr__mixed_read1(); they are a character's end, or ASCII. */
const uint8_t *ngr__mixed_read1(const uint8_t *p, const uint8_t *end, uint8_t *out, size_t *count,
                                int *is_ascii);
const uint8_t *ngr__mixed_read2(const uint8_t *p, const uint8_t *end, uint16_t *out, size_t *count);
const uint8_t *ngr__mixed_read4(const uint8_t *p, const uint8_t *end, uint32_t *out, size_t *count);

/* The same without any `out`: checks what is skipped. */
const uint8_t *ngr__mixed_pass(const uint8_t *p, const uint8_t *end);

/* Characters that writing takes at once, and bytes that it touches then. */
#define NGR__MIXED_UNITS 16
#define NGR__MIXED_WRITE 64

/* Writes text[*i] and further as UTF-8 to `at`, as long as a step's characters are left of `chars`, and its
 * bytes besides one per character that is left, before `end`. Stops at what JSON writes as \uXXXX, surrogates
 * among it, at characters of four bytes, and where all characters of a step but one are plain ASCII: simpler
 * means are quicker there. Answers where the bytes end; *i is the next character. */
uint8_t *ngr__mixed_write2(const uint16_t *text, size_t chars, size_t *i, uint8_t *at, const uint8_t *end);
uint8_t *ngr__mixed_write4(const uint32_t *text, size_t chars, size_t *i, uint8_t *at, const uint8_t *end);

#endif

#endif
