/* Ways to a server: names and their addresses, one after another, each with its fair share of the time; and
 * every way in which none is found. */
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scene.h"

static struct ngr_address loopback(unsigned port)
{
    struct ngr_address a;
    ngr_address_numeric(&a, "127.0.0.1", port);
    return a;
}

/* A scene with a TCP peer that is reached by a name; one call waits for it. */
static void ask_by_name(struct scene *s, struct outcome *o)
{
    scene_prepare(s);
    scene_use_tcp(s, "redis.example");
    s->settings.retries = 0;
    scene_start(s);
    scene_get(s, o, "a");
}

static void check_failed(struct scene *s, const struct outcome *o, ngr_status st, const char *words)
{
    CHECK_INT(o->ended, 1);
    CHECK_TEXT(ngr_status_name(o->st), ngr_status_name(st));
    if (!strstr(o->message, words))
        CHECK_TEXT(o->message, words);
    scene_close(s);
}

/* A port where connecting never ends: its queue is full and nobody accepts. */
struct black_hole {
    int listener, filler[8];
    struct ngr_address address;
};

static void open_black_hole(struct black_hole *hole)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    hole->listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(hole->listener, (struct sockaddr *)&in, len) == 0 && listen(hole->listener, 0) == 0);
    CHECK(getsockname(hole->listener, (struct sockaddr *)&in, &len) == 0);
    hole->address = loopback(ntohs(in.sin_port));
    for (int i = 0; i < 8; i++) {
        hole->filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(hole->filler[i], (struct sockaddr *)&in, len);
    }
    usleep(1000); /* the kernel finishes the handshakes that fit */
}

static void close_black_hole(struct black_hole *hole)
{
    for (int i = 0; i < 8; i++)
        close(hole->filler[i]);
    close(hole->listener);
}

/* A port nobody listens on. */
static struct ngr_address refusing(void)
{
    struct peer gone;
    peer_start_tcp(&gone);
    struct ngr_address a = loopback(gone.port);
    peer_stop(&gone);
    return a;
}

TEST(a_name_is_looked_up_once_and_its_address_used)
{
    struct scene s;
    struct outcome o = {0};
    ask_by_name(&s, &o);
    char want[64];
    snprintf(want, sizeof want, "redis.example:%u", s.peer.port);
    CHECK_TEXT(s.loop.looked_up, want);
    struct ngr_address a = loopback(s.peer.port);
    CHECK(fake_loop_answer_lookup(&s.loop, &a, 1, NULL));
    scene_welcome(&s, 0);
    CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:a");
    CHECK_INT(s.loop.lookups, 1);
    scene_close(&s);
}

TEST(an_address_in_digits_is_not_looked_up)
{
    static const char *const hosts[] = {"127.0.0.1", "::1"};
    for (int i = 0; i < 2; i++) {
        struct scene s;
        struct outcome o = {0};
        scene_prepare(&s);
        s.settings.path = NULL;
        s.settings.host = (char *)hosts[i];
        s.settings.port = 1;
        s.settings.retries = 0;
        scene_start(&s);
        scene_get(&s, &o, "a");
        fake_loop_settle(&s.loop);
        CHECK_INT(s.loop.lookups, 0);
        CHECK_INT(o.ended, 1);
        CHECK_TEXT(ngr_status_name(o.st), "NGR_E_CONNECT");
        scene_close(&s);
    }
}

TEST(a_name_that_cannot_be_resolved_is_told_with_the_reason)
{
    struct scene s;
    struct outcome o = {0};
    ask_by_name(&s, &o);
    CHECK(fake_loop_answer_lookup(&s.loop, NULL, 0, "Name or service not known"));
    check_failed(&s, &o, NGR_E_CONNECT, "the host name cannot be resolved: Name or service not known");
}

TEST(a_lookup_that_never_ends_is_given_up_in_time)
{
    struct scene s;
    struct outcome o = {0};
    ask_by_name(&s, &o);
    fake_loop_advance(&s.loop, 4.99);
    CHECK_INT(o.ended, 0);
    fake_loop_advance(&s.loop, 0.02);
    CHECK(s.loop.lookup == NULL);
    check_failed(&s, &o, NGR_E_TIMEOUT, "not connected within 5 s (last state: resolving)");
}

TEST(a_loop_that_cannot_look_up_is_told)
{
    struct scene s;
    struct outcome o = {0};
    ask_by_name(&s, &o);
    fake_loop_answer_lookup(&s.loop, NULL, 0, "no");
    struct outcome second = {0};
    fake_loop_fail(&s.loop, FAKE_RESOLVE, 1);
    scene_get(&s, &second, "a");
    fake_loop_settle(&s.loop);
    check_failed(&s, &second, NGR_E_CONNECT, "the event loop cannot resolve names");
}

TEST(time_spent_looking_up_is_taken_from_the_connecting)
{
    struct scene s;
    struct outcome o = {0};
    ask_by_name(&s, &o);
    fake_loop_advance(&s.loop, 4);
    struct ngr_address a = loopback(s.peer.port);
    fake_loop_answer_lookup(&s.loop, &a, 1, NULL);
    fake_loop_advance(&s.loop, 0.99);
    CHECK_INT(o.ended, 0);
    fake_loop_advance(&s.loop, 0.02);
    check_failed(&s, &o, NGR_E_TIMEOUT, "not connected within 5 s (last state: authenticating)");
}

TEST(an_address_that_refuses_gives_way_to_the_next)
{
    struct scene s;
    struct outcome o = {0};
    ask_by_name(&s, &o);
    struct ngr_address list[] = {refusing(), refusing(), loopback(s.peer.port)};
    fake_loop_answer_lookup(&s.loop, list, 3, NULL);
    scene_welcome(&s, 0);
    CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:a");
    scene_close(&s);
}

TEST(when_all_addresses_refuse_the_last_reason_is_told)
{
    struct scene s;
    struct outcome o = {0};
    ask_by_name(&s, &o);
    struct ngr_address list[] = {refusing(), refusing()};
    fake_loop_answer_lookup(&s.loop, list, 2, NULL);
    check_failed(&s, &o, NGR_E_CONNECT, strerror(ECONNREFUSED));
}

/* Two addresses swallow everything; timers of the loop fire `early` seconds before they are due. */
static void share_the_time(double early)
{
    struct scene s;
    struct outcome o = {0};
    struct black_hole holes[2];
    open_black_hole(&holes[0]);
    open_black_hole(&holes[1]);
    ask_by_name(&s, &o);
    s.loop.early = early;
    struct ngr_address list[] = {holes[0].address, holes[1].address, loopback(s.peer.port)};
    fake_loop_answer_lookup(&s.loop, list, 3, NULL);
    fake_loop_advance(&s.loop, 3.3);
    CHECK_INT(peer_accept(&s.peer), 0);
    fake_loop_advance(&s.loop, 0.05);
    CHECK_INT(peer_accept(&s.peer), 1);
    scene_welcome(&s, 0);
    CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:a");
    scene_close(&s);
    close_black_hole(&holes[0]);
    close_black_hole(&holes[1]);
}

TEST(addresses_that_swallow_everything_get_a_fair_share_of_the_time)
{
    share_the_time(0);
}

TEST(a_timer_that_fires_a_little_early_does_not_cost_the_next_address_its_share)
{
    share_the_time(1e-9);
}

TEST(one_address_that_swallows_everything_gets_all_the_time)
{
    struct scene s;
    struct outcome o = {0};
    struct black_hole hole;
    open_black_hole(&hole);
    ask_by_name(&s, &o);
    struct ngr_address list[] = {refusing(), hole.address};
    fake_loop_answer_lookup(&s.loop, list, 2, NULL);
    fake_loop_advance(&s.loop, 4.99);
    CHECK_INT(o.ended, 0);
    fake_loop_advance(&s.loop, 0.02);
    check_failed(&s, &o, NGR_E_TIMEOUT, "not connected within 5 s (last state: connecting)");
    close_black_hole(&hole);
}

TEST(connecting_may_be_given_up_at_any_moment)
{
    struct scene s;
    struct outcome o = {0};
    struct black_hole hole;
    open_black_hole(&hole);
    ask_by_name(&s, &o);
    fake_loop_answer_lookup(&s.loop, &hole.address, 1, NULL);
    fake_loop_advance(&s.loop, 1);
    ngr_client_close(s.client);
    CHECK(fake_loop_is_idle(&s.loop));
    check_failed(&s, &o, NGR_E_CLOSED, "the storage was closed");
    close_black_hole(&hole);
}

TEST(a_unix_socket_that_is_not_there_is_told)
{
    struct scene s;
    struct outcome o = {0};
    scene_prepare(&s);
    s.settings.path = "/nonexistent/socket";
    s.settings.retries = 0;
    scene_start(&s);
    scene_get(&s, &o, "a");
    CHECK_INT(o.ended, 0); /* never from inside the function that started it */
    fake_loop_settle(&s.loop);
    check_failed(&s, &o, NGR_E_CONNECT, strerror(ENOENT));
}

TEST(a_unix_path_too_long_for_the_system_is_permanent)
{
    char path[200];
    struct scene s;
    struct outcome o = {0};
    scene_prepare(&s);
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    s.settings.path = path;
    scene_start(&s);
    scene_get(&s, &o, "a");
    fake_loop_settle(&s.loop);
    check_failed(&s, &o, NGR_E_CONFIG, "the path of the Unix socket is too long");
}

TEST(a_unix_server_whose_queue_is_full_is_tried_again)
{
    struct scene s;
    struct outcome o = {0};
    int filler[64], count = 0;
    scene_open(&s);
    struct ngr_address a;
    CHECK(ngr_address_unix(&a, s.peer.path));
    do {
        filler[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    } while (connect(filler[count++], (struct sockaddr *)&a.addr, a.len) == 0 && count < 64);
    CHECK_INT(errno, EAGAIN);
    scene_get(&s, &o, "a");
    fake_loop_settle(&s.loop);
    CHECK_INT(o.ended, 0);
    CHECK(strstr(s.log, strerror(ECONNREFUSED)));
    size_t before = peer_accept(&s.peer);
    fake_loop_advance(&s.loop, 1);
    scene_welcome(&s, before);
    CHECK_TEXT(peer_asked(&s.peer, before), "GET p:a");
    scene_close(&s);
    while (count)
        close(filler[--count]);
}

TEST(paths_that_just_fit_are_taken)
{
    struct ngr_address a;
    char path[108];
    memset(path, 'x', sizeof path);
    path[107] = '\0';
    CHECK(ngr_address_unix(&a, path));
    char longer[109];
    memset(longer, 'x', sizeof longer);
    longer[108] = '\0';
    CHECK(!ngr_address_unix(&a, longer));
}

TEST(only_digits_are_numeric_addresses)
{
    struct ngr_address a;
    static const char *const names[] = {"localhost", "", "1.2.3", "1.2.3.4.5", "::g", "[::1]", "127.0.0.1 "};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        CHECK(!ngr_address_numeric(&a, names[i], 1));
    CHECK(ngr_address_numeric(&a, "255.255.255.255", 65535));
    CHECK(ngr_address_numeric(&a, "fe80::1", 1));
}

int main(void)
{
    RUN(a_name_is_looked_up_once_and_its_address_used);
    RUN(an_address_in_digits_is_not_looked_up);
    RUN(a_name_that_cannot_be_resolved_is_told_with_the_reason);
    RUN(a_lookup_that_never_ends_is_given_up_in_time);
    RUN(a_loop_that_cannot_look_up_is_told);
    RUN(time_spent_looking_up_is_taken_from_the_connecting);
    RUN(an_address_that_refuses_gives_way_to_the_next);
    RUN(when_all_addresses_refuse_the_last_reason_is_told);
    RUN(addresses_that_swallow_everything_get_a_fair_share_of_the_time);
    RUN(a_timer_that_fires_a_little_early_does_not_cost_the_next_address_its_share);
    RUN(one_address_that_swallows_everything_gets_all_the_time);
    RUN(connecting_may_be_given_up_at_any_moment);
    RUN(a_unix_socket_that_is_not_there_is_told);
    RUN(a_unix_path_too_long_for_the_system_is_permanent);
    RUN(a_unix_server_whose_queue_is_full_is_tried_again);
    RUN(paths_that_just_fit_are_taken);
    RUN(only_digits_are_numeric_addresses);
    return harness_result();
}
