/* Reading numbers: the algorithm of Michael Eisel and Daniel Lemire ("Number parsing at a gigabyte per
 * second", 2021), which never needs a second way for digits of one word (Noble Mushtak and Daniel Lemire,
 * "Fast number parsing without fallback", 2023). In short:
 *
 * digits * 10^k is one multiplication by the table's 128 bits of 10^k, of which 64 bits are enough but when
 * the product ends in ones just behind the bits of a double; then the other 64 are multiplied, too. */
#include "json_number.h"

#include <math.h>
#include <string.h>

#include "json_powers.h"

#define FRACTION  52                  /* bits of a double's fraction */
#define BEHIND    (64 - FRACTION - 3) /* bits of the product that a rounding never looks at */
#define INFINITE  0x7ff               /* the exponent of infinity */
#define ALL_ONES  (((uint64_t)1 << BEHIND) - 1)
#define LARGEST   308   /* of the exponents of ten of finite doubles */
#define EXACT_MIN (-27) /* 5^27 is the last power of five in a word */

/* `n`, its highest bit set, times 10^k, as far as it matters. */
static struct ngr__power scale(uint64_t n, int k)
{
    struct ngr__power power = ngr__power(k);
    if (k < 0 && k >= EXACT_MIN)
        power.low++; /* never ends in ones: no carry */
    struct ngr__power product = ngr__multiply(n, power.high);
    if ((product.high & ALL_ONES) == ALL_ONES) {
        struct ngr__power behind = ngr__multiply(n, power.low);
        product.low += behind.high;
        product.high += product.low < behind.high;
    }
    return product;
}

static double assemble(uint64_t fraction, int exponent)
{
    uint64_t bits = (uint64_t)exponent << FRACTION | fraction;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Drops the last bit of `n`, rounding up. */
static inline uint64_t halve(uint64_t n)
{
    return (n >> 1) + (n & 1);
}

double ngr__real_read(uint64_t digits, int64_t exponent)
{
    if (digits == 0 || exponent < NGR__POWER_MIN)
        return 0;
    if (exponent > LARGEST)
        return (double)INFINITY;
    int k = (int)exponent, zeros = __builtin_clzll(digits);
    struct ngr__power product = scale(digits << zeros, k);
    int upper = (int)(product.high >> 63);
    uint64_t n = product.high >> (upper + BEHIND); /* the 53 bits, and one to round by */
    int biased = ngr__power_log2(k) + 63 + upper - zeros + 1023;
    if (biased <= 0) { /* subnormal, or rounded up to the first that is not */
        if (biased <= -63)
            return 0;
        n = halve(n >> (1 - biased));
        return assemble(n, 0);
    }
    /* Halfway between two doubles, the even one: only powers this small can meet it. */
    if (product.low <= 1 && k >= -4 && k <= 23 && (n & 3) == 1 && n << (upper + BEHIND) == product.high)
        n--;
    n = halve(n);
    if (n >> (FRACTION + 1)) {
        n >>= 1;
        biased++;
    }
    return biased >= INFINITE ? (double)INFINITY : assemble(n & (((uint64_t)1 << FRACTION) - 1), biased);
}
