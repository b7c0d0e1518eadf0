/* The powers of ten to 128 bits: what both the reading and the writing of floats multiply by. A power is
 * scaled by a power of two so that its highest bit is the highest of the table, and is cut off, not rounded:
 * it is exact from 10^0 to 10^55, and too small by less than one unit of its last bit elsewhere. */
#ifndef NGR_JSON_POWERS_H
#define NGR_JSON_POWERS_H

#include <stdint.h>

#define NGR__POWER_MIN (-342) /* below, 19 digits and the exponent are zero as a double */
#define NGR__POWER_MAX 324    /* what writing the smallest double asks for */

#define NGR__POWER_EXACT_MAX 55

struct ngr__power {
    uint64_t high, low;
};

extern const struct ngr__power ngr__powers[NGR__POWER_MAX - NGR__POWER_MIN + 1];

/* 10^k; `k` within the limits. */
static inline struct ngr__power ngr__power(int k)
{
    return ngr__powers[k - NGR__POWER_MIN];
}

/* The exponent of two that goes with it: the floor of log2(10^k). */
static inline int ngr__power_log2(int k)
{
    return (k * 1741647) >> 19; /* exact for |k| <= 1233 */
}

/* The product of two words as two words. */
static inline struct ngr__power ngr__multiply(uint64_t a, uint64_t b)
{
#if defined(__SIZEOF_INT128__) && !defined(NGR_PLAIN)
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (struct ngr__power){.high = (uint64_t)(product >> 64), .low = (uint64_t)product};
#else
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t low = a0 * b0, middle = a1 * b0 + (low >> 32), other = a0 * b1 + (uint32_t)middle;
    return (struct ngr__power){.high = a1 * b1 + (middle >> 32) + (other >> 32),
                               .low = other << 32 | (uint32_t)low};
#endif
}

#endif
