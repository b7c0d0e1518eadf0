/* The growing buffer, the list and the status table: what everything else stands on. */
#include "harness.h"

#include "buf.h"
#include "list.h"
#include "status.h"

TEST(buffer_grows_and_keeps_its_bytes)
{
    struct ngr_buf b;
    ngr_buf_init(&b, 0);
    for (int i = 0; i < 1000; i++)
        CHECK_INT(ngr_buf_add(&b, "0123456789", 10), NGR_OK);
    CHECK_INT(b.len, 10000);
    CHECK(memcmp(b.data + 9990, "0123456789", 10) == 0);
    ngr_buf_fini(&b);
}

TEST(buffer_stops_at_its_ceiling)
{
    struct ngr_buf b;
    ngr_buf_init(&b, 100);
    char chunk[64] = {0};
    CHECK_INT(ngr_buf_add(&b, chunk, 64), NGR_OK);
    CHECK_INT(ngr_buf_add(&b, chunk, 64), NGR_E_TOOBIG);
    CHECK_INT(b.len, 64);
    CHECK_INT(ngr_buf_add(&b, chunk, 36), NGR_OK);
    ngr_buf_fini(&b);
}

TEST(buffer_refuses_sizes_that_overflow)
{
    struct ngr_buf b;
    ngr_buf_init(&b, 0);
    CHECK_INT(ngr_buf_reserve(&b, (size_t)-1), NGR_E_TOOBIG);
    ngr_buf_fini(&b);
}

TEST(buffer_survives_a_failed_allocation)
{
    struct ngr_buf b;
    ngr_buf_init(&b, 0);
    harness_fail_nth(2);
    CHECK_INT(ngr_buf_add(&b, "x", 1), NGR_OK);
    char chunk[500] = {0};
    CHECK_INT(ngr_buf_add(&b, chunk, 500), NGR_E_NOMEM);
    CHECK_INT(b.len, 1);
    CHECK(b.data[0] == 'x');
    ngr_buf_fini(&b);
    CHECK_INT(harness_alive, 0);
    ngr_mem_use(NULL);
}

struct thing {
    int number;
    struct ngr_node node;
};

TEST(list_keeps_order_and_lets_go)
{
    struct ngr_list a, b;
    struct thing t[4];
    ngr_list_init(&a);
    ngr_list_init(&b);
    for (int i = 0; i < 4; i++) {
        t[i].number = i;
        ngr_list_push(i < 2 ? &a : &b, &t[i].node);
    }
    ngr_node_unlink(&t[0].node);
    ngr_node_unlink(&t[0].node);
    ngr_list_move(&a, &b);
    CHECK(ngr_list_is_empty(&b));
    for (int want = 1; want < 4; want++)
        CHECK_INT(ngr_of(ngr_list_pop(&a), struct thing, node)->number, want);
    CHECK(ngr_list_pop(&a) == NULL);
}

TEST(every_status_has_a_text)
{
    for (int st = 0; st < NGR_STATUS_COUNT; st++)
        CHECK(ngr_status_text((ngr_status)st)[0] != '\0');
    CHECK_TEXT(ngr_status_name(NGR_E_TIMEOUT), "NGR_E_TIMEOUT");
    CHECK_TEXT(ngr_status_text((ngr_status)9999), "unknown status");
}

int main(void)
{
    RUN(buffer_grows_and_keeps_its_bytes);
    RUN(buffer_stops_at_its_ceiling);
    RUN(buffer_refuses_sizes_that_overflow);
    RUN(buffer_survives_a_failed_allocation);
    RUN(list_keeps_order_and_lets_go);
    RUN(every_status_has_a_text);
    return harness_result();
}
