#include "pool.h"

/* One connection more when the least loaded one has this much work for each connection there is. A part of a
 * large read weighs as much as this. */
#define GROW_WEIGHT 512

/* After an additional connection failed (maxclients, ACL), try again no sooner than this. */
#define GROW_PAUSE 5.0

static struct ngr_conn *conn_of(struct ngr_node *n)
{
    return ngr_of(n, struct ngr_conn, node);
}

static struct ngr_conn *least_loaded(const struct ngr_pool *p)
{
    struct ngr_conn *best = NULL;
    for (struct ngr_node *n = p->conns.head.next; n != &p->conns.head; n = n->next) {
        struct ngr_conn *c = conn_of(n);
        if (ngr_conn_has_room(c) && (!best || c->weight < best->weight))
            best = c;
    }
    return best;
}

static void on_ready(void *user, struct ngr_conn *c);
static void on_progressed(void *user, struct ngr_conn *c);
static void on_closed(void *user, struct ngr_conn *c, ngr_status st, const char *why,
                      struct ngr_list *written, struct ngr_list *unwritten);

/* True when a connection is on its way. */
static bool open_one(struct ngr_pool *p)
{
    const struct ngr_conn_owner owner = {on_ready, on_progressed, on_closed, p};
    struct ngr_conn *c = ngr_conn_new(p->settings, p->loop, p->traffic, &owner);
    if (!c)
        return false;
    ngr_list_push(&p->conns, &c->node);
    p->conn_count++;
    p->opening_count++;
    p->opened++;
    ngr_conn_open(c);
    return true;
}

void ngr_pool_connect(struct ngr_pool *p)
{
    if (!p->conn_count && !p->is_closing && !open_one(p))
        p->loop->defer(p->loop->self, &p->give_up);
}

static void grow_if_loaded(struct ngr_pool *p)
{
    if (p->opening_count || p->conn_count >= p->settings->max_connections)
        return;
    const struct ngr_conn *best = least_loaded(p);
    if (best && best->weight < GROW_WEIGHT * p->conn_count)
        return;
    if (p->loop->now(p->loop->self) >= p->grow_after)
        open_one(p);
}

/* --- the queue -------------------------------------------------------------------------------- */

static void enqueue(struct ngr_pool *p, struct ngr_req *r)
{
    r->place = NGR_REQ_WAITING;
    r->holder = p;
    ngr_list_push(&p->waiting, &r->node);
    p->waiting_count++;
}

static struct ngr_req *dequeue(struct ngr_pool *p, struct ngr_req *r)
{
    ngr_node_unlink(&r->node);
    r->place = NGR_REQ_NOWHERE;
    r->holder = NULL;
    p->waiting_count--;
    return r;
}

void ngr_pool_withdraw(struct ngr_pool *p, struct ngr_req *r)
{
    dequeue(p, r);
}

static void serve_waiting(struct ngr_pool *p)
{
    struct ngr_node *n;
    while ((n = ngr_list_first(&p->waiting))) {
        struct ngr_req *r = ngr_of(n, struct ngr_req, node);
        struct ngr_conn *c = least_loaded(p);
        if (!c)
            return;
        ngr_conn_submit(c, dequeue(p, r));
    }
}

/* `prefer` may be long gone: it is compared, not followed, until it is found among the living. */
static bool is_usable(const struct ngr_pool *p, const struct ngr_conn *prefer)
{
    for (const struct ngr_node *n = p->conns.head.next; prefer && n != &p->conns.head; n = n->next)
        if (n == &prefer->node)
            return ngr_conn_has_room(prefer);
    return false;
}

void ngr_pool_submit(struct ngr_pool *p, struct ngr_req *r, struct ngr_conn *prefer)
{
    struct ngr_conn *c = NULL;
    if (ngr_list_is_empty(&p->waiting))
        c = is_usable(p, prefer) ? prefer : least_loaded(p);
    if (c)
        ngr_conn_submit(c, r);
    else
        enqueue(p, r);
    if (!p->conn_count)
        ngr_pool_connect(p);
    else
        grow_if_loaded(p);
}

/* --- what connections report ------------------------------------------------------------------ */

static void on_ready(void *user, struct ngr_conn *c)
{
    struct ngr_pool *p = user;
    (void)c;
    p->opening_count--;
    if (p->ready_count++ == 0)
        p->owner.is_up(p->owner.user, true, NGR_OK, "");
    serve_waiting(p);
}

static void on_progressed(void *user, struct ngr_conn *c)
{
    (void)c;
    serve_waiting(user);
}

/* Hands `list` up, in order. When the peer broke the rules, only the request it was answering is to blame:
 * the others merely lost their connection. */
static void fail_all(struct ngr_pool *p, struct ngr_list *list, ngr_status st, const char *why, bool was_sent)
{
    bool is_personal = was_sent && (st == NGR_E_PROTOCOL || st == NGR_E_TOOBIG || st == NGR_E_NOMEM);
    struct ngr_node *n;
    while ((n = ngr_list_pop(list))) {
        p->owner.failed(p->owner.user, ngr_of(n, struct ngr_req, node), st, why, was_sent);
        if (is_personal)
            st = NGR_E_LOST;
    }
}

static void fail_waiting(struct ngr_pool *p, ngr_status st, const char *why)
{
    struct ngr_list all;
    ngr_list_init(&all);
    ngr_list_move(&all, &p->waiting);
    p->waiting_count = 0;
    for (struct ngr_node *n = all.head.next; n != &all.head; n = n->next)
        ngr_of(n, struct ngr_req, node)->place = NGR_REQ_NOWHERE;
    fail_all(p, &all, st, why, false);
}

static void on_give_up(struct ngr_task *task)
{
    struct ngr_pool *p = ngr_of(task, struct ngr_pool, give_up);
    if (p->conn_count)
        return;
    p->owner.trouble(p->owner.user, true);
    fail_waiting(p, NGR_E_NOMEM, "no memory for a connection");
    p->owner.trouble(p->owner.user, false);
}

static void forget(struct ngr_pool *p, struct ngr_conn *c)
{
    ngr_node_unlink(&c->node);
    p->conn_count--;
    if (c->was_ready)
        p->ready_count--;
    else
        p->opening_count--;
}

static void on_closed(void *user, struct ngr_conn *c, ngr_status st, const char *why,
                      struct ngr_list *written, struct ngr_list *unwritten)
{
    struct ngr_pool *p = user;
    bool was_ready = c->was_ready;
    bool costs_something = !was_ready || !ngr_list_is_empty(written) || !ngr_list_is_empty(unwritten);
    forget(p, c);
    bool is_wanted = p->is_closing || st == NGR_E_CLOSED;
    if (is_wanted)
        st = NGR_E_CLOSED;
    else if (was_ready)
        p->lost++;
    bool is_personal = st == NGR_E_PROTOCOL || st == NGR_E_TOOBIG || st == NGR_E_NOMEM;
    p->owner.trouble(p->owner.user, true);
    fail_all(p, written, st, why, true);
    fail_all(p, unwritten, is_personal && was_ready ? NGR_E_LOST : st, why, false);
    if (!was_ready) {
        p->grow_after = p->loop->now(p->loop->self) + GROW_PAUSE;
        if (!p->ready_count && !p->opening_count)
            fail_waiting(p, st, why);
    }
    p->owner.trouble(p->owner.user, false);
    if (costs_something && !p->ready_count && !is_wanted)
        p->owner.is_up(p->owner.user, false, st, why);
    ngr_conn_release(c);
    if (!ngr_list_is_empty(&p->waiting))
        ngr_pool_connect(p);
}

/* --- life ------------------------------------------------------------------------------------- */

void ngr_pool_init(struct ngr_pool *p, const struct ngr_settings *settings, const struct ngr_loop *loop,
                   struct ngr_traffic *traffic, const struct ngr_pool_owner *owner)
{
    *p = (struct ngr_pool){.settings = settings, .loop = loop, .traffic = traffic, .owner = *owner};
    p->give_up.run = on_give_up;
    ngr_list_init(&p->conns);
    ngr_list_init(&p->waiting);
}

void ngr_pool_bury(struct ngr_pool *p)
{
    struct ngr_node *n = p->conns.head.next;
    while (n != &p->conns.head)
        n = ngr_conn_bury(conn_of(n)) ? p->conns.head.next : n->next;
}

void ngr_pool_check_alive(struct ngr_pool *p)
{
    for (struct ngr_node *n = p->conns.head.next; n != &p->conns.head; n = n->next)
        ngr_conn_check_alive(conn_of(n));
}

size_t ngr_pool_in_flight(const struct ngr_pool *p)
{
    size_t total = 0;
    for (struct ngr_node *n = p->conns.head.next; n != &p->conns.head; n = n->next)
        total += conn_of(n)->requests;
    return total;
}

void ngr_pool_close(struct ngr_pool *p)
{
    struct ngr_node *n, *next;
    p->is_closing = true;
    p->loop->forget(p->loop->self, &p->give_up);
    p->owner.trouble(p->owner.user, true);
    fail_waiting(p, NGR_E_CLOSED, "");
    p->owner.trouble(p->owner.user, false);
    for (n = p->conns.head.next; n != &p->conns.head; n = next) {
        next = n->next;
        ngr_conn_close(conn_of(n), NGR_E_CLOSED, "");
    }
    p->is_closing = false;
}
