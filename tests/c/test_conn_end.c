/* The end of a connection, seen by its owner alone: told once, with its requests in order, whatever state it
 * was in and whoever ended it; and freed only when nobody stands on it. */
#include "harness.h"

#include "conn.h"
#include "fake_loop.h"
#include "peer.h"

struct stage {
    struct fake_loop loop;
    struct peer peer;
    struct ngr_settings settings;
    struct ngr_traffic traffic;
    struct ngr_conn *conn;
    unsigned readies, ends;
    ngr_status st;
    char why[200];
    char handed_back[200]; /* "written 1 2, unwritten 3" */
    bool keeps;            /* the owner does not release in closed() */
    void (*on_ready)(struct stage *);
};

struct job {
    struct ngr_req req;
    int number;
    unsigned answers;
    void (*on_piece)(struct job *);
    struct stage *stage;
};

static void ready(void *user, struct ngr_conn *c)
{
    struct stage *s = user;
    s->readies++;
    if (s->on_ready)
        s->on_ready(s);
}

static void progressed(void *user, struct ngr_conn *c)
{
}

static void list_jobs(char *to, size_t room, const char *name, struct ngr_list *jobs)
{
    struct ngr_node *n;
    size_t at = strlen(to);
    at += (size_t)snprintf(to + at, room - at, "%s", name);
    while ((n = ngr_list_pop(jobs)) && at < room) {
        struct job *j = ngr_of(ngr_of(n, struct ngr_req, node), struct job, req);
        at += (size_t)snprintf(to + at, room - at, " %d", j->number);
    }
}

static void closed(void *user, struct ngr_conn *c, ngr_status st, const char *why, struct ngr_list *written,
                   struct ngr_list *unwritten)
{
    struct stage *s = user;
    s->ends++;
    s->st = st;
    snprintf(s->why, sizeof s->why, "%s", why);
    list_jobs(s->handed_back, sizeof s->handed_back, "written", written);
    list_jobs(s->handed_back, sizeof s->handed_back, ", unwritten", unwritten);
    if (!s->keeps) {
        ngr_conn_release(c);
        s->conn = NULL;
    }
}

static void open_stage(struct stage *s)
{
    static char scratch[NGR_READ_BYTES];
    memset(s, 0, sizeof *s);
    fake_loop_init(&s->loop);
    peer_start_unix(&s->peer);
    s->settings = (struct ngr_settings){.path = s->peer.path,
                                        .connect_timeout = 5,
                                        .socket_timeout = 7,
                                        .max_value_bytes = 1000,
                                        .endpoint = "peer"};
    s->traffic.scratch = scratch;
    const struct ngr_conn_owner owner = {ready, progressed, closed, s};
    s->conn = ngr_conn_new(&s->settings, &s->loop.loop, &s->traffic, &owner);
    CHECK(s->conn != NULL);
}

static void close_stage(struct stage *s)
{
    CHECK_INT(s->ends, 1);
    CHECK(fake_loop_is_idle(&s->loop));
    peer_stop(&s->peer);
}

static ngr_status job_piece(struct ngr_req *r, const struct ngr_reply *reply)
{
    struct job *j = ngr_of(r, struct job, req);
    if (j->on_piece)
        j->on_piece(j);
    return NGR_OK;
}

static void job_answered(struct ngr_req *r)
{
    ngr_of(r, struct job, req)->answers++;
}

static void submit(struct stage *s, struct job *j, int number)
{
    static const char bytes[] = "*1\r\n$4\r\nPING\r\n";
    j->number = number;
    j->stage = s;
    j->req.parts[0] = (struct ngr_span){bytes, sizeof bytes - 1};
    j->req.replies = 1;
    j->req.weight = 1;
    j->req.is_repeatable = true;
    j->req.piece = job_piece;
    j->req.answered = job_answered;
    ngr_node_init(&j->req.node);
    ngr_conn_submit(s->conn, &j->req);
}

static void make_ready(struct stage *s)
{
    ngr_conn_open(s->conn);
    fake_loop_settle(&s->loop);
    CHECK_INT(peer_accept(&s->peer), 1);
    CHECK_TEXT(peer_asked(&s->peer, 0), "PING");
    peer_send(&s->peer, 0, "+PONG\r\n");
    fake_loop_settle(&s->loop);
    CHECK_INT(s->readies, 1);
    CHECK_INT(s->conn->state, NGR_CONN_READY);
}

/* Brings the connection into `state`; CONNECTING is for test_conn_connect.c, where somebody swallows it. */
static void enter_state(struct stage *s, enum ngr_conn_state state)
{
    switch (state) {
    case NGR_CONN_NEW:
        return;
    case NGR_CONN_RESOLVING:
        s->settings.path = NULL;
        s->settings.host = "redis.example";
        ngr_conn_open(s->conn);
        break;
    case NGR_CONN_GREETING:
        ngr_conn_open(s->conn);
        break;
    default:
        make_ready(s);
    }
}

TEST(a_connection_may_be_closed_in_every_state)
{
    static const enum ngr_conn_state states[] = {NGR_CONN_NEW, NGR_CONN_RESOLVING, NGR_CONN_GREETING,
                                                 NGR_CONN_READY};
    for (int i = 0; i < 4; i++) {
        struct stage s;
        open_stage(&s);
        enter_state(&s, states[i]);
        CHECK_INT(s.conn->state, states[i]);
        ngr_conn_close(s.conn, NGR_E_CLOSED, "enough");
        CHECK_TEXT(ngr_status_name(s.st), "NGR_E_CLOSED");
        CHECK_TEXT(s.why, "enough");
        CHECK_TEXT(s.handed_back, "written, unwritten");
        close_stage(&s);
    }
}

TEST(its_requests_come_back_in_order)
{
    struct stage s;
    struct job j[6] = {{.number = 0}};
    open_stage(&s);
    make_ready(&s);
    for (int i = 0; i < 4; i++)
        submit(&s, &j[i], i + 1);
    fake_loop_settle(&s.loop);
    submit(&s, &j[4], 5);
    submit(&s, &j[5], 6);
    ngr_conn_close(s.conn, NGR_E_CLOSED, "");
    CHECK_TEXT(s.handed_back, "written 1 2 3 4, unwritten 5 6");
    for (int i = 0; i < 6; i++)
        CHECK_INT(j[i].req.place, NGR_REQ_NOWHERE);
    close_stage(&s);
}

TEST(a_closed_connection_may_be_closed_again_and_released_later)
{
    struct stage s;
    open_stage(&s);
    s.keeps = true;
    make_ready(&s);
    ngr_conn_close(s.conn, NGR_E_CLOSED, "");
    ngr_conn_close(s.conn, NGR_E_LOST, "");
    CHECK_TEXT(ngr_status_name(s.st), "NGR_E_CLOSED");
    CHECK(!ngr_conn_has_room(s.conn));
    ngr_conn_release(s.conn);
    close_stage(&s);
}

static void close_conn(struct job *j)
{
    ngr_conn_close(j->stage->conn, NGR_E_CLOSED, "from inside");
    CHECK_INT(j->stage->ends, 0); /* not while somebody stands on it */
    CHECK(!ngr_conn_has_room(j->stage->conn));
}

TEST(closed_from_inside_an_answer_it_ends_right_after)
{
    struct stage s;
    struct job j[3] = {{.number = 0}};
    open_stage(&s);
    make_ready(&s);
    for (int i = 0; i < 3; i++)
        submit(&s, &j[i], i + 1);
    j[0].on_piece = close_conn;
    fake_loop_settle(&s.loop);
    peer_send(&s.peer, 0, "+A\r\n+B\r\n+C\r\n");
    fake_loop_settle(&s.loop);
    CHECK_TEXT(s.why, "from inside");
    CHECK_TEXT(s.handed_back, "written 2 3, unwritten");
    CHECK_INT(j[0].answers, 1);
    CHECK_INT(j[1].answers + j[2].answers, 0);
    CHECK(peer_is_dropped(&s.peer, 0));
    close_stage(&s);
}

static void close_when_ready(struct stage *s)
{
    ngr_conn_close(s->conn, NGR_E_CLOSED, "");
}

TEST(closed_from_inside_its_own_welcome_it_ends_right_after)
{
    struct stage s;
    open_stage(&s);
    s.on_ready = close_when_ready;
    ngr_conn_open(s.conn);
    fake_loop_settle(&s.loop);
    peer_accept(&s.peer);
    peer_send(&s.peer, 0, "+PONG\r\n");
    fake_loop_settle(&s.loop);
    CHECK_INT(s.readies, 1);
    close_stage(&s);
}

static void submit_more(struct job *j)
{
    j->on_piece = NULL;
    submit(j->stage, j + 1, j->number + 1);
}

TEST(a_request_from_inside_an_answer_leaves_with_the_tick)
{
    struct stage s;
    struct job j[2] = {{.number = 0}};
    open_stage(&s);
    make_ready(&s);
    j[0].on_piece = submit_more;
    submit(&s, &j[0], 1);
    peer_take(&s.peer, 0);
    peer_send(&s.peer, 0, "+A\r\n");
    fake_loop_settle(&s.loop);
    CHECK_TEXT(peer_asked(&s.peer, 0), "PING");
    peer_send(&s.peer, 0, "+B\r\n");
    fake_loop_settle(&s.loop);
    CHECK_INT(j[1].answers, 1);
    ngr_conn_close(s.conn, NGR_E_CLOSED, "");
    close_stage(&s);
}

TEST(it_may_be_open_for_many_requests_and_none_stays)
{
    struct stage s;
    static struct job j[3000];
    char answers[5001] = "";
    for (int i = 0; i < 1000; i++)
        memcpy(answers + 5 * i, "+OK\r\n", 6);
    open_stage(&s);
    make_ready(&s);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++)
            submit(&s, &j[round * 1000 + i], i);
        fake_loop_settle(&s.loop);
        peer_take(&s.peer, 0);
        peer_send(&s.peer, 0, answers);
        fake_loop_settle(&s.loop);
    }
    for (int i = 0; i < 3000; i++)
        CHECK_INT(j[i].answers, 1);
    CHECK_INT(s.conn->requests, 0);
    CHECK_INT(s.conn->bytes, 0);
    CHECK_INT(s.conn->weight, 0);
    ngr_conn_close(s.conn, NGR_E_CLOSED, "");
    close_stage(&s);
}

TEST(every_end_is_told_once_with_its_reason)
{
    struct stage s;
    open_stage(&s);
    make_ready(&s);
    peer_close(&s.peer, 0);
    fake_loop_settle(&s.loop);
    CHECK_TEXT(ngr_status_name(s.st), "NGR_E_LOST");
    CHECK_TEXT(s.why, "the server closed the connection");
    close_stage(&s);

    open_stage(&s);
    peer_stop_listening(&s.peer);
    ngr_conn_open(s.conn);
    CHECK_INT(s.ends, 0); /* never from inside */
    fake_loop_settle(&s.loop);
    CHECK_TEXT(ngr_status_name(s.st), "NGR_E_CONNECT");
    close_stage(&s);
}

TEST(the_password_is_forgotten_once_it_was_sent)
{
    struct stage s;
    open_stage(&s);
    s.settings.password = "SECRETWORD";
    ngr_conn_open(s.conn);
    const struct ngr_buf *sent = &s.conn->own_bytes;
    size_t len = sent->len;
    CHECK(memmem(sent->data, len, "SECRETWORD", 10) != NULL);
    fake_loop_settle(&s.loop);
    peer_accept(&s.peer);
    peer_send(&s.peer, 0, "+OK\r\n+PONG\r\n");
    fake_loop_settle(&s.loop);
    CHECK_INT(s.readies, 1);
    CHECK(memmem(sent->data, len, "SECRETWORD", 10) == NULL);
    ngr_conn_close(s.conn, NGR_E_CLOSED, "");
    close_stage(&s);
}

TEST(states_can_be_read_aloud)
{
    CHECK_TEXT(ngr_conn_state_text(NGR_CONN_RESOLVING), "resolving");
    CHECK_TEXT(ngr_conn_state_text(NGR_CONN_GREETING), "authenticating");
    CHECK_TEXT(ngr_conn_state_text(NGR_CONN_CLOSED), "closed");
}

TEST(memory_that_ends_for_it_makes_no_connection)
{
    struct stage s;
    open_stage(&s);
    ngr_conn_close(s.conn, NGR_E_CLOSED, "");
    harness_fail_nth(1);
    const struct ngr_conn_owner owner = {ready, progressed, closed, &s};
    CHECK(ngr_conn_new(&s.settings, &s.loop.loop, &s.traffic, &owner) == NULL);
    ngr_mem_use(NULL);
    close_stage(&s);
}

int main(void)
{
    RUN(a_connection_may_be_closed_in_every_state);
    RUN(its_requests_come_back_in_order);
    RUN(a_closed_connection_may_be_closed_again_and_released_later);
    RUN(closed_from_inside_an_answer_it_ends_right_after);
    RUN(closed_from_inside_its_own_welcome_it_ends_right_after);
    RUN(a_request_from_inside_an_answer_leaves_with_the_tick);
    RUN(it_may_be_open_for_many_requests_and_none_stays);
    RUN(every_end_is_told_once_with_its_reason);
    RUN(the_password_is_forgotten_once_it_was_sent);
    RUN(states_can_be_read_aloud);
    RUN(memory_that_ends_for_it_makes_no_connection);
    return harness_result();
}
