/* The handshake: which commands greet the server, and what becomes of a connection when one of them is
 * refused, stalled or cut. */
#include "harness.h"

#include "scene.h"

/* Starts a GET with these settings and answers what the server was greeted with. */
static const char *greeting(struct scene *s, struct outcome *o)
{
    scene_start(s);
    scene_get(s, o, "a");
    scene_settle(s);
    return peer_asked(&s->peer, 0);
}

TEST(without_settings_the_greeting_is_a_ping)
{
    struct scene s;
    struct outcome o = {0};
    scene_prepare(&s);
    CHECK_TEXT(greeting(&s, &o), "PING");
    scene_close(&s);
}

TEST(the_greeting_is_exactly_what_the_settings_ask_for)
{
    static const struct {
        char *username, *password, *name;
        int db;
        const char *greeting;
    } rows[] = {
        {NULL, "secret", NULL, 0, "AUTH secret | PING"},
        {"ann", "secret", NULL, 0, "AUTH ann secret | PING"},
        {"ann", NULL, NULL, 0, "PING"},
        {NULL, NULL, NULL, 3, "SELECT 3 | PING"},
        {NULL, NULL, "kv", 0, "CLIENT SETNAME kv | PING"},
        {NULL, "secret", NULL, 15, "AUTH secret | SELECT 15 | PING"},
        {NULL, NULL, "kv", 2, "SELECT 2 | CLIENT SETNAME kv | PING"},
        {"ann", "secret", "kv", 9, "AUTH ann secret | SELECT 9 | CLIENT SETNAME kv | PING"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene s;
        struct outcome o = {0};
        scene_prepare(&s);
        s.settings.username = rows[i].username;
        s.settings.password = rows[i].password;
        s.settings.client_name = rows[i].name;
        s.settings.db = rows[i].db;
        CHECK_TEXT(greeting(&s, &o), rows[i].greeting);
        scene_close(&s);
    }
}

TEST(a_password_of_any_bytes_arrives_as_it_is)
{
    struct scene s;
    struct outcome o = {0};
    scene_prepare(&s);
    s.settings.password = "a b\r\n$3\r\n\xf0\x9f\x98\x80%";
    scene_start(&s);
    scene_get(&s, &o, "a");
    scene_settle(&s);
    CHECK_TEXT(peer_take(&s.peer, 0), "*2\r\n$4\r\nAUTH\r\n$14\r\na b\r\n$3\r\n\xf0\x9f\x98\x80%\r\n"
                                      "*1\r\n$4\r\nPING\r\n");
    scene_close(&s);
}

/* All four commands. */
static void prepare_all(struct scene *s)
{
    scene_prepare(s);
    s->settings.username = "ann";
    s->settings.password = "SECRETWORD";
    s->settings.client_name = "kv";
    s->settings.db = 2;
    s->settings.retries = 0;
}

TEST(nothing_is_asked_before_the_greeting_is_answered)
{
    static const char *const answers[] = {"+OK\r\n", "+OK\r\n", "+OK\r\n", "+PONG\r\n"};
    struct scene s;
    struct outcome o = {0};
    prepare_all(&s);
    greeting(&s, &o);
    for (int i = 0; i < 4; i++) {
        CHECK_TEXT(peer_asked(&s.peer, 0), "");
        CHECK(!ngr_client_is_connected(s.client));
        scene_answer(&s, 0, answers[i]);
    }
    CHECK(ngr_client_is_connected(s.client));
    CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:a");
    scene_answer(&s, 0, "$-1\r\n");
    CHECK_TEXT(o.got, "0=nil");
    scene_close(&s);
}

/* Whoever asks while nobody else waits must not slip past the greeting. */
TEST(a_question_that_comes_alone_waits_for_the_greeting_too)
{
    struct scene s;
    struct outcome first = {0}, second = {0};
    prepare_all(&s);
    greeting(&s, &first);
    scene_cancel(&first);
    scene_get(&s, &second, "b");
    scene_settle(&s);
    CHECK_TEXT(peer_asked(&s.peer, 0), "");
    scene_answer(&s, 0, "+OK\r\n+OK\r\n+OK\r\n+PONG\r\n");
    CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:b");
    scene_answer(&s, 0, "$-1\r\n");
    CHECK_TEXT(second.got, "0=nil");
    scene_close(&s);
}

/* The greeting of prepare_all() is answered with this; the call must fail with `st`, its message holding
 * `words`. */
static void refused(const char *answers, ngr_status st, const char *words)
{
    struct scene s;
    struct outcome o = {0};
    prepare_all(&s);
    greeting(&s, &o);
    scene_answer(&s, 0, answers);
    CHECK_INT(o.ended, 1);
    CHECK_TEXT(ngr_status_name(o.st), ngr_status_name(st));
    if (!strstr(o.message, words))
        CHECK_TEXT(o.message, words);
    CHECK(!strstr(o.message, "SECRETWORD"));
    CHECK(!strstr(s.log, "SECRETWORD"));
    CHECK(peer_is_dropped(&s.peer, 0));
    CHECK_TEXT(o.got, "");
    scene_close(&s);
}

TEST(a_refused_password_is_an_authentication_error)
{
    refused("-WRONGPASS invalid username-password pair or user is disabled.\r\n+OK\r\n+OK\r\n+PONG\r\n",
            NGR_E_AUTH, "refused AUTH (WRONGPASS)");
    refused("-ERR AUTH <password> called without any password configured\r\n+OK\r\n+OK\r\n+PONG\r\n",
            NGR_E_AUTH, "refused AUTH (ERR)");
}

TEST(a_server_that_repeats_the_password_is_not_quoted)
{
    refused("-ERR unknown command `AUTH`, with args beginning with: `ann`, `SECRETWORD`\r\n"
            "-NOAUTH Authentication required.\r\n-NOAUTH x\r\n-NOAUTH x\r\n",
            NGR_E_AUTH, "refused AUTH (ERR)");
    refused("-SECRETWORD\r\n-NOAUTH x\r\n-NOAUTH x\r\n-NOAUTH x\r\n", NGR_E_AUTH, "refused AUTH (no reason)");
    refused("-WRONGPASS SECRETWORD\r\n-NOAUTH x\r\n", NGR_E_AUTH, "refused AUTH (WRONGPASS)");
    refused("-LOADING Redis is loading, SECRETWORD\r\n-LOADING x\r\n-LOADING x\r\n-LOADING x\r\n",
            NGR_E_LOADING, "loading");
    refused("-ERR max number of clients reached, SECRETWORD\r\n", NGR_E_MAXCLIENTS, "client slot");
}

TEST(a_refused_database_is_told)
{
    refused("+OK\r\n-ERR DB index is out of range\r\n+OK\r\n+PONG\r\n", NGR_E_SERVER,
            "DB index is out of range");
}

TEST(a_ping_that_is_refused_for_other_reasons_discards_the_connection)
{
    refused("+OK\r\n+OK\r\n+OK\r\n-MASTERDOWN Link with MASTER is down\r\n", NGR_E_MASTERDOWN, "MASTERDOWN");
    refused("+OK\r\n+OK\r\n+OK\r\n-NOAUTH Authentication required.\r\n", NGR_E_AUTH, "NOAUTH");
}

TEST(the_first_refusal_is_the_one_that_is_told)
{
    refused("+OK\r\n-NOPERM no SELECT\r\n-ERR unknown\r\n-LOADING x\r\n", NGR_E_PERM, "NOPERM no SELECT");
}

TEST(a_greeting_answered_with_another_type_is_a_protocol_error)
{
    static const char *const answers[] = {":1\r\n", "$2\r\nOK\r\n", "*0\r\n", "$-1\r\n"};
    for (int i = 0; i < 4; i++)
        refused(answers[i], NGR_E_PROTOCOL, "check that redis_url names a Redis");
    refused("HTTP/1.1 400 Bad Request\r\n\r\n", NGR_E_PROTOCOL, "not a Redis reply");
}

TEST(a_surplus_answer_to_the_greeting_ends_the_connection_before_anything_is_asked)
{
    struct scene s;
    struct outcome o = {0};
    prepare_all(&s);
    s.settings.retries = 1;
    greeting(&s, &o);
    scene_answer(&s, 0, "+OK\r\n+OK\r\n+OK\r\n+PONG\r\n+SURPLUS\r\n");
    CHECK_TEXT(peer_take(&s.peer, 0), "");
    CHECK(peer_is_dropped(&s.peer, 0));
    CHECK_INT(o.ended, 0);
    CHECK_INT(peer_accept(&s.peer), 2);
    peer_take(&s.peer, 1);
    scene_answer(&s, 1, "+OK\r\n+OK\r\n+OK\r\n+PONG\r\n");
    CHECK_TEXT(peer_asked(&s.peer, 1), "GET p:a");
    scene_close(&s);
}

/* A server without a free slot answers once, whatever it was asked, and closes. */
TEST(the_last_words_of_a_full_server_are_heard)
{
    for (int with_login = 0; with_login < 2; with_login++) {
        struct scene s;
        struct outcome o = {0};
        prepare_all(&s);
        if (!with_login) { /* then SETNAME comes first, whose own errors do not matter */
            s.settings.username = s.settings.password = NULL;
            s.settings.db = 0;
        }
        greeting(&s, &o);
        peer_send(&s.peer, 0, "-ERR max number of clients reached\r\n");
        peer_close(&s.peer, 0);
        fake_loop_settle(&s.loop);
        CHECK_INT(o.ended, 1);
        CHECK_TEXT(ngr_status_name(o.st), "NGR_E_MAXCLIENTS");
        CHECK(strstr(o.message, "max number of clients"));
        scene_close(&s);
    }
}

TEST(a_server_that_is_loading_says_so_whatever_it_was_asked)
{
    refused("+OK\r\n+OK\r\n-LOADING x\r\n", NGR_E_LOADING, "loading");
    refused("+OK\r\n-LOADING x\r\n", NGR_E_LOADING, "loading");
    refused("-LOADING x\r\n", NGR_E_LOADING, "loading");
}

TEST(a_refusal_is_told_before_the_rest_of_the_greeting_is_answered)
{
    struct scene s;
    struct outcome o = {0};
    prepare_all(&s);
    greeting(&s, &o);
    scene_answer(&s, 0, "-WRONGPASS no\r\n");
    CHECK_INT(o.ended, 1);
    CHECK_TEXT(ngr_status_name(o.st), "NGR_E_AUTH");
    scene_close(&s);
}

static void accepted(const char *answers)
{
    struct scene s;
    struct outcome o = {0};
    prepare_all(&s);
    greeting(&s, &o);
    scene_answer(&s, 0, answers);
    CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:a");
    scene_answer(&s, 0, "$1\r\nx\r\n");
    CHECK_TEXT(o.got, "0=x");
    scene_close(&s);
}

TEST(an_error_reply_to_setname_is_ignored)
{
    accepted("+OK\r\n+OK\r\n-ERR unknown subcommand 'SETNAME'\r\n+PONG\r\n");
    accepted("+OK\r\n+OK\r\n-NOPERM this user has no permissions to run 'client'\r\n+PONG\r\n");
}

TEST(a_user_who_may_not_ping_is_alive)
{
    accepted("+OK\r\n+OK\r\n+OK\r\n-NOPERM this user has no permissions to run the 'ping' command\r\n");
}

static const char all_well[] = "+OK\r\n+OK\r\n+OK\r\n+PONG\r\n";

TEST(a_greeting_answered_in_any_two_pieces_is_answered)
{
    for (size_t cut = 1; cut < sizeof all_well - 1; cut++) {
        struct scene s;
        struct outcome o = {0};
        prepare_all(&s);
        greeting(&s, &o);
        peer_send_bytes(&s.peer, 0, all_well, cut);
        fake_loop_settle(&s.loop);
        CHECK(!ngr_client_is_connected(s.client));
        scene_answer(&s, 0, all_well + cut);
        CHECK(ngr_client_is_connected(s.client));
        scene_close(&s);
    }
}

TEST(a_greeting_stalled_at_any_byte_ends_within_the_connect_timeout)
{
    for (size_t cut = 0; cut < sizeof all_well - 1; cut++) {
        struct scene s;
        struct outcome o = {0};
        prepare_all(&s);
        greeting(&s, &o);
        peer_send_bytes(&s.peer, 0, all_well, cut);
        fake_loop_advance(&s.loop, 4.99);
        CHECK_INT(o.ended, 0);
        fake_loop_advance(&s.loop, 0.02);
        CHECK_INT(o.ended, 1);
        CHECK_TEXT(ngr_status_name(o.st), "NGR_E_TIMEOUT");
        CHECK(strstr(o.message, "not connected within 5 s (last state: authenticating)"));
        CHECK(peer_is_dropped(&s.peer, 0));
        scene_close(&s);
    }
}

TEST(a_greeting_that_trickles_ends_within_the_connect_timeout)
{
    struct scene s;
    struct outcome o = {0};
    prepare_all(&s);
    greeting(&s, &o);
    for (size_t i = 0; i < sizeof all_well - 1 && !o.ended; i++) {
        peer_send_bytes(&s.peer, 0, all_well + i, 1);
        fake_loop_advance(&s.loop, 0.5);
    }
    CHECK_INT(o.ended, 1);
    CHECK_TEXT(ngr_status_name(o.st), "NGR_E_TIMEOUT");
    CHECK(s.loop.clock <= 1005.5);
    scene_close(&s);
}

/* Cuts the greeting's answer behind every byte, by FIN or RST. */
static void cut_everywhere(void (*cut_off)(struct peer *, size_t), bool is_tcp)
{
    for (size_t cut = 0; cut < sizeof all_well - 1; cut++) {
        struct scene s;
        struct outcome o = {0};
        prepare_all(&s);
        if (is_tcp)
            scene_use_tcp(&s, "127.0.0.1");
        greeting(&s, &o);
        peer_send_bytes(&s.peer, 0, all_well, cut);
        cut_off(&s.peer, 0);
        fake_loop_settle(&s.loop);
        CHECK_INT(o.ended, 1);
        CHECK_TEXT(ngr_status_name(o.st), "NGR_E_LOST");
        scene_close(&s);
    }
}

TEST(a_greeting_cut_at_any_byte_fails_its_callers)
{
    cut_everywhere(peer_close, false);
    cut_everywhere(peer_close, true);
}

TEST(a_greeting_reset_at_any_byte_fails_its_callers)
{
    cut_everywhere(peer_reset, true);
}

TEST(the_answer_to_a_refused_call_names_what_to_do)
{
    struct scene s;
    struct outcome o = {0};
    prepare_all(&s);
    greeting(&s, &o);
    scene_answer(&s, 0, "-WRONGPASS no\r\n+OK\r\n+OK\r\n+PONG\r\n");
    CHECK_TEXT(o.message, "unix://peer: authentication failed: the server refused AUTH (WRONGPASS); check "
                          "redis_username and redis_password (or the ones in redis_url)");
    CHECK_TEXT(s.log, "- unix://peer: authentication failed: the server refused AUTH (WRONGPASS)\n");
    scene_close(&s);
}

int main(void)
{
    RUN(without_settings_the_greeting_is_a_ping);
    RUN(the_greeting_is_exactly_what_the_settings_ask_for);
    RUN(a_password_of_any_bytes_arrives_as_it_is);
    RUN(nothing_is_asked_before_the_greeting_is_answered);
    RUN(a_question_that_comes_alone_waits_for_the_greeting_too);
    RUN(a_refused_password_is_an_authentication_error);
    RUN(a_server_that_repeats_the_password_is_not_quoted);
    RUN(a_refused_database_is_told);
    RUN(a_ping_that_is_refused_for_other_reasons_discards_the_connection);
    RUN(the_first_refusal_is_the_one_that_is_told);
    RUN(a_greeting_answered_with_another_type_is_a_protocol_error);
    RUN(a_surplus_answer_to_the_greeting_ends_the_connection_before_anything_is_asked);
    RUN(the_last_words_of_a_full_server_are_heard);
    RUN(a_server_that_is_loading_says_so_whatever_it_was_asked);
    RUN(a_refusal_is_told_before_the_rest_of_the_greeting_is_answered);
    RUN(an_error_reply_to_setname_is_ignored);
    RUN(a_user_who_may_not_ping_is_alive);
    RUN(a_greeting_answered_in_any_two_pieces_is_answered);
    RUN(a_greeting_stalled_at_any_byte_ends_within_the_connect_timeout);
    RUN(a_greeting_that_trickles_ends_within_the_connect_timeout);
    RUN(a_greeting_cut_at_any_byte_fails_its_callers);
    RUN(a_greeting_reset_at_any_byte_fails_its_callers);
    RUN(the_answer_to_a_refused_call_names_what_to_do);
    return harness_result();
}
