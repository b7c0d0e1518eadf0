/* How calls end without an answer: cancelled in every place where a request can be, and the client closed in
 * every state it can be in, also from inside its own callbacks. */
#include "harness.h"

#include "client.h"
#include "scene.h"

static void check_closed(const struct outcome *o)
{
    CHECK_INT(o->ended, 1);
    CHECK_TEXT(ngr_status_name(o->st), "NGR_E_CLOSED");
    CHECK_TEXT(o->message, "unix://peer: the storage was closed");
}

/* A call whose request is in the wanted place, of two `others` where it needs company. NOWHERE means: in the
 * list of those that are sent again when the present trouble is over, which only a callback sees. */
static void bring(struct scene *s, struct outcome *o, struct outcome others[2], enum ngr_req_place place)
{
    switch (place) {
    case NGR_REQ_DELAYED:
        scene_prepare(s);
        peer_stop_listening(&s->peer);
        scene_start(s);
        scene_get(s, o, "a");
        fake_loop_settle(&s->loop);
        CHECK_INT(s->client->delayed.count, 1);
        break;
    case NGR_REQ_WAITING:
        scene_open(s);
        scene_get(s, o, "a");
        CHECK_INT(s->client->topology.server.waiting_count, 1);
        break;
    case NGR_REQ_UNWRITTEN:
        scene_open_ready(s);
        scene_get(s, &others[0], "x");
        scene_get(s, &others[1], "y");
        scene_get(s, o, "a");
        CHECK_TEXT(peer_asked(&s->peer, 0), "GET p:x | GET p:y");
        break;
    default:
        scene_open_ready(s);
        scene_get(s, o, "a");
        CHECK_TEXT(peer_asked(&s->peer, 0), "GET p:a");
    }
    CHECK_INT(o->ended, 0);
}

static const enum ngr_req_place places[] = {NGR_REQ_DELAYED, NGR_REQ_WAITING, NGR_REQ_UNWRITTEN,
                                            NGR_REQ_WRITTEN};

TEST(a_cancelled_call_is_silent_wherever_it_is)
{
    for (int i = 0; i < 4; i++) {
        struct scene s;
        struct outcome o = {0}, others[2] = {{0}};
        bring(&s, &o, others, places[i]);
        scene_cancel(&o);
        CHECK_INT(ngr_client_pending(s.client), others[0].call ? 2 : 0);
        fake_loop_advance(&s.loop, 100);
        CHECK_INT(o.ended, 0);
        CHECK_TEXT(o.got, "");
        scene_close(&s);
    }
}

TEST(what_was_cancelled_before_it_left_never_leaves)
{
    for (int i = 0; i < 3; i++) {
        struct scene s;
        struct outcome o = {0}, others[2] = {{0}};
        bring(&s, &o, others, places[i]);
        scene_cancel(&o);
        fake_loop_advance(&s.loop, 3);
        scene_settle(&s);
        if (s.peer.count)
            CHECK(!strstr(peer_take(&s.peer, 0), "p:a"));
        scene_close(&s);
    }
}

TEST(a_cancelled_call_may_end_within_a_batch_of_answers)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_get(&s, &o, "a b c");
    CHECK_TEXT(peer_asked(&s.peer, 0), "MGET p:a p:b p:c");
    scene_answer(&s, 0, "*3\r\n$1\r\nA\r\n");
    scene_cancel(&o);
    scene_answer(&s, 0, "$1\r\nB\r\n$1\r\nC\r\n");
    CHECK_TEXT(o.got, "0=A");
    CHECK(!peer_is_dropped(&s.peer, 0));
    scene_close(&s);
}

static void cancel_at_first(struct outcome *o, bool is_end)
{
    if (o->call && !is_end)
        scene_cancel(o);
}

TEST(a_call_may_cancel_itself_from_inside_its_own_answer)
{
    struct scene s;
    struct outcome o = {0}, after = {0};
    scene_open_ready(&s);
    o.react = cancel_at_first;
    scene_get(&s, &o, "a b c");
    scene_get(&s, &after, "d");
    fake_loop_settle(&s.loop);
    scene_answer(&s, 0, "*3\r\n$1\r\nA\r\n$1\r\nB\r\n$1\r\nC\r\n$1\r\nD\r\n");
    CHECK_TEXT(o.got, "0=A");
    CHECK_INT(o.ended, 0);
    CHECK_TEXT(after.got, "0=D");
    scene_close(&s);
}

TEST(a_receiver_that_fails_ends_its_call_and_nothing_else)
{
    struct scene s;
    struct outcome o = {0}, after = {0};
    scene_open_ready(&s);
    o.reply_with = NGR_E_CALLBACK;
    scene_get(&s, &o, "a b c");
    scene_get(&s, &after, "d");
    fake_loop_settle(&s.loop);
    scene_answer(&s, 0, "*3\r\n$1\r\nA\r\n$1\r\nB\r\n$1\r\nC\r\n$1\r\nD\r\n");
    CHECK_TEXT(o.got, "0=A");
    CHECK_INT(o.ended, 1);
    CHECK_TEXT(ngr_status_name(o.st), "NGR_E_CALLBACK");
    CHECK_TEXT(after.got, "0=D");
    CHECK(!peer_is_dropped(&s.peer, 0));
    scene_close(&s);
}

/* Every kind of call whose last answer is given when nothing of it is on the way any more. */
static void start_kind(struct scene *s, struct outcome *o, int kind)
{
    switch (kind) {
    case 0:
        scene_drop(s, o, "p:");
        break;
    case 1:
        scene_exists(s, o, "a");
        break;
    case 2:
        scene_remove(s, o, "a");
        break;
    case 3:
        scene_exec(s, o, "INFO", true);
        break;
    default:
        scene_list(s, o, "p:");
    }
}

static const char *const last_answers[] = {"*2\r\n$1\r\n0\r\n*0\r\n", ":1\r\n", ":1\r\n", "+x\r\n",
                                           "*2\r\n$1\r\n0\r\n*1\r\n$3\r\np:a\r\n"};

TEST(a_receiver_of_any_kind_of_call_may_fail)
{
    for (int kind = 0; kind < 5; kind++) {
        struct scene s;
        struct outcome o = {0};
        scene_open_ready(&s);
        o.reply_with = NGR_E_CALLBACK;
        start_kind(&s, &o, kind);
        scene_answer(&s, 0, last_answers[kind]);
        CHECK_INT(o.ended, 1);
        CHECK_TEXT(ngr_status_name(o.st), "NGR_E_CALLBACK");
        CHECK_INT(ngr_client_pending(s.client), 0);
        scene_close(&s);
    }
}

TEST(a_receiver_of_any_kind_of_call_may_cancel_it)
{
    for (int i = 0; i < 10; i++) {
        struct scene s;
        struct outcome o = {0};
        int kind = i % 5;
        scene_open_ready(&s);
        o.reply_with = i < 5 ? NGR_OK : NGR_E_CALLBACK; /* and complain besides */
        o.react = cancel_at_first;
        start_kind(&s, &o, kind);
        scene_answer(&s, 0, last_answers[kind]);
        CHECK_INT(o.ended, 0);
        CHECK_INT(ngr_client_pending(s.client), 0);
        scene_close(&s);
    }
}

/* --- closing ---------------------------------------------------------------------------------- */

TEST(closing_ends_every_call_wherever_it_is)
{
    for (int i = 0; i < 4; i++) {
        struct scene s;
        struct outcome o = {0}, others[2] = {{0}};
        bring(&s, &o, others, places[i]);
        ngr_client_close(s.client);
        check_closed(&o);
        CHECK_INT(ngr_client_pending(s.client), 0);
        CHECK(fake_loop_is_idle(&s.loop));
        ngr_client_close(s.client);
        CHECK_INT(o.ended, 1);
        scene_close(&s);
    }
}

TEST(a_closed_client_works_again)
{
    for (int i = 0; i < 4; i++) {
        struct scene s;
        struct outcome o = {0}, others[2] = {{0}}, again = {0};
        bring(&s, &o, others, places[i]);
        peer_listen_again(&s.peer);
        scene_settle(&s);
        ngr_client_close(s.client);
        scene_get(&s, &again, "b");
        size_t n = s.peer.count;
        scene_welcome(&s, n);
        CHECK_TEXT(peer_asked(&s.peer, n), "GET p:b");
        scene_answer(&s, n, "$1\r\nB\r\n");
        CHECK_TEXT(again.got, "0=B");
        scene_close(&s);
    }
}

TEST(closing_before_the_first_call_is_fine)
{
    struct scene s;
    scene_open(&s);
    ngr_client_close(s.client);
    ngr_client_close(s.client);
    scene_close(&s);
}

TEST(calls_end_in_the_order_of_their_start)
{
    struct scene s;
    struct outcome o[4] = {{0}};
    scene_open_ready(&s);
    for (int i = 0; i < 4; i++)
        scene_get(&s, &o[i], "a");
    ngr_client_close(s.client);
    for (int i = 0; i < 4; i++)
        check_closed(&o[i]);
    scene_close(&s);
}

static void close_the_client(struct outcome *o, bool is_end)
{
    if (!is_end)
        ngr_client_close(o->scene->client);
}

TEST(the_client_may_be_closed_from_inside_an_answer)
{
    struct scene s;
    struct outcome first = {0}, second = {0}, third = {0};
    scene_open_ready(&s);
    first.react = close_the_client;
    scene_get(&s, &first, "a b");
    scene_get(&s, &second, "c");
    fake_loop_settle(&s.loop);
    scene_get(&s, &third, "d");
    scene_answer(&s, 0, "*2\r\n$1\r\nA\r\n$1\r\nB\r\n$1\r\nC\r\n");
    CHECK_TEXT(first.got, "0=A");
    check_closed(&first);
    check_closed(&second);
    check_closed(&third);
    CHECK(peer_is_dropped(&s.peer, 0));
    CHECK(fake_loop_is_idle(&s.loop));
    scene_close(&s);
}

static struct outcome next;

static void close_and_start_anew(struct outcome *o, bool is_end)
{
    if (is_end)
        return;
    ngr_client_close(o->scene->client);
    next = (struct outcome){0};
    scene_get(o->scene, &next, "next");
}

TEST(a_call_started_right_after_closing_inside_an_answer_gets_a_new_connection)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    o.react = close_and_start_anew;
    scene_get(&s, &o, "a b");
    scene_answer(&s, 0, "*2\r\n$1\r\nA\r\n$1\r\nB\r\n");
    check_closed(&o);
    scene_welcome(&s, 1);
    CHECK_TEXT(peer_asked(&s.peer, 1), "GET p:next");
    scene_answer(&s, 1, "$1\r\nN\r\n");
    CHECK_TEXT(next.got, "0=N");
    scene_close(&s);
}

static void start_at_end(struct outcome *o, bool is_end)
{
    if (!is_end)
        return;
    next = (struct outcome){0};
    scene_get(o->scene, &next, "next");
}

TEST(a_call_may_be_started_from_inside_the_end_of_another)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    o.react = start_at_end;
    scene_get(&s, &o, "a");
    scene_answer(&s, 0, "$1\r\nA\r\n");
    CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:a | GET p:next");
    scene_answer(&s, 0, "$1\r\nN\r\n");
    CHECK_TEXT(next.got, "0=N");
    scene_close(&s);
}

TEST(a_call_may_be_started_from_inside_the_failure_of_another)
{
    struct scene s;
    struct outcome o = {0};
    scene_prepare(&s);
    s.settings.retries = 0;
    scene_start(&s);
    o.react = start_at_end;
    scene_get(&s, &o, "a");
    scene_settle(&s);
    peer_close(&s.peer, 0); /* during the handshake */
    fake_loop_settle(&s.loop);
    CHECK_INT(o.ended, 1);
    CHECK_INT(next.ended, 0);
    scene_welcome(&s, 1);
    CHECK_TEXT(peer_asked(&s.peer, 1), "GET p:next");
    scene_close(&s);
}

TEST(a_call_started_while_the_client_closes_is_closed_too)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    o.react = start_at_end;
    scene_get(&s, &o, "a");
    ngr_client_close(s.client);
    check_closed(&o);
    check_closed(&next);
    scene_close(&s);
}

static void lose_the_connection_in_a_nested_loop(struct outcome *o, bool is_end)
{
    o->react = NULL;
    next = (struct outcome){0};
    peer_close(&o->scene->peer, 0);
    scene_get(o->scene, &next, "next");
    for (int i = 0; i < 5; i++)
        fake_loop_tick(&o->scene->loop); /* as decoding does that runs a finalizer that runs the loop */
}

TEST(a_connection_lost_in_a_loop_inside_an_answer_ends_after_that_answer)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    o.react = lose_the_connection_in_a_nested_loop;
    scene_get(&s, &o, "a b");
    peer_take(&s.peer, 0);
    scene_answer(&s, 0, "*2\r\n$1\r\nA\r\n$1\r\nB\r\n");
    scene_welcome(&s, 1);
    CHECK_TEXT(peer_asked(&s.peer, 1), "MGET p:a p:b | GET p:next");
    scene_answer(&s, 1, "*2\r\n$1\r\nA\r\n$1\r\nB\r\n$1\r\nN\r\n");
    CHECK_TEXT(o.got, "0=A 0=A 1=B");
    CHECK_TEXT(next.got, "0=N");
    scene_close(&s);
}

static void answer_in_a_nested_loop(struct outcome *o, bool is_end)
{
    o->react = NULL;
    next = (struct outcome){0};
    scene_get(o->scene, &next, "next");
    for (int i = 0; i < 5; i++)
        fake_loop_tick(&o->scene->loop);
    CHECK(strstr(peer_asked(&o->scene->peer, 0), "GET p:next"));
    peer_send(&o->scene->peer, 0, "$1\r\nN\r\n");
    for (int i = 0; i < 5; i++)
        fake_loop_tick(&o->scene->loop);
    CHECK_TEXT(next.got, ""); /* one reader at a time: it waits for the outer answer */
}

TEST(answers_that_come_in_a_loop_inside_an_answer_wait_for_their_turn)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    o.react = answer_in_a_nested_loop;
    scene_get(&s, &o, "a b");
    peer_take(&s.peer, 0);
    scene_answer(&s, 0, "*2\r\n$1\r\nA\r\n$1\r\nB\r\n");
    CHECK_TEXT(o.got, "0=A 1=B");
    CHECK_TEXT(next.got, "0=N");
    scene_close(&s);
}

static struct outcome *victim;

static void cancel_another(struct outcome *o, bool is_end)
{
    if (victim && victim->call)
        scene_cancel(victim);
    victim = NULL;
}

TEST(an_end_may_cancel_calls_that_fail_for_the_same_reason)
{
    for (int later = 0; later < 2; later++) {
        struct scene s;
        struct outcome o[3] = {{0}};
        scene_prepare(&s);
        s.settings.retries = 0;
        scene_start(&s);
        for (int i = 0; i < 3; i++) {
            scene_get(&s, &o[i], "a");
        }
        scene_settle(&s);
        victim = later ? &o[2] : &o[1];
        o[0].react = cancel_another;
        peer_close(&s.peer, 0);
        fake_loop_settle(&s.loop);
        CHECK_INT(o[0].ended, 1);
        CHECK_INT(o[1].ended, later);
        CHECK_INT(o[2].ended, 1 - later);
        scene_close(&s);
    }
}

static void close_at_end(struct outcome *o, bool is_end)
{
    if (is_end)
        ngr_client_close(o->scene->client);
}

TEST(an_end_may_close_the_client_while_others_fail_for_the_same_reason)
{
    struct scene s;
    struct outcome o[3] = {{0}};
    scene_open_ready(&s);
    o[0].react = close_at_end;
    scene_remove(&s, &o[0], "a"); /* not repeated, so it ends at once */
    scene_get(&s, &o[1], "b");
    scene_get(&s, &o[2], "c");
    fake_loop_settle(&s.loop);
    peer_reset(&s.peer, 0);
    fake_loop_settle(&s.loop);
    CHECK_TEXT(ngr_status_name(o[0].st), "NGR_E_LOST");
    check_closed(&o[1]);
    check_closed(&o[2]);
    CHECK(fake_loop_is_idle(&s.loop));
    scene_close(&s);
}

static void on_log_close(void *user, bool is_good, const char *line)
{
    struct scene *s = user;
    ngr_client_close(s->client);
}

TEST(the_log_may_close_the_client)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    s.client->hooks.log = on_log_close;
    scene_get(&s, &o, "a");
    peer_reset(&s.peer, 0);
    fake_loop_settle(&s.loop);
    check_closed(&o);
    CHECK(fake_loop_is_idle(&s.loop));
    scene_close(&s);
}

TEST(without_hooks_nothing_is_told_and_nothing_breaks)
{
    struct scene s;
    struct outcome o = {0};
    scene_prepare(&s);
    s.settings.idle_check = 5;
    s.client = ngr_client_new(&s.settings, &s.loop.loop, NULL);
    CHECK(s.client != NULL);
    scene_get(&s, &o, "a");
    scene_welcome(&s, 0);
    peer_reset(&s.peer, 0);
    fake_loop_advance(&s.loop, 100);
    CHECK_INT(o.ended, 1);
    scene_close(&s);
}

TEST(an_unused_client_leaves_the_loop_alone)
{
    struct scene s;
    scene_open(&s);
    CHECK(fake_loop_is_idle(&s.loop));
    fake_loop_advance(&s.loop, 1000);
    CHECK_INT(s.idles, 0);
    scene_close(&s);
}

TEST(housekeeping_stops_when_the_last_connection_is_gone)
{
    struct scene s;
    scene_open_ready(&s);
    fake_loop_advance(&s.loop, 95);
    CHECK_INT(s.idles, 3);
    CHECK_TEXT(peer_asked(&s.peer, 0), ""); /* no PING: idle_check is 0 */
    peer_close(&s.peer, 0);
    fake_loop_advance(&s.loop, 1000);
    CHECK_INT(s.idles, 4);
    CHECK(fake_loop_is_idle(&s.loop));
    scene_close(&s);
}

static void on_idle_close(void *user)
{
    struct scene *s = user;
    s->idles++;
    ngr_client_close(s->client);
}

TEST(the_idle_hook_may_close_the_client)
{
    struct scene s;
    scene_open_ready(&s);
    s.client->hooks.idle = on_idle_close;
    fake_loop_advance(&s.loop, 1000);
    CHECK_INT(s.idles, 1);
    CHECK(peer_is_dropped(&s.peer, 0));
    CHECK(fake_loop_is_idle(&s.loop));
    scene_close(&s);
}

int main(void)
{
    RUN(a_cancelled_call_is_silent_wherever_it_is);
    RUN(what_was_cancelled_before_it_left_never_leaves);
    RUN(a_cancelled_call_may_end_within_a_batch_of_answers);
    RUN(a_call_may_cancel_itself_from_inside_its_own_answer);
    RUN(a_receiver_that_fails_ends_its_call_and_nothing_else);
    RUN(a_receiver_of_any_kind_of_call_may_fail);
    RUN(a_receiver_of_any_kind_of_call_may_cancel_it);
    RUN(closing_ends_every_call_wherever_it_is);
    RUN(a_closed_client_works_again);
    RUN(closing_before_the_first_call_is_fine);
    RUN(calls_end_in_the_order_of_their_start);
    RUN(the_client_may_be_closed_from_inside_an_answer);
    RUN(a_call_started_right_after_closing_inside_an_answer_gets_a_new_connection);
    RUN(a_call_may_be_started_from_inside_the_end_of_another);
    RUN(a_call_may_be_started_from_inside_the_failure_of_another);
    RUN(a_call_started_while_the_client_closes_is_closed_too);
    RUN(a_connection_lost_in_a_loop_inside_an_answer_ends_after_that_answer);
    RUN(answers_that_come_in_a_loop_inside_an_answer_wait_for_their_turn);
    RUN(an_end_may_cancel_calls_that_fail_for_the_same_reason);
    RUN(an_end_may_close_the_client_while_others_fail_for_the_same_reason);
    RUN(the_log_may_close_the_client);
    RUN(without_hooks_nothing_is_told_and_nothing_breaks);
    RUN(an_unused_client_leaves_the_loop_alone);
    RUN(housekeeping_stops_when_the_last_connection_is_gone);
    RUN(the_idle_hook_may_close_the_client);
    return harness_result();
}
