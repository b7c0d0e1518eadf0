/* Reading and writing on an established connection: when bytes leave, what happens when they cannot, in which
 * order answers find their questions, and when silence counts as death. */
#include "harness.h"

#include "client.h"
#include "scene.h"

/* A scene whose first connection is ready and has nothing to do. */
static void ready(struct scene *s)
{
    struct outcome o = {0};
    scene_get(s, &o, "warm");
    scene_welcome(s, 0);
    CHECK_TEXT(peer_asked(&s->peer, 0), "GET p:warm");
    scene_answer(s, 0, "$-1\r\n");
    CHECK_INT(o.ended, 1);
}

static void open_ready(struct scene *s)
{
    scene_open(s);
    ready(s);
}

/* One value of `size` bytes; `o` gets the outcome. */
static void put_large(struct scene *s, struct outcome *o, size_t size)
{
    const struct ngr_put_options options = {{"p:", 2}, 0, 1 << 30, 1 << 30, 0, false, 0};
    struct ngr_put *put = ngr_put_new(&options);
    CHECK(put != NULL);
    struct ngr_buf *b = ngr_put_begin(put, (struct ngr_span){"big", 3});
    CHECK(b && ngr_buf_reserve(b, size) == NGR_OK);
    for (size_t i = 0; i < size; i++)
        b->data[b->len + i] = (char)('a' + i % 23);
    b->len += size;
    CHECK_INT(ngr_put_end(put), NGR_OK);
    o->scene = s;
    o->call = ngr_put_send(s->client, put, &scene_sink, o);
    CHECK(o->call != NULL);
}

/* Is `text` the SET of put_large()? */
static bool is_large_put(const char *text, size_t len, size_t size)
{
    struct ngr_span words[3];
    size_t count = 0;
    if (peer_parse(text, len, words, 3, &count) != (long)len || count != 3 || words[2].len != size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (words[2].data[i] != (char)('a' + i % 23))
            return false;
    return true;
}

/* --- when bytes leave ------------------------------------------------------------------------- */

TEST(a_request_on_an_idle_connection_leaves_at_once)
{
    struct scene s;
    struct outcome o = {0};
    open_ready(&s);
    scene_get(&s, &o, "a");
    CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:a"); /* the loop has not turned */
    scene_answer(&s, 0, "$1\r\nx\r\n");
    CHECK_TEXT(o.got, "0=x");
    scene_close(&s);
}

/* How many requests each write had while 20 were asked for, as letters from 'a' for one on, up to the tick's
 * end. */
static const char *writes_of_a_crowd(struct scene *s)
{
    static struct outcome o[20];
    static char sizes[32];
    size_t at = 0;
    unsigned long long before = s->client->traffic.writes;
    for (int i = 0, since = 1; i < 20; i++, since++) {
        o[i] = (struct outcome){0};
        scene_get(s, &o[i], "a");
        if (i == 19)
            fake_loop_settle(&s->loop);
        if (s->client->traffic.writes == before)
            continue;
        CHECK_INT(s->client->traffic.writes - before, 1);
        before = s->client->traffic.writes;
        sizes[at++] = (char)('a' - 1 + since);
        since = 0;
    }
    sizes[at] = '\0';
    CHECK_INT(strlen(peer_asked(&s->peer, 0)), 20 * 7 + 19 * 3);
    for (int i = 0; i < 20; i++) {
        scene_answer(s, 0, "$1\r\nx\r\n");
        scene_check_ended(&o[i], NGR_OK);
    }
    return sizes;
}

TEST(a_crowd_leaves_in_two_halves_once_it_is_known)
{
    struct scene s;
    open_ready(&s);
    CHECK_TEXT(writes_of_a_crowd(&s), "aabdhd"); /* each time as many as were under way */
    CHECK_TEXT(writes_of_a_crowd(&s), "jj");
    CHECK_TEXT(writes_of_a_crowd(&s), "jj");
    scene_close(&s);
}

TEST(halves_follow_each_other_while_the_other_one_is_answered)
{
    struct scene s;
    struct outcome o[40] = {{0}};
    open_ready(&s);
    for (int i = 0; i < 40; i++)
        scene_get(&s, &o[i], "a");
    fake_loop_settle(&s.loop);
    for (int round = 0; round < 6; round++) {
        peer_take(&s.peer, 0);
        for (int i = 0; i < 20; i++)
            scene_answer(&s, 0, "$1\r\nx\r\n");
        unsigned long long before = s.client->traffic.writes;
        for (int i = 0; i < 20; i++) {
            CHECK_TEXT(peer_asked(&s.peer, 0), "");
            o[round % 2 * 20 + i] = (struct outcome){0};
            scene_get(&s, &o[round % 2 * 20 + i], "a");
        }
        CHECK_INT(s.client->traffic.writes - before, 1); /* with the last of them; the loop has not turned */
        CHECK_INT(strlen(peer_asked(&s.peer, 0)), 20 * 7 + 19 * 3);
    }
    scene_close(&s);
}

TEST(no_more_than_sixty_four_wait_for_each_other)
{
    struct scene s;
    static struct outcome o[1000];
    open_ready(&s);
    for (int round = 0; round < 2; round++) {
        unsigned long long before = s.client->traffic.writes;
        memset(o, 0, sizeof o);
        for (int i = 0; i < 1000; i++)
            scene_get(&s, &o[i], "a");
        CHECK(!round || s.client->traffic.writes - before == 15);
        fake_loop_settle(&s.loop);
        for (int i = 0; i < 1000; i++)
            scene_answer(&s, 0, "$1\r\nx\r\n");
        scene_check_ended(&o[999], NGR_OK);
    }
    scene_close(&s);
}

TEST(lone_requests_after_a_crowd_leave_at_once_again)
{
    struct scene s;
    int waits = 0;
    open_ready(&s);
    writes_of_a_crowd(&s);
    for (;;) {
        struct outcome o = {0};
        scene_get(&s, &o, "b");
        peer_read(&s.peer, 0);
        bool is_gone = s.peer.conns[0].len > 0;
        fake_loop_tick(&s.loop);
        CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:b");
        scene_answer(&s, 0, "$1\r\nx\r\n");
        CHECK_TEXT(o.got, "0=x");
        if (is_gone)
            break;
        waits++;
    }
    CHECK_INT(waits, 4); /* 20 under way, 10, 5, 3, 2 */
    scene_close(&s);
}

TEST(a_crowd_leaves_in_the_order_of_asking)
{
    struct scene s;
    struct outcome o[4] = {{0}};
    open_ready(&s);
    scene_get(&s, &o[0], "a");
    scene_put(&s, &o[1], "b=1", 0);
    scene_exists(&s, &o[2], "c");
    scene_put(&s, &o[3], "d=1 e=2", 60);
    fake_loop_settle(&s.loop);
    CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:a | SET p:b 1 | EXISTS p:c | MULTI | SETEX p:d 60 1 | "
                                       "SETEX p:e 60 2 | EXEC");
    scene_answer(&s, 0, "$1\r\nx\r\n+OK\r\n:1\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+OK\r\n");
    CHECK_TEXT(o[0].got, "0=x");
    CHECK_TEXT(o[2].got, "#0=1");
    for (int i = 0; i < 4; i++)
        scene_check_ended(&o[i], NGR_OK);
    scene_close(&s);
}

/* --- when bytes cannot leave ------------------------------------------------------------------ */

TEST(a_large_request_arrives_whole_however_slowly_it_is_taken)
{
    struct scene s;
    struct outcome o = {0};
    enum { SIZE = 10000000 };
    open_ready(&s);
    put_large(&s, &o, SIZE);
    CHECK(peer_is_dropped(&s.peer, 0) == false);
    for (int i = 0; i < 1000; i++) {
        fake_loop_tick(&s.loop);
        peer_read(&s.peer, 0);
    }
    size_t len = s.peer.conns[0].len;
    CHECK(is_large_put(peer_take(&s.peer, 0), len, SIZE));
    scene_answer(&s, 0, "+OK\r\n");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

/* Over TCP, whose buffers take more than that. */
TEST(writing_gives_way_to_the_loop_after_a_megabyte)
{
    struct scene s;
    struct outcome o = {0};
    scene_prepare(&s);
    scene_use_tcp(&s, "127.0.0.1");
    scene_start(&s);
    ready(&s);
    unsigned long long before = s.client->traffic.bytes_out, most = 0;
    put_large(&s, &o, 10000000);
    for (int i = 0; i < 20; i++) {
        unsigned long long written = s.client->traffic.bytes_out - before;
        before += written;
        most = written > most ? written : most;
        peer_read(&s.peer, 0);
        fake_loop_tick(&s.loop);
    }
    CHECK_INT(most, 1 << 20);
    scene_close(&s);
}

/* The peer answers an earlier request with much data and reads nothing of 64 MiB until that was taken. */
TEST(a_peer_that_reads_only_after_it_was_read_from_is_no_deadlock)
{
    struct scene s;
    struct outcome reading = {0}, writing = {0};
    enum { SIZE = 64 << 20, ANSWER = 30 << 20 };
    char header[32], *answer = calloc(1, ANSWER + 2);
    CHECK(answer != NULL);
    open_ready(&s);
    scene_get(&s, &reading, "a");
    put_large(&s, &writing, SIZE);
    fake_loop_settle(&s.loop);
    int len = snprintf(header, sizeof header, "$%d\r\n", ANSWER);
    CHECK_INT(peer_send_bytes(&s.peer, 0, header, (size_t)len), len);
    memcpy(answer + ANSWER, "\r\n", 2);
    size_t sent = 0;
    for (int stuck = 0; sent < ANSWER + 2 && stuck < 100; stuck++) {
        size_t took = peer_send_bytes(&s.peer, 0, answer + sent, ANSWER + 2 - sent);
        sent += took;
        stuck = took ? 0 : stuck;
        fake_loop_settle(&s.loop);
    }
    CHECK_INT(sent, ANSWER + 2);
    CHECK_TEXT(reading.got, "0=<31457280 bytes>");
    CHECK_INT(writing.ended, 0);
    for (int i = 0; i < 10000 && s.peer.conns[0].len < SIZE; i++) {
        peer_read(&s.peer, 0);
        fake_loop_settle(&s.loop);
    }
    peer_take(&s.peer, 0);
    scene_answer(&s, 0, "+OK\r\n");
    scene_check_ended(&writing, NGR_OK);
    scene_close(&s);
    free(answer);
}

TEST(requests_behind_a_blocked_one_leave_when_it_has_left)
{
    struct scene s;
    struct outcome big = {0}, small = {0};
    enum { SIZE = 3000000 };
    open_ready(&s);
    put_large(&s, &big, SIZE);
    scene_get(&s, &small, "a");
    fake_loop_settle(&s.loop);
    for (int i = 0; i < 100; i++) {
        peer_read(&s.peer, 0);
        fake_loop_settle(&s.loop);
    }
    const char *tail = "*2\r\n$3\r\nGET\r\n$3\r\np:a\r\n";
    size_t len = s.peer.conns[0].len;
    const char *all = peer_take(&s.peer, 0);
    CHECK_TEXT(all + len - strlen(tail), tail);
    CHECK(is_large_put(all, len - strlen(tail), SIZE));
    scene_answer(&s, 0, "+OK\r\n$1\r\nx\r\n");
    scene_check_ended(&big, NGR_OK);
    CHECK_TEXT(small.got, "0=x");
    scene_close(&s);
}

TEST(an_answer_to_what_was_not_sent_yet_is_a_protocol_error)
{
    struct scene s;
    struct outcome o = {0};
    scene_prepare(&s);
    s.settings.retries = 0;
    scene_start(&s);
    ready(&s);
    put_large(&s, &o, 10000000);
    fake_loop_settle(&s.loop);
    scene_answer(&s, 0, "+OK\r\n");
    scene_check_ended(&o, NGR_E_PROTOCOL);
    CHECK(peer_is_dropped(&s.peer, 0));
    scene_close(&s);
}

/* --- which answer belongs to whom ------------------------------------------------------------- */

TEST(a_surplus_answer_kills_an_idle_connection)
{
    struct scene s;
    struct outcome o = {0};
    open_ready(&s);
    scene_answer(&s, 0, "$6\r\nsecret\r\n");
    CHECK(peer_is_dropped(&s.peer, 0));
    scene_get(&s, &o, "a");
    scene_welcome(&s, 1);
    CHECK_TEXT(peer_asked(&s.peer, 1), "GET p:a");
    scene_answer(&s, 1, "$1\r\nx\r\n");
    CHECK_TEXT(o.got, "0=x");
    scene_close(&s);
}

TEST(a_surplus_answer_reaches_nobody_who_asks_in_the_same_tick)
{
    struct scene s;
    struct outcome o = {0};
    open_ready(&s);
    peer_send(&s.peer, 0, "$5\r\nalien\r\n"); /* before the question: cannot be its answer */
    scene_answer(&s, 0, "");
    scene_get(&s, &o, "a");
    scene_settle(&s);
    CHECK_TEXT(o.got, "");
    scene_close(&s);
}

TEST(a_surplus_answer_behind_good_ones_kills_the_connection)
{
    struct scene s;
    struct outcome o = {0};
    open_ready(&s);
    scene_get(&s, &o, "a");
    scene_answer(&s, 0, "$1\r\nx\r\n$1\r\ny\r\n");
    CHECK_TEXT(o.got, "0=x");
    scene_check_ended(&o, NGR_OK);
    CHECK(peer_is_dropped(&s.peer, 0));
    scene_close(&s);
}

TEST(the_answer_to_a_cancelled_request_is_dropped_and_the_next_one_found)
{
    struct scene s;
    struct outcome a = {0}, b = {0}, c = {0};
    open_ready(&s);
    scene_get(&s, &a, "a");
    scene_get(&s, &b, "b");
    scene_get(&s, &c, "c");
    fake_loop_settle(&s.loop);
    scene_cancel(&b);
    CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:a | GET p:b | GET p:c");
    scene_answer(&s, 0, "$1\r\nA\r\n$1\r\nB\r\n$1\r\nC\r\n");
    CHECK_TEXT(a.got, "0=A");
    CHECK_TEXT(b.got, "");
    CHECK_TEXT(c.got, "0=C");
    CHECK_INT(b.ended, 0);
    CHECK(!peer_is_dropped(&s.peer, 0));
    scene_close(&s);
}

TEST(whoever_is_cancelled_answers_find_their_questions)
{
    for (unsigned cancelled = 0; cancelled < 1u << 6; cancelled++)
        for (int answered_before = 0; answered_before < 6; answered_before++) {
            struct scene s;
            struct outcome o[6] = {{0}};
            open_ready(&s);
            for (int i = 0; i < 6; i++)
                scene_get(&s, &o[i], (const char *[]){"a", "b", "c", "d", "e", "f"}[i]);
            fake_loop_settle(&s.loop);
            for (int i = 0; i < 6; i++) {
                char answer[] = "$1\r\n?\r\n";
                answer[4] = (char)('A' + i);
                for (int j = 0; i == answered_before && j < 6; j++)
                    if (cancelled & 1u << j && o[j].call)
                        scene_cancel(&o[j]);
                scene_answer(&s, 0, answer);
            }
            for (int i = 0; i < 6; i++) {
                bool is_lost = i >= answered_before && cancelled & 1u << i;
                char want[] = "0=?";
                want[2] = (char)('A' + i);
                CHECK_TEXT(o[i].got, is_lost ? "" : want);
            }
            CHECK_INT(ngr_client_pending(s.client), 0);
            scene_close(&s);
        }
}

TEST(a_request_that_was_not_written_yet_is_taken_back)
{
    struct scene s;
    struct outcome first = {0}, a = {0}, b = {0}, c = {0};
    open_ready(&s);
    scene_get(&s, &first, "f");
    scene_get(&s, &a, "a");
    scene_get(&s, &b, "b"); /* waits */
    scene_cancel(&b);
    scene_get(&s, &c, "c");
    fake_loop_settle(&s.loop);
    CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:f | GET p:a | GET p:c");
    scene_answer(&s, 0, "$1\r\nF\r\n$1\r\nA\r\n$1\r\nC\r\n");
    CHECK_TEXT(first.got, "0=F");
    CHECK_TEXT(a.got, "0=A");
    CHECK_TEXT(c.got, "0=C");
    scene_close(&s);
}

TEST(a_request_sent_in_part_is_finished_although_cancelled)
{
    struct scene s;
    struct outcome big = {0}, small = {0};
    enum { SIZE = 3000000 };
    open_ready(&s);
    put_large(&s, &big, SIZE);
    fake_loop_settle(&s.loop);
    scene_cancel(&big);
    scene_get(&s, &small, "a");
    for (int i = 0; i < 100; i++) {
        peer_read(&s.peer, 0);
        fake_loop_settle(&s.loop);
    }
    size_t len = s.peer.conns[0].len;
    const char *tail = "*2\r\n$3\r\nGET\r\n$3\r\np:a\r\n";
    CHECK(is_large_put(peer_take(&s.peer, 0), len - strlen(tail), SIZE));
    scene_answer(&s, 0, "+OK\r\n$1\r\nx\r\n");
    CHECK_TEXT(small.got, "0=x");
    CHECK_INT(big.ended, 0);
    scene_close(&s);
}

/* --- silence ---------------------------------------------------------------------------------- */

static void prepare_silence(struct scene *s)
{
    scene_prepare(s);
    s->settings.retries = 0;
    scene_start(s);
    ready(s);
}

TEST(silence_is_an_error_after_the_socket_timeout)
{
    struct scene s;
    struct outcome o = {0};
    prepare_silence(&s);
    fake_loop_advance(&s.loop, 100); /* nothing asked: silence is fine */
    scene_get(&s, &o, "a");
    fake_loop_advance(&s.loop, 6.99);
    CHECK_INT(o.ended, 0);
    fake_loop_advance(&s.loop, 0.02);
    scene_check_ended(&o, NGR_E_TIMEOUT);
    CHECK(strstr(o.message, "no answer in time: not a byte for 7 s"));
    CHECK(peer_is_dropped(&s.peer, 0));
    scene_close(&s);
}

TEST(a_trickle_is_progress)
{
    static const char answer[] = "$20\r\n01234567890123456789\r\n";
    struct scene s;
    struct outcome o = {0};
    prepare_silence(&s);
    scene_get(&s, &o, "a");
    for (size_t i = 0; i < sizeof answer - 1; i++) {
        CHECK_INT(o.ended, 0);
        peer_send_bytes(&s.peer, 0, &answer[i], 1);
        fake_loop_advance(&s.loop, 6.9);
    }
    CHECK_TEXT(o.got, "0=01234567890123456789");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(being_read_from_is_progress)
{
    struct scene s;
    struct outcome o = {0};
    enum { SIZE = 5000000 };
    prepare_silence(&s);
    put_large(&s, &o, SIZE);
    for (size_t taken = 0; taken < SIZE - 250000;) {
        char some[131072]; /* a socket is writable again when most of its buffer was taken */
        ssize_t n = recv(s.peer.conns[0].fd, some, sizeof some, MSG_DONTWAIT);
        CHECK(n > 0);
        taken += (size_t)n;
        fake_loop_advance(&s.loop, 3);
        CHECK_INT(o.ended, 0);
    }
    peer_take(&s.peer, 0);
    fake_loop_settle(&s.loop);
    scene_answer(&s, 0, "+OK\r\n");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(a_peer_that_never_reads_is_silent)
{
    struct scene s;
    struct outcome o = {0};
    prepare_silence(&s);
    put_large(&s, &o, 20000000);
    fake_loop_advance(&s.loop, 6.99);
    CHECK_INT(o.ended, 0);
    fake_loop_advance(&s.loop, 0.02);
    scene_check_ended(&o, NGR_E_TIMEOUT);
    scene_close(&s);
}

TEST(asking_on_is_no_progress)
{
    struct scene s;
    struct outcome o[4] = {{0}};
    prepare_silence(&s);
    for (int i = 0; i < 4; i++) {
        CHECK_INT(o[0].ended, 0);
        scene_get(&s, &o[i], "a");
        fake_loop_advance(&s.loop, 2);
    }
    for (int i = 0; i < 4; i++)
        scene_check_ended(&o[i], NGR_E_TIMEOUT);
    scene_close(&s);
}

TEST(each_answer_starts_the_waiting_anew_for_those_behind_it)
{
    struct scene s;
    struct outcome a = {0}, b = {0};
    prepare_silence(&s);
    scene_get(&s, &a, "a");
    scene_get(&s, &b, "b");
    fake_loop_advance(&s.loop, 6);
    scene_answer(&s, 0, "$1\r\nA\r\n");
    fake_loop_advance(&s.loop, 6);
    CHECK_INT(b.ended, 0);
    fake_loop_advance(&s.loop, 1.01);
    scene_check_ended(&a, NGR_OK);
    scene_check_ended(&b, NGR_E_TIMEOUT);
    scene_close(&s);
}

TEST(a_late_question_gets_all_the_time)
{
    struct scene s;
    struct outcome a = {0}, b = {0};
    prepare_silence(&s);
    scene_get(&s, &a, "a");
    fake_loop_advance(&s.loop, 5);
    scene_answer(&s, 0, "$1\r\nA\r\n");
    fake_loop_advance(&s.loop, 1.9); /* the first one's timer is still on */
    scene_get(&s, &b, "b");
    fake_loop_advance(&s.loop, 6.9);
    CHECK_INT(b.ended, 0);
    fake_loop_advance(&s.loop, 0.2);
    scene_check_ended(&b, NGR_E_TIMEOUT);
    scene_close(&s);
}

/* --- a loop that was held up ------------------------------------------------------------------ */

/* The whole process did something else for a minute; timers are looked at before descriptors. */
static void hold_up(struct scene *s)
{
    s->loop.timers_first = true;
    s->loop.clock += 60;
    fake_loop_settle(&s->loop);
}

TEST(an_answer_that_came_in_time_counts_although_it_is_read_late)
{
    struct scene s;
    struct outcome o = {0};
    prepare_silence(&s);
    scene_get(&s, &o, "a");
    peer_send(&s.peer, 0, "$1\r\nx\r\n");
    hold_up(&s);
    CHECK_TEXT(o.got, "0=x");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(a_handshake_that_was_answered_in_time_counts_although_it_is_read_late)
{
    struct scene s;
    struct outcome o = {0};
    scene_prepare(&s);
    s.settings.retries = 0;
    scene_start(&s);
    scene_get(&s, &o, "a");
    scene_settle(&s);
    CHECK_TEXT(peer_asked(&s.peer, 0), "PING");
    peer_send(&s.peer, 0, "+PONG\r\n");
    hold_up(&s);
    CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:a");
    scene_answer(&s, 0, "$1\r\nx\r\n");
    CHECK_TEXT(o.got, "0=x");
    scene_close(&s);
}

TEST(silence_is_silence_although_it_is_noticed_late)
{
    struct scene s;
    struct outcome o = {0};
    prepare_silence(&s);
    scene_get(&s, &o, "a");
    hold_up(&s);
    scene_check_ended(&o, NGR_E_TIMEOUT);
    scene_close(&s);
}

/* --- hostile answers -------------------------------------------------------------------------- */

TEST(hostile_answers_end_in_a_clear_error)
{
    static const struct {
        const char *answer;
        ngr_status st;
        const char *words;
    } rows[] = {
        {"*2147483647\r\n", NGR_E_PROTOCOL, "absurd number"},
        {"$9223372036854775807\r\n", NGR_E_TOOBIG, "redis_max_value_bytes"},
        {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", NGR_E_PROTOCOL, "protocol"},
        {"?what\r\n", NGR_E_PROTOCOL, "not a Redis reply"},
        {"$3\r\nabcXY", NGR_E_PROTOCOL, "CR LF"},
        {"%1\r\n+a\r\n+b\r\n", NGR_E_PROTOCOL, "protocol"},
        {":5\r\n", NGR_E_PROTOCOL, "unexpected form"},
        {"+OK\r\n", NGR_E_PROTOCOL, "unexpected form"},
        {"*0\r\n", NGR_E_PROTOCOL, "unexpected form"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene s;
        struct outcome o = {0}, behind = {0};
        prepare_silence(&s);
        scene_get(&s, &o, "a");
        scene_get(&s, &behind, "b");
        fake_loop_settle(&s.loop);
        scene_answer(&s, 0, rows[i].answer);
        scene_check_ended(&o, rows[i].st);
        if (!strstr(o.message, rows[i].words))
            CHECK_TEXT(o.message, rows[i].words);
        scene_check_ended(&behind, NGR_E_LOST); /* not to blame, and not retried in this scene */
        CHECK(peer_is_dropped(&s.peer, 0));
        scene_close(&s);
    }
}

TEST(a_value_over_the_limit_costs_only_its_own_call)
{
    struct scene s;
    struct outcome large = {0}, small = {0};
    scene_prepare(&s);
    s.settings.max_value_bytes = 100;
    scene_start(&s);
    ready(&s);
    scene_get(&s, &large, "a");
    scene_get(&s, &small, "b");
    fake_loop_settle(&s.loop);
    scene_answer(&s, 0, "$101\r\n");
    scene_check_ended(&large, NGR_E_TOOBIG);
    CHECK(strstr(large.message, "raise redis_max_value_bytes"));
    scene_welcome(&s, 1);
    CHECK_TEXT(peer_asked(&s.peer, 1), "GET p:b");
    scene_answer(&s, 1, "$1\r\nB\r\n");
    CHECK_TEXT(small.got, "0=B");
    scene_close(&s);
}

/* --- idle connections ------------------------------------------------------------------------- */

TEST(an_idle_connection_is_asked_whether_it_lives)
{
    struct scene s;
    scene_prepare(&s);
    s.settings.idle_check = 30;
    scene_start(&s);
    ready(&s);
    for (int i = 0; i < 3; i++) {
        fake_loop_advance(&s.loop, 30);
        CHECK_TEXT(peer_asked(&s.peer, 0), "PING");
        CHECK_INT(s.idles, i + 1);
        scene_answer(&s, 0, i == 1 ? "-NOPERM no ping\r\n" : "+PONG\r\n");
        CHECK(!peer_is_dropped(&s.peer, 0));
    }
    scene_close(&s);
}

TEST(a_dead_idle_connection_is_dropped_before_it_costs_a_call)
{
    struct scene s;
    scene_prepare(&s);
    s.settings.idle_check = 30;
    scene_start(&s);
    ready(&s);
    fake_loop_advance(&s.loop, 38);
    CHECK(peer_is_dropped(&s.peer, 0));
    CHECK(!ngr_client_is_connected(s.client));
    scene_close(&s);
}

TEST(a_call_behind_a_ping_gets_its_own_answer)
{
    struct scene s;
    struct outcome o = {0};
    scene_prepare(&s);
    s.settings.idle_check = 30;
    scene_start(&s);
    ready(&s);
    fake_loop_advance(&s.loop, 30);
    scene_get(&s, &o, "a");
    fake_loop_settle(&s.loop);
    CHECK_TEXT(peer_asked(&s.peer, 0), "PING | GET p:a");
    scene_answer(&s, 0, "+PONG\r\n$1\r\nx\r\n");
    CHECK_TEXT(o.got, "0=x");
    scene_close(&s);
}

TEST(a_busy_connection_is_not_asked_whether_it_lives)
{
    struct scene s;
    struct outcome o = {0};
    scene_prepare(&s);
    s.settings.idle_check = 3;
    scene_start(&s);
    ready(&s);
    scene_get(&s, &o, "a");
    fake_loop_advance(&s.loop, 4);
    CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:a");
    scene_close(&s);
}

TEST(a_ping_answered_with_another_type_kills_the_connection)
{
    struct scene s;
    scene_prepare(&s);
    s.settings.idle_check = 30;
    scene_start(&s);
    ready(&s);
    fake_loop_advance(&s.loop, 30);
    scene_answer(&s, 0, "$5\r\nalien\r\n");
    CHECK(peer_is_dropped(&s.peer, 0));
    scene_close(&s);
}

int main(void)
{
    RUN(a_request_on_an_idle_connection_leaves_at_once);
    RUN(a_crowd_leaves_in_two_halves_once_it_is_known);
    RUN(halves_follow_each_other_while_the_other_one_is_answered);
    RUN(no_more_than_sixty_four_wait_for_each_other);
    RUN(lone_requests_after_a_crowd_leave_at_once_again);
    RUN(a_crowd_leaves_in_the_order_of_asking);
    RUN(a_large_request_arrives_whole_however_slowly_it_is_taken);
    RUN(writing_gives_way_to_the_loop_after_a_megabyte);
    RUN(a_peer_that_reads_only_after_it_was_read_from_is_no_deadlock);
    RUN(requests_behind_a_blocked_one_leave_when_it_has_left);
    RUN(an_answer_to_what_was_not_sent_yet_is_a_protocol_error);
    RUN(a_surplus_answer_kills_an_idle_connection);
    RUN(a_surplus_answer_reaches_nobody_who_asks_in_the_same_tick);
    RUN(a_surplus_answer_behind_good_ones_kills_the_connection);
    RUN(the_answer_to_a_cancelled_request_is_dropped_and_the_next_one_found);
    RUN(whoever_is_cancelled_answers_find_their_questions);
    RUN(a_request_that_was_not_written_yet_is_taken_back);
    RUN(a_request_sent_in_part_is_finished_although_cancelled);
    RUN(silence_is_an_error_after_the_socket_timeout);
    RUN(a_trickle_is_progress);
    RUN(being_read_from_is_progress);
    RUN(a_peer_that_never_reads_is_silent);
    RUN(asking_on_is_no_progress);
    RUN(each_answer_starts_the_waiting_anew_for_those_behind_it);
    RUN(a_late_question_gets_all_the_time);
    RUN(an_answer_that_came_in_time_counts_although_it_is_read_late);
    RUN(a_handshake_that_was_answered_in_time_counts_although_it_is_read_late);
    RUN(silence_is_silence_although_it_is_noticed_late);
    RUN(hostile_answers_end_in_a_clear_error);
    RUN(a_value_over_the_limit_costs_only_its_own_call);
    RUN(an_idle_connection_is_asked_whether_it_lives);
    RUN(a_dead_idle_connection_is_dropped_before_it_costs_a_call);
    RUN(a_call_behind_a_ping_gets_its_own_answer);
    RUN(a_busy_connection_is_not_asked_whether_it_lives);
    RUN(a_ping_answered_with_another_type_kills_the_connection);
    return harness_result();
}
