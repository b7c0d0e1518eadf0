/* The whole client on a fake loop, driven by a program: calls, cancellations, time, memory that ends, a
 * server that answers in pieces, refuses, hangs up or lies. However it goes: every call ends once, within its
 * time; no answer is another key's while the server is honest; nobody's key is touched even when it is not;
 * the client works afterwards; nothing is left behind.
 *
 * A program is text: the first two letters are the settings, then each operation is a letter and its
 * arguments, one byte each ('0' is 0, '1' is 1, ...; taken modulo what there is). "00g0.p03.cT" reads a key,
 * puts three. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "client.h"
#include "client_calls.h"
#include "harness_memory.h"

#define ENOUGH_CONNECTIONS 10  /* a program ends here: the peer has room for those that are on their way */
#define PATIENCE           300 /* seconds in which every call ends, whatever the server does */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

static void insist(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "client: %s\n", what);
    abort();
}

/* --- a socket that takes little at a time ----------------------------------------------------- */

static size_t bytes_at_most;   /* taken by one sendmsg(); 0: all */
static unsigned times_blocked; /* so many times it takes nothing */

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (times_blocked) {
        times_blocked--;
        errno = EAGAIN;
        return -1;
    }
    if (!bytes_at_most)
        return __real_sendmsg(fd, message, flags);
    struct iovec part = message->msg_iov[0];
    struct msghdr less = {.msg_iov = &part, .msg_iovlen = 1};
    if (part.iov_len > bytes_at_most)
        part.iov_len = bytes_at_most;
    return __real_sendmsg(fd, &less, flags);
}

/* --- the program ------------------------------------------------------------------------------ */

struct program {
    const uint8_t *at, *end;
};

static unsigned take(struct program *p, unsigned limit)
{
    return p->at < p->end ? (uint8_t)(*p->at++ - '0') % limit : 0;
}

static void set_up(struct world *w, struct program *p)
{
    unsigned size = take(p, 8), kind = take(p, 16);
    memset(w, 0, sizeof *w);
    scene_prepare(&w->scene);
    struct ngr_settings *s = &w->scene.settings;
    s->max_connections = 1 + size % 4;
    s->retries = size < 4 ? 3 : 0;
    s->max_value_bytes = kind & 8 ? 4000 : 1 << 20;
    s->idle_check = kind & 4 ? 3 : 0;
    if (kind & 1)
        s->password = "s3cr3t";
    if (kind & 2) {
        s->username = "ann";
        s->db = 2;
        s->client_name = "kv";
    }
    server_init(&w->server, &w->scene);
    w->server.tiny.page = 5;
    calls_prepare(w);
    scene_start(&w->scene);
    w->scene.client->random = 1; /* made of an address otherwise: the same program would run differently */
}

static const double pauses[] = {0.001, 0.5, 1, 3, 5.001, 7.001, 10, 31};

/* Something happens to connection `n`. */
static void disturb(struct world *w, struct program *p, char what, size_t n)
{
    struct server *s = &w->server;
    switch (what) {
    case 'a':
        server_answer(s, n, 1 + take(p, 16));
        break;
    case 's':
        server_send(s, n, 1 + take(p, 64));
        break;
    case 'S':
        server_send(s, n, (size_t)-1);
        break;
    case 'k':
        peer_close(&w->scene.peer, n);
        break;
    case 'K':
        peer_reset(&w->scene.peer, n);
        break;
    default: {
        size_t len = take(p, 32), left = (size_t)(p->end - p->at);
        len = len < left ? len : left;
        server_blurt(s, n, (const char *)p->at, len);
        p->at += len;
    }
    }
}

static void call_or_cancel(struct world *w, struct program *p, char what)
{
    unsigned first;
    switch (what) {
    case 'g':
        calls_get(w, take(p, IDS), 1, 0);
        break;
    case 'G':
        calls_get(w, take(p, IDS), 1 + take(p, 3), 60);
        break;
    case 'm':
        first = take(p, IDS);
        calls_get(w, first, 1 + take(p, KEYS_MAX), 0);
        break;
    case 'x':
        first = take(p, IDS);
        calls_exists(w, first, 1 + take(p, KEYS_MAX));
        break;
    case 'p':
        first = take(p, VOLATILE);
        calls_put(w, first, 1 + take(p, 12), take(p, 16));
        break;
    case 'r':
        calls_remove(w, take(p, 64));
        break;
    case 'l':
        calls_list(w);
        break;
    case 'd':
        calls_drop(w);
        break;
    case 'e':
        calls_exec(w, take(p, IDS), take(p, 2));
        break;
    default:
        calls_cancel(w, take(p, LIVE_MAX));
    }
}

static void change_world(struct world *w, struct program *p, char what)
{
    struct server *s = &w->server;
    switch (what) {
    case '.':
        server_serve(s);
        break;
    case 'T':
        fake_loop_tick(&w->scene.loop);
        break;
    case 't':
        fake_loop_advance(&w->scene.loop, pauses[take(p, 8)]);
        break;
    case 'C':
        ngr_client_close(w->scene.client);
        break;
    case 'R':
        w->reaction = (enum reaction)take(p, REACTIONS);
        break;
    case 'D':
        peer_stop_listening(&w->scene.peer);
        break;
    case 'L':
        peer_listen_again(&w->scene.peer);
        break;
    case '!':
        s->error_number = take(p, 16);
        s->errors = 1 + take(p, 8);
        break;
    case '~':
        s->lie = (enum server_lie)take(p, LIES);
        s->lie_at = (uint8_t)take(p, 256);
        s->lie_byte = (uint8_t)take(p, 256);
        s->is_next_spoilt = true;
        break;
    case 'w':
        bytes_at_most = take(p, 64);
        break;
    case 'W':
        times_blocked = take(p, 8);
        break;
    case 'M':
        harness_fail_nth(1 + (long)take(p, 64));
        break;
    case 'F': {
        enum fake_function function = (enum fake_function)take(p, FAKE_FUNCTIONS);
        fake_loop_fail(&w->scene.loop, function, 1 + take(p, 8));
        break;
    }
    default: /* any other byte is a pause in the text */
        break;
    }
}

static void step(struct world *w, struct program *p)
{
    char what = (char)*p->at++;
    if (strchr("gGmxprldec", what)) {
        call_or_cancel(w, p, what);
    } else if (strchr("asSkK?", what)) {
        size_t n = take(p, PEER_MAX);
        if (n < w->scene.peer.count)
            disturb(w, p, what, n);
    } else {
        change_world(w, p, what);
    }
    server_accept(&w->server);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* From here on nothing fails any more but what is under way already. */
static void calm_down(struct world *w)
{
    harness_fail_nth(0);
    memset(w->scene.loop.fail_at, 0, sizeof w->scene.loop.fail_at);
    bytes_at_most = 0;
    times_blocked = 0;
    w->reaction = REACT_NOT;
    w->server.errors = 0;
    w->server.is_next_spoilt = false;
}

static void wait_for_all(struct world *w, bool is_served)
{
    for (int second = 0; second < PATIENCE && calls_live(w); second++) {
        if (is_served)
            server_serve(&w->server);
        fake_loop_advance(&w->scene.loop, 1);
    }
    insist(calls_live(w) == 0, "a call does not end");
    insist(ngr_client_pending(w->scene.client) == 0, "the client waits for a call that nobody knows");
}

/* A connection that is being made may have a refusal from before on its way, which the next call would share.
 */
static void wait_for_connections(struct world *w)
{
    const struct ngr_pool *pool = &w->scene.client->topology.server;
    for (int second = 0; second < PATIENCE && pool->opening_count; second++) {
        server_serve(&w->server);
        fake_loop_advance(&w->scene.loop, 1);
    }
}

/* With an honest server and a retry or two, whatever went before. */
static void check_that_it_works(struct world *w)
{
    peer_listen_again(&w->scene.peer);
    wait_for_all(w, true);
    wait_for_connections(w);
    server_serve(&w->server); /* what failed before tells nobody any more */
    unsigned before = w->good;
    calls_get(w, 3, 2, 0);
    wait_for_all(w, true);
    insist(w->server.has_lied || !w->scene.settings.retries || w->good == before + 1,
           "the client does not recover");
}

static void finish(struct world *w)
{
    char *stats = ngr_client_stats(w->scene.client);
    insist(stats && !strstr(stats, "s3cr3t"), "no statistics, or with the password in them");
    ngr_release(stats);
    calls_check_table(w);
    calls_get(w, 0, 5, 0);
    ngr_client_close(w->scene.client);
    insist(calls_live(w) == 0, "a call survives the closing of its client");
    insist(ngr_pool_in_flight(&w->scene.client->topology.server) == 0,
           "a closed client has requests under way");
    insist(!strstr(w->scene.log, "s3cr3t"), "the log quotes the password");
    insist(scene_finish(&w->scene), "something is left in the loop");
    server_fini(&w->server);
    insist(harness_alive == 0, "memory is left behind");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct program p = {data, data + size};
    harness_fail_nth(0);
    set_up(&w, &p);
    while (p.at < p.end && w.scene.peer.count < ENOUGH_CONNECTIONS)
        step(&w, &p);
    calm_down(&w);
    if (size % 2)
        wait_for_all(&w, false);
    check_that_it_works(&w);
    finish(&w);
    return 0;
}
