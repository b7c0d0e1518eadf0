/* What is tried again, when, and how often: the schedule read off the clock of the fake loop. */
#include "harness.h"

#include "client.h"
#include "scene.h"

#define IDS_60                                                                                               \
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 " \
    "38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60"

/* A scene that cannot connect: the peer does not listen. */
static void open_unreachable(struct scene *s, unsigned retries, double base, double cap)
{
    scene_prepare(s);
    peer_stop_listening(&s->peer);
    s->settings.retries = retries;
    s->settings.retry_base = base;
    s->settings.retry_cap = cap;
    scene_start(s);
}

/* Seconds until the next try; checks that it lies in [least / 2, least]. */
static double next_try(struct scene *s, double most)
{
    double wait = 1e9;
    for (size_t i = 0; i < s->loop.timer_count; i++)
        if (s->loop.timers[i].timer == &s->client->retry_timer)
            wait = s->loop.timers[i].due - s->loop.clock;
    if (wait < most / 2 || wait > most)
        printf("  the next try comes in %g s\n", wait);
    CHECK(wait >= most / 2 && wait <= most);
    return wait;
}

TEST(tries_come_after_1_2_4_seconds_times_a_jitter_up_to_the_cap)
{
    static const double most[] = {1, 2, 4, 8, 10, 10, 10};
    struct scene s;
    struct outcome o = {0};
    open_unreachable(&s, 7, 1, 10);
    scene_get(&s, &o, "a");
    fake_loop_settle(&s.loop);
    for (int i = 0; i < 7; i++) {
        CHECK_INT(o.ended, 0);
        fake_loop_advance(&s.loop, next_try(&s, most[i]));
    }
    scene_check_ended(&o, NGR_E_CONNECT);
    CHECK(strstr(o.message, "(8 tries in "));
    CHECK_INT(s.client->counters.retries, 7);
    CHECK_INT(s.client->topology.server.opened, 8);
    scene_close(&s);
}

TEST(the_jitter_spreads_over_its_whole_range)
{
    double least = 1, most = 0;
    for (int i = 0; i < 200; i++) {
        struct scene s;
        struct outcome o = {0};
        open_unreachable(&s, 1, 1, 10);
        scene_get(&s, &o, "a");
        fake_loop_settle(&s.loop);
        double wait = next_try(&s, 1);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
        scene_close(&s);
    }
    CHECK(least < 0.6);
    CHECK(most > 0.9);
}

TEST(without_retries_there_is_one_try)
{
    struct scene s;
    struct outcome o = {0};
    open_unreachable(&s, 0, 1, 10);
    scene_get(&s, &o, "a");
    fake_loop_settle(&s.loop);
    scene_check_ended(&o, NGR_E_CONNECT);
    CHECK(!strstr(o.message, "tries"));
    scene_close(&s);
}

TEST(a_base_above_the_cap_waits_the_cap)
{
    struct scene s;
    struct outcome o = {0};
    open_unreachable(&s, 2, 60, 3);
    scene_get(&s, &o, "a");
    fake_loop_settle(&s.loop);
    fake_loop_advance(&s.loop, next_try(&s, 3));
    next_try(&s, 3);
    scene_close(&s);
}

/* A scene with a ready connection and nothing to do. */
TEST(after_a_lost_connection_the_first_retry_is_immediate_and_the_second_waits)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_get(&s, &o, "a");
    peer_close(&s.peer, 0);
    fake_loop_settle(&s.loop);
    scene_welcome(&s, 1);
    CHECK_TEXT(peer_asked(&s.peer, 1), "GET p:a");
    peer_close(&s.peer, 1);
    fake_loop_settle(&s.loop);
    CHECK_INT(peer_accept(&s.peer), 2);
    fake_loop_advance(&s.loop, next_try(&s, 2));
    scene_welcome(&s, 2);
    scene_answer(&s, 2, "$1\r\nx\r\n");
    CHECK_TEXT(o.got, "0=x");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(an_answer_in_pieces_is_asked_again_from_the_start)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_get(&s, &o, "a b");
    CHECK_TEXT(peer_asked(&s.peer, 0), "MGET p:a p:b");
    scene_answer(&s, 0, "*2\r\n$1\r\nA\r\n$1\r\n");
    peer_close(&s.peer, 0);
    scene_welcome(&s, 1);
    CHECK_TEXT(peer_asked(&s.peer, 1), "MGET p:a p:b");
    scene_answer(&s, 1, "*2\r\n$1\r\nA\r\n$1\r\nB\r\n");
    CHECK_TEXT(o.got, "0=A 0=A 1=B");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(a_call_counts_one_lost_connection_once_however_many_requests_it_cost)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_get(&s, &o, IDS_60);       /* four requests at a time */
    for (size_t n = 0; n < 4; n++) { /* the first try and three more */
        fake_loop_settle(&s.loop);
        CHECK_INT(o.ended, 0);
        peer_close(&s.peer, n);
        fake_loop_settle(&s.loop);
        if (n > 0 && n < 3)
            fake_loop_advance(&s.loop, 4);
        if (n < 3)
            scene_welcome(&s, n + 1);
    }
    scene_check_ended(&o, NGR_E_LOST);
    CHECK(strstr(o.message, "(4 tries in "));
    scene_close(&s);
}

TEST(a_call_counts_one_refusal_once_however_many_of_its_requests_are_refused)
{
    static const char *const four = "-LOADING x\r\n-LOADING x\r\n-LOADING x\r\n-LOADING x\r\n";
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_get(&s, &o, IDS_60); /* four requests at a time */
    for (int tries = 0; tries < 4; tries++) {
        CHECK_INT(o.ended, 0);
        fake_loop_settle(&s.loop);
        CHECK(strstr(peer_asked(&s.peer, 0), "| MGET"));
        scene_answer(&s, 0, four);
        if (tries < 3)
            fake_loop_advance(&s.loop, 1 << tries);
    }
    scene_check_ended(&o, NGR_E_LOADING);
    CHECK(strstr(o.message, "(4 tries in "));
    scene_close(&s);
}

TEST(a_refusal_that_passes_is_tried_again_after_a_pause)
{
    static const char *const refusals[] = {
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-MASTERDOWN Link with MASTER is down\r\n",
        "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
        "-CLUSTERDOWN Hash slot not served\r\n",
    };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct scene s;
        struct outcome o = {0}, removed = {0};
        scene_open_ready(&s);
        scene_get(&s, &o, "a");
        scene_remove(&s, &removed, "b"); /* refused: the server did nothing, so it may go again, too */
        fake_loop_settle(&s.loop);
        peer_take(&s.peer, 0);
        scene_answer(&s, 0, refusals[i]);
        scene_answer(&s, 0, refusals[i]);
        CHECK_INT(o.ended + removed.ended, 0);
        CHECK_TEXT(peer_asked(&s.peer, 0), "");
        fake_loop_advance(&s.loop, 1);
        const char *asked = peer_asked(&s.peer, 0);
        bool in_order = strcmp(asked, "GET p:a | DEL p:b") == 0;
        CHECK(in_order || strcmp(asked, "DEL p:b | GET p:a") == 0);
        scene_answer(&s, 0, in_order ? "$1\r\nx\r\n:1\r\n" : ":1\r\n$1\r\nx\r\n");
        CHECK_TEXT(o.got, "0=x");
        CHECK_TEXT(removed.got, "#0=1");
        CHECK(!peer_is_dropped(&s.peer, 0));
        scene_close(&s);
    }
}

TEST(permanent_errors_end_the_call_at_once)
{
    static const struct {
        const char *reply;
        ngr_status st;
    } rows[] = {
        {"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", NGR_E_WRONGTYPE},
        {"-NOPERM this user has no permissions\r\n", NGR_E_PERM},
        {"-NOAUTH Authentication required.\r\n", NGR_E_AUTH},
        {"-READONLY You can't write against a read only replica.\r\n", NGR_E_READONLY},
        {"-OOM command not allowed\r\n", NGR_E_OOM},
        {"-MISCONF Redis is configured to save RDB snapshots\r\n", NGR_E_MISCONF},
        {"-MOVED 1 127.0.0.1:1\r\n", NGR_E_REDIRECT},
        {"-CROSSSLOT x\r\n", NGR_E_CROSSSLOT},
        {"-ERR something\r\n", NGR_E_SERVER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene s;
        struct outcome o = {0};
        scene_open_ready(&s);
        scene_get(&s, &o, "a");
        scene_answer(&s, 0, rows[i].reply);
        scene_check_ended(&o, rows[i].st);
        char words[100];
        snprintf(words, sizeof words, "%.*s", (int)strcspn(rows[i].reply, "\r") - 1, rows[i].reply + 1);
        if (!strstr(o.message, words))
            CHECK_TEXT(o.message, words);
        CHECK(strstr(o.message, "(key p:a)"));
        CHECK(!peer_is_dropped(&s.peer, 0));
        scene_close(&s);
    }
}

TEST(a_removal_that_was_sent_is_not_repeated)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_remove(&s, &o, "a");
    CHECK_TEXT(peer_asked(&s.peer, 0), "DEL p:a");
    peer_close(&s.peer, 0);
    fake_loop_settle(&s.loop);
    scene_check_ended(&o, NGR_E_LOST);
    CHECK_TEXT(o.got, "");
    CHECK_INT(peer_accept(&s.peer), 1);
    scene_close(&s);
}

TEST(a_removal_proven_unsent_is_sent_again)
{
    struct scene s;
    struct outcome first = {0}, second = {0}, o = {0};
    scene_open_ready(&s);
    scene_get(&s, &first, "x");
    scene_get(&s, &second, "y");
    scene_remove(&s, &o, "a"); /* waits for the end of the tick */
    peer_close(&s.peer, 0);
    fake_loop_settle(&s.loop);
    CHECK_INT(o.ended, 0);
    scene_welcome(&s, 1);
    CHECK_TEXT(peer_asked(&s.peer, 1), "GET p:x | GET p:y | DEL p:a");
    scene_answer(&s, 1, "$-1\r\n$-1\r\n:1\r\n");
    CHECK_TEXT(o.got, "#0=1");
    scene_close(&s);
}

/* Over TCP the first write after a FIN still succeeds. */
TEST(a_connection_closed_behind_our_back_does_not_swallow_a_removal)
{
    struct scene s;
    struct outcome warm = {0}, o = {0};
    scene_prepare(&s);
    scene_use_tcp(&s, "127.0.0.1");
    scene_start(&s);
    scene_get(&s, &warm, "warm");
    scene_welcome(&s, 0);
    peer_take(&s.peer, 0);
    scene_answer(&s, 0, "$-1\r\n");
    peer_close(&s.peer, 0); /* the loop has not seen it yet */
    scene_remove(&s, &o, "a");
    scene_welcome(&s, 1);
    CHECK_TEXT(peer_asked(&s.peer, 1), "DEL p:a");
    scene_answer(&s, 1, ":1\r\n");
    CHECK_TEXT(o.got, "#0=1");
    scene_close(&s);
}

TEST(a_write_is_repeated_with_the_same_bytes)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_put(&s, &o, "a=1 b=2", 60);
    char first[200];
    snprintf(first, sizeof first, "%s", peer_take(&s.peer, 0));
    peer_reset(&s.peer, 0);
    scene_welcome(&s, 1);
    CHECK_TEXT(peer_take(&s.peer, 1), first);
    scene_answer(&s, 1, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+OK\r\n");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(a_timed_out_read_is_asked_again_elsewhere_after_a_pause)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_get(&s, &o, "a");
    fake_loop_advance(&s.loop, 7);
    CHECK(peer_is_dropped(&s.peer, 0));
    CHECK_INT(peer_accept(&s.peer), 1);
    fake_loop_advance(&s.loop, next_try(&s, 1));
    scene_welcome(&s, 1);
    CHECK_TEXT(peer_asked(&s.peer, 1), "GET p:a");
    scene_close(&s);
}

TEST(who_fails_together_is_retried_together)
{
    struct scene s;
    struct outcome o[5] = {{0}};
    open_unreachable(&s, 1, 1, 10);
    for (int i = 0; i < 5; i++)
        scene_get(&s, &o[i], "a");
    fake_loop_settle(&s.loop);
    CHECK_INT(s.client->delayed.count, 5);
    fake_loop_advance(&s.loop, next_try(&s, 1));
    for (int i = 0; i < 5; i++)
        scene_check_ended(&o[i], NGR_E_CONNECT);
    CHECK_INT(s.client->topology.server.opened, 2);
    scene_close(&s);
}

TEST(one_line_is_logged_when_the_server_goes_and_one_when_it_is_back)
{
    struct scene s;
    struct outcome o[3] = {{0}};
    scene_prepare(&s);
    s.settings.retries = 9;
    scene_start(&s);
    scene_get(&s, &o[0], "a");
    scene_welcome(&s, 0);
    CHECK_TEXT(s.log, ""); /* the first connection is no news */
    scene_answer(&s, 0, "$-1\r\n");
    scene_get(&s, &o[1], "b");
    peer_take(&s.peer, 0);
    peer_stop_listening(&s.peer);
    peer_close(&s.peer, 0);
    fake_loop_advance(&s.loop, 20); /* several tries fail */
    CHECK_TEXT(s.log, "- unix://peer: the connection was lost: the server closed the connection\n");
    scene_close(&s);
}

TEST(a_server_that_comes_back_is_logged_once)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_get(&s, &o, "a");
    peer_reset(&s.peer, 0);
    fake_loop_settle(&s.loop);
    s.log[0] = '\0';
    scene_welcome(&s, 1);
    CHECK_TEXT(s.log, "+ unix://peer: reachable again\n");
    scene_answer(&s, 1, "$1\r\nx\r\n");
    CHECK_TEXT(s.log, "+ unix://peer: reachable again\n");
    scene_close(&s);
}

TEST(an_idle_connection_closed_by_the_server_is_not_logged)
{
    struct scene s;
    scene_open_ready(&s);
    peer_close(&s.peer, 0);
    fake_loop_settle(&s.loop);
    CHECK_TEXT(s.log, "");
    scene_close(&s);
}

TEST(the_message_names_endpoint_fact_and_what_to_do)
{
    struct scene s;
    struct outcome o = {0};
    open_unreachable(&s, 0, 1, 10);
    scene_get(&s, &o, "a");
    fake_loop_settle(&s.loop);
    CHECK_TEXT(o.message,
               "unix://peer: cannot connect: No such file or directory; check that the server runs "
               "and that redis_url names it");
    scene_close(&s);
}

TEST(a_loop_without_timers_ends_the_call_instead_of_forgetting_it)
{
    struct scene s;
    struct outcome o = {0};
    open_unreachable(&s, 3, 1, 10);
    scene_get(&s, &o, "a");
    fake_loop_fail(&s.loop, FAKE_TIMER_ON, 1);
    fake_loop_settle(&s.loop);
    scene_check_ended(&o, NGR_E_NOMEM);
    scene_close(&s);
}

int main(void)
{
    RUN(tries_come_after_1_2_4_seconds_times_a_jitter_up_to_the_cap);
    RUN(the_jitter_spreads_over_its_whole_range);
    RUN(without_retries_there_is_one_try);
    RUN(a_base_above_the_cap_waits_the_cap);
    RUN(after_a_lost_connection_the_first_retry_is_immediate_and_the_second_waits);
    RUN(an_answer_in_pieces_is_asked_again_from_the_start);
    RUN(a_call_counts_one_lost_connection_once_however_many_requests_it_cost);
    RUN(a_call_counts_one_refusal_once_however_many_of_its_requests_are_refused);
    RUN(a_refusal_that_passes_is_tried_again_after_a_pause);
    RUN(permanent_errors_end_the_call_at_once);
    RUN(a_removal_that_was_sent_is_not_repeated);
    RUN(a_removal_proven_unsent_is_sent_again);
    RUN(a_connection_closed_behind_our_back_does_not_swallow_a_removal);
    RUN(a_write_is_repeated_with_the_same_bytes);
    RUN(a_timed_out_read_is_asked_again_elsewhere_after_a_pause);
    RUN(who_fails_together_is_retried_together);
    RUN(one_line_is_logged_when_the_server_goes_and_one_when_it_is_back);
    RUN(a_server_that_comes_back_is_logged_once);
    RUN(an_idle_connection_closed_by_the_server_is_not_logged);
    RUN(the_message_names_endpoint_fact_and_what_to_do);
    RUN(a_loop_without_timers_ends_the_call_instead_of_forgetting_it);
    return harness_result();
}
