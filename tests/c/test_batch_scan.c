/* Walking over a namespace: page after page, what is listed, what is removed, and that nobody else's key is
 * ever touched. */
#include "harness.h"

#include "scene.h"

/* Answers a SCAN: the next cursor and the keys, separated by blanks. */
static void page(struct scene *s, size_t n, const char *cursor, const char *keys)
{
    struct ngr_span spans[64];
    char text[4000];
    size_t count = scene_words(keys, spans, 64);
    int at = snprintf(text, sizeof text, "*2\r\n$%zu\r\n%s\r\n*%zu\r\n", strlen(cursor), cursor, count);
    for (size_t i = 0; i < count; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "$%zu\r\n%.*s\r\n", spans[i].len,
                       (int)spans[i].len, spans[i].data);
    scene_answer(s, n, text);
}

TEST(a_listing_goes_on_until_the_cursor_is_zero_again)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_list(&s, &o, "p:");
    CHECK_TEXT(peer_asked(&s.peer, 0), "SCAN 0 MATCH p:* COUNT 1000");
    page(&s, 0, "18446744073709551615", "p:a p:b");
    CHECK_TEXT(peer_asked(&s.peer, 0), "SCAN 18446744073709551615 MATCH p:* COUNT 1000");
    page(&s, 0, "7", ""); /* an empty page is not the end */
    CHECK_TEXT(peer_asked(&s.peer, 0), "SCAN 7 MATCH p:* COUNT 1000");
    page(&s, 0, "0", "p:c p:");
    CHECK_TEXT(o.got, "0=a 0=b 0=c 0=");
    scene_check_ended(&o, NGR_OK);
    CHECK_TEXT(peer_asked(&s.peer, 0), "");
    scene_close(&s);
}

TEST(keys_outside_the_prefix_are_not_listed)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_list(&s, &o, "p:");
    page(&s, 0, "0", "p:a q:b p P:c p:d xp:e");
    CHECK_TEXT(o.got, "0=a 0=d");
    scene_close(&s);
}

TEST(characters_of_the_prefix_stand_for_themselves)
{
    static const struct {
        const char *prefix, *asked;
    } rows[] = {
        {"a*b:", "SCAN 0 MATCH a\\*b:* COUNT 1000"},
        {"a?b:", "SCAN 0 MATCH a\\?b:* COUNT 1000"},
        {"[ab]:", "SCAN 0 MATCH \\[ab\\]:* COUNT 1000"},
        {"a\\b:", "SCAN 0 MATCH a\\\\b:* COUNT 1000"},
        {"[^a]:", "SCAN 0 MATCH \\[\\^a\\]:* COUNT 1000"},
        {"{a}:", "SCAN 0 MATCH {a}:* COUNT 1000"},
        {"\xf0\x9f\x98\x80\n:", "SCAN 0 MATCH \xf0\x9f\x98\x80\n:* COUNT 1000"},
        {"", "SCAN 0 MATCH * COUNT 1000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene s;
        struct outcome o = {0};
        scene_open_ready(&s);
        scene_list(&s, &o, rows[i].prefix);
        CHECK_TEXT(peer_asked(&s.peer, 0), rows[i].asked);
        scene_close(&s);
    }
}

TEST(the_prefix_may_be_gone_once_the_call_is_started)
{
    struct scene s;
    struct outcome o = {0};
    char prefix[] = "p:";
    scene_open_ready(&s);
    scene_list(&s, &o, prefix);
    peer_take(&s.peer, 0);
    memset(prefix, 'X', 2);
    page(&s, 0, "5", "p:a");
    CHECK_TEXT(peer_asked(&s.peer, 0), "SCAN 5 MATCH p:* COUNT 1000");
    CHECK_TEXT(o.got, "0=a");
    scene_close(&s);
}

TEST(a_drop_removes_each_page_in_the_write_that_asks_for_the_next)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_drop(&s, &o, "p:");
    CHECK_TEXT(peer_asked(&s.peer, 0), "SCAN 0 MATCH p:* COUNT 1000");
    page(&s, 0, "5", "p:a p:b");
    CHECK_TEXT(peer_asked(&s.peer, 0), "UNLINK p:a p:b | SCAN 5 MATCH p:* COUNT 1000");
    peer_send(&s.peer, 0, ":2\r\n");
    page(&s, 0, "9", "");
    CHECK_TEXT(peer_asked(&s.peer, 0), "SCAN 9 MATCH p:* COUNT 1000");
    page(&s, 0, "0", "p:c");
    CHECK_TEXT(peer_asked(&s.peer, 0), "UNLINK p:c");
    CHECK_INT(o.ended, 0);
    scene_answer(&s, 0, ":1\r\n");
    CHECK_TEXT(o.got, "#0=3");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(dropping_an_empty_namespace_removes_nothing)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_drop(&s, &o, "p:");
    peer_take(&s.peer, 0);
    page(&s, 0, "0", "");
    CHECK_TEXT(o.got, "#0=0");
    scene_check_ended(&o, NGR_OK);
    CHECK_TEXT(peer_asked(&s.peer, 0), "");
    scene_close(&s);
}

TEST(a_drop_never_touches_keys_outside_the_prefix)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_drop(&s, &o, "p*:");
    CHECK_TEXT(peer_asked(&s.peer, 0), "SCAN 0 MATCH p\\*:* COUNT 1000");
    page(&s, 0, "5", "px:a p*:b q:c p*"); /* a server that takes the pattern lightly */
    CHECK_TEXT(peer_asked(&s.peer, 0), "UNLINK p*:b | SCAN 5 MATCH p\\*:* COUNT 1000");
    peer_send(&s.peer, 0, ":1\r\n");
    page(&s, 0, "0", "px:d q:e");
    CHECK_TEXT(o.got, "#0=1");
    scene_check_ended(&o, NGR_OK);
    CHECK_TEXT(peer_asked(&s.peer, 0), "");
    scene_close(&s);
}

TEST(keys_that_come_twice_are_counted_as_the_server_counts_them)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_drop(&s, &o, "p:");
    page(&s, 0, "5", "p:a p:b");
    peer_send(&s.peer, 0, ":2\r\n");
    page(&s, 0, "0", "p:a p:c");
    scene_answer(&s, 0, ":1\r\n"); /* p:a is gone already */
    CHECK_TEXT(o.got, "#0=3");
    scene_close(&s);
}

/* The cursor is worth nothing to a server that was started anew, and who knows why a connection ends. */
TEST(a_walk_begins_anew_when_its_connection_was_lost)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_list(&s, &o, "p:");
    page(&s, 0, "5", "p:a");
    peer_take(&s.peer, 0);
    peer_send(&s.peer, 0, "*2\r\n$1\r\n9\r\n*2\r\n$3\r\np:b\r\n");
    peer_close(&s.peer, 0);
    scene_welcome(&s, 1);
    CHECK_TEXT(peer_asked(&s.peer, 1), "SCAN 5 MATCH p:* COUNT 1000");
    page(&s, 1, "0", "p:c"); /* what this is the last page of, nobody knows */
    CHECK_INT(o.ended, 0);
    CHECK_TEXT(peer_asked(&s.peer, 1), "SCAN 0 MATCH p:* COUNT 1000");
    page(&s, 1, "3", "p:c");
    CHECK_TEXT(peer_asked(&s.peer, 1), "SCAN 3 MATCH p:* COUNT 1000");
    page(&s, 1, "0", "p:b p:a");
    CHECK_TEXT(o.got, "0=a 0=b 0=c 0=c 0=b 0=a");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(a_first_page_lost_with_its_connection_is_asked_for_again_once)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_list(&s, &o, "p:");
    peer_close(&s.peer, 0);
    scene_welcome(&s, 1);
    CHECK_TEXT(peer_asked(&s.peer, 1), "SCAN 0 MATCH p:* COUNT 1000");
    page(&s, 1, "0", "p:a");
    CHECK_TEXT(o.got, "0=a");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(a_walk_that_is_thrown_back_again_and_again_ends_with_an_error)
{
    struct scene s;
    struct outcome o = {0};
    scene_prepare(&s);
    s.settings.retries = 100;
    s.settings.retry_base = 0;
    scene_start(&s);
    scene_list(&s, &o, "p:");
    scene_welcome(&s, 0);
    for (unsigned round = 0; round < 50 && !o.ended; round++) {
        page(&s, 0, "5", "p:a");
        scene_answer(&s, 0, "-LOADING not yet\r\n");
        page(&s, 0, "0", "p:b");
    }
    scene_check_ended(&o, NGR_E_LOST);
    CHECK(strstr(o.message, "again and again") != NULL);
    scene_finish(&s);
}

TEST(a_removal_lost_with_its_connection_is_sent_again_with_the_page)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_drop(&s, &o, "p:");
    page(&s, 0, "5", "p:a p:b");
    peer_take(&s.peer, 0);
    scene_answer(&s, 0, ":2\r\n*2\r\n$1\r\n0\r\n*2\r\n$3\r\np:c\r\n"); /* cut within the page */
    peer_close(&s.peer, 0);
    scene_welcome(&s, 1);
    CHECK_TEXT(peer_asked(&s.peer, 1), "UNLINK p:a p:b | SCAN 5 MATCH p:* COUNT 1000");
    peer_send(&s.peer, 1, ":0\r\n");
    page(&s, 1, "0", "p:c");
    CHECK_TEXT(peer_asked(&s.peer, 1), "UNLINK p:c | SCAN 0 MATCH p:* COUNT 1000");
    peer_send(&s.peer, 1, ":1\r\n");
    page(&s, 1, "0", ""); /* begun anew: nothing was passed by */
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(a_refused_page_or_removal_ends_the_walk)
{
    static const struct {
        const char *reply;
        ngr_status st;
    } rows[] = {
        {":1\r\n-NOPERM no SCAN\r\n", NGR_E_PERM},
        {"-NOPERM no UNLINK\r\n*2\r\n$1\r\n0\r\n*0\r\n", NGR_E_PERM},
        {"-READONLY x\r\n-NOPERM x\r\n", NGR_E_READONLY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene s;
        struct outcome o = {0};
        scene_open_ready(&s);
        scene_drop(&s, &o, "p:");
        page(&s, 0, "5", "p:a");
        scene_answer(&s, 0, rows[i].reply);
        scene_check_ended(&o, rows[i].st);
        CHECK_TEXT(o.got, "");
        CHECK(!peer_is_dropped(&s.peer, 0));
        scene_close(&s);
    }
}

TEST(a_page_of_another_form_kills_the_connection)
{
    static const char *const wrong[] = {
        "+OK\r\n",
        ":0\r\n",
        "*0\r\n",
        "*-1\r\n",
        "$1\r\n0\r\n",
        "*3\r\n",
        "*2\r\n:0\r\n",
        "*2\r\n$0\r\n\r\n",
        "*2\r\n$24\r\n012345678901234567890123\r\n",
        "*2\r\n$1\r\n0\r\n$1\r\na\r\n",
        "*2\r\n$1\r\n0\r\n*-1\r\n",
        "*2\r\n$1\r\n0\r\n*1\r\n:1\r\n",
        "*2\r\n$1\r\n0\r\n*1\r\n*1\r\n",
        "*2\r\n*1\r\n$1\r\n0\r\n",
        "*2\r\n-ERR x\r\n",
        "*2\r\n$1\r\n0\r\n*1\r\n-ERR x\r\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct scene s;
        struct outcome o = {0};
        scene_open_ready(&s);
        scene_list(&s, &o, "p:");
        scene_answer(&s, 0, wrong[i]);
        if (!o.ended)
            printf("  not refused: %s\n", wrong[i]);
        scene_check_ended(&o, NGR_E_PROTOCOL);
        CHECK(peer_is_dropped(&s.peer, 0));
        scene_close(&s);
    }
}

TEST(a_removal_answered_with_another_type_kills_the_connection)
{
    static const char *const wrong[] = {"+OK\r\n", "$1\r\n1\r\n", "*1\r\n:1\r\n"};
    for (size_t i = 0; i < 3; i++) {
        struct scene s;
        struct outcome o = {0};
        scene_open_ready(&s);
        scene_drop(&s, &o, "p:");
        page(&s, 0, "0", "p:a");
        scene_answer(&s, 0, wrong[i]);
        scene_check_ended(&o, NGR_E_PROTOCOL);
        scene_close(&s);
    }
}

TEST(a_walk_that_is_cancelled_stops_after_its_page)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_drop(&s, &o, "p:");
    peer_take(&s.peer, 0);
    scene_cancel(&o);
    page(&s, 0, "5", "p:a");
    CHECK_TEXT(peer_asked(&s.peer, 0), "");
    CHECK(!peer_is_dropped(&s.peer, 0));
    scene_close(&s);
}

int main(void)
{
    RUN(a_listing_goes_on_until_the_cursor_is_zero_again);
    RUN(keys_outside_the_prefix_are_not_listed);
    RUN(characters_of_the_prefix_stand_for_themselves);
    RUN(the_prefix_may_be_gone_once_the_call_is_started);
    RUN(a_drop_removes_each_page_in_the_write_that_asks_for_the_next);
    RUN(dropping_an_empty_namespace_removes_nothing);
    RUN(a_drop_never_touches_keys_outside_the_prefix);
    RUN(keys_that_come_twice_are_counted_as_the_server_counts_them);
    RUN(a_walk_begins_anew_when_its_connection_was_lost);
    RUN(a_first_page_lost_with_its_connection_is_asked_for_again_once);
    RUN(a_walk_that_is_thrown_back_again_and_again_ends_with_an_error);
    RUN(a_removal_lost_with_its_connection_is_sent_again_with_the_page);
    RUN(a_refused_page_or_removal_ends_the_walk);
    RUN(a_page_of_another_form_kills_the_connection);
    RUN(a_removal_answered_with_another_type_kills_the_connection);
    RUN(a_walk_that_is_cancelled_stops_after_its_page);
    return harness_result();
}
