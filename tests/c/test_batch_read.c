/* Reading many keys: which commands they become, how answers find their indices, and what tells "another
 * type" from "absent". */
#include "harness.h"

#include "client.h"
#include "scene.h"

static void open_ready(struct scene *s)
{
    struct outcome o = {0};
    scene_open(s);
    scene_exists(s, &o, "warm"); /* which tells nothing about the size of values */
    scene_welcome(s, 0);
    peer_take(&s->peer, 0);
    scene_answer(s, 0, ":0\r\n");
    CHECK_TEXT(o.got, "#0=0");
}

TEST(one_key_is_a_get)
{
    struct scene s;
    struct outcome o = {0};
    open_ready(&s);
    scene_get(&s, &o, "a");
    CHECK_TEXT(peer_take(&s.peer, 0), "*2\r\n$3\r\nGET\r\n$3\r\np:a\r\n");
    scene_answer(&s, 0, "$0\r\n\r\n");
    CHECK_TEXT(o.got, "0=");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(an_absent_key_is_told_as_absent)
{
    struct scene s;
    struct outcome o = {0};
    open_ready(&s);
    scene_get(&s, &o, "a");
    scene_answer(&s, 0, "$-1\r\n");
    CHECK_TEXT(o.got, "0=nil");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(several_keys_are_an_mget)
{
    struct scene s;
    struct outcome o = {0};
    open_ready(&s);
    scene_get(&s, &o, "a b c");
    CHECK_TEXT(peer_take(&s.peer, 0), "*4\r\n$4\r\nMGET\r\n$3\r\np:a\r\n$3\r\np:b\r\n$3\r\np:c\r\n");
    scene_answer(&s, 0, "*3\r\n$1\r\nA\r\n$1\r\nB\r\n$1\r\nC\r\n");
    CHECK_TEXT(o.got, "0=A 1=B 2=C");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(what_mget_calls_absent_is_asked_again_one_by_one)
{
    struct scene s;
    struct outcome o = {0};
    open_ready(&s);
    scene_get(&s, &o, "a b c d");
    CHECK_TEXT(peer_asked(&s.peer, 0), "MGET p:a p:b p:c p:d");
    scene_answer(&s, 0, "*4\r\n$-1\r\n$1\r\nB\r\n$-1\r\n$-1\r\n");
    CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:a | GET p:c | GET p:d");
    CHECK_TEXT(o.got, "1=B");
    CHECK_INT(o.ended, 0);
    scene_answer(&s, 0, "$-1\r\n$4\r\nlate\r\n$-1\r\n");
    CHECK_TEXT(o.got, "1=B 0=nil 2=late 3=nil");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(a_key_of_another_type_is_an_error_that_names_it)
{
    struct scene s;
    struct outcome o = {0};
    open_ready(&s);
    scene_get(&s, &o, "a b c");
    peer_take(&s.peer, 0);
    scene_answer(&s, 0, "*3\r\n$1\r\nA\r\n$-1\r\n$-1\r\n");
    CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:b | GET p:c");
    scene_answer(&s, 0, "$-1\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    scene_check_ended(&o, NGR_E_WRONGTYPE);
    CHECK(strstr(o.message, "(key p:c)"));
    CHECK(!peer_is_dropped(&s.peer, 0));
    scene_close(&s);
}

TEST(the_first_of_several_errors_is_told)
{
    struct scene s;
    struct outcome o = {0};
    open_ready(&s);
    static const struct ngr_span ids[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    const struct ngr_keys keys = {{"p:", 2}, ids, 3};
    o.call = ngr_get(s.client, &keys, 60, &scene_sink, &o);
    scene_answer(&s, 0, "$1\r\nA\r\n-NOPERM first\r\n-WRONGTYPE second\r\n");
    scene_check_ended(&o, NGR_E_PERM);
    CHECK(strstr(o.message, "NOPERM first (key p:b)"));
    scene_close(&s);
}

TEST(a_long_key_does_not_flood_the_message)
{
    struct scene s;
    struct outcome o = {0};
    char id[900];
    open_ready(&s);
    memset(id, 'k', sizeof id);
    id[sizeof id - 1] = '\0';
    scene_get(&s, &o, id);
    scene_answer(&s, 0, "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    scene_check_ended(&o, NGR_E_WRONGTYPE);
    CHECK(strlen(o.message) < 400);
    CHECK(strstr(o.message, "choose another redis_key_prefix"));
    scene_close(&s);
}

TEST(the_same_id_twice_is_answered_twice)
{
    struct scene s;
    struct outcome o = {0};
    open_ready(&s);
    scene_get(&s, &o, "a a b a");
    CHECK_TEXT(peer_asked(&s.peer, 0), "MGET p:a p:a p:b p:a");
    scene_answer(&s, 0, "*4\r\n$1\r\nA\r\n$1\r\nA\r\n$-1\r\n$1\r\nA\r\n");
    CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:b");
    scene_answer(&s, 0, "$-1\r\n");
    CHECK_TEXT(o.got, "0=A 1=A 3=A 2=nil");
    scene_close(&s);
}

TEST(ids_of_any_bytes_are_asked_for_as_they_are)
{
    struct scene s;
    struct outcome o = {0};
    open_ready(&s);
    static const struct ngr_span ids[] = {{"\r\n$1\r\n", 6}, {"a\0b", 3}, {"", 0}, {"\xff\xfe", 2}};
    const struct ngr_keys keys = {{"p:", 2}, ids, 4};
    o.call = ngr_get(s.client, &keys, 0, &scene_sink, &o);
    static const char want[] = "*5\r\n$4\r\nMGET\r\n$8\r\np:\r\n$1\r\n\r\n$5\r\np:a\0b\r\n$2\r\np:\r\n"
                               "$4\r\np:\xff\xfe\r\n";
    peer_read(&s.peer, 0);
    CHECK_INT(s.peer.conns[0].len, sizeof want - 1);
    CHECK(memcmp(peer_take(&s.peer, 0), want, sizeof want - 1) == 0);
    scene_close(&s);
}

TEST(values_of_any_bytes_arrive_as_they_are)
{
    struct scene s;
    struct outcome o = {0};
    open_ready(&s);
    scene_get(&s, &o, "a");
    scene_answer(&s, 0, "$7\r\n\r\n+OK\r\n\r\n");
    CHECK_TEXT(o.got, "0=\r\n+OK\r\n");
    scene_close(&s);
}

TEST(reading_that_renews_is_a_getex_for_each_key)
{
    struct scene s;
    struct outcome o = {0};
    open_ready(&s);
    static const struct ngr_span ids[] = {{"a", 1}, {"b", 1}};
    struct ngr_keys keys = {{"p:", 2}, ids, 2};
    o.call = ngr_get(s.client, &keys, 9223372036854775807, &scene_sink, &o);
    CHECK_TEXT(peer_asked(&s.peer, 0), "GETEX p:a EX 9223372036854775807 | GETEX p:b EX 9223372036854775807");
    scene_answer(&s, 0, "$-1\r\n$1\r\nB\r\n");
    CHECK_TEXT(o.got, "0=nil 1=B");
    struct outcome one = {0};
    keys.count = 1;
    one.call = ngr_get(s.client, &keys, 60, &scene_sink, &one);
    CHECK_TEXT(peer_asked(&s.peer, 0), "GETEX p:a EX 60");
    scene_answer(&s, 0, "-ERR unknown command 'GETEX'\r\n");
    scene_check_ended(&one, NGR_E_SERVER);
    scene_close(&s);
}

TEST(existence_of_one_key_is_one_question)
{
    for (int there = 0; there < 2; there++) {
        struct scene s;
        struct outcome o = {0};
        open_ready(&s);
        scene_exists(&s, &o, "a");
        CHECK_TEXT(peer_take(&s.peer, 0), "*2\r\n$6\r\nEXISTS\r\n$3\r\np:a\r\n");
        scene_answer(&s, 0, there ? ":1\r\n" : ":0\r\n");
        CHECK_TEXT(o.got, there ? "#0=1" : "#0=0");
        scene_check_ended(&o, NGR_OK);
        scene_close(&s);
    }
}

TEST(a_group_of_keys_that_are_all_there_or_all_absent_is_known_at_once)
{
    for (int there = 0; there < 2; there++) {
        struct scene s;
        struct outcome o = {0};
        open_ready(&s);
        scene_exists(&s, &o, "a b a");
        CHECK_TEXT(peer_asked(&s.peer, 0), "EXISTS p:a p:b p:a");
        scene_answer(&s, 0, there ? ":3\r\n" : ":0\r\n"); /* a key named twice counts twice */
        CHECK_TEXT(o.got, there ? "#0=1 #1=1 #2=1" : "#0=0 #1=0 #2=0");
        scene_check_ended(&o, NGR_OK);
        scene_close(&s);
    }
}

TEST(the_keys_of_a_mixed_group_are_asked_for_one_by_one)
{
    struct scene s;
    struct outcome o = {0};
    open_ready(&s);
    scene_exists(&s, &o, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19");
    CHECK_TEXT(peer_asked(&s.peer, 0), "EXISTS p:1 p:2 p:3 p:4 p:5 p:6 p:7 p:8 p:9 p:10 p:11 p:12 p:13 p:14 "
                                       "p:15 p:16 | EXISTS p:17 p:18 p:19");
    scene_answer(&s, 0, ":16\r\n:2\r\n");
    CHECK_TEXT(peer_asked(&s.peer, 0), "EXISTS p:17 | EXISTS p:18 | EXISTS p:19");
    scene_answer(&s, 0, ":1\r\n:0\r\n:1\r\n");
    CHECK(strstr(o.got, "#0=1 #1=1 "));
    CHECK(strstr(o.got, " #15=1 #16=1 #17=0 #18=1"));
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(a_group_lost_in_the_middle_is_asked_from_the_start)
{
    struct scene s;
    struct outcome o = {0};
    open_ready(&s);
    scene_exists(&s, &o, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18");
    peer_take(&s.peer, 0);
    scene_answer(&s, 0, ":3\r\n"); /* mixed */
    peer_close(&s.peer, 0);
    scene_welcome(&s, 1);
    CHECK(strncmp(peer_asked(&s.peer, 1), "EXISTS p:1 p:2", 14) == 0);
    scene_answer(&s, 1, ":0\r\n:1\r\n");
    CHECK_TEXT(peer_asked(&s.peer, 1), "EXISTS p:17 | EXISTS p:18");
    scene_answer(&s, 1, ":0\r\n:1\r\n");
    CHECK(strstr(o.got, " #16=0 #17=1"));
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

TEST(a_number_that_cannot_be_is_not_believed)
{
    static const char *const odd[] = {":-1\r\n", ":4\r\n", ":9223372036854775807\r\n"};
    for (int i = 0; i < 3; i++) {
        struct scene s;
        struct outcome o = {0};
        open_ready(&s);
        scene_exists(&s, &o, "a b c");
        peer_take(&s.peer, 0);
        scene_answer(&s, 0, odd[i]);
        CHECK_TEXT(peer_asked(&s.peer, 0), "EXISTS p:a | EXISTS p:b | EXISTS p:c");
        CHECK_TEXT(o.got, "");
        scene_close(&s);
    }
}

TEST(answers_of_another_form_kill_the_connection)
{
    static const char *const wrong[] = {
        "*2\r\n$1\r\nA\r\n$1\r\nB\r\n", /* one too few */
        "*4\r\n",                       /* one too many */
        "*-1\r\n",
        "$1\r\nA\r\n",
        "+OK\r\n",
        ":3\r\n",
        "*3\r\n$1\r\nA\r\n:5\r\n",
        "*3\r\n$1\r\nA\r\n+OK\r\n",
        "*3\r\n$1\r\nA\r\n*3\r\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct scene s;
        struct outcome o = {0};
        open_ready(&s);
        scene_get(&s, &o, "a b c");
        scene_answer(&s, 0, wrong[i]);
        scene_check_ended(&o, NGR_E_PROTOCOL);
        CHECK(peer_is_dropped(&s.peer, 0));
        scene_close(&s);
    }
}

TEST(existence_answered_with_another_type_kills_the_connection)
{
    static const char *const wrong[] = {"$1\r\n1\r\n", "+OK\r\n", "*1\r\n:1\r\n", "$-1\r\n"};
    for (size_t i = 0; i < 4; i++) {
        struct scene s;
        struct outcome o = {0};
        open_ready(&s);
        scene_exists(&s, &o, "a");
        scene_answer(&s, 0, wrong[i]);
        scene_check_ended(&o, NGR_E_PROTOCOL);
        CHECK(peer_is_dropped(&s.peer, 0));
        scene_close(&s);
    }
}

/* --- windows ---------------------------------------------------------------------------------- */

#define MANY 3000

/* `count` ids, "0" ... */
static struct ngr_keys many_keys(size_t count)
{
    static char texts[MANY][8];
    static struct ngr_span ids[MANY];
    for (size_t i = 0; i < count; i++)
        ids[i] = (struct ngr_span){texts[i], (size_t)snprintf(texts[i], sizeof texts[i], "%zu", i)};
    return (struct ngr_keys){{"p:", 2}, ids, count};
}

static size_t received, wrong_values, value_size;

/* Each value is its own index, then dots up to value_size. */
static ngr_status check_value(void *user, size_t index, const char *data, size_t len)
{
    received++;
    wrong_values += !data || len != value_size || (size_t)strtoul(data, NULL, 10) != index;
    return NGR_OK;
}

static void note_end(void *user, ngr_status st, const char *message)
{
    *(int *)user = st == NGR_OK ? 1 : -1;
}

/* Answers the complete requests that have arrived; notes in `keys` how many keys each asked for. */
static size_t answer_mgets(struct scene *s, size_t keys[8])
{
    struct ngr_span words[1024];
    size_t begin = 0, parts = 0, count = 0;
    peer_read(&s->peer, 0);
    size_t len = s->peer.conns[0].len;
    char *data = malloc(len + 1), *value = malloc(value_size + 1);
    CHECK(data && value);
    memcpy(data, peer_take(&s->peer, 0), len);
    while (begin < len) {
        long bytes = peer_parse(data + begin, len - begin, words, 1024, &count);
        CHECK(bytes > 0 && parts < 8);
        char header[32];
        snprintf(header, sizeof header, "*%zu\r\n", count - 1);
        if (words[0].len == 4) /* MGET, not GET */
            peer_send(&s->peer, 0, header);
        for (size_t i = 1; i < count; i++) {
            snprintf(header, sizeof header, "$%zu\r\n", value_size);
            peer_send(&s->peer, 0, header);
            memset(value, '.', value_size);
            memcpy(value, words[i].data + 2, words[i].len - 2);
            for (size_t sent = 0; sent < value_size; fake_loop_settle(&s->loop))
                sent += peer_send_bytes(&s->peer, 0, value + sent, value_size - sent);
            peer_send(&s->peer, 0, "\r\n");
        }
        keys[parts++] = count - 1;
        begin += (size_t)bytes;
    }
    free(data);
    free(value);
    fake_loop_settle(&s->loop);
    return parts;
}

static const struct ngr_sink checking = {.value = check_value, .done = note_end};

TEST(at_most_four_parts_are_under_way_and_every_key_is_answered)
{
    struct scene s;
    int end = 0;
    size_t keys[8], most = 0, first = 0, rounds = 0;
    const struct ngr_keys all = many_keys(MANY);
    open_ready(&s);
    received = wrong_values = 0;
    value_size = 50;
    CHECK(ngr_get(s.client, &all, 0, &checking, &end) != NULL);
    while (!end) {
        fake_loop_settle(&s.loop);
        size_t parts = answer_mgets(&s, keys);
        CHECK(parts >= 1 && parts <= 4);
        for (size_t i = 0; i < parts; i++)
            most = keys[i] > most ? keys[i] : most;
        first = rounds++ ? first : keys[0];
    }
    CHECK_INT(end, 1);
    CHECK_INT(received, MANY);
    CHECK_INT(wrong_values, 0);
    CHECK_INT(first, 16); /* careful while nothing is known */
    CHECK_INT(most, 512); /* and then as many as there may be */
    scene_close(&s);
}

/* Answers EXISTS: with `step` 2 every other key is there, with 1 every one. Notes in `keys` how many keys
 * each command was about, and answers how many commands there were. */
static size_t answer_existence(struct scene *s, size_t step, size_t keys[4096])
{
    struct ngr_span words[32];
    size_t begin = 0, commands = 0, count = 0;
    peer_read(&s->peer, 0);
    size_t len = s->peer.conns[0].len;
    static char answers[4096 * 8];
    size_t answered = 0;
    char *data = malloc(len + 1);
    CHECK(data);
    memcpy(data, peer_take(&s->peer, 0), len);
    for (; begin < len && commands < 4096; commands++) {
        unsigned there = 0;
        long bytes = peer_parse(data + begin, len - begin, words, 32, &count);
        CHECK(bytes > 0);
        for (size_t i = 1; i < count; i++)
            there += strtoul(words[i].data + 2, NULL, 10) % step == 0;
        answered += (size_t)snprintf(answers + answered, sizeof answers - answered, ":%u\r\n", there);
        keys[commands] = count - 1;
        begin += (size_t)bytes;
    }
    free(data);
    for (size_t sent = 0; sent < answered; fake_loop_settle(&s->loop))
        sent += peer_send_bytes(&s->peer, 0, answers + sent, answered - sent);
    return commands;
}

static unsigned char existence[MANY];

static ngr_status note_existence(void *user, size_t index, long long number)
{
    existence[index] = (unsigned char)(number ? 'y' : 'n');
    return NGR_OK;
}

static const struct ngr_sink noting_existence = {.number = note_existence, .done = note_end};

TEST(the_first_part_of_many_decides_whether_groups_pay)
{
    static size_t keys[4096];
    for (size_t step = 1; step <= 2; step++) {
        struct scene s;
        int end = 0;
        const struct ngr_keys all = many_keys(MANY);
        open_ready(&s);
        memset(existence, 0, sizeof existence);
        CHECK(ngr_exists(s.client, &all, &noting_existence, &end) != NULL);
        fake_loop_settle(&s.loop);
        CHECK_INT(answer_existence(&s, step, keys), 8); /* 128 keys, 16 in each */
        CHECK_INT(keys[0], 16);
        size_t second = answer_existence(&s, step, keys);
        CHECK_INT(keys[0], step == 1 ? 16 : 1);
        CHECK(step == 1 ? second < 200 : second > 2000);
        for (unsigned round = 0; !end && round < 10; round++)
            answer_existence(&s, step, keys);
        CHECK_INT(end, 1);
        for (size_t i = 0; i < MANY; i++)
            CHECK(existence[i] == (i % step == 0 ? 'y' : 'n'));
        scene_close(&s);
    }
}

TEST(parts_of_large_values_are_small)
{
    struct scene s;
    int end = 0;
    size_t keys[8], last = 0;
    const struct ngr_keys all = many_keys(100);
    open_ready(&s);
    received = wrong_values = 0;
    value_size = 100000;
    CHECK(ngr_get(s.client, &all, 0, &checking, &end) != NULL);
    while (!end) {
        fake_loop_settle(&s.loop);
        size_t parts = answer_mgets(&s, keys);
        last = keys[parts - 1];
    }
    CHECK_INT(end, 1);
    CHECK_INT(received, 100);
    CHECK_INT(wrong_values, 0);
    CHECK(last <= 3);
    scene_close(&s);
}

TEST(long_keys_make_small_parts)
{
    struct scene s;
    struct outcome o = {0};
    enum { LONG = 100000 };
    char *id = calloc(1, LONG);
    CHECK(id != NULL);
    open_ready(&s);
    struct ngr_span ids[16];
    for (int i = 0; i < 16; i++)
        ids[i] = (struct ngr_span){id, LONG};
    const struct ngr_keys keys = {{"p:", 2}, ids, 16};
    o.call = ngr_get(s.client, &keys, 0, &scene_sink, &o);
    for (int i = 0; i < 100; i++) {
        fake_loop_settle(&s.loop);
        peer_read(&s.peer, 0);
    }
    const char *asked = peer_asked(&s.peer, 0);
    CHECK(strncmp(asked, "MGET <100002 bytes> <100002 bytes> <100002 bytes> | MGET", 56) == 0);
    scene_close(&s);
    free(id);
}

int main(void)
{
    RUN(one_key_is_a_get);
    RUN(an_absent_key_is_told_as_absent);
    RUN(several_keys_are_an_mget);
    RUN(what_mget_calls_absent_is_asked_again_one_by_one);
    RUN(a_key_of_another_type_is_an_error_that_names_it);
    RUN(the_first_of_several_errors_is_told);
    RUN(a_long_key_does_not_flood_the_message);
    RUN(the_same_id_twice_is_answered_twice);
    RUN(ids_of_any_bytes_are_asked_for_as_they_are);
    RUN(values_of_any_bytes_arrive_as_they_are);
    RUN(reading_that_renews_is_a_getex_for_each_key);
    RUN(existence_of_one_key_is_one_question);
    RUN(a_group_of_keys_that_are_all_there_or_all_absent_is_known_at_once);
    RUN(the_keys_of_a_mixed_group_are_asked_for_one_by_one);
    RUN(a_group_lost_in_the_middle_is_asked_from_the_start);
    RUN(a_number_that_cannot_be_is_not_believed);
    RUN(answers_of_another_form_kill_the_connection);
    RUN(existence_answered_with_another_type_kills_the_connection);
    RUN(at_most_four_parts_are_under_way_and_every_key_is_answered);
    RUN(the_first_part_of_many_decides_whether_groups_pay);
    RUN(parts_of_large_values_are_small);
    RUN(long_keys_make_small_parts);
    return harness_result();
}
