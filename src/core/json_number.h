/* Numbers as text, both ways; every result is exact. The writer spells a double as Python's repr() does: the
 * fewest digits that read back as the same double and, of those, the nearest. */
#ifndef NGR_JSON_NUMBER_H
#define NGR_JSON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NGR__INTEGER_LONGEST 20 /* "-9223372036854775808" */
#define NGR__REAL_LONGEST    25 /* "-2.2250738585072014e-308", and one to spare */

/* Each writes to `out`, which has room for the longest, and answers the number of bytes. */
size_t ngr__integer_write(char *out, int64_t value);
size_t ngr__real_write(char *out, double value); /* finite */

/* Whether there are eight digits at `p`, and the number they make. */
static inline bool ngr__eight_digits(const uint8_t *p, uint64_t *value)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && !defined(NGR_PLAIN)
    const uint64_t ones = 0x0101010101010101u;
    uint64_t word;
    memcpy(&word, p, 8);
    uint64_t is_below = word - ones * '0', is_above = word + ones * (0x7f - '9');
    if ((word | is_below | is_above) & ones * 0x80)
        return false;
    word = (word & ones * 0xf) * (10 * 256 + 1) >>
           8; /* pairs, then fours, then all: the first digit is lowest */
    word = (word & 0x00ff00ff00ff00ffu) * (100 * 65536 + 1) >> 16;
    *value = (word & 0x0000ffff0000ffffu) * ((uint64_t)10000 << 32 | 1) >> 32;
    return true;
#else
    *value = 0;
    for (int i = 0; i < 8; i++) {
        if ((uint8_t)(p[i] - '0') > 9)
            return false;
        *value = *value * 10 + (uint64_t)(p[i] - '0');
    }
    return true;
#endif
}

/* The double nearest to digits * 10^exponent, ties to even; infinity beyond the largest one. */
double ngr__real_read(uint64_t digits, int64_t exponent);

#endif
