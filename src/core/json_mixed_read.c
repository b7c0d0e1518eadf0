/* The reading half of json_mixed.h.
 *
 * A block of thirty-two bytes is decoded as if a character ended at each of them, together with the two
 * bytes in front of it:
 *
 *     bytes      61   c3 a9   e2 80 9d   62       end at     61, a9, 9d, 62
 *     decoded    61   ?? e9   ?? ?? 201d 62       and the others are left out when the block is stored
 *
 * Blocks follow each other at fixed places, so that none waits for where the one before it ended. One escape
 * in a block is read by itself, and the next block begins behind it. Where there are more (code, JSON within
 * JSON, what a model was told to put in quotes), they are treated like characters: an escape's second byte
 * becomes what it means, its first is left out. */
#include "json_mixed.h"

/* cppcheck would take minutes to work out the table. */
#if defined(NGR__MIXED) && !defined(__cppcheck__)

#include <immintrin.h>
#include <stdbool.h>

#include "json_mixed_table.h"
#include "json_scan.h"

#define BLOCK 32

#define INLINE static inline __attribute__((always_inline)) NGR__MIXED_TARGET

/* For each set of eight lanes of two bytes, in which order a shuffle takes their bytes so that these lanes
 * come first. What is behind them does not matter. */
#define PLACE(set, k, i) ((set) >> (i)&1 && __builtin_popcount((set) & ((1 << (i)) - 1)) == (k) ? 2 * (i) : 0)
#define NTH(set, k)                                                                                          \
    (PLACE(set, k, 0) | PLACE(set, k, 1) | PLACE(set, k, 2) | PLACE(set, k, 3) | PLACE(set, k, 4) |          \
     PLACE(set, k, 5) | PLACE(set, k, 6) | PLACE(set, k, 7))
#define PAIR(place) (place), (place) + 1
#define ROW(set)                                                                                             \
    {                                                                                                        \
        PAIR(NTH(set, 0)), PAIR(NTH(set, 1)), PAIR(NTH(set, 2)), PAIR(NTH(set, 3)), PAIR(NTH(set, 4)),       \
            PAIR(NTH(set, 5)), PAIR(NTH(set, 6)), PAIR(NTH(set, 7))                                          \
    }

static const uint8_t chosen_first[256][16] __attribute__((aligned(16))) = NGR__ROWS256(ROW);

/* A byte in each lane, and those one and two places before it. */
struct block {
    __m256i byte, before, before2;
    __m256i continues; /* lanes whose byte continues a character */
};

INLINE __m256i load(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

INLINE __m256i fill(int byte)
{
    return _mm256_set1_epi8((char)byte);
}

INLINE unsigned mask_of(__m256i lanes)
{
    return (unsigned)_mm256_movemask_epi8(lanes);
}

INLINE __m256i is_continuation(__m256i byte)
{
    return _mm256_cmpgt_epi8(fill(0xc0), byte); /* signed: from 0x80 to 0xbf */
}

/* Lanes whose top bit is set are at least `least`, itself at least 0x80. */
INLINE __m256i top_from(__m256i byte, int least)
{
    return _mm256_subs_epu8(byte, fill(least - 0x80));
}

/* A bit for each lane that no UTF-8 of at most three bytes per character has there. */
INLINE unsigned find_wrong(const struct block *b)
{
    __m256i expected = _mm256_or_si256(top_from(b->before, 0xc0), top_from(b->before2, 0xe0));
    __m256i wrong = _mm256_xor_si256(expected, b->continues);
    /* Overlong forms begin with c0, c1, or with e0 and less than a0; surrogates with ed and a0 or more. */
    __m256i is_low = _mm256_cmpgt_epi8(fill(0xa0), b->byte);
    __m256i overlong2 = _mm256_cmpeq_epi8(_mm256_and_si256(b->byte, fill(0xfe)), fill(0xc0));
    __m256i overlong3 = _mm256_and_si256(_mm256_cmpeq_epi8(b->before, fill(0xe0)), is_low);
    __m256i surrogate = _mm256_andnot_si256(is_low, _mm256_cmpeq_epi8(b->before, fill(0xed)));
    return mask_of(_mm256_or_si256(_mm256_or_si256(wrong, overlong2), _mm256_or_si256(overlong3, surrogate)));
}

/* --- escapes ---------------------------------------------------------------------------------- */

/* Of these backslashes, a bit for each, those that escape the byte behind them: in every row the first, the
 * third and so on. Adding a row's first bit to it clears all of it, which tells the rows that begin at even
 * places from the others. */
INLINE unsigned find_escaping(unsigned backslashes)
{
    const unsigned even = 0x55555555;
    unsigned firsts = backslashes & ~(backslashes << 1);
    unsigned in_even_rows = backslashes & ~(backslashes + (firsts & even));
    return (in_even_rows & even) | (backslashes & ~in_even_rows & ~even);
}

/* Letters behind a backslash, and what they mean; bits 1 to 4 tell them apart. No byte looks for 0xff in the
 * first place, but one of zero would find a zero there. */
#define BY_BITS(b, f, n, r, t) (char)0xff, b, 0, f, 0, 0, 0, n, 0, r, t, 0, 0, 0, 0, 0
#define TWICE(...)             _mm256_setr_epi8(__VA_ARGS__, __VA_ARGS__)

/* Every byte as what it means behind a backslash. The lanes of `known` are those that have a meaning there.
 */
INLINE __m256i meanings(__m256i byte, __m256i *known)
{
    const __m256i letters = TWICE(BY_BITS('b', 'f', 'n', 'r', 't'));
    const __m256i controls = TWICE(BY_BITS('\b', '\f', '\n', '\r', '\t'));
    __m256i bits = _mm256_and_si256(_mm256_srli_epi16(byte, 1), fill(0x0f));
    __m256i is_letter = _mm256_cmpeq_epi8(byte, _mm256_shuffle_epi8(letters, bits));
    __m256i is_itself =
        _mm256_or_si256(_mm256_cmpeq_epi8(byte, fill('\\')), _mm256_cmpeq_epi8(byte, fill('/')));
    is_itself = _mm256_or_si256(is_itself, _mm256_cmpeq_epi8(byte, fill('"')));
    *known = _mm256_or_si256(is_letter, is_itself);
    return _mm256_blendv_epi8(byte, _mm256_shuffle_epi8(controls, bits), is_letter);
}

/* All ones in each lane whose bit is set. */
INLINE __m256i lanes_of(unsigned bits)
{
    const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2,
                                            2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201u);
    __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), spread);
    return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
}

/* --- storing ---------------------------------------------------------------------------------- */

/* Stores those of eight units of two bytes that are in `set`; answers how many. */
INLINE size_t store8(void *out, size_t count, __m128i units, unsigned set, unsigned width)
{
    units = _mm_shuffle_epi8(units, _mm_load_si128((const __m128i *)(const void *)chosen_first[set]));
    if (width == 1)
        _mm_storel_epi64((__m128i *)(void *)((uint8_t *)out + count), _mm_packus_epi16(units, units));
    else if (width == 2)
        _mm_storeu_si128((__m128i *)(void *)((uint16_t *)out + count), units);
    else
        _mm256_storeu_si256((__m256i *)(void *)((uint32_t *)out + count), _mm256_cvtepu16_epi32(units));
    return (size_t)__builtin_popcount(set);
}

/* Decodes each lane as the end of a character, and stores those in `ends`; answers how many. */
INLINE size_t store_ends(void *out, size_t count, const struct block *b, unsigned ends, unsigned width)
{
    __m256i last = _mm256_and_si256(b->byte, fill(0x7f));
    __m256i middle = _mm256_and_si256(b->before, _mm256_and_si256(b->continues, fill(0x3f)));
    __m256i first = _mm256_slli_epi16(_mm256_subs_epu8(b->before2, fill(0xe0)), 4);
    const __m256i weights = _mm256_set1_epi16(0x4001), zero = _mm256_setzero_si256();
    __m256i low = _mm256_maddubs_epi16(_mm256_unpacklo_epi8(last, middle), weights);
    __m256i high = _mm256_maddubs_epi16(_mm256_unpackhi_epi8(last, middle), weights);
    if (width > 1) {
        low = _mm256_or_si256(low, _mm256_unpacklo_epi8(zero, first));
        high = _mm256_or_si256(high, _mm256_unpackhi_epi8(zero, first));
    }
    size_t n = store8(out, count, _mm256_castsi256_si128(low), ends & 0xff, width);
    n += store8(out, count + n, _mm256_castsi256_si128(high), ends >> 8 & 0xff, width);
    n += store8(out, count + n, _mm256_extracti128_si256(low, 1), ends >> 16 & 0xff, width);
    return n + store8(out, count + n, _mm256_extracti128_si256(high, 1), ends >> 24, width);
}

INLINE void store_ascii(void *out, size_t count, __m256i byte, unsigned width)
{
    __m128i low = _mm256_castsi256_si128(byte), high = _mm256_extracti128_si256(byte, 1);
    if (width == 2) {
        __m256i *to = (__m256i *)(void *)((uint16_t *)out + count);
        _mm256_storeu_si256(to, _mm256_cvtepu8_epi16(low));
        _mm256_storeu_si256(to + 1, _mm256_cvtepu8_epi16(high));
    } else if (width == 1) {
        _mm256_storeu_si256((__m256i *)(void *)((uint8_t *)out + count), byte);
    } else {
        ngr__block_store(out, count, low, width);
        ngr__block_store(out, count + 16, high, width);
    }
}

/* --- the walk --------------------------------------------------------------------------------- */

/* Thirty-two bytes, and a bit for each of them that ... */
struct view {
    __m256i byte;
    unsigned high;  /* is not ASCII */
    unsigned stops; /* is ASCII and cannot be read as it is */
};

INLINE struct view look_at(const uint8_t *p)
{
    __m256i byte = load(p);
    __m256i low = _mm256_subs_epi8(byte, fill(0x20)); /* negative below 0x20 and from 0x80 on */
    __m256i quotes = _mm256_or_si256(_mm256_cmpeq_epi8(byte, fill('"')), _mm256_cmpeq_epi8(byte, fill('\\')));
    unsigned high = mask_of(byte);
    return (struct view){.byte = byte, .high = high, .stops = mask_of(_mm256_or_si256(quotes, low)) ^ high};
}

/* Turns escapes, where there are more than one, into what they mean; answers a bit for each byte that is left
 * out of it. Backslashes still are stops where they begin what is no escape of two characters, or end the
 * block. */
INLINE unsigned resolve_escapes(struct view *v)
{
    unsigned backslashes = mask_of(_mm256_cmpeq_epi8(v->byte, fill('\\')));
    if (!(backslashes & (backslashes - 1)))
        return 0;
    __m256i has_meaning, meaning = meanings(v->byte, &has_meaning);
    unsigned escaping = find_escaping(backslashes), escaped = escaping << 1;
    unsigned strange = escaped & ~mask_of(has_meaning);
    v->byte = _mm256_blendv_epi8(v->byte, meaning, lanes_of(escaped));
    v->stops = (v->stops & ~(escaping | escaped)) | strange | strange >> 1 | (escaping & 1u << (BLOCK - 1));
    return escaping;
}

/* An escape of two characters at `p`: what it means, or zero. */
INLINE uint32_t meaning_of(const uint8_t *p)
{
    return p[0] == '\\' ? ngr__escaped(p[1]) : 0;
}

/* The first byte of a block that cannot be read as text, or BLOCK. */
INLINE size_t find_stop(const struct view *v, unsigned width)
{
    unsigned stops = v->stops;
    if (v->high)
        stops |= mask_of(
            top_from(v->byte, width == 1 ? 0xc4 : 0xf0)); /* the first of a character that does not fit */
    return stops ? (size_t)__builtin_ctz(stops) : BLOCK;
}

/* Reads what ends in the bytes of `known`, a bit for each, but not in those of `left_out`; false when one of
 * them, or the one behind them, is wrong. */
INLINE bool read_known(const uint8_t *p, __m256i byte, unsigned known, unsigned left_out, void *out,
                       size_t *count, unsigned width)
{
    struct block b = {
        .byte = byte,
        .before = load(p - 1),
        .before2 = width == 1 ? _mm256_setzero_si256() : load(p - 2),
        .continues = is_continuation(byte),
    };
    if (find_wrong(&b) & (known << 1 | 1))
        return false;
    if (width)
        *count +=
            store_ends(out, *count, &b, ~mask_of(is_continuation(load(p + 1))) & known & ~left_out, width);
    return true;
}

/* Where the character begins that ends at or behind `p`, if it began behind `begin`. */
INLINE const uint8_t *give_back(const uint8_t *p, const uint8_t *begin, unsigned width)
{
    if (p > begin && p[-1] >= 0xc0)
        return p - 1;
    return p > begin + 1 && p[-2] >= 0xe0 && width != 1 ? p - 2 : p;
}

/* All the functions of json_mixed.h: `width` zero is ngr__mixed_pass(). */
INLINE const uint8_t *read_mixed(const uint8_t *p, const uint8_t *end, void *out, size_t *count,
                                 int *is_ascii, unsigned width)
{
    const uint8_t *begin = p;
    size_t n = *count;
    unsigned pending = 0; /* not zero when a character may have begun in the block before */
    while (end - p >= NGR__MIXED_READ) {
        struct view v = look_at(p);
        bool is_crowd = (v.stops & (v.stops - 1)) != 0;
        unsigned left_out = is_crowd ? resolve_escapes(&v) : 0;
        size_t len = find_stop(&v, width);
        unsigned known = (unsigned)(((uint64_t)1 << len) - 1);
        bool is_ascii_here = !(v.high & known) && !pending;
        if (!is_ascii_here || left_out) {
            if (!read_known(p, v.byte, known, left_out, out, &n, width))
                break;
            if (!is_ascii_here)
                *is_ascii = 0;
        } else if (width) {
            store_ascii(out, n, v.byte, width);
            n += len;
        }
        p += len;
        pending = len == BLOCK ? v.high >> (BLOCK - 2) : 0;
        if (len == BLOCK)
            continue;
        uint32_t c = meaning_of(p);
        if (!c)
            break;
        if (width)
            ngr__put_unit(out, n++, c, width);
        p += 2;
    }
    *count = n;
    return give_back(p, begin, width);
}

NGR__MIXED_TARGET static const uint8_t *read1(const uint8_t *p, const uint8_t *end, uint8_t *out,
                                              size_t *count, int *is_ascii)
{
    return read_mixed(p, end, out, count, is_ascii, 1);
}

NGR__MIXED_TARGET static const uint8_t *read2(const uint8_t *p, const uint8_t *end, uint16_t *out,
                                              size_t *count)
{
    int unused;
    return read_mixed(p, end, out, count, &unused, 2);
}

NGR__MIXED_TARGET static const uint8_t *read4(const uint8_t *p, const uint8_t *end, uint32_t *out,
                                              size_t *count)
{
    int unused;
    return read_mixed(p, end, out, count, &unused, 4);
}

NGR__MIXED_TARGET static const uint8_t *pass(const uint8_t *p, const uint8_t *end)
{
    int unused;
    size_t none = 0;
    return read_mixed(p, end, NULL, &none, &unused, 0);
}

const uint8_t *ngr__mixed_read1(const uint8_t *p, const uint8_t *end, uint8_t *out, size_t *count,
                                int *is_ascii)
{
    return ngr__mixed_is_supported() ? read1(p, end, out, count, is_ascii) : p;
}

const uint8_t *ngr__mixed_read2(const uint8_t *p, const uint8_t *end, uint16_t *out, size_t *count)
{
    return ngr__mixed_is_supported() ? read2(p, end, out, count) : p;
}

const uint8_t *ngr__mixed_read4(const uint8_t *p, const uint8_t *end, uint32_t *out, size_t *count)
{
    return ngr__mixed_is_supported() ? read4(p, end, out, count) : p;
}

const uint8_t *ngr__mixed_pass(const uint8_t *p, const uint8_t *end)
{
    return ngr__mixed_is_supported() ? pass(p, end) : p;
}

#endif
