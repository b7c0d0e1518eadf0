/* Characters of three bytes in UTF-8, from U+0800 to U+FFFF without the surrogates: nearly all of Chinese,
 * Japanese, Korean, Hindi and Thai text. They come in runs, so the reader and the writer of json.h take eight
 * at a time; one spelling per instruction set, the same meaning everywhere.
 *
 *     c = 0x4e2d   <->   1110cccc 10cccccc 10cccccc
 *
 * ngr__triples_put() writes, ngr__triples_get() reads. Both answer how many of the eight, from the first on,
 * are such characters; only these count, whatever else has been stored: up to 26 bytes by the one, eight
 * units by the other. */
#ifndef NGR_JSON_TRIPLES_H
#define NGR_JSON_TRIPLES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "simd.h"
#include "utf8.h"

#define NGR__TRIPLES 8 /* characters */

/* Bytes that ngr__triples_get() may read: two more than the characters have. */
#define NGR__TRIPLES_READ (3 * NGR__TRIPLES + 2)

#if defined(NGR__SSE2)

/* The number of the first lane, of eight, that is not set in `good`; NGR__TRIPLES when all are. */
static inline size_t ngr__triples_count(__m128i good)
{
    unsigned bad = ~(unsigned)_mm_movemask_epi8(good) & 0xffff;
    return bad ? (size_t)__builtin_ctz(bad) / 2 : NGR__TRIPLES;
}

/* Which lanes hold a character that takes three bytes. */
static inline __m128i ngr__triples_are(__m128i c)
{
    __m128i top = _mm_and_si128(c, _mm_set1_epi16((short)0xf800));
    __m128i bad = _mm_or_si128(_mm_cmpeq_epi16(top, _mm_setzero_si128()),
                               _mm_cmpeq_epi16(top, _mm_set1_epi16((short)0xd800)));
    return _mm_xor_si128(bad, _mm_set1_epi8(-1));
}

/* Four characters, a lane each, as twelve bytes; touches fourteen. */
static inline void ngr__triples_put4(uint8_t *out, __m128i c)
{
    __m128i first = _mm_srli_epi32(c, 12);
    __m128i second = _mm_and_si128(_mm_slli_epi32(c, 2), _mm_set1_epi32(0x3f00));
    __m128i third = _mm_and_si128(_mm_slli_epi32(c, 16), _mm_set1_epi32(0x3f0000));
    __m128i bytes = _mm_or_si128(_mm_or_si128(first, second), _mm_or_si128(third, _mm_set1_epi32(0x8080e0)));
    __m128i even = _mm_and_si128(bytes, _mm_set1_epi64x(0xffffff));
    __m128i pairs = _mm_or_si128(even, _mm_srli_epi64(_mm_xor_si128(bytes, even), 8));
    _mm_storel_epi64((__m128i *)(void *)out, pairs);
    _mm_storel_epi64((__m128i *)(void *)(out + 6), _mm_unpackhi_epi64(pairs, pairs));
}

static inline size_t ngr__triples_put(uint8_t *out, const uint16_t *p)
{
    __m128i c = _mm_loadu_si128((const __m128i *)(const void *)p);
    ngr__triples_put4(out, _mm_unpacklo_epi16(c, _mm_setzero_si128()));
    ngr__triples_put4(out + 12, _mm_unpackhi_epi16(c, _mm_setzero_si128()));
    return ngr__triples_count(ngr__triples_are(c));
}

/* Twelve bytes as four lanes of three, the first byte lowest; reads fourteen. */
static inline __m128i ngr__triples_load4(const uint8_t *p)
{
    __m128i pairs = _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)(const void *)p),
                                       _mm_loadl_epi64((const __m128i *)(const void *)(p + 6)));
    __m128i even = _mm_and_si128(pairs, _mm_set1_epi64x(0xffffff));
    __m128i odd = _mm_and_si128(_mm_slli_epi64(pairs, 8), _mm_set1_epi64x(0xffffff00000000));
    return _mm_or_si128(even, odd);
}

/* Lanes of three bytes as characters; each lane of `*good` says whether its bytes have the right form. */
static inline __m128i ngr__triples_decode4(__m128i bytes, __m128i *good)
{
    *good = _mm_cmpeq_epi32(_mm_and_si128(bytes, _mm_set1_epi32(0xc0c0f0)), _mm_set1_epi32(0x8080e0));
    __m128i first = _mm_and_si128(_mm_slli_epi32(bytes, 12), _mm_set1_epi32(0xf000));
    __m128i second = _mm_and_si128(_mm_srli_epi32(bytes, 2), _mm_set1_epi32(0xfc0));
    __m128i third = _mm_and_si128(_mm_srli_epi32(bytes, 16), _mm_set1_epi32(0x3f));
    return _mm_or_si128(first, _mm_or_si128(second, third));
}

/* The low halves of eight lanes. */
static inline __m128i ngr__triples_pack(__m128i low, __m128i high)
{
    low = _mm_srai_epi32(_mm_slli_epi32(low, 16), 16); /* signed, as the saturation wants it */
    high = _mm_srai_epi32(_mm_slli_epi32(high, 16), 16);
    return _mm_packs_epi32(low, high);
}

static inline size_t ngr__triples_get(uint16_t *out, const uint8_t *p)
{
    __m128i good_low, good_high;
    __m128i low = ngr__triples_decode4(ngr__triples_load4(p), &good_low);
    __m128i high = ngr__triples_decode4(ngr__triples_load4(p + 12), &good_high);
    __m128i c = ngr__triples_pack(low, high);
    _mm_storeu_si128((__m128i *)(void *)out, c);
    return ngr__triples_count(_mm_and_si128(_mm_packs_epi32(good_low, good_high), ngr__triples_are(c)));
}

#elif defined(NGR__NEON)

/* The number of the first lane that is zero; NGR__TRIPLES when none is. */
static inline size_t ngr__triples_count(uint8x8_t good)
{
    uint64_t bad = ~vget_lane_u64(vreinterpret_u64_u8(good), 0);
    return bad ? (size_t)__builtin_ctzll(bad) / 8 : NGR__TRIPLES;
}

/* Which lanes hold a character that takes three bytes. */
static inline uint8x8_t ngr__triples_are(uint16x8_t c)
{
    uint16x8_t top = vandq_u16(c, vdupq_n_u16(0xf800));
    uint16x8_t bad = vorrq_u16(vceqq_u16(top, vdupq_n_u16(0)), vceqq_u16(top, vdupq_n_u16(0xd800)));
    return vmvn_u8(vmovn_u16(bad));
}

static inline size_t ngr__triples_put(uint8_t *out, const uint16_t *p)
{
    uint16x8_t c = vld1q_u16(p);
    uint8x8_t six = vdup_n_u8(0x3f), next = vdup_n_u8(0x80);
    uint8x8x3_t bytes;
    bytes.val[0] = vorr_u8(vmovn_u16(vshrq_n_u16(c, 12)), vdup_n_u8(0xe0));
    bytes.val[1] = vorr_u8(vand_u8(vshrn_n_u16(c, 6), six), next);
    bytes.val[2] = vorr_u8(vand_u8(vmovn_u16(c), six), next);
    vst3_u8(out, bytes);
    return ngr__triples_count(ngr__triples_are(c));
}

static inline size_t ngr__triples_get(uint16_t *out, const uint8_t *p)
{
    uint8x8x3_t bytes = vld3_u8(p);
    uint8x8_t six = vdup_n_u8(0x3f), continues = vdup_n_u8(0xc0), next = vdup_n_u8(0x80);
    uint8x8_t good = vceq_u8(vand_u8(bytes.val[0], vdup_n_u8(0xf0)), vdup_n_u8(0xe0));
    good = vand_u8(good, vceq_u8(vand_u8(bytes.val[1], continues), next));
    good = vand_u8(good, vceq_u8(vand_u8(bytes.val[2], continues), next));
    uint16x8_t c =
        vorrq_u16(vshlq_n_u16(vmovl_u8(bytes.val[0]), 12),
                  vorrq_u16(vshll_n_u8(vand_u8(bytes.val[1], six), 6), vmovl_u8(vand_u8(bytes.val[2], six))));
    vst1q_u16(out, c);
    return ngr__triples_count(vand_u8(good, ngr__triples_are(c)));
}

#else

static inline size_t ngr__triples_put(uint8_t *out, const uint16_t *p)
{
    size_t n = 0;
    for (; n < NGR__TRIPLES && p[n] >= 0x800 && !ngr__is_surrogate(p[n]); n++)
        ngr__utf8_put(out + 3 * n, p[n]);
    return n;
}

static inline size_t ngr__triples_get(uint16_t *out, const uint8_t *p)
{
    size_t n = 0;
    for (; n < NGR__TRIPLES; n++, p += 3) {
        uint32_t wrong = (p[0] & 0xf0u) ^ 0xe0u;
        uint32_t c = (p[0] & 0xfu) << 12 | ngr__utf8_continue(p[1], &wrong) << 6;
        c |= ngr__utf8_continue(p[2], &wrong);
        if (wrong || c < 0x800 || ngr__is_surrogate(c))
            break;
        out[n] = (uint16_t)c;
    }
    return n;
}

#endif

#endif
