/* Writing numbers: digits two at a time, and the shortest digits of a double by the algorithm Schubfach
 * (Raffaello Giulietti, "The Schubfach way to render doubles", 2021; the shape is Alexander Bolz's). In
 * short:
 *
 * A double v = c * 2^q is what all decimals between (c - 1/2) * 2^q and (c + 1/2) * 2^q read back as; the
 * ends count when c is even. Choose the k for which 10^k is at most as wide as that interval: then it holds
 * one or more multiples of 10^k, and at most one of 10^(k+1). That one is the answer if it is there; else the
 * nearest multiple of 10^k. Everything is compared as multiples of 10^k / 4, in integers. */
#include "json_number.h"

#include <string.h>

#include "json_powers.h"

static const char pairs[] = "00010203040506070809"
                            "10111213141516171819"
                            "20212223242526272829"
                            "30313233343536373839"
                            "40414243444546474849"
                            "50515253545556575859"
                            "60616263646566676869"
                            "70717273747576777879"
                            "80818283848586878889"
                            "90919293949596979899";

/* --- integers --------------------------------------------------------------------------------- */

/* How many decimal digits `n` has; one for zero. */
static size_t count_digits(uint64_t n)
{
    size_t count = 1;
    for (; n >= 10000; n /= 10000)
        count += 4;
    return count + (n >= 10) + (n >= 100) + (n >= 1000);
}

/* Writes exactly `count` digits, the last ones of `n`; eight at a time as long as there are as many, since
 * the machine divides half a word sooner. */
static void put_digits(char *out, uint64_t n, size_t count)
{
    for (; count >= 8; count -= 8, n /= 100000000) {
        uint32_t eight = (uint32_t)(n % 100000000), high = eight / 10000, low = eight % 10000;
        char *at = out + count - 8;
        memcpy(at, pairs + high / 100 * 2, 2);
        memcpy(at + 2, pairs + high % 100 * 2, 2);
        memcpy(at + 4, pairs + low / 100 * 2, 2);
        memcpy(at + 6, pairs + low % 100 * 2, 2);
    }
    for (; count >= 2; count -= 2, n /= 100)
        memcpy(out + count - 2, pairs + n % 100 * 2, 2);
    if (count)
        *out = (char)('0' + n % 10);
}

/* A number of at most four digits, as most are. */
static inline size_t write_small(char *out, unsigned n)
{
    unsigned high = n / 100, low = n % 100;
    if (n < 10) {
        *out = (char)('0' + n);
        return 1;
    }
    if (n < 100) {
        memcpy(out, pairs + (size_t)n * 2, 2);
        return 2;
    }
    if (n < 1000)
        *out = (char)('0' + high);
    else
        memcpy(out, pairs + (size_t)high * 2, 2);
    size_t before = 1 + (n >= 1000);
    memcpy(out + before, pairs + (size_t)low * 2, 2);
    return before + 2;
}

size_t ngr__integer_write(char *out, int64_t value)
{
    if (value >= 0 && value < 10000)
        return write_small(out, (unsigned)value);
    bool is_negative = value < 0;
    uint64_t n = is_negative ? 0 - (uint64_t)value : (uint64_t)value;
    size_t count = count_digits(n);
    *out = '-';
    put_digits(out + is_negative, n, count);
    return is_negative + count;
}

/* --- the shortest digits of a double ---------------------------------------------------------- */

struct decimal {
    uint64_t digits;
    int exponent; /* of ten */
};

/* The floor of `n` * `power`, which lies 128 bits up; its last bit is set when anything was cut off. `power`
 * must not be too small: that bit would lie. */
static inline uint64_t round_to_odd(struct ngr__power power, uint64_t n)
{
    struct ngr__power low = ngr__multiply(power.low, n), high = ngr__multiply(power.high, n);
    uint64_t middle = high.low + low.high;
    return (high.high + (middle < low.high)) | (middle > 1);
}

/* 10^k, never too small. */
static inline struct ngr__power power_above(int k)
{
    struct ngr__power power = ngr__power(k);
    if (k < 0 || k > NGR__POWER_EXACT_MAX) {
        power.low++;
        power.high += power.low == 0;
    }
    return power;
}

/* c * 2^q, where `is_lowest` says that the double below is nearer than the one above: c is the least of its
 * exponent. */
static struct decimal shortest(uint64_t c, int q, bool is_lowest)
{
    int k = (q * 1262611 - (is_lowest ? 524031 : 0)) >> 22; /* the floor of log10 of the interval's width */
    int shift = q + ngr__power_log2(-k) + 1;
    struct ngr__power power = power_above(-k);
    bool is_open = c % 2 != 0;
    uint64_t lower = round_to_odd(power, (4 * c - 2 + is_lowest) << shift) + is_open;
    uint64_t upper = round_to_odd(power, (4 * c + 2) << shift) - is_open;
    uint64_t value = round_to_odd(power, (4 * c) << shift);
    uint64_t digits = value / 4, tens = digits / 10;
    if (digits >= 10) {
        bool has_below = lower <= 40 * tens, has_above = 40 * tens + 40 <= upper;
        if (has_below != has_above)
            return (struct decimal){.digits = tens + has_above, .exponent = k + 1};
    }
    bool has_below = lower <= 4 * digits, has_above = 4 * digits + 4 <= upper;
    if (has_below != has_above)
        return (struct decimal){.digits = digits + has_above, .exponent = k};
    uint64_t middle = 4 * digits + 2;
    bool rounds_up = value > middle || (value == middle && digits % 2 != 0);
    return (struct decimal){.digits = digits + rounds_up, .exponent = k};
}

/* A finite double that is not zero, given by the bits of its fraction and of its exponent. */
static struct decimal decimal_of(uint64_t fraction, int biased)
{
    if (biased == 0)
        return shortest(fraction, -1074, false);
    uint64_t c = fraction | (uint64_t)1 << 52;
    int q = biased - 1075;
    if (q <= 0 && q > -53 && c << (64 + q - 1) << 1 == 0) /* an integer below 2^53 is its own digits */
        return (struct decimal){.digits = c >> -q};
    return shortest(c, q, fraction == 0 && biased > 1);
}

/* --- as repr() spells it ---------------------------------------------------------------------- */

/* d.ddde+XX */
static size_t write_with_exponent(char *out, const char *digits, size_t count, int exponent)
{
    char *p = out;
    *p++ = *digits;
    if (count > 1) {
        *p++ = '.';
        memcpy(p, digits + 1, count - 1);
        p += count - 1;
    }
    *p++ = 'e';
    *p++ = exponent < 0 ? '-' : '+';
    unsigned n = (unsigned)(exponent < 0 ? -exponent : exponent);
    size_t width = n < 100 ? 2 : 3;
    put_digits(p, n, width);
    return (size_t)(p - out) + width;
}

/* ddd.ddd, with the point behind the digit number `point`, which may lie outside of them. */
static size_t write_with_point(char *out, const char *digits, size_t count, int point)
{
    if (point <= 0) {
        size_t zeros = (size_t)-point;
        memcpy(out, "0.000", 2 + zeros);
        memcpy(out + 2 + zeros, digits, count);
        return 2 + zeros + count;
    }
    size_t before = (size_t)point;
    if (before >= count) {
        memcpy(out, digits, count);
        memset(out + count, '0', before - count);
        memcpy(out + before, ".0", 2);
        return before + 2;
    }
    memcpy(out, digits, before);
    out[before] = '.';
    memcpy(out + before + 1, digits + before, count - before);
    return count + 1;
}

size_t ngr__real_write(char *out, double value)
{
    uint64_t bits;
    char digits[NGR__INTEGER_LONGEST] = {0};
    memcpy(&bits, &value, sizeof bits);
    bool is_negative = bits >> 63;
    *out = '-';
    if (bits << 1 == 0) {
        memcpy(out + is_negative, "0.0", 3);
        return is_negative + 3u;
    }
    struct decimal d = decimal_of(bits & (((uint64_t)1 << 52) - 1), (int)(bits >> 52 & 0x7ff));
    while (d.digits % 10 == 0) {
        d.digits /= 10;
        d.exponent++;
    }
    size_t count = count_digits(d.digits);
    put_digits(digits, d.digits, count);
    int point = (int)count + d.exponent;
    if (point <= -4 || point > 16)
        return is_negative + write_with_exponent(out + is_negative, digits, count, point - 1);
    return is_negative + write_with_point(out + is_negative, digits, count, point);
}
