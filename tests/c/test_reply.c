/* The reply parser: every kind of reply however it is cut, and everything a hostile or broken server may
 * send. The transcript of a stream is one word per element: "0$abc" is a bulk at depth 0, "1:7" an integer
 * inside an array, "." the end of a whole reply. */
#include "harness.h"

#include <stdarg.h>

#include "reply.h"

struct transcript {
    struct ngr_parser parser;
    char text[4000];
    ngr_status answer; /* what the callbacks answer from element number `answer_at` on */
    int answer_at, pieces;
};

static void note(struct transcript *t, const char *format, ...)
{
    size_t at = strlen(t->text);
    va_list args;
    va_start(args, format);
    vsnprintf(t->text + at, sizeof t->text - at, format, args);
    va_end(args);
}

static ngr_status on_piece(void *user, const struct ngr_reply *r)
{
    static const char marks[] = "$_:+!*";
    struct transcript *t = user;
    const char *space = t->text[0] ? " " : "";
    if (r->type == NGR_REPLY_INTEGER)
        note(t, "%s%u:%lld", space, r->depth, r->integer);
    else if (r->type == NGR_REPLY_ARRAY)
        note(t, "%s%u*%zu", space, r->depth, r->count);
    else if (r->type == NGR_REPLY_NIL)
        note(t, "%s%u_", space, r->depth);
    else if (r->len > 100)
        note(t, "%s%u%c<%zu>", space, r->depth, marks[r->type], r->len);
    else
        note(t, "%s%u%c%.*s", space, r->depth, marks[r->type], (int)r->len, r->data);
    if (r->depth)
        note(t, "@%zu", r->index);
    return t->answer != NGR_OK && ++t->pieces >= t->answer_at ? t->answer : NGR_OK;
}

static ngr_status on_whole(void *user)
{
    note(user, " .");
    return NGR_OK;
}

static void begin(struct transcript *t, size_t max_bulk)
{
    memset(t, 0, sizeof *t);
    if (ngr_parser_init(&t->parser, max_bulk, on_piece, on_whole, t) != NGR_OK)
        abort();
}

static const struct {
    const char *bytes, *transcript;
} documents[] = {
    {"+OK\r\n", "0+OK ."},
    {"+\r\n", "0+ ."},
    {"-ERR no\r\n", "0!ERR no ."},
    {":0\r\n", "0:0 ."},
    {":-9223372036854775808\r\n", "0:-9223372036854775808 ."},
    {":9223372036854775807\r\n", "0:9223372036854775807 ."},
    {"$3\r\nabc\r\n", "0$abc ."},
    {"$0\r\n\r\n", "0$ ."},
    {"$6\r\n\r\n$1\r\n\r\n", "0$\r\n$1\r\n ."},
    {"$-1\r\n", "0_ ."},
    {"*-1\r\n", "0_ ."},
    {"*0\r\n", "0*0 ."},
    {"*1\r\n$-1\r\n", "0*1 1_@0 ."},
    {"*3\r\n$1\r\na\r\n$-1\r\n:5\r\n", "0*3 1$a@0 1_@1 1:5@2 ."},
    {"*2\r\n-ERR in\r\n+OK\r\n", "0*2 1!ERR in@0 1+OK@1 ."},
    {"*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n", "0*2 1$0@0 1*2@1 2$a@0 2$b@1 ."},
    {"*2\r\n*0\r\n*1\r\n*0\r\n", "0*2 1*0@0 1*1@1 2*0@0 ."},
    {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "0*1 1*1@0 2*1@0 3*1@0 4*1@0 5*1@0 6:1@0 ."},
};

#define DOCUMENTS (sizeof documents / sizeof documents[0])
#define SENTINEL  "+end\r\n"

/* The document, then a sentinel reply that shows that the reader stands where it should. */
static size_t with_sentinel(char *to, size_t i)
{
    strcpy(to, documents[i].bytes);
    strcat(to, SENTINEL);
    return strlen(to);
}

static void check_document(struct transcript *t, size_t i)
{
    char want[200];
    snprintf(want, sizeof want, "%s 0+end .", documents[i].transcript);
    CHECK_TEXT(t->text, want);
    CHECK_INT(ngr_parser_buffered(&t->parser), 0);
    ngr_parser_fini(&t->parser);
}

TEST(every_kind_of_reply_is_read)
{
    for (size_t i = 0; i < DOCUMENTS; i++) {
        struct transcript t;
        char bytes[200];
        begin(&t, 1000);
        CHECK_INT(ngr_parser_feed(&t.parser, bytes, with_sentinel(bytes, i)), NGR_OK);
        check_document(&t, i);
    }
}

TEST(a_reply_cut_at_any_byte_is_the_same)
{
    for (size_t i = 0; i < DOCUMENTS; i++) {
        char bytes[200];
        size_t len = with_sentinel(bytes, i);
        for (size_t cut = 0; cut <= len; cut++) {
            struct transcript t;
            begin(&t, 1000);
            CHECK_INT(ngr_parser_feed(&t.parser, bytes, cut), NGR_OK);
            CHECK_INT(ngr_parser_feed(&t.parser, bytes + cut, len - cut), NGR_OK);
            check_document(&t, i);
        }
    }
}

TEST(a_reply_byte_by_byte_is_the_same)
{
    for (size_t i = 0; i < DOCUMENTS; i++) {
        struct transcript t;
        char bytes[200];
        size_t len = with_sentinel(bytes, i);
        begin(&t, 1000);
        for (size_t at = 0; at < len; at++) {
            char *alone = malloc(1); /* on its own, so that reading beyond it is noticed */
            CHECK(alone != NULL);
            *alone = bytes[at];
            CHECK_INT(ngr_parser_feed(&t.parser, alone, 1), NGR_OK);
            free(alone);
        }
        check_document(&t, i);
    }
}

TEST(a_stream_of_everything_is_the_same_in_pieces_of_any_size)
{
    char all[2000] = "", want[2000] = "";
    for (size_t i = 0; i < DOCUMENTS; i++) {
        strcat(all, documents[i].bytes);
        snprintf(want + strlen(want), sizeof want - strlen(want), "%s%s", i ? " " : "",
                 documents[i].transcript);
    }
    for (size_t size = 1; size <= strlen(all); size++) {
        struct transcript t;
        begin(&t, 1000);
        for (size_t at = 0; at < strlen(all); at += size) {
            size_t left = strlen(all) - at;
            CHECK_INT(ngr_parser_feed(&t.parser, all + at, left < size ? left : size), NGR_OK);
        }
        CHECK_TEXT(t.text, want);
        ngr_parser_fini(&t.parser);
    }
}

/* Feeds `bytes`, in one piece and byte by byte: both must end with `st`, and stay so. */
static void refused(const char *bytes, size_t max_bulk, ngr_status st)
{
    for (int piecewise = 0; piecewise < 2; piecewise++) {
        struct transcript t;
        size_t len = strlen(bytes), step = piecewise ? 1 : len;
        ngr_status got = NGR_OK;
        begin(&t, max_bulk);
        for (size_t at = 0; at < len && got == NGR_OK; at += step)
            got = ngr_parser_feed(&t.parser, bytes + at, step);
        if (got != st)
            printf("  %s: %s, %s\n", bytes, ngr_status_name(got), piecewise ? "byte by byte" : "at once");
        CHECK_INT(got, st);
        CHECK(t.parser.why && t.parser.why[0]);
        CHECK_INT(ngr_parser_feed(&t.parser, SENTINEL, strlen(SENTINEL)), st);
        CHECK(!strstr(t.text, "end"));
        ngr_parser_fini(&t.parser);
    }
}

TEST(bytes_that_are_no_reply_are_refused)
{
    static const char *const wrong[] = {
        "OK\r\n",
        "\r\n",
        "?\r\n",
        "$abc\r\n",
        "$\r\n",
        "$ 3\r\nabc\r\n",
        "$-2\r\n",
        "$3x\r\nabc\r\n",
        "*abc\r\n",
        "*-2\r\n",
        "*99999999999999999999\r\n",
        ":abc\r\n",
        ":\r\n",
        ":1.5\r\n",
        ":9223372036854775808\r\n",
        "*1\r\n?\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        refused(wrong[i], 1000, NGR_E_PROTOCOL);
}

TEST(types_of_resp3_are_refused)
{
    static const char *const wrong[] = {
        "_\r\n",
        "#t\r\n",
        ",1.5\r\n",
        ",inf\r\n",
        "(3492890328409238509324850943850943825024385\r\n",
        "!5\r\nERR x\r\n",
        "=7\r\ntxt:abc\r\n",
        "%1\r\n+k\r\n+v\r\n",
        "~1\r\n+k\r\n",
        "|1\r\n+k\r\n+v\r\n",
        ">2\r\n+message\r\n+x\r\n",
        "*1\r\n_\r\n",
        "*1\r\n%1\r\n+k\r\n+v\r\n",
        "*2\r\n#t\r\n+k\r\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        refused(wrong[i], 1000, NGR_E_PROTOCOL);
}

TEST(a_bulk_must_end_in_cr_lf)
{
    refused("$3\r\nabcde", 1000, NGR_E_PROTOCOL);
    refused("$3\r\nabc\r\r", 1000, NGR_E_PROTOCOL);
    refused("$3\r\nabc\n\r", 1000, NGR_E_PROTOCOL);
    refused("$0\r\nxx", 1000, NGR_E_PROTOCOL);
    refused("*2\r\n$1\r\naXY$1\r\nb\r\n", 1000, NGR_E_PROTOCOL);
}

TEST(a_bulk_of_the_largest_size_is_read_and_one_byte_more_is_not)
{
    struct transcript t;
    begin(&t, 10);
    CHECK_INT(ngr_parser_feed(&t.parser, "$10\r\n0123456789\r\n", 17), NGR_OK);
    CHECK_TEXT(t.text, "0$0123456789 .");
    ngr_parser_fini(&t.parser);
    refused("$11\r\n0123456789a\r\n", 10, NGR_E_TOOBIG);
    refused("*2\r\n$1\r\na\r\n$11\r\n0123456789a\r\n", 10, NGR_E_TOOBIG);
}

TEST(a_size_beyond_the_limit_is_refused_at_its_header)
{
    static const char *const headers[] = {"$9223372036854775807\r\n", "$1001\r\n", "$9999", "$10000000000"};
    for (size_t i = 0; i < 4; i++) {
        struct transcript t;
        begin(&t, 1000);
        CHECK_INT(ngr_parser_feed(&t.parser, headers[i], strlen(headers[i])), NGR_E_TOOBIG);
        CHECK_TEXT(t.parser.why, "a value is larger than redis_max_value_bytes");
        CHECK(ngr_parser_buffered(&t.parser) < 64);
        ngr_parser_fini(&t.parser);
    }
}

/* Feeds `len` bytes of `fill` behind `start`, in feeds of 10,000; answers how many were taken. */
static size_t feed_forever(struct transcript *t, const char *start, char fill, size_t len)
{
    char chunk[10000];
    size_t fed = 0;
    memset(chunk, fill, sizeof chunk);
    ngr_status st = ngr_parser_feed(&t->parser, start, strlen(start));
    while (st == NGR_OK && fed < len) {
        st = ngr_parser_feed(&t->parser, chunk, sizeof chunk);
        fed += sizeof chunk;
    }
    return fed;
}

TEST(a_line_that_does_not_end_is_refused_before_it_fills_the_memory)
{
    static const char *const starts[] = {"+", "-", ":", "*", "$", "$0", "*2\r\n+", "*2\r\n$"};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        struct transcript t;
        begin(&t, 1 << 30);
        size_t fed = feed_forever(&t, starts[i], i == 4 || i == 7 ? '0' : 'x', 1 << 24);
        CHECK(t.parser.status != NGR_OK);
        CHECK(fed <= NGR_REPLY_MAX_LINE + 20000);
        ngr_parser_fini(&t.parser);
    }
}

TEST(values_larger_than_one_feed_are_read_whole)
{
    static const size_t sizes[] = {16383, 16384, 16385, 65535, 65536, 65537, 300000, 5000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct transcript t;
        size_t size = sizes[i];
        char *bytes = malloc(size + 100), want[60];
        CHECK(bytes != NULL);
        int header = sprintf(bytes, "$%zu\r\n", size);
        memset(bytes + header, 'v', size);
        strcpy(bytes + header + size, "\r\n" SENTINEL);
        begin(&t, 5000000);
        CHECK_INT(ngr_parser_feed(&t.parser, bytes, (size_t)header + size + 2 + strlen(SENTINEL)), NGR_OK);
        snprintf(want, sizeof want, "0$<%zu> . 0+end .", size);
        CHECK_TEXT(t.text, want);
        ngr_parser_fini(&t.parser);
        free(bytes);
    }
}

TEST(absurd_numbers_of_elements_are_refused_at_once)
{
    static const char *const wrong[] = {"*2147483647\r\n", "*16777217\r\n", "*4294967296\r\n",
                                        "*9223372036854775807\r\n", "*2\r\n*2147483647\r\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        refused(wrong[i], 1000, NGR_E_PROTOCOL);
    struct transcript t;
    begin(&t, 1000);
    CHECK_INT(ngr_parser_feed(&t.parser, "*16777216\r\n", 11), NGR_OK);
    CHECK_TEXT(t.text, "0*16777216");
    ngr_parser_fini(&t.parser);
}

TEST(nesting_without_end_is_refused)
{
    struct transcript t;
    ngr_status st = NGR_OK;
    int depth = 0;
    begin(&t, 1000);
    while (st == NGR_OK && depth < 100000) {
        st = ngr_parser_feed(&t.parser, "*1\r\n", 4);
        depth++;
    }
    CHECK_INT(st, NGR_E_PROTOCOL);
    CHECK(depth <= 16);
    ngr_parser_fini(&t.parser);
}

TEST(what_a_callback_refuses_ends_the_stream)
{
    static const ngr_status answers[] = {NGR_E_PROTOCOL, NGR_E_CLOSED, NGR_E_NOMEM};
    for (size_t i = 0; i < 3; i++)
        for (int at = 1; at <= 4; at++) {
            struct transcript t;
            begin(&t, 1000);
            t.answer = answers[i];
            t.answer_at = at;
            CHECK_INT(ngr_parser_feed(&t.parser, "*3\r\n:1\r\n:2\r\n:3\r\n" SENTINEL, 22), answers[i]);
            CHECK_INT(t.pieces, at);
            CHECK(!strchr(t.text, '.'));
            CHECK_INT(ngr_parser_feed(&t.parser, SENTINEL, strlen(SENTINEL)), answers[i]);
            CHECK_INT(t.pieces, at);
            ngr_parser_fini(&t.parser);
        }
}

TEST(random_bytes_never_do_harm)
{
    static const char alphabet[] = "+-:$*\r\n0123459aX";
    unsigned long long state = 42;
    for (int round = 0; round < 20000; round++) {
        struct transcript t;
        char bytes[40];
        for (size_t i = 0; i < sizeof bytes; i++) {
            state = state * 6364136223846793005ull + 1442695040888963407ull;
            bytes[i] = alphabet[(state >> 33) % (sizeof alphabet - 1)];
        }
        begin(&t, 100);
        ngr_parser_feed(&t.parser, bytes, sizeof bytes);
        CHECK(ngr_parser_buffered(&t.parser) <= sizeof bytes);
        ngr_parser_fini(&t.parser);
    }
}

TEST(finishing_twice_is_fine)
{
    struct transcript t;
    begin(&t, 1000);
    ngr_parser_fini(&t.parser);
    ngr_parser_fini(&t.parser);
}

int main(void)
{
    RUN(every_kind_of_reply_is_read);
    RUN(a_reply_cut_at_any_byte_is_the_same);
    RUN(a_reply_byte_by_byte_is_the_same);
    RUN(a_stream_of_everything_is_the_same_in_pieces_of_any_size);
    RUN(bytes_that_are_no_reply_are_refused);
    RUN(types_of_resp3_are_refused);
    RUN(a_bulk_must_end_in_cr_lf);
    RUN(a_bulk_of_the_largest_size_is_read_and_one_byte_more_is_not);
    RUN(a_size_beyond_the_limit_is_refused_at_its_header);
    RUN(a_line_that_does_not_end_is_refused_before_it_fills_the_memory);
    RUN(values_larger_than_one_feed_are_read_whole);
    RUN(absurd_numbers_of_elements_are_refused_at_once);
    RUN(nesting_without_end_is_refused);
    RUN(what_a_callback_refuses_ends_the_stream);
    RUN(random_bytes_never_do_harm);
    RUN(finishing_twice_is_fine);
    return harness_result();
}
