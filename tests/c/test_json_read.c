/* The reader of core/json.h: what it reports, what it refuses and where, at every cut and with failing
 * memory. The sink of these tests writes the pieces down again through the writer, so that a document
 * compares with its copy. */
#include "harness.h"

#include <cjson/cJSON.h>
#include <math.h>

#include "json.h"

struct copy {
    struct ngr_json_writer w;
    struct ngr_buf out;
    unsigned depth;
    uint32_t max_char;       /* of the last string */
    const char *unwanted;    /* a key whose value is skipped, or NULL */
    ngr_status big_integers; /* the answer to them */
    int pieces, stop_after;  /* answer NGR_E_CALLBACK to this piece; 0: to none */
};

static ngr_status stop(struct copy *c)
{
    return ++c->pieces == c->stop_after ? NGR_E_CALLBACK : NGR_OK;
}

static ngr_status on_null(void *user)
{
    struct copy *c = user;
    ngr_status st = stop(c);
    return st == NGR_OK ? ngr_json_null(&c->w) : st;
}

static ngr_status on_boolean(void *user, bool value)
{
    struct copy *c = user;
    ngr_status st = stop(c);
    return st == NGR_OK ? ngr_json_boolean(&c->w, value) : st;
}

static ngr_status on_integer(void *user, int64_t value)
{
    struct copy *c = user;
    ngr_status st = stop(c);
    return st == NGR_OK ? ngr_json_integer(&c->w, value) : st;
}

static ngr_status on_big_integer(void *user, const char *text, size_t len)
{
    struct copy *c = user;
    return c->big_integers == NGR_OK ? ngr_json_number_text(&c->w, text, len) : c->big_integers;
}

/* A double, told apart from text by a mark in front. */
static ngr_status on_real(void *user, double value)
{
    struct copy *c = user;
    char text[64];
    snprintf(text, sizeof text, "=%.17g", value);
    ngr_status st = stop(c);
    return st == NGR_OK ? ngr_json_number_text(&c->w, text, strlen(text)) : st;
}

static ngr_status on_real_text(void *user, const char *text, size_t len)
{
    struct copy *c = user;
    ngr_status st = stop(c);
    return st == NGR_OK ? ngr_json_number_text(&c->w, text, len) : st;
}

static ngr_status on_string(void *user, const struct ngr_json_text *text)
{
    struct copy *c = user;
    ngr_status st = stop(c);
    c->max_char = text->max_char;
    if (st != NGR_OK)
        return st;
    switch (ngr_json_text_width(text)) {
    case 1:
        return ngr_json_string_ucs1(&c->w, text->units, text->chars);
    case 2:
        return ngr_json_string_ucs2(&c->w, text->units, text->chars);
    default:
        return ngr_json_string_ucs4(&c->w, text->units, text->chars);
    }
}

static ngr_status on_begin_array(void *user)
{
    struct copy *c = user;
    c->depth++;
    ngr_status st = stop(c);
    return st == NGR_OK ? ngr_json_begin_array(&c->w) : st;
}

static ngr_status on_end_array(void *user)
{
    struct copy *c = user;
    c->depth--;
    return ngr_json_end_array(&c->w);
}

static ngr_status on_begin_object(void *user)
{
    struct copy *c = user;
    c->depth++;
    ngr_status st = stop(c);
    return st == NGR_OK ? ngr_json_begin_object(&c->w) : st;
}

static ngr_status on_key(void *user, const struct ngr_json_text *text)
{
    struct copy *c = user;
    if (c->unwanted && text->chars == strlen(c->unwanted) &&
        memcmp(text->units, c->unwanted, text->chars) == 0)
        return NGR_JSON_SKIP;
    ngr_status st = on_string(user, text);
    return st == NGR_OK ? ngr_json_key(&c->w) : st;
}

static ngr_status on_end_object(void *user)
{
    struct copy *c = user;
    c->depth--;
    return ngr_json_end_object(&c->w);
}

static const struct ngr_json_sink sink = {
    .null = on_null,
    .boolean = on_boolean,
    .integer = on_integer,
    .big_integer = on_big_integer,
    .real = on_real,
    .real_text = on_real_text,
    .string = on_string,
    .begin_array = on_begin_array,
    .end_array = on_end_array,
    .begin_object = on_begin_object,
    .key = on_key,
    .end_object = on_end_object,
};

static struct ngr_json_error error;

/* Reads the document from memory of exactly its size, so that a byte too far is seen by the sanitizer. */
static ngr_status read_into(struct copy *c, const char *document, size_t len)
{
    struct ngr_json_reader reader;
    char *exact = malloc(len ? len : 1);
    memcpy(exact, document, len);
    ngr_json_reader_init(&reader);
    ngr_buf_init(&c->out, 0);
    ngr_json_writer_init(&c->w, &c->out);
    error = (struct ngr_json_error){.what = "none", .offset = 9999};
    ngr_status st = ngr_json_read(&reader, exact, len, &sink, c, &error);
    ngr_json_reader_fini(&reader);
    free(exact);
    return st;
}

/* The pieces of a good document, spelled as JSON again. */
static const char *copied(const char *document, const char *unwanted)
{
    static char text[8192];
    struct copy c = {.unwanted = unwanted};
    CHECK_INT(read_into(&c, document, strlen(document)), NGR_OK);
    CHECK_INT(c.depth, 0);
    CHECK(c.out.len < sizeof text);
    memcpy(text, c.out.data, c.out.len);
    text[c.out.len] = '\0';
    ngr_buf_fini(&c.out);
    return text;
}

static void check_refused(const char *document, size_t len, const char *what, size_t offset)
{
    struct copy c = {0};
    ngr_status st = read_into(&c, document, len);
    ngr_buf_fini(&c.out);
    if (st != NGR_E_CORRUPT || strcmp(error.what, what) != 0 || error.offset != offset)
        printf("  of %s: %s, \"%s\" at %zu\n", document, ngr_status_name(st), error.what, error.offset);
    CHECK_INT(st, NGR_E_CORRUPT);
    CHECK_TEXT(error.what, what);
    CHECK_INT(error.offset, offset);
}

TEST(pieces_come_in_document_order)
{
    CHECK_TEXT(copied(" { \"a\" : [ 1 , -2 , true , null ] , \"b\" : { } , \"a\" : \"x\" } ", NULL),
               "{\"a\":[1,-2,true,null],\"b\":{},\"a\":\"x\"}");
    CHECK_TEXT(copied("\t\r\n[]\n", NULL), "[]");
    CHECK_TEXT(copied("false", NULL), "false");
}

TEST(integers_change_from_number_to_text_at_the_edge_of_int64)
{
    struct copy c = {.big_integers = NGR_E_UNSUPPORTED};
    CHECK_TEXT(copied("[-0,9223372036854775807,-9223372036854775808]", NULL),
               "[0,9223372036854775807,-9223372036854775808]");
    CHECK_INT(read_into(&c, "9223372036854775808", 19), NGR_E_UNSUPPORTED);
    ngr_buf_fini(&c.out);
    CHECK_INT(read_into(&c, "-9223372036854775809", 20), NGR_E_UNSUPPORTED);
    ngr_buf_fini(&c.out);
    CHECK_TEXT(copied("[-9223372036854775809,123456789012345678901234567890]", NULL),
               "[-9223372036854775809,123456789012345678901234567890]");
}

TEST(fractions_are_converted_unless_their_digits_are_too_many)
{
    CHECK_TEXT(copied("[0.5,-0.0,1e22,900719925474098.5,123e-22,-25e-1]", NULL),
               "[=0.5,=-0,=1e+22,=900719925474098.5,=1.2300000000000001e-20,=-2.5]");
    CHECK_TEXT(copied("[1e23,9007199254740993.0,5e-324,1e400,0e9999999999,-1e-9999999999]", NULL),
               "[=9.9999999999999992e+22,=9007199254740992,=4.9406564584124654e-324,=inf,=0,=-0]");
    CHECK_TEXT(copied("[18446744073709551599.0,1844674407370955160.0,0.100000000000000000000]", NULL),
               "[18446744073709551599.0,=1.8446744073709553e+18,0.100000000000000000000]");
    CHECK_TEXT(copied("[Infinity,-Infinity]", NULL), "[=inf,=-inf]");
    CHECK(strstr(copied("NaN", NULL), "nan") != NULL);
}

TEST(an_exponent_makes_up_for_any_number_of_zeros)
{
    enum { ZEROS = 300000 };
    char *document = malloc(ZEROS + 32);
    struct copy c = {0};
    memcpy(document, "0.", 2);
    memset(document + 2, '0', ZEROS);
    int end = snprintf(document + 2 + ZEROS, 30, "25e%d", ZEROS + 1);
    CHECK_INT(read_into(&c, document, (size_t)(2 + ZEROS + end)), NGR_OK);
    CHECK(c.out.len == 4 && memcmp(c.out.data, "=2.5", 4) == 0);
    ngr_buf_fini(&c.out);
    free(document);
}

TEST(conversions_agree_with_strtod)
{
    unsigned seed = 1;
    for (int i = 0; i < 200000; i++) {
        char document[64], want[64];
        seed = seed * 1103515245 + 12345;
        int exponent = (int)(seed >> 16) % 23;
        seed = seed * 1103515245 + 12345;
        long long digits = (long long)(seed >> 8) * ((seed & 0xffff) + 1);
        snprintf(document, sizeof document, "%llde%s%d", digits, seed & 1 ? "-" : "", exponent);
        snprintf(want, sizeof want, "=%.17g", strtod(document, NULL));
        CHECK_TEXT(copied(document, NULL), want);
    }
}

TEST(escapes_and_utf8_give_the_same_text)
{
    CHECK_TEXT(copied("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u001F\\u007f\"", NULL),
               "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\"");
    CHECK_TEXT(copied("\"\\u00e9\\u20AC\\ud83d\\ude00 \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", NULL),
               "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    CHECK_TEXT(copied("\"\\ud83d\\ud83d\\ude00\\ude00x\\udc00\"", NULL),
               "\"\\ud83d\xf0\x9f\x98\x80\\ude00x\\udc00\"");
}

TEST(text_comes_in_the_narrowest_unit)
{
    static const struct {
        const char *document;
        uint32_t max_char;
    } rows[] = {
        {"\"\"", 0x7f},
        {"\"plain\"", 0x7f},
        {"\"\\u0041\\n\"", 0x7f},
        {"\"\\u00e9\"", 0xff},
        {"\"\xc3\xbf\"", 0xff},
        {"\"\xc4\x80\"", 0xffff},
        {"\"\\uffff\xc3\xa9\"", 0xffff},
        {"\"\\ud83d\"", 0xffff},
        {"\"\\ud83d\\ude00\"", 0x10ffff},
        {"\"\xf0\x9f\x98\x80\"", 0x10ffff},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct copy c = {0};
        CHECK_INT(read_into(&c, rows[i].document, strlen(rows[i].document)), NGR_OK);
        CHECK_INT(c.max_char, rows[i].max_char);
        ngr_buf_fini(&c.out);
    }
}

TEST(a_character_of_any_width_may_stand_anywhere)
{
    static const char *const forms[] = {"\\n",     "\xc3\xa9",         "\\u00e9",       "\xe2\x82\xac",
                                        "\\u20ac", "\xf0\x9f\x98\x80", "\\ud83d\\ude00"};
    static const char *const written[] = {
        "\\n",          "\xc3\xa9",         "\xc3\xa9",        "\xe2\x82\xac",
        "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"};
    char document[256], want[256];
    for (int form = 0; form < 7; form++)
        for (int second = 0; second < 7; second++)
            for (int before = 0; before < 36; before++)
                for (int between = 0; between < 20; between += 3) {
                    snprintf(document, sizeof document, "\"%.*s%s%.*s%s%.*s\"", before,
                             "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", forms[form], between,
                             "01234567890123456789", forms[second], before,
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLM");
                    snprintf(want, sizeof want, "\"%.*s%s%.*s%s%.*s\"", before,
                             "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", written[form], between,
                             "01234567890123456789", written[second], before,
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLM");
                    CHECK_TEXT(copied(document, NULL), want);
                }
}

TEST(a_skipped_value_is_checked_but_not_reported)
{
    CHECK_TEXT(copied("{\"no\":[1,{\"a\":\"\\u00e9\xc3\xa9\"},[[]]],\"yes\":1,\"no\":2}", "no"),
               "{\"yes\":1}");
    CHECK_TEXT(copied("{\"yes\":{\"no\":\"x\",\"b\":[{\"no\":{}}]}}", "no"), "{\"yes\":{\"b\":[{}]}}");
    static const char *const bad[] = {"{\"no\":\"\\x\"}", "{\"no\":\"\xff\"}", "{\"no\":\"\n\"}",
                                      "{\"no\":[1,]}",    "{\"no\":{\"a\":}}", "{\"no\":01}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct copy c = {.unwanted = "no"};
        CHECK_INT(read_into(&c, bad[i], strlen(bad[i])), NGR_E_CORRUPT);
        ngr_buf_fini(&c.out);
    }
}

TEST(a_refusal_says_what_and_where)
{
    static const struct {
        const char *document, *what;
        size_t offset;
    } rows[] = {
        {"", "the document is cut off where a value was expected", 0},
        {"[1,", "the document is cut off where a value was expected", 3},
        {"[1,]", "a value was expected", 3},
        {"nul", "a value was expected", 0},
        {"[1 2]", "a ',' or ']' was expected", 3},
        {"{\"a\":1 2}", "a ',' or '}' was expected", 7},
        {"{\"a\" 1}", "a ':' was expected behind a key", 5},
        {"{\"a\":1,}", "a key in double quotes was expected", 7},
        {"{1:1}", "a key in double quotes was expected", 1},
        {"[] []", "more data follows the end of the document", 3},
        {"01", "more data follows the end of the document", 1},
        {"-x", "a minus sign is not followed by a digit", 0},
        {"\"abc", "a string is cut off", 4},
        {"\"abc\\", "a string is cut off", 4},
        {"[\"a\tb\"]", "a control character stands in a string and is not escaped", 3},
        {"\"\xc3\xa9\xff\"", "a string is not valid UTF-8", 3},
        {"\"\xed\xa0\x80\"", "a string is not valid UTF-8", 1},
        {"\"ab\\x\"", "a backslash is followed by a character that it does not escape", 3},
        {"\"\\u12g4\"", "\\u is not followed by four hexadecimal digits", 1},
        {"\"\\ud83d\\u12\"", "\\u is not followed by four hexadecimal digits", 7},
        {"\xef\xbb\xbf[]", "the document starts with a byte order mark", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_refused(rows[i].document, strlen(rows[i].document), rows[i].what, rows[i].offset);
    check_refused("\"\0\"", 3, "a control character stands in a string and is not escaped", 1);
}

TEST(a_thousand_levels_pass_and_one_more_is_refused)
{
    char document[2 * (NGR_JSON_MAX_DEPTH + 1)];
    struct copy c = {0};
    memset(document, '[', NGR_JSON_MAX_DEPTH + 1);
    memset(document + NGR_JSON_MAX_DEPTH + 1, ']', NGR_JSON_MAX_DEPTH + 1);
    CHECK_INT(read_into(&c, document + 1, 2 * NGR_JSON_MAX_DEPTH), NGR_OK);
    ngr_buf_fini(&c.out);
    check_refused(document, sizeof document, "arrays and objects are nested deeper than 1,000 levels",
                  NGR_JSON_MAX_DEPTH);
}

static const char sample[] = " {\"plain\": \"0123456789012345678901234567890123456789\", "
                             "\"esc\\u0061ped\": [\"a\\nb\\ud83d\\ude00\","
                             " \"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"], \"n\": [0, -1.5e3, "
                             "12345678901234567890, 1e400],"
                             " \"w\": [true, false, null, NaN, -Infinity, {}, []]} ";

TEST(a_document_cut_at_any_byte_is_refused)
{
    size_t whole = sizeof sample - 2; /* without the space at its end, which may be missing */
    struct copy c = {0};
    CHECK_INT(read_into(&c, sample, whole), NGR_OK);
    ngr_buf_fini(&c.out);
    for (size_t len = 0; len < whole; len++) {
        CHECK_INT(read_into(&c, sample, len), NGR_E_CORRUPT);
        CHECK(error.offset <= len);
        ngr_buf_fini(&c.out);
    }
}

TEST(the_answer_of_a_callback_ends_the_reading)
{
    struct copy all = {0};
    CHECK_INT(read_into(&all, sample, sizeof sample - 1), NGR_OK);
    ngr_buf_fini(&all.out);
    for (int n = 1; n <= all.pieces; n++) {
        struct copy c = {.stop_after = n};
        CHECK_INT(read_into(&c, sample, sizeof sample - 1), NGR_E_CALLBACK);
        CHECK_INT(c.pieces, n);
        ngr_buf_fini(&c.out);
    }
}

TEST(a_callback_that_calls_its_piece_corrupt_has_the_place_noted)
{
    struct copy c = {.big_integers = NGR_E_CORRUPT};
    CHECK_INT(read_into(&c, "[1, 123456789012345678901]", 26), NGR_E_CORRUPT);
    CHECK_INT(error.offset, 4);
    ngr_buf_fini(&c.out);
}

TEST(every_failed_allocation_is_reported_and_nothing_leaks)
{
    for (long nth = 1;; nth++) {
        struct copy c = {0};
        harness_alive = 0;
        harness_fail_nth(nth);
        ngr_status st = read_into(&c, sample, sizeof sample - 1);
        ngr_buf_fini(&c.out);
        CHECK_INT(harness_alive, 0);
        if (harness_allocations < nth) {
            CHECK_INT(st, NGR_OK);
            CHECK(nth > 3);
            break;
        }
        CHECK_INT(st, NGR_E_NOMEM);
    }
    harness_fail_nth(0);
    ngr_mem_use(NULL);
}

TEST(a_reader_serves_one_document_after_another_and_can_be_trimmed)
{
    struct ngr_json_reader reader;
    struct copy c = {0};
    ngr_json_reader_init(&reader);
    for (int i = 0; i < 3; i++) {
        ngr_buf_init(&c.out, 0);
        ngr_json_writer_init(&c.w, &c.out);
        CHECK_INT(ngr_json_read(&reader, sample, sizeof sample - 1, &sink, &c, &error), NGR_OK);
        ngr_buf_fini(&c.out);
        ngr_json_reader_trim(&reader, i == 1 ? 0 : 1 << 20);
        CHECK((reader.scratch[2].data == NULL) == (i == 1));
    }
    ngr_json_reader_fini(&reader);
}

/* --- a second opinion, on what cJSON reads rightly: no NUL, numbers of a double, well-formed text  */

TEST(cjson_reads_what_we_wrote_as_we_read_it)
{
    static const char *const documents[] = {
        "{\"a\":[1,2,{\"b\":null}],\"c\":\"x\"}",
        "[true,false,null,[],{},\"\"]",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u00e9\\u20ac\\ud83d\\ude00\"",
        "\"caf\xc3\xa9 \xe2\x82\xac\"",
        "[0,-1,123456,-2147483648]",
        "{\"\":{\"\":{\"\":[]}}}",
    };
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        cJSON *original = cJSON_Parse(documents[i]), *copy = cJSON_Parse(copied(documents[i], NULL));
        CHECK(original && copy);
        CHECK(cJSON_Compare(original, copy, true));
        cJSON_Delete(original);
        cJSON_Delete(copy);
    }
}

TEST(cjson_refuses_what_we_refuse)
{
    static const char *const documents[] = {"[1,]",  "{\"a\":1,}", "{\"a\"}", "[1 2]", "\"abc",     "nul",
                                            "{1:2}", "\"\\x\"",    "[",       "]",     "\"\\u12\"", ""};
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        struct copy c = {0};
        CHECK(cJSON_ParseWithOpts(documents[i], NULL, true) == NULL);
        CHECK_INT(read_into(&c, documents[i], strlen(documents[i])), NGR_E_CORRUPT);
        ngr_buf_fini(&c.out);
    }
}

int main(void)
{
    RUN(pieces_come_in_document_order);
    RUN(integers_change_from_number_to_text_at_the_edge_of_int64);
    RUN(fractions_are_converted_unless_their_digits_are_too_many);
    RUN(an_exponent_makes_up_for_any_number_of_zeros);
    RUN(conversions_agree_with_strtod);
    RUN(escapes_and_utf8_give_the_same_text);
    RUN(text_comes_in_the_narrowest_unit);
    RUN(a_character_of_any_width_may_stand_anywhere);
    RUN(a_skipped_value_is_checked_but_not_reported);
    RUN(a_refusal_says_what_and_where);
    RUN(a_thousand_levels_pass_and_one_more_is_refused);
    RUN(a_document_cut_at_any_byte_is_refused);
    RUN(the_answer_of_a_callback_ends_the_reading);
    RUN(a_callback_that_calls_its_piece_corrupt_has_the_place_noted);
    RUN(every_failed_allocation_is_reported_and_nothing_leaks);
    RUN(a_reader_serves_one_document_after_another_and_can_be_trimmed);
    RUN(cjson_reads_what_we_wrote_as_we_read_it);
    RUN(cjson_refuses_what_we_refuse);
    return harness_result();
}
