/* Sixteen characters at a time: which of them may stand in a JSON string as they are? The reader and the
 * writer of json.h share these few operations; each has one spelling per instruction set (SSE2, NEON, plain
 * C) and the same meaning everywhere. Nothing here allocates, and nothing reads or writes beyond the sixteen
 * it was given.
 *
 * A character is plain when it is printable ASCII (0x20 to 0x7f) and neither `"` nor `\`. A block holds
 * one byte per character; characters that do not fit a byte are narrowed to some byte that is not plain. */
#ifndef NGR_JSON_SCAN_H
#define NGR_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "simd.h"

#define NGR__BLOCK 16 /* characters */

static inline bool ngr__is_plain(uint32_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* What a backslash makes of `c` behind it; zero where that is no escape of two characters. */
static inline uint8_t ngr__escaped(uint8_t c)
{
    static const uint8_t meaning[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                         ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    return meaning[c];
}

/* Eight bytes in one word: a byte's top bit ends up set when the byte is not plain. A borrow may set the
 * top bit of a plain byte, too, but only where there is another one that is not: the caller looks again,
 * byte by byte. */
static inline bool ngr__word_is_plain(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t quote = (word ^ (ones * '"')) - ones;
    uint64_t backslash = (word ^ (ones * '\\')) - ones;
    uint64_t low = word - ones * 0x20;
    return ((word | quote | backslash | low) & (ones * 0x80)) == 0;
}

#if defined(NGR__SSE2) || defined(NGR__NEON) /* both have the first byte of a word lowest */

/* Fewer than eight bytes as one word with zeros behind them. Two halves that overlap cover every length
 * from their own on. */
static inline uint64_t ngr__word_short(const uint8_t *p, size_t len)
{
    uint32_t first, last;
    if (len >= 4) {
        memcpy(&first, p, 4);
        memcpy(&last, p + len - 4, 4);
        return first | (uint64_t)last << 8 * (len - 4);
    }
    if (len == 0)
        return 0;
    return p[0] | (uint64_t)p[len / 2] << 8 * (len / 2) | (uint64_t)p[len - 1] << 8 * (len - 1);
}

/* Fewer than sixteen bytes as two words, likewise. */
static inline void ngr__words_short(const uint8_t *p, size_t len, uint64_t *low, uint64_t *high)
{
    *high = 0;
    if (len < 8) {
        *low = ngr__word_short(p, len);
        return;
    }
    memcpy(low, p, 8);
    memcpy(high, p + len - 8, 8);
    *high = *high >> 8 >> 8 * (15 - len);
}

#endif

#if defined(NGR__SSE2)

typedef __m128i ngr__block;

static inline ngr__block ngr__block_ucs1(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* Fewer characters than a block; zeros, which are not plain, fill it up. */
static inline ngr__block ngr__block_short(const uint8_t *p, size_t len)
{
    uint64_t low, high;
    ngr__words_short(p, len, &low, &high);
    return _mm_set_epi64x((long long)high, (long long)low);
}

/* Saturation does the narrowing: 0x100..0x7fff become 0xff, 0x8000..0xffff (negative to the instruction)
 * become 0. */
static inline ngr__block ngr__block_ucs2(const uint16_t *p)
{
    const __m128i *v = (const __m128i *)(const void *)p;
    return _mm_packus_epi16(_mm_loadu_si128(v), _mm_loadu_si128(v + 1));
}

static inline ngr__block ngr__block_ucs4(const uint32_t *p)
{
    const __m128i *v = (const __m128i *)(const void *)p;
    __m128i low = _mm_packs_epi32(_mm_loadu_si128(v), _mm_loadu_si128(v + 1));
    __m128i high = _mm_packs_epi32(_mm_loadu_si128(v + 2), _mm_loadu_si128(v + 3));
    return _mm_packus_epi16(low, high);
}

static inline void ngr__block_store1(uint8_t *out, ngr__block b)
{
    _mm_storeu_si128((__m128i *)(void *)out, b);
}

static inline void ngr__block_store2(uint16_t *out, ngr__block b)
{
    __m128i *v = (__m128i *)(void *)out;
    _mm_storeu_si128(v, _mm_unpacklo_epi8(b, _mm_setzero_si128()));
    _mm_storeu_si128(v + 1, _mm_unpackhi_epi8(b, _mm_setzero_si128()));
}

static inline void ngr__block_store4(uint32_t *out, ngr__block b)
{
    __m128i *v = (__m128i *)(void *)out, zero = _mm_setzero_si128();
    __m128i low = _mm_unpacklo_epi8(b, zero), high = _mm_unpackhi_epi8(b, zero);
    _mm_storeu_si128(v, _mm_unpacklo_epi16(low, zero));
    _mm_storeu_si128(v + 1, _mm_unpackhi_epi16(low, zero));
    _mm_storeu_si128(v + 2, _mm_unpacklo_epi16(high, zero));
    _mm_storeu_si128(v + 3, _mm_unpackhi_epi16(high, zero));
}

typedef uint32_t ngr__mask;
#define NGR__MASK_BITS 1 /* bits per character */

static inline ngr__mask ngr__block_special(ngr__block b)
{
    __m128i quote = _mm_cmpeq_epi8(b, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(b, _mm_set1_epi8('\\'));
    __m128i low = _mm_subs_epi8(b, _mm_set1_epi8(0x20)); /* negative below 0x20 and, signed, from 0x80 on */
    return (ngr__mask)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), low));
}

#elif defined(NGR__NEON)

typedef uint8x16_t ngr__block;

static inline ngr__block ngr__block_ucs1(const uint8_t *p)
{
    return vld1q_u8(p);
}

static inline ngr__block ngr__block_short(const uint8_t *p, size_t len)
{
    uint64_t low, high;
    ngr__words_short(p, len, &low, &high);
    return vcombine_u8(vcreate_u8(low), vcreate_u8(high));
}

static inline ngr__block ngr__block_ucs2(const uint16_t *p)
{
    return vcombine_u8(vqmovn_u16(vld1q_u16(p)), vqmovn_u16(vld1q_u16(p + 8)));
}

static inline ngr__block ngr__block_ucs4(const uint32_t *p)
{
    uint16x8_t low = vcombine_u16(vqmovn_u32(vld1q_u32(p)), vqmovn_u32(vld1q_u32(p + 4)));
    uint16x8_t high = vcombine_u16(vqmovn_u32(vld1q_u32(p + 8)), vqmovn_u32(vld1q_u32(p + 12)));
    return vcombine_u8(vqmovn_u16(low), vqmovn_u16(high));
}

static inline void ngr__block_store1(uint8_t *out, ngr__block b)
{
    vst1q_u8(out, b);
}

static inline void ngr__block_store2(uint16_t *out, ngr__block b)
{
    vst1q_u16(out, vmovl_u8(vget_low_u8(b)));
    vst1q_u16(out + 8, vmovl_u8(vget_high_u8(b)));
}

static inline void ngr__block_store4(uint32_t *out, ngr__block b)
{
    uint16x8_t low = vmovl_u8(vget_low_u8(b)), high = vmovl_u8(vget_high_u8(b));
    vst1q_u32(out, vmovl_u16(vget_low_u16(low)));
    vst1q_u32(out + 4, vmovl_u16(vget_high_u16(low)));
    vst1q_u32(out + 8, vmovl_u16(vget_low_u16(high)));
    vst1q_u32(out + 12, vmovl_u16(vget_high_u16(high)));
}

typedef uint64_t ngr__mask;
#define NGR__MASK_BITS 4

static inline ngr__mask ngr__block_special(ngr__block b)
{
    uint8x16_t quote = vceqq_u8(b, vdupq_n_u8('"'));
    uint8x16_t backslash = vceqq_u8(b, vdupq_n_u8('\\'));
    uint8x16_t low = vcltq_s8(vreinterpretq_s8_u8(b), vdupq_n_s8(0x20));
    uint8x16_t special = vorrq_u8(vorrq_u8(quote, backslash), low);
    uint8x8_t nibbles = vshrn_n_u16(vreinterpretq_u16_u8(special), 4);
    return vget_lane_u64(vreinterpret_u64_u8(nibbles), 0) & 0x1111111111111111u;
}

#else

typedef struct {
    uint8_t byte[NGR__BLOCK];
} ngr__block;

static inline ngr__block ngr__block_ucs1(const uint8_t *p)
{
    ngr__block b = {{0}};
    memcpy(b.byte, p, NGR__BLOCK);
    return b;
}

static inline ngr__block ngr__block_short(const uint8_t *p, size_t len)
{
    ngr__block b = {{0}};
    memcpy(b.byte, p, len);
    return b;
}

static inline ngr__block ngr__block_ucs2(const uint16_t *p)
{
    ngr__block b = {{0}};
    for (size_t i = 0; i < NGR__BLOCK; i++)
        b.byte[i] = p[i] < 0xff ? (uint8_t)p[i] : 0xff;
    return b;
}

static inline ngr__block ngr__block_ucs4(const uint32_t *p)
{
    ngr__block b = {{0}};
    for (size_t i = 0; i < NGR__BLOCK; i++)
        b.byte[i] = p[i] < 0xff ? (uint8_t)p[i] : 0xff;
    return b;
}

static inline void ngr__block_store1(uint8_t *out, ngr__block b)
{
    memcpy(out, b.byte, NGR__BLOCK);
}

static inline void ngr__block_store2(uint16_t *out, ngr__block b)
{
    for (size_t i = 0; i < NGR__BLOCK; i++)
        out[i] = b.byte[i];
}

static inline void ngr__block_store4(uint32_t *out, ngr__block b)
{
    for (size_t i = 0; i < NGR__BLOCK; i++)
        out[i] = b.byte[i];
}

typedef uint32_t ngr__mask;
#define NGR__MASK_BITS 1

/* One bit per byte of a word that is not plain. */
static inline ngr__mask ngr__word_special(const uint8_t *p)
{
    ngr__mask mask = 0;
    uint64_t word;
    memcpy(&word, p, 8);
    if (!ngr__word_is_plain(word))
        for (unsigned i = 0; i < 8; i++)
            mask |= (ngr__mask)!ngr__is_plain(p[i]) << i;
    return mask;
}

static inline ngr__mask ngr__block_special(ngr__block b)
{
    return ngr__word_special(b.byte) | ngr__word_special(b.byte + 8) << 8;
}

#endif

/* The place in the block of the first character that a mask, not empty, speaks of; and the mask without it.
 */
static inline size_t ngr__mask_first(ngr__mask mask)
{
    return (size_t)__builtin_ctzll(mask) / NGR__MASK_BITS;
}

static inline ngr__mask ngr__mask_rest(ngr__mask mask)
{
    return mask & (mask - 1);
}

/* The mask of the first `n` characters, fewer than a block. */
static inline ngr__mask ngr__mask_below(size_t n)
{
    return ((ngr__mask)1 << n * NGR__MASK_BITS) - 1;
}

/* How many characters are plain before the first that is not; NGR__BLOCK when all are. */
static inline size_t ngr__block_plain(ngr__block b)
{
    ngr__mask special = ngr__block_special(b);
    return special ? ngr__mask_first(special) : NGR__BLOCK;
}

/* The number of plain characters at the start of `p`. */
static inline size_t ngr__plain_length(const uint8_t *p, size_t len)
{
    size_t i = 0;
    for (; len - i >= NGR__BLOCK; i += NGR__BLOCK) {
        size_t n = ngr__block_plain(ngr__block_ucs1(p + i));
        if (n < NGR__BLOCK)
            return i + n;
    }
    while (i < len && ngr__is_plain(p[i]))
        i++;
    return i;
}

/* Copies fewer bytes than a block. Two words that overlap cover every length from theirs on. */
static inline void ngr__copy_short(uint8_t *out, const uint8_t *p, size_t len)
{
    uint64_t first, last;
    uint32_t first4, last4;
    if (len >= 8) {
        memcpy(&first, p, 8);
        memcpy(&last, p + len - 8, 8);
        memcpy(out, &first, 8);
        memcpy(out + len - 8, &last, 8);
    } else if (len >= 4) {
        memcpy(&first4, p, 4);
        memcpy(&last4, p + len - 4, 4);
        memcpy(out, &first4, 4);
        memcpy(out + len - 4, &last4, 4);
    } else if (len) {
        uint8_t middle = p[len / 2], end = p[len - 1];
        out[0] = p[0];
        out[len / 2] = middle;
        out[len - 1] = end;
    }
}

/* --- text whose units are 1, 2 or 4 bytes wide ------------------------------------------------ */

/* The functions below take the width as a constant; inlined, each becomes the code of that width. */
#define NGR__BY_WIDTH static inline __attribute__((always_inline))

NGR__BY_WIDTH uint32_t ngr__unit(const void *text, size_t i, unsigned width)
{
    if (width == 1)
        return ((const uint8_t *)text)[i];
    return width == 2 ? ((const uint16_t *)text)[i] : ((const uint32_t *)text)[i];
}

NGR__BY_WIDTH void ngr__put_unit(void *text, size_t i, uint32_t c, unsigned width)
{
    if (width == 1)
        ((uint8_t *)text)[i] = (uint8_t)c;
    else if (width == 2)
        ((uint16_t *)text)[i] = (uint16_t)c;
    else
        ((uint32_t *)text)[i] = c;
}

NGR__BY_WIDTH ngr__block ngr__block_load(const void *text, size_t i, unsigned width)
{
    if (width == 1)
        return ngr__block_ucs1((const uint8_t *)text + i);
    return width == 2 ? ngr__block_ucs2((const uint16_t *)text + i)
                      : ngr__block_ucs4((const uint32_t *)text + i);
}

NGR__BY_WIDTH void ngr__block_store(void *text, size_t i, ngr__block b, unsigned width)
{
    if (width == 1)
        ngr__block_store1((uint8_t *)text + i, b);
    else if (width == 2)
        ngr__block_store2((uint16_t *)text + i, b);
    else
        ngr__block_store4((uint32_t *)text + i, b);
}

#endif
