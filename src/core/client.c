#include "client.h"

#include <stdio.h>

#include "answer.h"
#include "batch.h"
#include "mem.h"

#define HOUSEKEEPING_SECONDS 30

static struct ngr_client *client_of(struct ngr_call_host *host)
{
    return ngr_of(host, struct ngr_client, host);
}

static double now(const struct ngr_client *c)
{
    return c->loop.now(c->loop.self);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Connections that nobody needs any more are looked for even when idle ones are not to be checked. */
static void keep_watching(struct ngr_client *c)
{
    double interval = c->settings.idle_check > 0 ? c->settings.idle_check : HOUSEKEEPING_SECONDS;
    if (!c->idle_timer.is_on)
        c->loop.timer_on(c->loop.self, &c->idle_timer, interval);
}

static bool is_on_connection(const struct ngr_req *r)
{
    return r->place == NGR_REQ_UNWRITTEN || r->place == NGR_REQ_WRITTEN;
}

static void submit(struct ngr_call_host *host, struct ngr_req *r)
{
    struct ngr_client *c = client_of(host);
    r->failures_before = r->call->failures;
    ngr_pool_submit(ngr_topology_route(&c->topology, r), r, r->call->conn);
    if (is_on_connection(r))
        r->call->conn = r->holder;
    keep_watching(c);
}

static bool withdraw(struct ngr_call_host *host, struct ngr_req *r)
{
    switch (r->place) {
    case NGR_REQ_NOWHERE:
        ngr_node_unlink(&r->node);
        return true;
    case NGR_REQ_DELAYED:
        ngr_heap_remove(&client_of(host)->delayed, r);
        break;
    case NGR_REQ_WAITING:
        ngr_pool_withdraw(r->holder, r);
        break;
    case NGR_REQ_UNWRITTEN:
        ngr_conn_withdraw(r->holder, r);
        break;
    case NGR_REQ_WRITTEN:
        return false;
    }
    r->place = NGR_REQ_NOWHERE;
    return true;
}

static void grow(struct ngr_call_host *host, struct ngr_req *r, struct ngr_span body)
{
    (void)host;
    if (is_on_connection(r))
        ngr_conn_grow(r->holder, r, body);
    else
        r->parts[1] = body;
}

/* What was not written is going to be withdrawn with its call. */
static void abandon(struct ngr_call_host *host, struct ngr_req *r)
{
    (void)host;
    if (r->place == NGR_REQ_WRITTEN)
        ngr_conn_abandon(r->holder);
}

/* --- retrying --------------------------------------------------------------------------------- */

/* splitmix64: good from the first number on, whatever the seed. */
static double next_random(struct ngr_client *c)
{
    unsigned long long z = c->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) / 9007199254740992.0;
}

static void begin_trouble(struct ngr_client *c)
{
    if (c->trouble_depth++ == 0) {
        c->host.troubles++;
        c->jitter = 0.5 + next_random(c) / 2;
    }
}

static void end_trouble(struct ngr_client *c)
{
    struct ngr_node *n;
    if (--c->trouble_depth)
        return;
    while ((n = ngr_list_pop(&c->again)))
        submit(&c->host, ngr_of(n, struct ngr_req, node));
}

/* The wait before the next try: base, 2 base, 4 base ... up to the cap, each times the jitter. Right after an
 * established connection was lost there is none: the server is most likely there, and the second try will
 * tell. */
static double backoff(const struct ngr_client *c, unsigned failures, ngr_status st)
{
    if (failures == 1 && st == NGR_E_LOST)
        return 0;
    double wait = c->settings.retry_base;
    for (unsigned i = 1; i < failures && wait < c->settings.retry_cap; i++)
        wait *= 2;
    return (wait < c->settings.retry_cap ? wait : c->settings.retry_cap) * c->jitter;
}

/* Where no timer can be set, nobody would wake those who wait for it: their calls end. */
static void set_retry_timer(struct ngr_client *c)
{
    const struct ngr_req *first;
    while ((first = ngr_heap_first(&c->delayed))) {
        double wait = first->due > now(c) ? first->due - now(c) : 0;
        ngr_status st = c->loop.timer_on(c->loop.self, &c->retry_timer, wait);
        if (st == NGR_OK)
            return;
        ngr_call_end(first->call, st, "the event loop does not set a timer");
    }
}

static void send_later(struct ngr_client *c, struct ngr_req *r, double wait)
{
    c->counters.retries++;
    if (wait <= 0) {
        ngr_list_push(&c->again, &r->node);
        return;
    }
    r->due = now(c) + wait;
    if (ngr_heap_push(&c->delayed, r) != NGR_OK) {
        ngr_call_end(r->call, NGR_E_NOMEM, "");
        return;
    }
    r->place = NGR_REQ_DELAYED;
    if (ngr_heap_first(&c->delayed) == r)
        set_retry_timer(c);
}

static void on_retry_timer(struct ngr_timer *t)
{
    struct ngr_client *c = ngr_of(t, struct ngr_client, retry_timer);
    struct ngr_req *r;
    while ((r = ngr_heap_first(&c->delayed)) && r->due <= now(c) + 0.001) {
        ngr_heap_remove(&c->delayed, r);
        r->place = NGR_REQ_NOWHERE;
        submit(&c->host, r);
    }
    set_retry_timer(c);
}

/* A try of `r` has failed. Its call counts one trouble once, however many of its requests it hits: what was
 * sent before the last failure was counted belongs to that one. */
static void failed(void *user, struct ngr_req *r, ngr_status st, const char *why, bool was_sent)
{
    struct ngr_client *c = user;
    struct ngr_call *call = r->call;
    if (call->is_ended) {
        ngr_call_drop(r);
        return;
    }
    if (r->failures_before == call->failures)
        call->failures++;
    if (!ngr_answer_is_retried(st, was_sent, r->is_repeatable) || call->failures > c->settings.retries)
        ngr_call_end(call, st, why);
    else
        send_later(c, r, backoff(c, call->failures, st));
}

static void retry(struct ngr_call_host *host, struct ngr_req *r, ngr_status st, const char *why)
{
    struct ngr_client *c = client_of(host);
    begin_trouble(c);
    failed(c, r, st, why, true);
    end_trouble(c);
}

static void trouble(void *user, bool begins)
{
    if (begins)
        begin_trouble(user);
    else
        end_trouble(user);
}

/* --- telling ---------------------------------------------------------------------------------- */

static void report(struct ngr_call_host *host, struct ngr_call *call, ngr_status st, const char *why)
{
    struct ngr_client *c = client_of(host);
    char message[900];
    c->call_count--;
    if (!call->sink->done)
        return;
    message[0] = '\0';
    if (st != NGR_OK) {
        const char *advice = ngr_answer_advice(st);
        char tries[64] = "";
        c->counters.failed_calls++;
        if (call->failures > 1)
            snprintf(tries, sizeof tries, " (%u tries in %.1f s)", call->failures, now(c) - call->started);
        snprintf(message, sizeof message, "%s: %s%s%s%s%s%s", c->settings.endpoint, ngr_status_text(st),
                 why[0] ? ": " : "", why, tries, advice[0] ? "; " : "", advice);
    }
    call->sink->done(call->user, st, message);
}

static void is_up(void *user, bool up, ngr_status st, const char *why)
{
    struct ngr_client *c = user;
    char line[400];
    if (c->is_down == !up)
        return;
    c->is_down = !up;
    if (!c->hooks.log)
        return;
    if (up)
        snprintf(line, sizeof line, "%s: reachable again", c->settings.endpoint);
    else
        snprintf(line, sizeof line, "%s: %s: %s", c->settings.endpoint, ngr_status_text(st), why);
    c->hooks.log(c->hooks.user, up, line);
}

static void on_idle_timer(struct ngr_timer *t)
{
    struct ngr_client *c = ngr_of(t, struct ngr_client, idle_timer);
    struct ngr_pool *p = NULL;
    size_t connections = 0;
    while ((p = ngr_topology_next(&c->topology, p))) {
        ngr_pool_bury(p);
        if (c->settings.idle_check > 0)
            ngr_pool_check_alive(p);
        connections += p->conn_count;
    }
    if (connections || ngr_heap_first(&c->delayed))
        keep_watching(c);
    if (c->hooks.idle)
        c->hooks.idle(c->hooks.user);
}

/* --- life ------------------------------------------------------------------------------------- */

static void wire(struct ngr_client *c)
{
    const struct ngr_pool_owner owner = {failed, trouble, is_up, c};
    c->host.submit = submit;
    c->host.retry = retry;
    c->host.grow = grow;
    c->host.abandon = abandon;
    c->host.withdraw = withdraw;
    c->host.report = report;
    c->retry_timer.fire = on_retry_timer;
    c->idle_timer.fire = on_idle_timer;
    ngr_list_init(&c->calls);
    ngr_list_init(&c->again);
    ngr_heap_init(&c->delayed);
    ngr_topology_init(&c->topology, &c->settings, &c->loop, &c->traffic, &owner);
}

struct ngr_client *ngr_client_new(const struct ngr_settings *settings, const struct ngr_loop *loop,
                                  const struct ngr_hooks *hooks)
{
    struct ngr_client *c = ngr_alloc_zero(sizeof *c);
    if (!c)
        return NULL;
    c->traffic.scratch = ngr_alloc(NGR_READ_BYTES);
    if (!c->traffic.scratch || ngr_settings_copy(&c->settings, settings) != NGR_OK) {
        ngr_release(c->traffic.scratch);
        ngr_release(c);
        return NULL;
    }
    c->loop = *loop;
    if (hooks)
        c->hooks = *hooks;
    wire(c);
    c->random = (unsigned long long)(now(c) * 1e6) ^ (unsigned long long)(size_t)c;
    return c;
}

void ngr_client_close(struct ngr_client *c)
{
    struct ngr_pool *p = NULL;
    struct ngr_node *n;
    c->loop.timer_off(c->loop.self, &c->retry_timer);
    c->loop.timer_off(c->loop.self, &c->idle_timer);
    while ((n = ngr_list_first(&c->calls)))
        ngr_call_end(ngr_of(n, struct ngr_call, node), NGR_E_CLOSED, "");
    while ((p = ngr_topology_next(&c->topology, p)))
        ngr_pool_close(p);
    ngr_tls_context_free(c->traffic.tls); /* connections have references of their own to what it holds */
    c->traffic.tls = NULL;
}

void ngr_client_release(struct ngr_client *c)
{
    ngr_client_close(c);
    ngr_heap_fini(&c->delayed);
    ngr_settings_fini(&c->settings);
    ngr_release(c->traffic.scratch);
    ngr_release(c);
}

bool ngr_client_is_connected(const struct ngr_client *c)
{
    return c->topology.server.ready_count > 0;
}

size_t ngr_client_pending(const struct ngr_client *c)
{
    return c->call_count;
}

/* --- starting calls --------------------------------------------------------------------------- */

static struct ngr_call *run(struct ngr_client *c, struct ngr_call *call)
{
    if (!call)
        return NULL;
    call->host = &c->host;
    call->started = now(c);
    ngr_list_push(&c->calls, &call->node);
    c->call_count++;
    c->counters.calls++;
    call->kind->start(call);
    return call;
}

struct ngr_call *ngr_get(struct ngr_client *c, const struct ngr_keys *keys, long long renew,
                         const struct ngr_sink *sink, void *user)
{
    return run(c, ngr_batch_get(keys, renew, sink, user));
}

struct ngr_call *ngr_exists(struct ngr_client *c, const struct ngr_keys *keys, const struct ngr_sink *sink,
                            void *user)
{
    return run(c, ngr_batch_exists(keys, sink, user));
}

struct ngr_call *ngr_remove(struct ngr_client *c, const struct ngr_keys *keys, const struct ngr_sink *sink,
                            void *user)
{
    return run(c, ngr_batch_remove(keys, sink, user));
}

struct ngr_call *ngr_list_ids(struct ngr_client *c, struct ngr_span prefix, const struct ngr_sink *sink,
                              void *user)
{
    return run(c, ngr_batch_scan(prefix, false, sink, user));
}

struct ngr_call *ngr_drop(struct ngr_client *c, struct ngr_span prefix, const struct ngr_sink *sink,
                          void *user)
{
    return run(c, ngr_batch_scan(prefix, true, sink, user));
}

struct ngr_call *ngr_exec(struct ngr_client *c, const struct ngr_span *words, size_t count,
                          bool is_repeatable, const struct ngr_sink *sink, void *user)
{
    return run(c, ngr_batch_exec(words, count, is_repeatable, sink, user));
}

struct ngr_call *ngr_put_send(struct ngr_client *c, struct ngr_put *put, const struct ngr_sink *sink,
                              void *user)
{
    return run(c, ngr_batch_put(put, sink, user));
}

struct ngr_call *ngr_put_stream(struct ngr_client *c, struct ngr_put *put, size_t entries, size_t bytes,
                                const struct ngr_sink *sink, void *user)
{
    return run(c, ngr_batch_stream(put, entries, bytes, sink, user));
}
