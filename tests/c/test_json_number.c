/* The numbers of core/json_number.h: every form of an integer and a double, against the C library's own
 * conversions. */
#include "harness.h"

#include <math.h>

#include "json_number.h"
#include "json_powers.h"

static uint64_t state = 88172645463325252u;

static uint64_t random_word(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static bool is_same(double a, double b)
{
    return bits_of(a) == bits_of(b);
}

static const char *written(double value)
{
    static char text[NGR__REAL_LONGEST + 1];
    text[ngr__real_write(text, value)] = '\0';
    return text;
}

static const char *written_integer(int64_t value)
{
    static char text[NGR__INTEGER_LONGEST + 1];
    text[ngr__integer_write(text, value)] = '\0';
    return text;
}

/* The significant digits of a number's text, without zeros at either end. */
static void take_digits(char *digits, const char *text)
{
    size_t n = 0;
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && (n || *text != '0'))
            digits[n++] = *text;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    digits[n] = '\0';
}

/* It reads back, no shorter text does, and of the texts of its length it is the nearest. At a power of two,
 * where the doubles below are closer together, the nearest need not read back, and another one may have to
 * do. */
static void check_shortest(double value)
{
    char digits[32], nearest[40], nearest_digits[32], shorter[40];
    const char *text = written(value);
    CHECK(is_same(strtod(text, NULL), value));
    take_digits(digits, text);
    int count = (int)strlen(digits);
    snprintf(nearest, sizeof nearest, "%.*e", count - 1, value);
    take_digits(nearest_digits, nearest);
    if (strtod(nearest, NULL) == value)
        CHECK_TEXT(digits, nearest_digits);
    if (count > 1) {
        snprintf(shorter, sizeof shorter, "%.*e", count - 2, value);
        CHECK(strtod(shorter, NULL) != value);
    }
}

static void check_read(uint64_t digits, int exponent)
{
    char text[64];
    snprintf(text, sizeof text, "%llue%d", (unsigned long long)digits, exponent);
    double got = ngr__real_read(digits, exponent), want = strtod(text, NULL);
    if (!is_same(got, want))
        printf("  %s is read as %.17g, not %.17g\n", text, got, want);
    CHECK(is_same(got, want));
}

TEST(integers_of_every_length_are_written)
{
    for (int64_t n = 1; n <= INT64_MAX / 10; n *= 10)
        for (int64_t k = -1; k <= 1; k++) {
            char want[32];
            long long number = n + k;
            snprintf(want, sizeof want, "%lld", number);
            CHECK_TEXT(written_integer(number), want);
            snprintf(want, sizeof want, "%lld", -number);
            CHECK_TEXT(written_integer(-number), want);
        }
    CHECK_TEXT(written_integer(INT64_MAX), "9223372036854775807");
    CHECK_TEXT(written_integer(INT64_MIN), "-9223372036854775808");
}

TEST(random_integers_are_written)
{
    for (int i = 0; i < 200000; i++) {
        char want[32];
        int64_t n = (int64_t)(random_word() >> (random_word() % 64));
        snprintf(want, sizeof want, "%lld", (long long)n);
        CHECK_TEXT(written_integer(n), want);
    }
}

TEST(doubles_are_spelled_as_repr_spells_them)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1.0, "1.0"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {100.0, "100.0"},
        {123456.789, "123456.789"},
        {0.0001, "0.0001"},
        {0.00012345, "0.00012345"},
        {0.00001, "1e-05"},
        {1e15, "1000000000000000.0"},
        {9007199254740993.0, "9007199254740992.0"},
        {1e16, "1e+16"},
        {1.25e16, "1.25e+16"},
        {1e22, "1e+22"},
        {1e23, "1e+23"},
        {1e100, "1e+100"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {-1.7976931348623157e308, "-1.7976931348623157e+308"},
        {7.1202363472230444e-307, "7.120236347223045e-307"}, /* a power of two, see check_shortest() */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_TEXT(written(rows[i].value), rows[i].text);
}

TEST(every_power_of_two_and_its_neighbours_are_shortest)
{
    for (uint64_t exponent = 1; exponent < 2047; exponent++)
        for (uint64_t bits = (exponent << 52) - 2; bits <= (exponent << 52) + 2; bits++)
            check_shortest(from_bits(bits));
    for (int bit = 0; bit < 52; bit++)
        check_shortest(from_bits((uint64_t)1 << bit));
}

TEST(every_power_of_ten_is_read_and_written)
{
    for (int exponent = -360; exponent <= 330; exponent++)
        for (uint64_t digits = 1; digits < 100; digits++) {
            check_read(digits, exponent);
            double value = ngr__real_read(digits, exponent);
            if (value != 0 && isfinite(value))
                check_shortest(value);
        }
}

TEST(random_doubles_are_shortest)
{
    for (int i = 0; i < 100000; i++) {
        double value = from_bits(random_word());
        if (isfinite(value) && value != 0)
            check_shortest(value);
        check_shortest((double)(1 + random_word() % 100000000) / 1000);
    }
}

TEST(random_digits_are_read)
{
    for (int i = 0; i < 200000; i++) {
        check_read(random_word() >> (random_word() % 64), (int)(random_word() % 700) - 360);
        check_read(random_word() % 100000, (int)(random_word() % 60) - 30);
    }
}

/* (2 * n + 1) * 2^e for n of 53 bits lies halfway between two doubles; one digit less or more does not. */
TEST(halfway_between_two_doubles_the_even_one_is_read)
{
    for (int i = 0; i < 100000; i++) {
        uint64_t halfway = (random_word() >> 11 | (uint64_t)1 << 52) * 2 + 1;
        for (int k = -1; k <= 1; k++) {
            check_read(halfway + (uint64_t)k, 0);
            check_read((halfway + (uint64_t)k) * 5, -1);
            check_read((halfway + (uint64_t)k) * 125, -3);
        }
    }
    for (uint64_t n = 1; n < 2000; n++)
        for (int exponent = 0; exponent < 24; exponent++)
            check_read(((uint64_t)1 << 53) + n, exponent);
}

TEST(the_edges_of_the_doubles_are_read)
{
    check_read(17976931348623157u, 292);
    check_read(17976931348623158u, 292);
    check_read(17976931348623159u, 292);
    check_read(22250738585072011u, -324);
    check_read(22250738585072014u, -324);
    check_read(49406564584124654u, -340);
    check_read(24703282292062327u, -340);
    check_read(24703282292062328u, -340);
    check_read(UINT64_MAX, -400);
    CHECK(is_same(ngr__real_read(0, 5), 0.0));
    CHECK(is_same(ngr__real_read(1, INT64_MIN / 2), 0.0));
    CHECK(is_same(ngr__real_read(1, INT64_MAX / 2), (double)INFINITY));
}

TEST(eight_digits_are_told_from_all_else)
{
    uint8_t text[8];
    uint64_t value;
    for (int at = 0; at < 8; at++)
        for (int byte = 0; byte < 256; byte++) {
            memcpy(text, "90817263", 8);
            text[at] = (uint8_t)byte;
            bool is_digit = byte >= '0' && byte <= '9';
            CHECK_INT(ngr__eight_digits(text, &value), is_digit);
            if (is_digit) {
                char terminated[9] = {0};
                memcpy(terminated, text, 8);
                CHECK_INT(value, strtoll(terminated, NULL, 10));
            }
        }
}

TEST(a_product_of_words_is_exact)
{
    struct ngr__power p = ngr__multiply(UINT64_MAX, UINT64_MAX);
    CHECK(p.high == UINT64_MAX - 1 && p.low == 1);
    p = ngr__multiply(0x123456789abcdef0u, 0xfedcba9876543210u);
    CHECK(p.high == 0x121fa00ad77d7422u && p.low == 0x236d88fe5618cf00u);
    p = ngr__multiply((uint64_t)1 << 63, 6);
    CHECK(p.high == 3 && p.low == 0);
}

int main(void)
{
    RUN(integers_of_every_length_are_written);
    RUN(random_integers_are_written);
    RUN(doubles_are_spelled_as_repr_spells_them);
    RUN(every_power_of_two_and_its_neighbours_are_shortest);
    RUN(every_power_of_ten_is_read_and_written);
    RUN(random_doubles_are_shortest);
    RUN(random_digits_are_read);
    RUN(halfway_between_two_doubles_the_even_one_is_read);
    RUN(the_edges_of_the_doubles_are_read);
    RUN(eight_digits_are_told_from_all_else);
    RUN(a_product_of_words_is_exact);
    return harness_result();
}
