/* Requests on the wire, byte for byte. */
#include "harness.h"

#include <stdint.h>

#include "cmd.h"

static void check_bytes(struct ngr_buf *b, const char *want)
{
    CHECK_INT(ngr_buf_add(b, "", 1), NGR_OK);
    CHECK_TEXT(b->data, want);
    ngr_buf_fini(b);
}

TEST(headers_hold_every_size)
{
    static const struct {
        size_t number;
        const char *header;
    } rows[] = {{0, "$0\r\n"},
                {9, "$9\r\n"},
                {10, "$10\r\n"},
                {99, "$99\r\n"},
                {100, "$100\r\n"},
                {4294967296, "$4294967296\r\n"},
                {SIZE_MAX, "$18446744073709551615\r\n"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char header[NGR_CMD_HEADER_MAX + 1];
        size_t len = ngr_cmd_header(header, '$', rows[i].number);
        CHECK(len <= NGR_CMD_HEADER_MAX);
        header[len] = '\0';
        CHECK_TEXT(header, rows[i].header);
    }
}

TEST(words_become_bulks)
{
    struct ngr_buf b = {0};
    CHECK_INT(ngr_cmd_words(&b, (const char *[]){"SET", "k", "", NULL}), NGR_OK);
    check_bytes(&b, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
}

TEST(numbers_are_written_in_full)
{
    static const struct {
        long long number;
        const char *bulk;
    } rows[] = {{0, "$1\r\n0\r\n"},
                {-7, "$2\r\n-7\r\n"},
                {INT64_MAX, "$19\r\n9223372036854775807\r\n"},
                {INT64_MIN, "$20\r\n-9223372036854775808\r\n"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ngr_buf b = {0};
        CHECK_INT(ngr_cmd_number(&b, rows[i].number), NGR_OK);
        check_bytes(&b, rows[i].bulk);
    }
}

TEST(a_key_is_one_bulk_of_prefix_and_id)
{
    static const struct {
        struct ngr_span prefix, id;
        const char *bulk;
    } rows[] = {{{"p:", 2}, {"id", 2}, "$4\r\np:id\r\n"},
                {{"p:", 2}, {"", 0}, "$2\r\np:\r\n"},
                {{NULL, 0}, {"id", 2}, "$2\r\nid\r\n"},
                {{NULL, 0}, {NULL, 0}, "$0\r\n\r\n"},
                {{"p:", 2}, {"\r\n$1\r\n", 6}, "$8\r\np:\r\n$1\r\n\r\n"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ngr_buf b = {0};
        CHECK_INT(ngr_cmd_key(&b, rows[i].prefix, rows[i].id), NGR_OK);
        check_bytes(&b, rows[i].bulk);
    }
}

TEST(bytes_of_any_value_are_counted_not_looked_at)
{
    struct ngr_buf b = {0};
    CHECK_INT(ngr_cmd_bulk(&b, "a\0\xff\n", 4), NGR_OK);
    CHECK_INT(b.len, 10);
    CHECK(memcmp(b.data, "$4\r\na\0\xff\n\r\n", 10) == 0);
    ngr_buf_fini(&b);
}

TEST(sizes_that_overflow_are_refused)
{
    struct ngr_buf b = {0};
    CHECK_INT(ngr_cmd_key(&b, (struct ngr_span){"p", SIZE_MAX / 2}, (struct ngr_span){"i", SIZE_MAX / 2}),
              NGR_E_TOOBIG);
    CHECK_INT(ngr_cmd_bulk(&b, "x", SIZE_MAX), NGR_E_TOOBIG);
    CHECK_INT(b.len, 0);
    ngr_buf_fini(&b);
}

TEST(a_buffer_at_its_ceiling_keeps_what_it_has)
{
    struct ngr_buf b;
    ngr_buf_init(&b, 64);
    CHECK_INT(ngr_cmd_bulk(&b, "abc", 3), NGR_OK);
    char large[100] = {0};
    CHECK_INT(ngr_cmd_bulk(&b, large, sizeof large), NGR_E_TOOBIG);
    check_bytes(&b, "$3\r\nabc\r\n");
}

TEST(failed_allocations_are_reported)
{
    harness_fail_nth(1);
    struct ngr_buf b = {0};
    CHECK_INT(ngr_cmd_array(&b, 3), NGR_E_NOMEM);
    harness_fail_nth(1);
    CHECK_INT(ngr_cmd_words(&b, (const char *[]){"PING", NULL}), NGR_E_NOMEM);
    harness_fail_nth(0);
    CHECK_INT(ngr_cmd_words(&b, (const char *[]){"PING", NULL}), NGR_OK);
    ngr_buf_fini(&b);
    CHECK_INT(harness_alive, 0);
    ngr_mem_use(NULL);
}

int main(void)
{
    RUN(headers_hold_every_size);
    RUN(words_become_bulks);
    RUN(numbers_are_written_in_full);
    RUN(a_key_is_one_bulk_of_prefix_and_id);
    RUN(bytes_of_any_value_are_counted_not_looked_at);
    RUN(sizes_that_overflow_are_refused);
    RUN(a_buffer_at_its_ceiling_keeps_what_it_has);
    RUN(failed_allocations_are_reported);
    return harness_result();
}
