/* The pool on its own: who gets which connection, who waits, who is handed back. Its owner is this file: a
 * job notes in a common transcript what becomes of it, "+3" answered, "-3 NGR_E_LOST sent" handed back. */
#include "harness.h"

#include "fake_loop.h"
#include "peer.h"
#include "pool.h"

static char transcript[200000];

static void note(const char *text)
{
    size_t at = strlen(transcript);
    snprintf(transcript + at, sizeof transcript - at, "%s%s", at ? ", " : "", text);
}

/* Answers what was noted since the last time. */
static const char *noted(void)
{
    static char text[sizeof transcript];
    memcpy(text, transcript, sizeof text);
    transcript[0] = '\0';
    return text;
}

struct job {
    struct ngr_req req;
    int number;
    char bytes[64];
};

static ngr_status on_piece(struct ngr_req *r, const struct ngr_reply *reply)
{
    return reply->type == NGR_REPLY_STATUS ? NGR_OK : NGR_E_PROTOCOL;
}

static void on_answered(struct ngr_req *r)
{
    char text[16];
    snprintf(text, sizeof text, "+%d", ngr_of(r, struct job, req)->number);
    note(text);
}

static void make_job(struct job *j, int number, uint32_t weight)
{
    memset(j, 0, sizeof *j);
    j->number = number;
    int len = snprintf(j->bytes, sizeof j->bytes, "*2\r\n$4\r\nECHO\r\n$4\r\n%04d\r\n", number);
    j->req.parts[0] = (struct ngr_span){j->bytes, (size_t)len};
    j->req.replies = 1;
    j->req.weight = weight;
    j->req.is_repeatable = true;
    j->req.piece = on_piece;
    j->req.answered = on_answered;
    ngr_node_init(&j->req.node);
}

static void failed(void *user, struct ngr_req *r, ngr_status st, const char *why, bool was_sent)
{
    char text[80];
    CHECK_INT(r->place, NGR_REQ_NOWHERE);
    snprintf(text, sizeof text, "-%d %s %s", ngr_of(r, struct job, req)->number, ngr_status_name(st),
             was_sent ? "sent" : "unsent");
    note(text);
}

static void trouble(void *user, bool begins)
{
    note(begins ? "{" : "}");
}

static void is_up(void *user, bool up, ngr_status st, const char *why)
{
    note(up ? "up" : "down");
}

struct stage {
    struct fake_loop loop;
    struct peer peer;
    struct ngr_settings settings;
    struct ngr_traffic traffic;
    struct ngr_pool pool;
};

static void open_stage(struct stage *s, unsigned max_connections)
{
    static const struct ngr_pool_owner owner = {failed, trouble, is_up, NULL};
    static char scratch[NGR_READ_BYTES];
    memset(s, 0, sizeof *s);
    fake_loop_init(&s->loop);
    peer_start_unix(&s->peer);
    s->settings = (struct ngr_settings){
        .path = s->peer.path,
        .max_connections = max_connections,
        .connect_timeout = 5,
        .socket_timeout = 7,
        .max_value_bytes = 1000,
        .endpoint = "peer",
    };
    s->traffic.scratch = scratch;
    ngr_pool_init(&s->pool, &s->settings, &s->loop.loop, &s->traffic, &owner);
    transcript[0] = '\0';
}

static void close_stage(struct stage *s)
{
    ngr_pool_close(&s->pool);
    CHECK_INT(s->pool.conn_count, 0);
    CHECK_INT(s->pool.opening_count, 0);
    CHECK_INT(s->pool.ready_count, 0);
    CHECK_INT(s->pool.waiting_count, 0);
    CHECK(fake_loop_is_idle(&s->loop));
    peer_stop(&s->peer);
}

static void submit(struct stage *s, struct job *j)
{
    ngr_pool_submit(&s->pool, &j->req, NULL);
}

static void answer(struct stage *s, size_t n, const char *bytes)
{
    peer_send(&s->peer, n, bytes);
    fake_loop_settle(&s->loop);
}

/* Accepts connection `n` and answers its handshake. */
static void welcome(struct stage *s, size_t n)
{
    fake_loop_settle(&s->loop);
    CHECK_INT(peer_accept(&s->peer), n + 1);
    CHECK_TEXT(peer_asked(&s->peer, n), "PING");
    answer(s, n, "+PONG\r\n");
}

/* Answers whatever was asked on connection `n`; each request of this file is an ECHO. */
static void answer_all(struct stage *s, size_t n)
{
    for (const char *at = peer_asked(&s->peer, n); (at = strstr(at, "ECHO")); at++)
        peer_send(&s->peer, n, "+OK\r\n");
    fake_loop_settle(&s->loop);
}

/* A stage with `count` ready connections and nothing to do. */
static void open_ready(struct stage *s, unsigned count)
{
    struct job heavy[8];
    open_stage(s, count);
    for (unsigned i = 0; i < count; i++) {
        make_job(&heavy[i], (int)i, 512 * count);
        submit(s, &heavy[i]);
        welcome(s, i);
    }
    for (unsigned i = 0; i < count; i++)
        answer_all(s, i);
    CHECK_INT(s->pool.ready_count, count);
    CHECK_INT(ngr_pool_in_flight(&s->pool), 0);
    noted();
}

TEST(the_first_request_opens_one_connection_and_waits_for_it)
{
    struct stage s;
    struct job j[3];
    open_stage(&s, 8);
    for (int i = 0; i < 3; i++) {
        make_job(&j[i], i, 1);
        submit(&s, &j[i]);
        CHECK_INT(j[i].req.place, NGR_REQ_WAITING);
    }
    CHECK_INT(s.pool.conn_count, 1);
    welcome(&s, 0);
    CHECK_TEXT(noted(), "up");
    CHECK_TEXT(peer_asked(&s.peer, 0), "ECHO 0000 | ECHO 0001 | ECHO 0002");
    answer(&s, 0, "+OK\r\n+OK\r\n+OK\r\n");
    CHECK_TEXT(noted(), "+0, +1, +2");
    close_stage(&s);
}

TEST(light_work_stays_on_one_connection)
{
    struct stage s;
    struct job j[511];
    open_ready(&s, 1);
    s.settings.max_connections = 8;
    for (int i = 0; i < 511; i++) {
        make_job(&j[i], i, 1);
        submit(&s, &j[i]);
    }
    fake_loop_settle(&s.loop);
    CHECK_INT(s.pool.conn_count, 1);
    close_stage(&s);
}

TEST(heavy_work_opens_connections_one_at_a_time_up_to_the_limit)
{
    struct stage s;
    struct job j[6];
    open_stage(&s, 3);
    for (int i = 0; i < 6; i++)
        make_job(&j[i], i, 2000);
    for (size_t n = 0; n < 3; n++) {
        submit(&s, &j[2 * n]);
        submit(&s, &j[2 * n + 1]);
        CHECK_INT(s.pool.opening_count, 1);
        welcome(&s, n);
    }
    struct job more;
    make_job(&more, 6, 2000);
    submit(&s, &more);
    CHECK_INT(s.pool.conn_count, 3);
    close_stage(&s);
}

TEST(a_request_goes_where_the_least_is_to_be_done)
{
    struct stage s;
    struct job heavy, light[3];
    open_ready(&s, 2);
    make_job(&heavy, 0, 100);
    submit(&s, &heavy);
    size_t busy = strcmp(peer_asked(&s.peer, 0), "ECHO 0000") == 0 ? 0 : 1;
    for (int i = 0; i < 3; i++) {
        make_job(&light[i], i + 1, 1);
        submit(&s, &light[i]);
    }
    fake_loop_settle(&s.loop);
    CHECK_TEXT(peer_asked(&s.peer, 1 - busy), "ECHO 0001 | ECHO 0002 | ECHO 0003");
    close_stage(&s);
}

TEST(a_preferred_connection_is_used_while_it_lives)
{
    struct stage s;
    struct job heavy, j[2];
    open_ready(&s, 2);
    make_job(&heavy, 0, 100);
    submit(&s, &heavy);
    struct ngr_conn *preferred = heavy.req.holder;
    size_t busy = strcmp(peer_asked(&s.peer, 0), "ECHO 0000") == 0 ? 0 : 1;
    make_job(&j[0], 1, 1);
    ngr_pool_submit(&s.pool, &j[0].req, preferred);
    CHECK(j[0].req.holder == preferred);
    peer_close(&s.peer, busy);
    fake_loop_settle(&s.loop); /* it is freed: nothing may look into it */
    make_job(&j[1], 2, 1);
    ngr_pool_submit(&s.pool, &j[1].req, preferred);
    CHECK_TEXT(peer_asked(&s.peer, 1 - busy), "ECHO 0002");
    close_stage(&s);
}

TEST(a_full_connection_makes_the_others_wait_in_order)
{
    struct stage s;
    struct job *j = calloc(NGR_CONN_MAX_REQUESTS + 3, sizeof *j);
    CHECK(j != NULL);
    open_ready(&s, 1);
    for (int i = 0; i < NGR_CONN_MAX_REQUESTS + 3; i++) {
        make_job(&j[i], i, 0);
        submit(&s, &j[i]);
    }
    CHECK_INT(s.pool.waiting_count, 3);
    fake_loop_settle(&s.loop);
    peer_take(&s.peer, 0);
    answer(&s, 0, "+OK\r\n");
    CHECK_TEXT(peer_asked(&s.peer, 0), "ECHO 1024");
    answer(&s, 0, "+OK\r\n+OK\r\n");
    CHECK_TEXT(peer_asked(&s.peer, 0), "ECHO 1025 | ECHO 1026");
    CHECK_INT(s.pool.waiting_count, 0);
    close_stage(&s);
    free(j);
}

TEST(whoever_comes_while_others_wait_waits_behind_them)
{
    struct stage s;
    struct job j[2];
    open_ready(&s, 1);
    static char large[NGR_CONN_MAX_BYTES];
    make_job(&j[0], 0, 1);
    j[0].req.parts[1] = (struct ngr_span){large, sizeof large};
    submit(&s, &j[0]);
    make_job(&j[1], 1, 1);
    submit(&s, &j[1]);
    CHECK_INT(j[1].req.place, NGR_REQ_WAITING);
    CHECK_INT(s.pool.waiting_count, 1);
    close_stage(&s);
    CHECK_TEXT(noted(), "{, -1 NGR_E_CLOSED unsent, }, {, -0 NGR_E_CLOSED sent, }");
}

/* What keeps the others waiting is taken back before a byte of it was sent, since the peer takes none. */
TEST(room_that_a_cancel_makes_is_used)
{
    struct stage s;
    static char large[2000000];
    struct job after, *j = calloc(NGR_CONN_MAX_REQUESTS + 1, sizeof *j);
    CHECK(j != NULL);
    open_ready(&s, 1);
    for (int i = 0; i < NGR_CONN_MAX_REQUESTS + 1; i++) {
        make_job(&j[i], i, 0);
        if (i == 0)
            j[i].req.parts[1] = (struct ngr_span){large, sizeof large};
        submit(&s, &j[i]);
    }
    CHECK_INT(s.pool.waiting_count, 1);
    for (int i = 1; i < NGR_CONN_MAX_REQUESTS; i++) {
        CHECK_INT(j[i].req.place, NGR_REQ_UNWRITTEN);
        ngr_conn_withdraw(j[i].req.holder, &j[i].req);
    }
    make_job(&after, 7, 0);
    submit(&s, &after); /* there is room, but somebody came before */
    CHECK_INT(after.req.place, NGR_REQ_WAITING);
    for (int i = 0; i < 100; i++) {
        peer_read(&s.peer, 0);
        fake_loop_settle(&s.loop);
    }
    CHECK_INT(after.req.place, NGR_REQ_WRITTEN);
    answer(&s, 0, "+OK\r\n+OK\r\n+OK\r\n");
    CHECK_TEXT(noted(), "+0, +1024, +7");
    close_stage(&s);
    free(j);
}

TEST(a_waiting_request_can_be_taken_back)
{
    struct stage s;
    struct job j[3];
    open_stage(&s, 1);
    for (int i = 0; i < 3; i++) {
        make_job(&j[i], i, 1);
        submit(&s, &j[i]);
    }
    ngr_pool_withdraw(&s.pool, &j[1].req);
    CHECK_INT(s.pool.waiting_count, 2);
    welcome(&s, 0);
    CHECK_TEXT(peer_asked(&s.peer, 0), "ECHO 0000 | ECHO 0002");
    close_stage(&s);
}

TEST(an_extra_connection_that_fails_hurts_nobody)
{
    struct stage s;
    struct job *j = calloc(NGR_CONN_MAX_REQUESTS + 3, sizeof *j);
    CHECK(j != NULL);
    open_ready(&s, 1);
    s.settings.max_connections = 2;
    for (int i = 0; i < NGR_CONN_MAX_REQUESTS + 1; i++) {
        make_job(&j[i], i, 1);
        submit(&s, &j[i]);
    }
    CHECK_INT(s.pool.opening_count, 1);
    CHECK_INT(s.pool.waiting_count, 1);
    fake_loop_settle(&s.loop);
    CHECK_INT(peer_accept(&s.peer), 2);
    peer_send(&s.peer, 1, "-ERR max number of clients reached\r\n");
    peer_close(&s.peer, 1);
    fake_loop_settle(&s.loop);
    CHECK_INT(s.pool.conn_count, 1);
    CHECK_INT(s.pool.waiting_count, 1);
    CHECK_TEXT(noted(), "{, }");
    make_job(&j[NGR_CONN_MAX_REQUESTS + 1], 1, 600);
    submit(&s, &j[NGR_CONN_MAX_REQUESTS + 1]);
    CHECK_INT(s.pool.opening_count, 0); /* not again so soon */
    fake_loop_advance(&s.loop, 5);
    make_job(&j[NGR_CONN_MAX_REQUESTS + 2], 2, 600);
    submit(&s, &j[NGR_CONN_MAX_REQUESTS + 2]);
    CHECK_INT(s.pool.opening_count, 1);
    close_stage(&s);
    free(j);
}

TEST(when_no_connection_can_be_made_the_waiting_ones_fail_in_order)
{
    struct stage s;
    struct job j[3];
    open_stage(&s, 4);
    peer_stop_listening(&s.peer);
    for (int i = 0; i < 3; i++) {
        make_job(&j[i], i, 1);
        submit(&s, &j[i]);
    }
    CHECK_TEXT(noted(), "");
    fake_loop_settle(&s.loop);
    CHECK_TEXT(noted(),
               "{, -0 NGR_E_CONNECT unsent, -1 NGR_E_CONNECT unsent, -2 NGR_E_CONNECT unsent, }, down");
    CHECK_INT(s.pool.conn_count, 0);
    close_stage(&s);
}

TEST(a_lost_connection_hands_back_what_it_had_in_order)
{
    struct stage s;
    struct job j[4];
    open_ready(&s, 1);
    for (int i = 0; i < 2; i++) {
        make_job(&j[i], i, 1);
        submit(&s, &j[i]);
    }
    fake_loop_settle(&s.loop);
    peer_close(&s.peer, 0);
    for (int i = 2; i < 4; i++) {
        make_job(&j[i], i, 1);
        submit(&s, &j[i]);
    }
    fake_loop_settle(&s.loop);
    CHECK_TEXT(noted(), "{, -0 NGR_E_LOST sent, -1 NGR_E_LOST sent, -2 NGR_E_LOST unsent, "
                        "-3 NGR_E_LOST unsent, }, down");
    close_stage(&s);
}

TEST(only_the_request_that_was_being_answered_is_to_blame_for_nonsense)
{
    struct stage s;
    struct job j[3];
    open_ready(&s, 1);
    for (int i = 0; i < 3; i++) {
        make_job(&j[i], i, 1);
        submit(&s, &j[i]);
    }
    fake_loop_settle(&s.loop);
    answer(&s, 0, "+OK\r\n:1\r\n");
    CHECK_TEXT(noted(), "+0, {, -1 NGR_E_PROTOCOL sent, -2 NGR_E_LOST sent, }, down");
    close_stage(&s);
}

TEST(a_connection_lost_while_others_wait_is_replaced)
{
    struct stage s;
    struct job *j = calloc(NGR_CONN_MAX_REQUESTS + 1, sizeof *j);
    CHECK(j != NULL);
    open_ready(&s, 1);
    for (int i = 0; i < NGR_CONN_MAX_REQUESTS + 1; i++) {
        make_job(&j[i], i, 0);
        submit(&s, &j[i]);
    }
    fake_loop_settle(&s.loop);
    peer_reset(&s.peer, 0);
    fake_loop_settle(&s.loop);
    noted();
    welcome(&s, 1);
    CHECK_TEXT(noted(), "up");
    CHECK_TEXT(peer_asked(&s.peer, 1), "ECHO 1024");
    close_stage(&s);
    free(j);
}

TEST(a_connection_lost_while_idle_costs_nothing_and_is_not_replaced)
{
    struct stage s;
    struct job j;
    open_ready(&s, 1);
    peer_close(&s.peer, 0);
    fake_loop_settle(&s.loop);
    CHECK_TEXT(noted(), "{, }");
    CHECK_INT(s.pool.conn_count, 0);
    CHECK_INT(s.pool.lost, 1);
    make_job(&j, 0, 1);
    submit(&s, &j);
    welcome(&s, 1);
    CHECK_TEXT(peer_asked(&s.peer, 1), "ECHO 0000");
    close_stage(&s);
}

TEST(a_closed_pool_hands_everything_back_and_works_again)
{
    struct stage s;
    struct job j[5];
    open_ready(&s, 1);
    for (int i = 0; i < 5; i++)
        make_job(&j[i], i, 1);
    submit(&s, &j[0]);
    submit(&s, &j[1]);
    submit(&s, &j[2]); /* waits for others */
    ngr_pool_close(&s.pool);
    CHECK_TEXT(noted(), "{, }, {, -0 NGR_E_CLOSED sent, -1 NGR_E_CLOSED sent, -2 NGR_E_CLOSED unsent, }");
    ngr_pool_close(&s.pool);
    CHECK_TEXT(noted(), "{, }");
    submit(&s, &j[3]);
    ngr_pool_close(&s.pool); /* while connecting */
    CHECK_TEXT(noted(), "{, -3 NGR_E_CLOSED unsent, }, {, }");
    submit(&s, &j[4]);
    fake_loop_settle(&s.loop);
    CHECK_INT(peer_accept(&s.peer), 3);
    CHECK_TEXT(peer_asked(&s.peer, 2), "PING");
    answer(&s, 2, "+PONG\r\n");
    CHECK_TEXT(peer_asked(&s.peer, 2), "ECHO 0004");
    close_stage(&s);
}

TEST(memory_that_ends_for_a_connection_fails_those_who_wait_for_it)
{
    struct stage s;
    struct job j[2];
    open_stage(&s, 1);
    harness_fail_nth(1);
    make_job(&j[0], 0, 1);
    submit(&s, &j[0]);
    CHECK_TEXT(noted(), ""); /* never from inside */
    make_job(&j[1], 1, 1);
    fake_loop_settle(&s.loop);
    CHECK_TEXT(noted(), "{, -0 NGR_E_NOMEM unsent, }");
    submit(&s, &j[1]);
    welcome(&s, 0);
    CHECK_TEXT(peer_asked(&s.peer, 0), "ECHO 0001");
    close_stage(&s);
    CHECK_INT(harness_alive, 0);
    ngr_mem_use(NULL);
}

TEST(a_pool_closed_when_memory_has_just_ended_leaves_no_task_behind)
{
    struct stage s;
    struct job j;
    open_stage(&s, 1);
    harness_fail_nth(1);
    make_job(&j, 0, 1);
    submit(&s, &j);
    ngr_pool_close(&s.pool);
    CHECK_TEXT(noted(), "{, -0 NGR_E_CLOSED unsent, }");
    close_stage(&s);
    ngr_mem_use(NULL);
}

int main(void)
{
    RUN(the_first_request_opens_one_connection_and_waits_for_it);
    RUN(light_work_stays_on_one_connection);
    RUN(heavy_work_opens_connections_one_at_a_time_up_to_the_limit);
    RUN(a_request_goes_where_the_least_is_to_be_done);
    RUN(a_preferred_connection_is_used_while_it_lives);
    RUN(a_full_connection_makes_the_others_wait_in_order);
    RUN(whoever_comes_while_others_wait_waits_behind_them);
    RUN(room_that_a_cancel_makes_is_used);
    RUN(a_waiting_request_can_be_taken_back);
    RUN(an_extra_connection_that_fails_hurts_nobody);
    RUN(when_no_connection_can_be_made_the_waiting_ones_fail_in_order);
    RUN(a_lost_connection_hands_back_what_it_had_in_order);
    RUN(only_the_request_that_was_being_answered_is_to_blame_for_nonsense);
    RUN(a_connection_lost_while_others_wait_is_replaced);
    RUN(a_connection_lost_while_idle_costs_nothing_and_is_not_replaced);
    RUN(a_closed_pool_hands_everything_back_and_works_again);
    RUN(memory_that_ends_for_a_connection_fails_those_who_wait_for_it);
    RUN(a_pool_closed_when_memory_has_just_ended_leaves_no_task_behind);
    return harness_result();
}
