/* The writer of core/json.h: every form it writes, its exact ceiling, and failing memory. */
#include "harness.h"

#include "json.h"

static struct ngr_buf out;
static struct ngr_json_writer w;

static void start(size_t ceiling)
{
    ngr_buf_init(&out, ceiling);
    ngr_json_writer_init(&w, &out);
}

static const char *written(void)
{
    static char text[4096];
    CHECK(out.len < sizeof text);
    memcpy(text, out.data, out.len);
    text[out.len] = '\0';
    return text;
}

static ngr_status write_ascii(const char *text, size_t len)
{
    return ngr_json_string_ucs1(&w, (const uint8_t *)text, len);
}

TEST(commas_and_colons_stand_where_json_wants_them)
{
    start(0);
    CHECK_INT(ngr_json_begin_object(&w), NGR_OK);
    CHECK_INT(write_ascii("a", 1), NGR_OK);
    CHECK_INT(ngr_json_key(&w), NGR_OK);
    CHECK_INT(ngr_json_begin_array(&w), NGR_OK);
    CHECK_INT(ngr_json_null(&w), NGR_OK);
    CHECK_INT(ngr_json_boolean(&w, true), NGR_OK);
    CHECK_INT(ngr_json_begin_object(&w), NGR_OK);
    CHECK_INT(ngr_json_end_object(&w), NGR_OK);
    CHECK_INT(ngr_json_boolean(&w, false), NGR_OK);
    CHECK_INT(ngr_json_end_array(&w), NGR_OK);
    CHECK_INT(write_ascii("b", 1), NGR_OK);
    CHECK_INT(ngr_json_key(&w), NGR_OK);
    CHECK_INT(ngr_json_number_text(&w, "1.5", 3), NGR_OK);
    CHECK_INT(ngr_json_end_object(&w), NGR_OK);
    CHECK_TEXT(written(), "{\"a\":[null,true,{},false],\"b\":1.5}");
    ngr_buf_fini(&out);
}

TEST(integers_reach_both_ends)
{
    start(0);
    CHECK_INT(ngr_json_begin_array(&w), NGR_OK);
    CHECK_INT(ngr_json_integer(&w, 0), NGR_OK);
    CHECK_INT(ngr_json_integer(&w, -1), NGR_OK);
    CHECK_INT(ngr_json_integer(&w, INT64_MAX), NGR_OK);
    CHECK_INT(ngr_json_integer(&w, INT64_MIN), NGR_OK);
    CHECK_INT(ngr_json_end_array(&w), NGR_OK);
    CHECK_TEXT(written(), "[0,-1,9223372036854775807,-9223372036854775808]");
    ngr_buf_fini(&out);
}

TEST(a_special_character_is_escaped_at_every_place_of_a_block)
{
    for (size_t len = 1; len < 70; len++)
        for (size_t at = 0; at < len; at++) {
            uint8_t one[70];
            uint16_t two[70];
            uint32_t four[70];
            char want[80];
            memset(one, 'x', sizeof one);
            one[at] = '\n';
            for (size_t i = 0; i < len; i++)
                two[i] = four[i] = one[i];
            snprintf(want, sizeof want, "\"%.*s\\n%.*s\"", (int)at, (char *)one, (int)(len - at - 1),
                     (char *)one + at + 1);
            start(0);
            CHECK_INT(ngr_json_string_ucs1(&w, one, len), NGR_OK);
            CHECK_TEXT(written(), want);
            out.len = 0;
            w.needs_comma = false;
            CHECK_INT(ngr_json_string_ucs2(&w, two, len), NGR_OK);
            CHECK_TEXT(written(), want);
            out.len = 0;
            w.needs_comma = false;
            CHECK_INT(ngr_json_string_ucs4(&w, four, len), NGR_OK);
            CHECK_TEXT(written(), want);
            ngr_buf_fini(&out);
        }
}

TEST(each_width_is_written_as_utf8_with_surrogates_escaped)
{
    static const uint8_t one[] = {0x7f, 0x80, 0xff, 0, '"', '\\', '\b', '\f', '\n', '\r', '\t', 0x1f};
    static const uint16_t two[] = {0x7ff, 0x800, 0xd7ff, 0xd800, 0xdfff, 0xe000, 0xffff};
    static const uint32_t four[] = {0x10000, 0x10ffff, 0xd800, 'a'};
    start(0);
    CHECK_INT(ngr_json_string_ucs1(&w, one, 12), NGR_OK);
    CHECK_INT(ngr_json_string_ucs2(&w, two, 7), NGR_OK);
    CHECK_INT(ngr_json_string_ucs4(&w, four, 4), NGR_OK);
    CHECK_TEXT(written(), "\"\x7f\xc2\x80\xc3\xbf\\u0000\\\"\\\\\\b\\f\\n\\r\\t\\u001f\","
                          "\"\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\\ud800\\udfff\xee\x80\x80\xef\xbf\xbf\","
                          "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\\ud800a\"");
    ngr_buf_fini(&out);
}

TEST(a_thousand_levels_pass_and_one_more_does_not)
{
    start(0);
    for (int i = 0; i < NGR_JSON_MAX_DEPTH; i++)
        CHECK_INT(i % 2 ? ngr_json_begin_object(&w) : ngr_json_begin_array(&w), NGR_OK);
    CHECK_INT(ngr_json_begin_array(&w), NGR_E_ENCODE);
    CHECK_INT(ngr_json_begin_object(&w), NGR_E_ENCODE);
    CHECK_INT(out.len, NGR_JSON_MAX_DEPTH);
    ngr_buf_fini(&out);
}

/* A document with every kind of piece; the first status that is not NGR_OK. */
static ngr_status write_sample(void)
{
    static const uint16_t wide[] = {'a', 0x20ac, '\n', 0xd800, 'b', 0xe9, 0xe9, 0xe9, 0xe9, 0xe9, 0xe9, 0xe9};
    ngr_status st = ngr_json_begin_array(&w);
    if (st == NGR_OK)
        st = write_ascii("0123456789\"0123456789\n\x01\x01\x01\x01", 26);
    if (st == NGR_OK)
        st = ngr_json_string_ucs2(&w, wide, 12);
    if (st == NGR_OK)
        st = ngr_json_integer(&w, -1234567890123);
    if (st == NGR_OK)
        st = ngr_json_begin_object(&w);
    if (st == NGR_OK)
        st = write_ascii("k", 1);
    if (st == NGR_OK)
        st = ngr_json_key(&w);
    if (st == NGR_OK)
        st = ngr_json_null(&w);
    if (st == NGR_OK)
        st = ngr_json_end_object(&w);
    return st == NGR_OK ? ngr_json_end_array(&w) : st;
}

TEST(the_ceiling_is_exact)
{
    start(0);
    CHECK_INT(write_sample(), NGR_OK);
    size_t whole = out.len;
    ngr_buf_fini(&out);
    for (size_t ceiling = 1; ceiling < whole; ceiling++) {
        start(ceiling);
        CHECK_INT(write_sample(), NGR_E_TOOBIG);
        CHECK(out.len <= ceiling);
        ngr_buf_fini(&out);
    }
    start(whole);
    CHECK_INT(write_sample(), NGR_OK);
    CHECK_INT(out.len, whole);
    ngr_buf_fini(&out);
}

TEST(every_failed_allocation_is_reported_and_nothing_leaks)
{
    for (long nth = 1;; nth++) {
        harness_alive = 0;
        harness_fail_nth(nth);
        start(0);
        ngr_status st = write_sample();
        ngr_buf_fini(&out);
        CHECK_INT(harness_alive, 0);
        if (harness_allocations < nth) {
            CHECK_INT(st, NGR_OK);
            CHECK(nth > 2);
            break;
        }
        CHECK_INT(st, NGR_E_NOMEM);
    }
    harness_fail_nth(0);
    ngr_mem_use(NULL);
}

int main(void)
{
    RUN(commas_and_colons_stand_where_json_wants_them);
    RUN(integers_reach_both_ends);
    RUN(a_special_character_is_escaped_at_every_place_of_a_block);
    RUN(each_width_is_written_as_utf8_with_surrogates_escaped);
    RUN(a_thousand_levels_pass_and_one_more_does_not);
    RUN(the_ceiling_is_exact);
    RUN(every_failed_allocation_is_reported_and_nothing_leaks);
    return harness_result();
}
