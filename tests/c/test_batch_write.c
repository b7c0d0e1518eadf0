/* Writing a batch: how entries become commands and groups, what their answers mean, and the waiting for
 * replicas and disks. */
#include "harness.h"

#include "client.h"
#include "scene.h"

static const struct ngr_put_options plain = {
    .prefix = {"p:", 2}, .max_value_bytes = 1 << 20, .max_atomic_bytes = 1 << 20};

/* --- framing ---------------------------------------------------------------------------------- */

TEST(entries_become_the_shortest_atomic_command)
{
    static const struct {
        const char *entries;
        long long ttl;
        const char *asked, *answer;
    } rows[] = {
        {"a=1", 0, "SET p:a 1", "+OK\r\n"},
        {"a=1 b=2 c=3", 0, "MSET p:a 1 p:b 2 p:c 3", "+OK\r\n"},
        {"a=1", 60, "SETEX p:a 60 1", "+OK\r\n"},
        {"a=1 b=2", 43200, "MULTI | SETEX p:a 43200 1 | SETEX p:b 43200 2 | EXEC",
         "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+OK\r\n"},
        {"a=1", -5, "SET p:a 1", "+OK\r\n"},
        {"a=", 0, "SET p:a ", "+OK\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene s;
        struct outcome o = {0};
        scene_open_ready(&s);
        scene_put(&s, &o, rows[i].entries, rows[i].ttl);
        CHECK_TEXT(peer_asked(&s.peer, 0), rows[i].asked);
        scene_answer(&s, 0, rows[i].answer);
        scene_check_ended(&o, NGR_OK);
        CHECK_TEXT(o.got, "");
        scene_close(&s);
    }
}

TEST(a_transaction_is_framed_byte_for_byte)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_put(&s, &o, "a=1 b=22", 7);
    CHECK_TEXT(peer_take(&s.peer, 0), "*1\r\n$5\r\nMULTI\r\n"
                                      "*4\r\n$5\r\nSETEX\r\n$3\r\np:a\r\n$1\r\n7\r\n$1\r\n1\r\n"
                                      "*4\r\n$5\r\nSETEX\r\n$3\r\np:b\r\n$1\r\n7\r\n$2\r\n22\r\n"
                                      "*1\r\n$4\r\nEXEC\r\n");
    scene_close(&s);
}

/* Appends `size` bytes as the value of entry number `i`. */
static ngr_status put_sized(struct ngr_put *put, size_t i, size_t size)
{
    char id[24];
    struct ngr_buf *b = ngr_put_begin(put, (struct ngr_span){id, (size_t)sprintf(id, "%zu", i)});
    CHECK(b != NULL);
    for (size_t n = 0; n < size; n++) {
        char byte = (char)('a' + (n + i) % 26);
        CHECK_INT(ngr_buf_add(b, &byte, 1), NGR_OK);
    }
    return ngr_put_end(put);
}

/* Is `text` exactly one MSET of values of these sizes, as put_sized() makes them? */
static bool is_mset(const char *text, size_t len, const size_t *sizes, size_t count)
{
    struct ngr_span words[64];
    size_t word_count;
    if (peer_parse(text, len, words, 64, &word_count) != (long)len || word_count != 2 * count + 1)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct ngr_span value = words[2 * i + 2];
        if (value.len != sizes[i])
            return false;
        for (size_t n = 0; n < value.len; n++)
            if (value.data[n] != (char)('a' + (n + i) % 26))
                return false;
    }
    return true;
}

TEST(values_of_any_length_are_framed_whatever_length_was_guessed)
{
    static const size_t lengths[] = {0, 1, 9, 10, 99, 100, 999, 1000, 9999, 10000, 99999, 100000};
    enum { LENGTHS = sizeof lengths / sizeof lengths[0] };
    for (int from = 0; from < LENGTHS; from++)
        for (int to = 0; to < LENGTHS; to++) {
            const size_t sizes[] = {lengths[from], lengths[to], lengths[from], 5};
            struct scene s;
            struct outcome o = {0};
            scene_open_ready(&s);
            struct ngr_put *put = ngr_put_new(&plain);
            CHECK(put != NULL);
            for (size_t i = 0; i < 4; i++)
                CHECK_INT(put_sized(put, i, sizes[i]), NGR_OK);
            o.call = ngr_put_send(s.client, put, &scene_sink, &o);
            for (int i = 0; i < 10; i++) {
                peer_read(&s.peer, 0);
                fake_loop_settle(&s.loop);
            }
            peer_read(&s.peer, 0);
            size_t len = s.peer.conns[0].len;
            CHECK(is_mset(peer_take(&s.peer, 0), len, sizes, 4));
            scene_close(&s);
        }
}

TEST(ids_and_values_of_any_bytes_are_sent_as_they_are)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    struct ngr_put *put = ngr_put_new(&plain);
    struct ngr_buf *b = ngr_put_begin(put, (struct ngr_span){"\r\n\0*", 4});
    CHECK(b && ngr_buf_add(b, "\0\r\n$", 4) == NGR_OK && ngr_put_end(put) == NGR_OK);
    o.call = ngr_put_send(s.client, put, &scene_sink, &o);
    static const char want[] = "*3\r\n$3\r\nSET\r\n$6\r\np:\r\n\0*\r\n$4\r\n\0\r\n$\r\n";
    peer_read(&s.peer, 0);
    CHECK_INT(s.peer.conns[0].len, sizeof want - 1);
    CHECK(memcmp(peer_take(&s.peer, 0), want, sizeof want - 1) == 0);
    scene_close(&s);
}

/* --- sizes and groups ------------------------------------------------------------------------- */

TEST(a_value_too_large_is_refused_and_the_others_stay)
{
    struct scene s;
    struct outcome o = {0};
    struct ngr_put_options options = plain;
    options.max_value_bytes = 100;
    for (int first = 0; first < 2; first++) {
        scene_open_ready(&s);
        struct ngr_put *put = ngr_put_new(&options);
        CHECK(put != NULL);
        if (first)
            CHECK_INT(put_sized(put, 7, 101), NGR_E_TOOBIG);
        CHECK_INT(put_sized(put, 0, 100), NGR_OK);
        if (!first)
            CHECK_INT(put_sized(put, 7, 50000), NGR_E_TOOBIG);
        CHECK_INT(put_sized(put, 1, 3), NGR_OK);
        o.call = ngr_put_send(s.client, put, &scene_sink, &o);
        peer_read(&s.peer, 0);
        size_t len = s.peer.conns[0].len;
        CHECK(is_mset(peer_take(&s.peer, 0), len, (const size_t[]){100, 3}, 2));
        scene_close(&s);
    }
}

TEST(a_batch_beyond_the_limit_becomes_several_groups_in_order)
{
    struct scene s;
    struct outcome o = {0};
    struct ngr_put_options options = plain;
    options.max_atomic_bytes = 60;
    scene_open_ready(&s);
    scene_put_with(&s, &o, "a=11111111 b=22222222 c=33333333 d=44444444 e=5", &options);
    fake_loop_settle(&s.loop);
    CHECK_TEXT(peer_asked(&s.peer, 0), "MSET p:a 11111111 p:b 22222222 | MSET p:c 33333333 p:d 44444444 | "
                                       "SET p:e 5");
    scene_answer(&s, 0, "+OK\r\n+OK\r\n");
    CHECK_INT(o.ended, 0);
    scene_answer(&s, 0, "+OK\r\n");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(groups_with_a_ttl_are_each_a_transaction)
{
    struct scene s;
    struct outcome o = {0};
    struct ngr_put_options options = plain;
    options.max_atomic_bytes = 90;
    options.ttl = 5;
    scene_open_ready(&s);
    scene_put_with(&s, &o, "a=1 b=2 c=3", &options);
    fake_loop_settle(&s.loop);
    CHECK_TEXT(peer_asked(&s.peer, 0), "MULTI | SETEX p:a 5 1 | SETEX p:b 5 2 | EXEC | SETEX p:c 5 3");
    scene_close(&s);
}

TEST(a_value_larger_than_a_group_is_a_group_of_its_own)
{
    struct scene s;
    struct outcome o = {0};
    struct ngr_put_options options = plain;
    options.max_atomic_bytes = 50;
    scene_open_ready(&s);
    scene_put_with(&s, &o, "a=1 b=2222222222222222222222222222222222222222222222222222222 c=3", &options);
    fake_loop_settle(&s.loop);
    CHECK_TEXT(peer_asked(&s.peer, 0),
               "SET p:a 1 | SET p:b 2222222222222222222222222222222222222222222222222222222 | SET p:c 3");
    scene_close(&s);
}

/* The group that is refused ends the call; the others land or not, each as a whole. */
TEST(a_refused_group_ends_the_call)
{
    struct scene s;
    struct outcome o = {0};
    struct ngr_put_options options = plain;
    options.max_atomic_bytes = 1;
    scene_open_ready(&s);
    scene_put_with(&s, &o, "a=1 b=2 c=3", &options);
    fake_loop_settle(&s.loop);
    CHECK_TEXT(peer_asked(&s.peer, 0), "SET p:a 1 | SET p:b 2 | SET p:c 3");
    scene_answer(&s, 0, "+OK\r\n-OOM command not allowed when used memory > 'maxmemory'.\r\n+OK\r\n");
    scene_check_ended(&o, NGR_E_OOM);
    CHECK(!peer_is_dropped(&s.peer, 0));
    scene_close(&s);
}

TEST(only_groups_without_an_answer_are_sent_again)
{
    struct scene s;
    struct outcome o = {0};
    struct ngr_put_options options = plain;
    options.max_atomic_bytes = 1;
    scene_open_ready(&s);
    scene_put_with(&s, &o, "a=1 b=2 c=3", &options);
    fake_loop_settle(&s.loop);
    peer_take(&s.peer, 0);
    scene_answer(&s, 0, "+OK\r\n");
    peer_close(&s.peer, 0);
    scene_welcome(&s, 1);
    CHECK_TEXT(peer_asked(&s.peer, 1), "SET p:b 2 | SET p:c 3");
    scene_answer(&s, 1, "+OK\r\n+OK\r\n");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(one_command_has_no_more_words_than_old_servers_take)
{
    struct scene s;
    struct outcome o = {0};
    enum { ENTRIES = 500001 };
    struct ngr_put_options options = plain;
    options.max_atomic_bytes = 1 << 30;
    scene_open_ready(&s);
    struct ngr_put *put = ngr_put_new(&options);
    for (size_t i = 0; i < ENTRIES; i++) {
        struct ngr_buf *b = ngr_put_begin(put, (struct ngr_span){"k", 1});
        CHECK(b != NULL);
        CHECK_INT(ngr_put_end(put), NGR_OK);
    }
    o.call = ngr_put_send(s.client, put, &scene_sink, &o);
    for (int i = 0; i < 1000; i++) {
        fake_loop_settle(&s.loop);
        peer_read(&s.peer, 0);
    }
    const char *asked = peer_take(&s.peer, 0);
    CHECK(strncmp(asked, "*1000001\r\n$4\r\nMSET\r\n", 20) == 0);
    scene_answer(&s, 0, "+OK\r\n"); /* so large a group keeps the next one waiting */
    CHECK_TEXT(peer_asked(&s.peer, 0), "SET p:k ");
    scene_close(&s);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answered(const char *entries, long long ttl, const char *answer, ngr_status st)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_put(&s, &o, entries, ttl);
    peer_take(&s.peer, 0);
    scene_answer(&s, 0, answer);
    if (!o.ended)
        printf("  not ended by %s\n", answer);
    scene_check_ended(&o, st);
    CHECK_INT(peer_is_dropped(&s.peer, 0), st == NGR_E_PROTOCOL);
    scene_close(&s);
}

TEST(a_refused_write_is_told_with_its_reason)
{
    answered("a=1", 0, "-READONLY You can't write against a read only replica.\r\n", NGR_E_READONLY);
    answered("a=1 b=2", 0, "-MISCONF Redis is configured to save RDB snapshots\r\n", NGR_E_MISCONF);
    answered("a=1", 5, "-NOPERM no\r\n", NGR_E_PERM);
}

TEST(an_aborted_transaction_is_told_with_the_reason_of_its_first_refusal)
{
    answered("a=1 b=2", 5,
             "+OK\r\n-OOM command not allowed\r\n+QUEUED\r\n-EXECABORT Transaction discarded\r\n", NGR_E_OOM);
    answered("a=1 b=2", 5, "+OK\r\n+QUEUED\r\n+QUEUED\r\n-EXECABORT Transaction discarded\r\n",
             NGR_E_EXECABORT);
    answered("a=1 b=2", 5, "-NOPERM no MULTI\r\n+OK\r\n+OK\r\n-ERR EXEC without MULTI\r\n", NGR_E_PERM);
}

TEST(an_error_within_a_transaction_is_told)
{
    answered("a=1 b=2", 5, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n-ERR invalid expire time\r\n",
             NGR_E_SERVER);
}

TEST(a_write_answered_with_another_form_is_not_taken_for_done)
{
    static const char *const single[] = {":1\r\n", "$2\r\nOK\r\n", "$-1\r\n", "*0\r\n", "*1\r\n+OK\r\n"};
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++) {
        answered("a=1", 0, single[i], NGR_E_PROTOCOL);
        answered("a=1 b=2", 0, single[i], NGR_E_PROTOCOL);
        answered("a=1", 5, single[i], NGR_E_PROTOCOL);
    }
}

TEST(a_transaction_answered_with_another_form_is_not_taken_for_done)
{
    static const char *const exec[] = {"+OK\r\n",       "*-1\r\n", "$-1\r\n",      ":2\r\n",      "*0\r\n",
                                       "*1\r\n+OK\r\n", "*3\r\n",  "*2\r\n:1\r\n", "*2\r\n*2\r\n"};
    char answer[100];
    for (size_t i = 0; i < sizeof exec / sizeof exec[0]; i++) {
        snprintf(answer, sizeof answer, "+OK\r\n+QUEUED\r\n+QUEUED\r\n%s", exec[i]);
        answered("a=1 b=2", 5, answer, NGR_E_PROTOCOL);
    }
    answered("a=1 b=2", 5, "+OK\r\n*2\r\n", NGR_E_PROTOCOL);
    answered("a=1 b=2", 5, "*4\r\n", NGR_E_PROTOCOL);
}

/* --- waiting for replicas and disks ----------------------------------------------------------- */

static void waited(const struct ngr_put_options *options, const char *entries, const char *asked,
                   const char *answer, const char *got)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_put_with(&s, &o, entries, options);
    fake_loop_settle(&s.loop);
    CHECK_TEXT(peer_asked(&s.peer, 0), asked);
    scene_answer(&s, 0, answer);
    scene_check_ended(&o, NGR_OK);
    CHECK_TEXT(o.got, got);
    scene_close(&s);
}

TEST(waiting_for_replicas_answers_how_many_have_it)
{
    struct ngr_put_options options = plain;
    options.wait_replicas = 2;
    options.wait_ms = 1500;
    waited(&options, "a=1", "SET p:a 1 | WAIT 2 1500", "+OK\r\n:1\r\n", "#0=1");
    waited(&options, "a=1 b=2", "MSET p:a 1 p:b 2 | WAIT 2 1500", "+OK\r\n:0\r\n", "#0=0");
    options.ttl = 9;
    waited(&options, "a=1 b=2", "MULTI | SETEX p:a 9 1 | SETEX p:b 9 2 | EXEC | WAIT 2 1500",
           "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+OK\r\n:2\r\n", "#0=2");
    options.ttl = 0;
    options.max_atomic_bytes = 1;
    waited(&options, "a=1 b=2", "SET p:a 1 | WAIT 2 1500 | SET p:b 2 | WAIT 2 1500",
           "+OK\r\n:1\r\n+OK\r\n:2\r\n", "#0=1 #1=2");
}

TEST(waiting_for_the_disk_answers_whether_this_server_has_it)
{
    struct ngr_put_options options = plain;
    options.wait_aof = true;
    options.wait_ms = 100;
    waited(&options, "a=1", "SET p:a 1 | WAITAOF 1 0 100", "+OK\r\n*2\r\n:1\r\n:0\r\n", "#0=1");
    waited(&options, "a=1", "SET p:a 1 | WAITAOF 1 0 100", "+OK\r\n*2\r\n:0\r\n:3\r\n", "#0=0");
}

TEST(a_refused_wait_does_not_undo_the_write)
{
    struct ngr_put_options options = plain;
    options.wait_aof = true;
    waited(&options, "a=1", "SET p:a 1 | WAITAOF 1 0 0", "+OK\r\n-ERR WAITAOF cannot be used\r\n", "#0=-1");
    options.wait_aof = false;
    options.wait_replicas = 1;
    waited(&options, "a=1", "SET p:a 1 | WAIT 1 0", "+OK\r\n-NOPERM no\r\n", "#0=-1");
}

TEST(a_wait_answered_with_another_form_kills_the_connection)
{
    static const char *const wrong[] = {"+OK\r\n", "$1\r\n1\r\n", "$-1\r\n", "*2\r\n+OK\r\n"};
    for (size_t i = 0; i < 4; i++) {
        struct scene s;
        struct outcome o = {0};
        struct ngr_put_options options = plain;
        options.wait_replicas = 1;
        scene_open_ready(&s);
        scene_put_with(&s, &o, "a=1", &options);
        peer_take(&s.peer, 0);
        scene_answer(&s, 0, "+OK\r\n");
        scene_answer(&s, 0, wrong[i]);
        scene_check_ended(&o, NGR_E_PROTOCOL);
        scene_close(&s);
    }
}

/* --- without sending -------------------------------------------------------------------------- */

TEST(a_batch_may_be_thrown_away_at_any_moment)
{
    harness_fail_nth(0);
    ngr_put_discard(NULL);
    struct ngr_put *put = ngr_put_new(&plain);
    ngr_put_discard(put);
    put = ngr_put_new(&plain);
    CHECK(ngr_put_begin(put, (struct ngr_span){"a", 1}) != NULL);
    ngr_put_discard(put);
    put = ngr_put_new(&plain);
    CHECK_INT(put_sized(put, 0, 10), NGR_OK);
    ngr_put_discard(put);
    CHECK_INT(harness_alive, 0);
    ngr_mem_use(NULL);
}

int main(void)
{
    RUN(entries_become_the_shortest_atomic_command);
    RUN(a_transaction_is_framed_byte_for_byte);
    RUN(values_of_any_length_are_framed_whatever_length_was_guessed);
    RUN(ids_and_values_of_any_bytes_are_sent_as_they_are);
    RUN(a_value_too_large_is_refused_and_the_others_stay);
    RUN(a_batch_beyond_the_limit_becomes_several_groups_in_order);
    RUN(groups_with_a_ttl_are_each_a_transaction);
    RUN(a_value_larger_than_a_group_is_a_group_of_its_own);
    RUN(a_refused_group_ends_the_call);
    RUN(only_groups_without_an_answer_are_sent_again);
    RUN(one_command_has_no_more_words_than_old_servers_take);
    RUN(a_refused_write_is_told_with_its_reason);
    RUN(an_aborted_transaction_is_told_with_the_reason_of_its_first_refusal);
    RUN(an_error_within_a_transaction_is_told);
    RUN(a_write_answered_with_another_form_is_not_taken_for_done);
    RUN(a_transaction_answered_with_another_form_is_not_taken_for_done);
    RUN(waiting_for_replicas_answers_how_many_have_it);
    RUN(waiting_for_the_disk_answers_whether_this_server_has_it);
    RUN(a_refused_wait_does_not_undo_the_write);
    RUN(a_wait_answered_with_another_form_kills_the_connection);
    RUN(a_batch_may_be_thrown_away_at_any_moment);
    return harness_result();
}
