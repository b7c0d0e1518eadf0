/* The writing half of json_mixed.h: sixteen characters at a time, in two or four groups. In a group, each
 * character has a lane with all the bytes that it might need, and a shuffle by a table takes those that it
 * does need to the front. An escape of two characters is a character of two bytes here. */
#include "json_mixed.h"

/* cppcheck would take minutes to work out the table. */
#if defined(NGR__MIXED) && !defined(__cppcheck__)

#include <immintrin.h>

#include "json_mixed_table.h"
#include "json_scan.h"

#define INLINE static inline __attribute__((always_inline)) NGR__MIXED_TARGET

#define BELOW(i) ((1 << (i)) - 1)

/* Eight lanes of two bytes; of those in `set`, a bit per lane, both count, of the others the first. Where
 * the bytes of lane `i` begin, and which byte is the k-th. */
#define PAIR_AT(set, i) ((i) + __builtin_popcount((set)&BELOW(i)))
#define PAIR_BYTE(set, k, i)                                                                                 \
    (PAIR_AT(set, i) == (k) ? 2 * (i) : (set) >> (i)&1 && PAIR_AT(set, i) + 1 == (k) ? 2 * (i) + 1 : 0)
#define PAIRS_BYTE(set, k)                                                                                   \
    (PAIR_BYTE(set, k, 0) | PAIR_BYTE(set, k, 1) | PAIR_BYTE(set, k, 2) | PAIR_BYTE(set, k, 3) |             \
     PAIR_BYTE(set, k, 4) | PAIR_BYTE(set, k, 5) | PAIR_BYTE(set, k, 6) | PAIR_BYTE(set, k, 7))

/* Four lanes of four bytes; of those in the low half of `set` two count at least, of those in its high half
 * three. */
#define TRIPLE_AT(set, i) ((i) + __builtin_popcount((set) & (BELOW(i) | BELOW(i) << 4)))
#define TRIPLE_BYTE(set, k, i)                                                                               \
    (TRIPLE_AT(set, i) == (k)                                 ? 4 * (i)                                      \
     : (set) >> (i)&1 && TRIPLE_AT(set, i) + 1 == (k)         ? 4 * (i) + 1                                  \
     : (set) >> ((i) + 4) & 1 && TRIPLE_AT(set, i) + 2 == (k) ? 4 * (i) + 2                                  \
                                                              : 0)
#define TRIPLES_BYTE(set, k)                                                                                 \
    (TRIPLE_BYTE(set, k, 0) | TRIPLE_BYTE(set, k, 1) | TRIPLE_BYTE(set, k, 2) | TRIPLE_BYTE(set, k, 3))

/* Here `byte` is the name of a macro: NOLINTBEGIN(bugprone-macro-parentheses) */
#define ROW(byte, set)                                                                                       \
    {                                                                                                        \
        byte(set, 0), byte(set, 1), byte(set, 2), byte(set, 3), byte(set, 4), byte(set, 5), byte(set, 6),    \
            byte(set, 7), byte(set, 8), byte(set, 9), byte(set, 10), byte(set, 11), byte(set, 12),           \
            byte(set, 13), byte(set, 14), byte(set, 15)                                                      \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

#define PAIRS_ROW(set)   ROW(PAIRS_BYTE, set)
#define TRIPLES_ROW(set) ROW(TRIPLES_BYTE, set)

static const uint8_t pairs[256][16] __attribute__((aligned(16))) = NGR__ROWS256(PAIRS_ROW);
static const uint8_t triples[256][16] __attribute__((aligned(16))) = NGR__ROWS256(TRIPLES_ROW);

/* Sixteen characters, and a bit for each that ... */
struct block {
    __m256i c;
    __m256i escaped, is_escaped; /* lanes: the two bytes of an escape; whether it is one */
    uint32_t stops;              /* is not written here */
    uint32_t twos;               /* takes two bytes or more */
    uint32_t threes;             /* takes three */
};

INLINE __m256i fill16(int unit)
{
    return _mm256_set1_epi16((short)unit);
}

INLINE __m128i low_half(__m256i lanes)
{
    return _mm256_castsi256_si128(lanes);
}

INLINE __m128i high_half(__m256i lanes)
{
    return _mm256_extracti128_si256(lanes, 1);
}

/* A bit for each of sixteen lanes that are all ones or all zeros. */
INLINE uint32_t mask_of(__m256i lanes)
{
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(low_half(lanes), high_half(lanes)));
}

/* Lanes that have none of these bits. */
INLINE __m256i has_none(__m256i c, int bits)
{
    return _mm256_cmpeq_epi16(_mm256_and_si256(c, fill16(bits)), _mm256_setzero_si256());
}

/* Sixteen units of four bytes as units of two: those that do not fit become 0xffff. */
INLINE __m256i narrow(__m256i low, __m256i high)
{
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8);
}

INLINE __m256i load(const void *text, size_t i, unsigned width)
{
    if (width == 2)
        return _mm256_loadu_si256((const __m256i *)(const void *)((const uint16_t *)text + i));
    const __m256i *v = (const __m256i *)(const void *)((const uint32_t *)text + i);
    return narrow(_mm256_loadu_si256(v), _mm256_loadu_si256(v + 1));
}

/* The letters behind a backslash that stand for control characters; zero for those that have none, and for
 * others. */
INLINE __m256i control_letters(__m256i c)
{
    const __m128i row = _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 'b', 't', 'n', 0, 'f', 'r', 0, 0);
    return _mm256_and_si256(_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(row), c), has_none(c, 0xfff0));
}

/* U+FFFF itself is not written here either: it may be what has been narrowed to it. */
INLINE struct block look_at(__m256i c, unsigned width)
{
    __m256i letters = control_letters(c), is_control = has_none(c, 0xffe0);
    __m256i quotes = _mm256_or_si256(_mm256_cmpeq_epi16(c, fill16('"')), _mm256_cmpeq_epi16(c, fill16('\\')));
    __m256i surrogates = _mm256_cmpeq_epi16(_mm256_and_si256(c, fill16(0xf800)), fill16(0xd800));
    __m256i has_letter = _mm256_cmpgt_epi16(letters, _mm256_setzero_si256());
    __m256i is_escaped = _mm256_or_si256(quotes, has_letter);
    __m256i stops = _mm256_or_si256(_mm256_andnot_si256(has_letter, is_control), surrogates);
    if (width == 4)
        stops = _mm256_or_si256(stops, _mm256_cmpeq_epi16(c, fill16(0xffff)));
    __m256i second = _mm256_blendv_epi8(letters, c, quotes);
    return (struct block){
        .c = c,
        .escaped = _mm256_or_si256(_mm256_slli_epi16(second, 8), fill16('\\')),
        .is_escaped = is_escaped,
        .stops = mask_of(stops),
        .twos = mask_of(_mm256_andnot_si256(is_escaped, has_none(c, 0xff80))) ^ 0xffff,
        .threes = mask_of(has_none(c, 0xf800)) ^ 0xffff,
    };
}

INLINE uint8_t *put(uint8_t *at, __m128i lanes, const uint8_t *order, size_t bytes)
{
    __m128i shuffle = _mm_load_si128((const __m128i *)(const void *)order);
    _mm_storeu_si128((__m128i *)(void *)at, _mm_shuffle_epi8(lanes, shuffle));
    return at + bytes;
}

/* Writes sixteen characters of at most two bytes. */
INLINE void put_pairs(uint8_t *at, const struct block *b)
{
    __m256i first = _mm256_or_si256(_mm256_srli_epi16(b->c, 6), fill16(0x80c0));
    __m256i second = _mm256_and_si256(_mm256_slli_epi16(b->c, 8), fill16(0x3f00));
    __m256i lanes = _mm256_blendv_epi8(_mm256_or_si256(first, second), b->c, has_none(b->c, 0xff80));
    lanes = _mm256_blendv_epi8(lanes, b->escaped, b->is_escaped);
    unsigned low = b->twos & 0xff, high = b->twos >> 8;
    at = put(at, low_half(lanes), pairs[low], 8 + (size_t)__builtin_popcount(low));
    put(at, high_half(lanes), pairs[high], 0);
}

/* Writes eight characters of at most three bytes; answers where they end. */
INLINE uint8_t *put_triples(uint8_t *at, __m128i half, __m128i escaped, __m128i is_escaped, unsigned twos,
                            unsigned threes)
{
    __m256i c = _mm256_cvtepu16_epi32(half);
    __m256i middle = _mm256_and_si256(_mm256_slli_epi32(c, 2), _mm256_set1_epi32(0x3f00));
    __m256i last = _mm256_and_si256(_mm256_slli_epi32(c, 16), _mm256_set1_epi32(0x3f0000));
    __m256i three = _mm256_or_si256(_mm256_or_si256(_mm256_srli_epi32(c, 12), middle),
                                    _mm256_or_si256(last, _mm256_set1_epi32(0x8080e0)));
    __m256i second = _mm256_and_si256(_mm256_slli_epi32(c, 8), _mm256_set1_epi32(0x3f00));
    __m256i two =
        _mm256_or_si256(_mm256_or_si256(_mm256_srli_epi32(c, 6), second), _mm256_set1_epi32(0x80c0));
    __m256i lanes = _mm256_blendv_epi8(c, two, _mm256_cmpgt_epi32(c, _mm256_set1_epi32(0x7f)));
    lanes = _mm256_blendv_epi8(lanes, three, _mm256_cmpgt_epi32(c, _mm256_set1_epi32(0x7ff)));
    lanes = _mm256_blendv_epi8(lanes, _mm256_cvtepu16_epi32(escaped), _mm256_cvtepi16_epi32(is_escaped));
    unsigned low = (twos & 15) | (threes & 15) << 4, high = twos >> 4 | (threes & 0xf0);
    at = put(at, low_half(lanes), triples[low], 4 + (size_t)__builtin_popcount(low));
    return put(at, high_half(lanes), triples[high], 4 + (size_t)__builtin_popcount(high));
}

/* Writes what comes before the first stop; answers how many characters. */
INLINE size_t put_mixed(uint8_t **at, __m256i c, unsigned width)
{
    struct block b = look_at(c, width);
    size_t len = b.stops ? (size_t)__builtin_ctz(b.stops) : NGR__MIXED_UNITS;
    uint32_t known = (1u << len) - 1;
    if (b.threes & known) {
        uint8_t *middle = put_triples(*at, low_half(c), low_half(b.escaped), low_half(b.is_escaped),
                                      b.twos & 0xff, b.threes & 0xff);
        put_triples(middle, high_half(c), high_half(b.escaped), high_half(b.is_escaped), b.twos >> 8,
                    b.threes >> 8);
    } else if (b.twos & known) {
        put_pairs(*at, &b);
    } else {
        ngr__block_store1(*at, _mm_packus_epi16(low_half(c), high_half(c)));
    }
    *at += len + (size_t)__builtin_popcount(b.twos & known) + (size_t)__builtin_popcount(b.threes & known);
    return len;
}

INLINE uint8_t *write_mixed(const void *text, size_t chars, size_t *from, uint8_t *at, const uint8_t *end,
                            unsigned width)
{
    size_t i = *from, len = NGR__MIXED_UNITS;
    while (len == NGR__MIXED_UNITS && chars - i >= NGR__MIXED_UNITS &&
           (size_t)(end - at) >= NGR__MIXED_WRITE + (chars - i)) {
        __m256i c = load(text, i, width);
        ngr__mask special = ngr__block_special(_mm_packus_epi16(low_half(c), high_half(c)));
        if (!ngr__mask_rest(special))
            break;
        len = put_mixed(&at, c, width);
        i += len;
    }
    *from = i;
    return at;
}

NGR__MIXED_TARGET static uint8_t *write2(const uint16_t *text, size_t chars, size_t *i, uint8_t *at,
                                         const uint8_t *end)
{
    return write_mixed(text, chars, i, at, end, 2);
}

NGR__MIXED_TARGET static uint8_t *write4(const uint32_t *text, size_t chars, size_t *i, uint8_t *at,
                                         const uint8_t *end)
{
    return write_mixed(text, chars, i, at, end, 4);
}

uint8_t *ngr__mixed_write2(const uint16_t *text, size_t chars, size_t *i, uint8_t *at, const uint8_t *end)
{
    return ngr__mixed_is_supported() ? write2(text, chars, i, at, end) : at;
}

uint8_t *ngr__mixed_write4(const uint32_t *text, size_t chars, size_t *i, uint8_t *at, const uint8_t *end)
{
    return ngr__mixed_is_supported() ? write4(text, chars, i, at, end) : at;
}

#endif
