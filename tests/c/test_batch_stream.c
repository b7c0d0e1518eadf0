/* Sending a batch while it is built: the same bytes as otherwise, earlier; and what becomes of it when the
 * connection, or the batch itself, ends in the middle. */
#include "harness.h"

#include "client.h"
#include "scene.h"

enum { ENTRIES = 20, SIZE = 40000, ALL = ENTRIES * SIZE };

static const struct ngr_put_options plain = {
    .prefix = {"p:", 2}, .max_value_bytes = 1 << 20, .max_atomic_bytes = 1 << 24};

/* Over TCP, where the peer's side takes all of a write at once. */
static void open_ready_tcp(struct scene *s)
{
    scene_prepare(s);
    scene_use_tcp(s, "127.0.0.1");
    scene_start(s);
    scene_warm_up(s);
}

/* Adds the entries from number `from` to before `to`. */
static void add(struct ngr_put *put, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        char id[24];
        struct ngr_buf *b = ngr_put_begin(put, (struct ngr_span){id, (size_t)sprintf(id, "%zu", i)});
        CHECK(b && ngr_buf_reserve(b, SIZE) == NGR_OK);
        memset(b->data + b->len, 'a' + (int)i, SIZE);
        b->len += SIZE;
        CHECK_INT(ngr_put_end(put), NGR_OK);
    }
}

/* The put is under way; it belongs to the call once it is finished. */
static struct ngr_put *begin(struct scene *s, struct outcome *o, const struct ngr_put_options *options)
{
    struct ngr_put *put = ngr_put_new(options);
    CHECK(put != NULL);
    o->scene = s;
    o->call = ngr_put_stream(s->client, put, ENTRIES, ALL, &scene_sink, o);
    CHECK(o->call != NULL);
    return put;
}

static void stream(struct scene *s, struct outcome *o, const struct ngr_put_options *options)
{
    struct ngr_put *put = begin(s, o, options);
    add(put, 0, ENTRIES);
    CHECK_INT(ngr_put_finish(put), NGR_OK);
}

static size_t arrived(struct scene *s, size_t n)
{
    peer_read(&s->peer, n);
    return s->peer.conns[n].len;
}

/* All that is sent on connection `n`, in memory of its own. */
static char *take_all(struct scene *s, size_t n)
{
    for (size_t before = 1, now = 0; now != before;) {
        before = now;
        fake_loop_settle(&s->loop);
        now = arrived(s, n);
    }
    char *text = strdup(peer_take(&s->peer, n)); /* it has no NUL inside */
    CHECK(text != NULL);
    return text;
}

/* What the batch looks like when it is sent once it is complete. */
static char *whole(const struct ngr_put_options *options)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    struct ngr_put *put = ngr_put_new(options);
    CHECK(put != NULL);
    add(put, 0, ENTRIES);
    o.call = ngr_put_send(s.client, put, &scene_sink, &o);
    char *text = take_all(&s, 0);
    scene_close(&s);
    return text;
}

static void check_same(char *got, char *wanted)
{
    CHECK_INT(strlen(got), strlen(wanted));
    CHECK(strcmp(got, wanted) == 0);
    free(got);
    free(wanted);
}

/* --- the bytes -------------------------------------------------------------------------------- */

TEST(the_bytes_are_those_of_a_batch_that_was_complete)
{
    struct ngr_put_options rows[4] = {plain, plain, plain, plain};
    rows[1].ttl = 60;
    rows[2].wait_replicas = 1;
    rows[3].ttl = 60;
    rows[3].wait_aof = true;
    for (size_t i = 0; i < 4; i++) {
        struct scene s;
        struct outcome o = {0};
        scene_open_ready(&s);
        stream(&s, &o, &rows[i]);
        check_same(take_all(&s, 0), whole(&rows[i]));
        scene_close(&s);
    }
}

TEST(the_first_entries_leave_while_the_last_are_made)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    struct ngr_put *put = begin(&s, &o, &plain);
    CHECK_INT(arrived(&s, 0), 0); /* the head alone is not worth a write */
    add(put, 0, 12);
    size_t early = arrived(&s, 0);
    CHECK(early > 100000);
    add(put, 12, ENTRIES);
    CHECK(arrived(&s, 0) > early);
    CHECK_INT(ngr_put_finish(put), NGR_OK);
    free(take_all(&s, 0));
    scene_answer(&s, 0, "+OK\r\n");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(what_was_taken_whole_is_followed_by_the_rest)
{
    struct scene s;
    struct outcome o = {0};
    open_ready_tcp(&s);
    struct ngr_put *put = begin(&s, &o, &plain);
    for (size_t i = 0; i < ENTRIES; i++) {
        add(put, i, i + 1);
        arrived(&s, 0);
    }
    CHECK_INT(ngr_put_finish(put), NGR_OK);
    check_same(take_all(&s, 0), whole(&plain));
    scene_close(&s);
}

TEST(its_answers_are_those_of_its_group)
{
    struct scene s;
    struct outcome o = {0}, next = {0};
    struct ngr_put_options options = plain;
    options.ttl = 60;
    scene_open_ready(&s);
    stream(&s, &o, &options);
    scene_get(&s, &next, "a");
    free(take_all(&s, 0));
    scene_answer(&s, 0, "+OK\r\n");
    for (int i = 0; i < ENTRIES; i++)
        scene_answer(&s, 0, "+QUEUED\r\n");
    scene_answer(&s, 0, "*20\r\n");
    for (int i = 0; i < ENTRIES; i++) {
        CHECK_INT(o.ended, 0);
        scene_answer(&s, 0, "+OK\r\n");
    }
    scene_check_ended(&o, NGR_OK);
    scene_answer(&s, 0, "$1\r\nx\r\n");
    CHECK_TEXT(next.got, "0=x");
    scene_close(&s);
}

TEST(requests_before_and_behind_it_keep_their_order)
{
    struct scene s;
    struct outcome first = {0}, second = {0}, o = {0}, last = {0};
    scene_open_ready(&s);
    scene_get(&s, &first, "first");
    scene_get(&s, &second, "second"); /* waits for the end of the tick */
    stream(&s, &o, &plain);
    scene_get(&s, &last, "last");
    char *got = take_all(&s, 0), *wanted = whole(&plain);
    static const char before[] = "*2\r\n$3\r\nGET\r\n$7\r\np:first\r\n*2\r\n$3\r\nGET\r\n$8\r\np:second\r\n";
    static const char behind[] = "*2\r\n$3\r\nGET\r\n$6\r\np:last\r\n";
    CHECK(strncmp(got, before, sizeof before - 1) == 0);
    CHECK_TEXT(got + strlen(got) - (sizeof behind - 1), behind);
    CHECK_INT(strlen(got), sizeof before - 1 + strlen(wanted) + sizeof behind - 1);
    CHECK(strncmp(got + sizeof before - 1, wanted, strlen(wanted)) == 0);
    free(got);
    free(wanted);
    scene_close(&s);
}

/* --- trouble in the middle -------------------------------------------------------------------- */

TEST(without_a_connection_it_is_sent_when_there_is_one)
{
    struct scene s;
    struct outcome o = {0};
    scene_open(&s);
    stream(&s, &o, &plain);
    scene_welcome(&s, 0);
    check_same(take_all(&s, 0), whole(&plain));
    scene_answer(&s, 0, "+OK\r\n");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(a_connection_lost_in_the_middle_makes_it_be_sent_again_as_a_whole)
{
    for (size_t at = 0; at <= ENTRIES; at += 4) {
        struct scene s;
        struct outcome o = {0};
        scene_open_ready(&s);
        struct ngr_put *put = begin(&s, &o, &plain);
        add(put, 0, at);
        peer_read(&s.peer, 0);
        peer_close(&s.peer, 0);
        add(put, at, ENTRIES);
        CHECK_INT(ngr_put_finish(put), NGR_OK);
        scene_welcome(&s, 1);
        check_same(take_all(&s, 1), whole(&plain));
        scene_answer(&s, 1, "+OK\r\n");
        scene_check_ended(&o, NGR_OK);
        scene_close(&s);
    }
}

TEST(a_batch_that_breaks_off_costs_its_connection_and_nobody_elses_answer)
{
    struct scene s;
    struct outcome o = {0}, other = {0};
    scene_open_ready(&s);
    scene_get(&s, &other, "a");
    struct ngr_put *put = begin(&s, &o, &plain);
    add(put, 0, ENTRIES - 1);
    ngr_put_break(put);
    fake_loop_settle(&s.loop);
    CHECK(arrived(&s, 0) > 0);
    CHECK(peer_is_dropped(&s.peer, 0));
    CHECK_INT(o.ended, 0); /* cancelled: nobody is told */
    scene_welcome(&s, 1);
    CHECK_TEXT(peer_asked(&s.peer, 1), "GET p:a");
    scene_answer(&s, 1, "$1\r\nx\r\n");
    CHECK_TEXT(other.got, "0=x");
    scene_close(&s);
}

TEST(a_batch_that_breaks_off_before_its_first_byte_costs_nothing)
{
    for (int is_connected = 0; is_connected < 2; is_connected++) {
        struct scene s;
        struct outcome o = {0}, other = {0};
        if (is_connected)
            scene_open_ready(&s);
        else
            scene_open(&s);
        struct ngr_put *put = begin(&s, &o, &plain);
        add(put, 0, 2);
        ngr_put_break(put);
        CHECK_INT(o.ended, 0);
        scene_get(&s, &other, "a");
        if (!is_connected)
            scene_welcome(&s, 0);
        fake_loop_settle(&s.loop);
        CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:a");
        scene_close(&s);
    }
}

TEST(a_value_too_large_can_still_be_left_out_of_what_was_sent)
{
    struct scene s;
    struct outcome o = {0};
    struct ngr_put_options options = plain;
    options.max_value_bytes = SIZE;
    scene_open_ready(&s);
    struct ngr_put *put = begin(&s, &o, &options);
    add(put, 0, 10);
    struct ngr_buf *b = ngr_put_begin(put, (struct ngr_span){"large", 5});
    CHECK(b && ngr_buf_reserve(b, SIZE + 1) == NGR_OK);
    memset(b->data + b->len, 'x', SIZE + 1);
    b->len += SIZE + 1;
    CHECK_INT(ngr_put_end(put), NGR_E_TOOBIG);
    add(put, 10, ENTRIES);
    CHECK_INT(ngr_put_finish(put), NGR_OK);
    check_same(take_all(&s, 0), whole(&plain));
    scene_close(&s);
}

TEST(a_client_that_is_closed_ends_it)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    stream(&s, &o, &plain);
    ngr_client_close(s.client);
    scene_check_ended(&o, NGR_E_CLOSED);
    scene_close(&s);
}

int main(void)
{
    RUN(the_bytes_are_those_of_a_batch_that_was_complete);
    RUN(the_first_entries_leave_while_the_last_are_made);
    RUN(what_was_taken_whole_is_followed_by_the_rest);
    RUN(its_answers_are_those_of_its_group);
    RUN(requests_before_and_behind_it_keep_their_order);
    RUN(without_a_connection_it_is_sent_when_there_is_one);
    RUN(a_connection_lost_in_the_middle_makes_it_be_sent_again_as_a_whole);
    RUN(a_batch_that_breaks_off_costs_its_connection_and_nobody_elses_answer);
    RUN(a_batch_that_breaks_off_before_its_first_byte_costs_nothing);
    RUN(a_value_too_large_can_still_be_left_out_of_what_was_sent);
    RUN(a_client_that_is_closed_ends_it);
    return harness_result();
}
