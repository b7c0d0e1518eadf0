#include "conn_int.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "answer.h"
#include "mem.h"

/* One flush writes at most this much, then lets the loop breathe; one wake-up reads at most READS_PER_TURN
 * buffers. */
#define WRITE_BYTES_PER_TURN (1024 * 1024)
#define WRITE_PARTS          128
#define READS_PER_TURN       4

/* More requests are not kept waiting for each other. */
#define WRITE_REQUESTS 64

static const struct {
    const char *text;
    unsigned from;
} states[] = {
#define NGR_X(name, text, from) [NGR_CONN_##name] = {text, from},
    NGR_CONN_STATES(NGR_X)
#undef NGR_X
};

const char *ngr_conn_state_text(enum ngr_conn_state state)
{
    return states[state].text;
}

/* The one function that changes the state. */
void ngr__conn_enter(struct ngr_conn *c, enum ngr_conn_state to)
{
    assert(states[to].from & (1u << c->state));
    c->state = to;
}

double ngr__conn_now(const struct ngr_conn *c)
{
    return c->loop->now(c->loop->self);
}

/* --- ending ----------------------------------------------------------------------------------- */

static void hand_back(struct ngr_list *to, struct ngr_list *from)
{
    for (struct ngr_node *n = from->head.next; n != &from->head; n = n->next) {
        struct ngr_req *r = ngr_of(n, struct ngr_req, node);
        r->place = NGR_REQ_NOWHERE;
        r->holder = NULL;
    }
    ngr_list_move(to, from);
}

static void finish(struct ngr_conn *c, ngr_status st, const char *why)
{
    if (c->state == NGR_CONN_CLOSED)
        return;
    ngr__conn_enter(c, NGR_CONN_CLOSED);
    c->loop->watch(c->loop->self, &c->watch, 0);
    c->loop->timer_off(c->loop->self, &c->timer);
    c->loop->forget(c->loop->self, &c->flush);
    c->loop->resolve_cancel(c->loop->self, &c->lookup);
    ngr_transport_close(&c->transport);

    struct ngr_list written, unwritten;
    ngr_list_init(&written);
    ngr_list_init(&unwritten);
    ngr_node_unlink(&c->own.node);
    hand_back(&written, &c->written);
    hand_back(&unwritten, &c->unwritten);
    c->partial = NULL;
    c->owner.closed(c->owner.user, c, st, why, &written, &unwritten);
}

/* Notes a failure where no callback may be made; the flush task or the end of the current callback finishes
 * it. */
void ngr__conn_break(struct ngr_conn *c, ngr_status st, const char *format, ...)
{
    if (c->broken != NGR_OK || c->state == NGR_CONN_CLOSED)
        return;
    c->broken = st;
    va_list args;
    va_start(args, format);
    vsnprintf(c->why, sizeof c->why, format, args);
    va_end(args);
    if (!c->busy)
        c->loop->defer(c->loop->self, &c->flush);
}

static void finish_if_broken(struct ngr_conn *c)
{
    if (c->broken != NGR_OK)
        finish(c, c->broken, c->why);
}

/* Callbacks run between these two: whatever they do, the connection stays in memory. */
void ngr__conn_begin_callbacks(struct ngr_conn *c)
{
    c->busy++;
}

void ngr__conn_end_callbacks(struct ngr_conn *c)
{
    if (c->busy == 1) {
        if (c->broken == NGR_OK && c->state == NGR_CONN_READY)
            c->owner.progressed(c->owner.user, c);
        finish_if_broken(c);
    }
    if (--c->busy == 0 && c->is_released)
        ngr_conn_release(c);
}

void ngr_conn_close(struct ngr_conn *c, ngr_status st, const char *why)
{
    if (c->busy)
        ngr__conn_break(c, st, "%s", why);
    else
        finish(c, st, why);
}

/* The handshake holds the password. */
void ngr__conn_forget_greeting(struct ngr_conn *c)
{
    if (c->own_bytes.data)
        ngr_wipe(c->own_bytes.data, c->own_bytes.len);
    c->own_bytes.len = 0;
}

void ngr_conn_release(struct ngr_conn *c)
{
    assert(c->state == NGR_CONN_CLOSED);
    if (c->busy) {
        c->is_released = true;
        return;
    }
    ngr_parser_fini(&c->parser);
    ngr__conn_forget_greeting(c);
    ngr_buf_fini(&c->own_bytes);
    ngr_release(c->addresses);
    ngr_release(c);
}

/* --- writing ---------------------------------------------------------------------------------- */

void ngr__conn_watch(struct ngr_conn *c)
{
    unsigned events = NGR_READABLE | (c->is_writing_blocked ? NGR_WRITABLE : 0);
    ngr_status st = c->watch.events == events ? NGR_OK : c->loop->watch(c->loop->self, &c->watch, events);
    if (st != NGR_OK)
        ngr__conn_break(c, st, "the event loop does not watch the connection");
}

static int add_part(struct iovec *iov, int count, const char *data, size_t len, size_t skip)
{
    if (skip >= len || count == WRITE_PARTS)
        return count;
    iov[count].iov_base = (void *)(data + skip);
    iov[count].iov_len = len - skip;
    return count + 1;
}

static int add_request(struct iovec *iov, int count, const struct ngr_req *r)
{
    size_t head = r->parts[0].len;
    count = add_part(iov, count, r->parts[0].data, head, r->sent);
    return add_part(iov, count, r->parts[1].data, r->parts[1].len, r->sent > head ? r->sent - head : 0);
}

/* Gathers what is to be written next; answers the number of parts, and their bytes in `total`. */
static int gather(const struct ngr_conn *c, struct iovec *iov, size_t *total)
{
    int count = 0;
    if (c->partial)
        count = add_request(iov, count, c->partial);
    for (const struct ngr_node *n = c->unwritten.head.next;
         n != &c->unwritten.head && count + 2 <= WRITE_PARTS; n = n->next)
        count = add_request(iov, count, ngr_of(n, struct ngr_req, node));
    *total = 0;
    for (int i = 0; i < count; i++) {
        size_t room = WRITE_BYTES_PER_TURN - *total;
        if (iov[i].iov_len >= room) {
            iov[i].iov_len = room;
            *total += room;
            return i + 1;
        }
        *total += iov[i].iov_len;
    }
    return count;
}

/* `bytes` more have left: requests cross from `unwritten` to `written` with their first byte. */
static void advance(struct ngr_conn *c, size_t bytes)
{
    c->traffic->bytes_out += bytes;
    while (bytes) {
        struct ngr_req *r = c->partial;
        if (!r) {
            r = ngr_of(ngr_list_pop(&c->unwritten), struct ngr_req, node);
            assert(r); /* whose bytes would they be? */
            ngr_list_push(&c->written, &r->node);
            r->place = NGR_REQ_WRITTEN;
        }
        size_t left = ngr_req_length(r) - r->sent;
        size_t taken = bytes < left ? bytes : left;
        r->sent += taken;
        bytes -= taken;
        c->partial = taken < left || r->is_open ? r : NULL;
    }
}

/* A server that refuses our certificate under TLS 1.3 says why and closes while we write to it: then the
 * reason is still there to be read, and the reading ends the connection. */
static bool may_hold_a_refusal(const struct ngr_conn *c, struct ngr_io io)
{
    return c->transport.tls && c->state == NGR_CONN_GREETING && (io.error == EPIPE || io.error == ECONNRESET);
}

/* True while there is more and the peer took all it was offered. */
static bool write_some(struct ngr_conn *c, size_t *budget)
{
    struct iovec iov[WRITE_PARTS];
    size_t total;
    int count = gather(c, iov, &total);
    if (!count && !ngr_transport_has_unsent(&c->transport))
        return false;
    struct ngr_io io = ngr_transport_write(&c->transport, iov, count);
    c->traffic->writes++;
    if (io.what == NGR_IO_FAILED) {
        if (!may_hold_a_refusal(c, io))
            ngr__conn_break(c, NGR_E_LOST, "writing failed: %s", ngr_transport_error(&c->transport, io));
        return false;
    }
    advance(c, io.bytes);
    c->is_writing_blocked =
        io.bytes < total || *budget <= io.bytes || ngr_transport_has_unsent(&c->transport);
    *budget -= io.bytes < *budget ? io.bytes : *budget;
    return !c->is_writing_blocked;
}

static void flush(struct ngr_conn *c)
{
    size_t budget = WRITE_BYTES_PER_TURN;
    c->gathered = 0;
    c->crowd = c->requests > c->crowd ? c->requests : (c->crowd + c->requests) / 2;
    c->is_writing_blocked = false;
    while (write_some(c, &budget))
        continue;
    ngr__conn_watch(c);
}

/* A lone request is written at once. Of a crowd, half is written as soon as it has gathered: while the server
 * answers it, the other half's answers are read and their tasks ask anew, so that neither side waits for the
 * other. What is left at the end of the loop's tick is written then. */
static bool has_gathered(const struct ngr_conn *c)
{
    size_t crowd = c->requests > c->crowd ? c->requests : c->crowd;
    return c->gathered >= WRITE_REQUESTS || c->gathered >= crowd - crowd / 2;
}

static void on_readable(struct ngr_conn *c);

static void on_flush(struct ngr_task *task)
{
    struct ngr_conn *c = ngr_of(task, struct ngr_conn, flush);
    ngr__conn_begin_callbacks(c);
    if (c->broken == NGR_OK && !c->is_writing_blocked)
        flush(c);
    if (c->broken == NGR_OK && ngr_transport_has_buffered(&c->transport))
        on_readable(c);
    ngr__conn_end_callbacks(c);
}

void ngr__conn_start_timer(struct ngr_conn *c, double seconds)
{
    ngr_status st = c->loop->timer_on(c->loop->self, &c->timer, seconds > 0 ? seconds : 0);
    if (st != NGR_OK)
        ngr__conn_break(c, st, "the event loop does not set a timer");
}

static void enqueue(struct ngr_conn *c, struct ngr_req *r)
{
    r->sent = 0;
    r->seen = 0;
    r->place = NGR_REQ_UNWRITTEN;
    r->holder = c;
    ngr_list_push(&c->unwritten, &r->node);
    c->requests++;
    c->weight += r->weight;
    c->bytes += ngr_req_length(r);
}

static void dequeue(struct ngr_conn *c, struct ngr_req *r)
{
    ngr_node_unlink(&r->node);
    r->place = NGR_REQ_NOWHERE;
    r->holder = NULL;
    c->requests--;
    c->weight -= r->weight;
    c->bytes -= ngr_req_length(r);
}

bool ngr_conn_has_room(const struct ngr_conn *c)
{
    return c->state == NGR_CONN_READY && c->broken == NGR_OK && c->requests < NGR_CONN_MAX_REQUESTS &&
           c->bytes < NGR_CONN_MAX_BYTES;
}

void ngr_conn_submit(struct ngr_conn *c, struct ngr_req *r)
{
    bool was_idle = c->requests == 0;
    /* A connection that was closed while nobody looked must not swallow a request that cannot be sent twice.
     */
    if (was_idle && !r->is_repeatable && !c->busy && ngr_transport_is_over(&c->transport))
        ngr__conn_break(c, NGR_E_LOST, "the server closed the connection");
    enqueue(c, r);
    if (c->broken != NGR_OK)
        return;
    if (was_idle) {
        c->last_progress = ngr__conn_now(c);
        if (!c->timer.is_on)
            ngr__conn_start_timer(c, c->settings->socket_timeout);
    }
    c->gathered++;
    if (c->is_writing_blocked)
        return;
    bool is_time = has_gathered(c) && !c->busy && !r->is_open;
    if (is_time || c->loop->defer(c->loop->self, &c->flush) != NGR_OK)
        flush(c);
}

void ngr_conn_grow(struct ngr_conn *c, struct ngr_req *r, struct ngr_span body)
{
    size_t budget = SIZE_MAX;
    c->bytes += body.len - r->parts[1].len;
    r->parts[1] = body;
    if (c->broken != NGR_OK || c->busy)
        return; /* the flush that submitting has asked for comes later */
    if (r->is_open)
        write_some(c, &budget);
    else
        flush(c);
}

void ngr_conn_abandon(struct ngr_conn *c)
{
    ngr__conn_break(c, NGR_E_LOST, "a request was begun that cannot be completed");
}

void ngr_conn_withdraw(struct ngr_conn *c, struct ngr_req *r)
{
    assert(r->place == NGR_REQ_UNWRITTEN && r->sent == 0);
    dequeue(c, r);
}

void ngr__conn_send_own(struct ngr_conn *c, ngr_status (*piece)(struct ngr_req *, const struct ngr_reply *),
                        void (*answered)(struct ngr_req *))
{
    c->own.parts[0] = (struct ngr_span){c->own_bytes.data, c->own_bytes.len};
    c->own.piece = piece;
    c->own.answered = answered;
    c->last_progress = ngr__conn_now(c);
    enqueue(c, &c->own);
    flush(c);
}

/* --- reading ---------------------------------------------------------------------------------- */

static struct ngr_req *answering(const struct ngr_conn *c)
{
    struct ngr_node *n = ngr_list_first(&c->written);
    return n ? ngr_of(n, struct ngr_req, node) : NULL;
}

static ngr_status nobody_asked(struct ngr_conn *c)
{
    ngr__conn_break(c, NGR_E_PROTOCOL, "an answer came that nobody asked for");
    return NGR_E_CLOSED;
}

static ngr_status on_piece(void *user, const struct ngr_reply *reply)
{
    struct ngr_conn *c = user;
    struct ngr_req *r = answering(c);
    if (!r)
        return nobody_asked(c);
    return c->broken == NGR_OK ? r->piece(r, reply) : NGR_E_CLOSED;
}

static ngr_status on_whole(void *user)
{
    struct ngr_conn *c = user;
    struct ngr_req *r = answering(c);
    if (!r)
        return nobody_asked(c);
    c->traffic->replies++;
    if (++r->seen < r->replies)
        return NGR_OK;
    if (r == c->partial)
        return NGR_E_PROTOCOL; /* answered before it was sent: not an answer to this */
    dequeue(c, r);
    r->answered(r);
    return c->broken == NGR_OK ? NGR_OK : NGR_E_CLOSED;
}

/* A plain client that knocks at a TLS port is turned away without a word. */
static const char *advice_at_the_end(const struct ngr_conn *c)
{
    bool is_first_word = c->state == NGR_CONN_GREETING && c->own.seen == 0;
    bool is_plain_tcp = !c->transport.tls && !c->settings->path;
    return is_first_word && is_plain_tcp ? " before its first answer: does it expect TLS (rediss://)?" : "";
}

static void read_some(struct ngr_conn *c)
{
    struct ngr_traffic *t = c->traffic;
    for (int turn = 0; turn < READS_PER_TURN && c->broken == NGR_OK; turn++) {
        struct ngr_io io = ngr_transport_read(&c->transport, t->scratch, NGR_READ_BYTES);
        t->reads++;
        if (io.what == NGR_IO_AGAIN)
            return;
        if (io.what == NGR_IO_EOF)
            ngr__conn_break(c, NGR_E_LOST, "the server closed the connection%s", advice_at_the_end(c));
        if (io.what == NGR_IO_FAILED && c->state == NGR_CONN_GREETING &&
            !io.error) /* TLS 1.3 refuses us only now */
            ngr__conn_break(c, NGR_E_TLS, "%s", ngr_transport_error(&c->transport, io));
        if (io.what == NGR_IO_FAILED)
            ngr__conn_break(c, NGR_E_LOST, "reading failed: %s%s", ngr_transport_error(&c->transport, io),
                            advice_at_the_end(c));
        if (io.what != NGR_IO_DONE)
            return;
        t->bytes_in += io.bytes;
        c->last_progress = ngr__conn_now(c);
        if (ngr_parser_feed(&c->parser, t->scratch, io.bytes) != NGR_OK)
            ngr__conn_break(c, c->parser.status, "%s", c->parser.why);
        if (io.bytes < NGR_READ_BYTES && !ngr_transport_has_buffered(&c->transport))
            return;
    }
    if (ngr_transport_has_buffered(&c->transport))
        c->loop->defer(c->loop->self, &c->flush);
}

static void on_readable(struct ngr_conn *c)
{
    /* Decoding runs user code (finalizers), which may run the loop again: one reader at a time, the rest
     * waits. */
    if (c->traffic->is_reading) {
        if (ngr_transport_has_buffered(&c->transport))
            c->loop->defer(c->loop->self, &c->flush); /* no event will come for these bytes */
        return;
    }
    c->traffic->is_reading = true;
    read_some(c);
    c->traffic->is_reading = false;
    if (c->broken == NGR_OK && ngr_transport_has_unsent(&c->transport))
        flush(c); /* TLS itself had something to answer */
}

/* --- events ----------------------------------------------------------------------------------- */

static void dispatch(struct ngr_conn *c, unsigned events)
{
    if (c->state == NGR_CONN_CONNECTING) {
        ngr__conn_on_connected(c);
        return;
    }
    if (c->state == NGR_CONN_SECURING) {
        ngr__conn_secure(c);
        return;
    }
    if (events & NGR_WRITABLE) {
        c->last_progress = ngr__conn_now(c); /* the peer took what had been written before */
        flush(c);
    }
    if (events & NGR_READABLE)
        on_readable(c);
}

static void on_event(struct ngr_watch *w, unsigned events)
{
    struct ngr_conn *c = ngr_of(w, struct ngr_conn, watch);
    ngr__conn_begin_callbacks(c);
    if (c->broken == NGR_OK)
        dispatch(c, events);
    ngr__conn_end_callbacks(c);
}

/* A loop that was held up by other work comes late to everything: what has arrived meanwhile counts before
 * the clock does. */
static bool was_held_up(struct ngr_conn *c)
{
    unsigned events = ngr_transport_pending(&c->transport) & c->watch.events;
    if (!events)
        return false;
    c->deadline = c->attempt_end = ngr__conn_now(c) + c->settings->connect_timeout;
    dispatch(c, events);
    return true;
}

static void on_ready_timer(struct ngr_conn *c)
{
    double due = c->last_progress + c->settings->socket_timeout;
    if (!c->requests)
        return;
    if (ngr__conn_now(c) >= due && !was_held_up(c))
        ngr__conn_break(c, NGR_E_TIMEOUT, "not a byte for %.3g s", c->settings->socket_timeout);
    else if (c->requests)
        ngr__conn_start_timer(c, c->last_progress + c->settings->socket_timeout - ngr__conn_now(c));
}

static void on_connect_timer(struct ngr_conn *c)
{
    bool is_last = ngr__conn_now(c) >= c->deadline;
    bool is_next = c->state == NGR_CONN_CONNECTING && ngr__conn_now(c) >= c->attempt_end;
    if ((is_last || is_next) && !was_held_up(c)) {
        if (is_last) {
            ngr__conn_break(c, NGR_E_TIMEOUT, "not connected within %.3g s (last state: %s)",
                            c->settings->connect_timeout, ngr_conn_state_text(c->state));
            return;
        }
        snprintf(c->why, sizeof c->why, "no answer from the last address");
        ngr__conn_try_next_address(c);
    }
    if (c->broken == NGR_OK && c->state != NGR_CONN_READY)
        ngr__conn_start_timer(c, (c->state == NGR_CONN_CONNECTING ? c->attempt_end : c->deadline) -
                                     ngr__conn_now(c));
}

static void on_timer(struct ngr_timer *timer)
{
    struct ngr_conn *c = ngr_of(timer, struct ngr_conn, timer);
    ngr__conn_begin_callbacks(c);
    if (c->state == NGR_CONN_READY)
        on_ready_timer(c);
    else
        on_connect_timer(c);
    ngr__conn_end_callbacks(c);
}

/* Any answer to PING, an error too, proves that the peer lives. */
static ngr_status ping_piece(struct ngr_req *r, const struct ngr_reply *reply)
{
    (void)r;
    return reply->type == NGR_REPLY_STATUS || reply->type == NGR_REPLY_ERROR ? NGR_OK : NGR_E_PROTOCOL;
}

static void ping_answered(struct ngr_req *r)
{
    (void)r;
}

bool ngr_conn_bury(struct ngr_conn *c)
{
    if (c->broken == NGR_OK || c->busy || c->state == NGR_CONN_CLOSED)
        return false;
    ngr__conn_begin_callbacks(c);
    ngr__conn_end_callbacks(c);
    return true;
}

void ngr_conn_check_alive(struct ngr_conn *c)
{
    if (c->state != NGR_CONN_READY || c->broken != NGR_OK || c->requests)
        return;
    c->own_bytes.len = 0;
    c->own.replies = 1;
    if (ngr_cmd_words(&c->own_bytes, (const char *[]){"PING", NULL}) != NGR_OK)
        return;
    ngr__conn_start_timer(c, c->settings->socket_timeout);
    ngr__conn_send_own(c, ping_piece, ping_answered);
}

struct ngr_conn *ngr_conn_new(const struct ngr_settings *settings, const struct ngr_loop *loop,
                              struct ngr_traffic *traffic, const struct ngr_conn_owner *owner)
{
    struct ngr_conn *c = ngr_alloc_zero(sizeof *c);
    if (!c)
        return NULL;
    c->settings = settings;
    c->loop = loop;
    c->traffic = traffic;
    c->owner = *owner;
    c->watch = (struct ngr_watch){.ready = on_event, .fd = -1};
    c->timer = (struct ngr_timer){.fire = on_timer};
    c->flush = (struct ngr_task){.run = on_flush};
    c->lookup = (struct ngr_lookup){.done = ngr__conn_on_resolved};
    ngr_transport_init(&c->transport);
    ngr_node_init(&c->node);
    ngr_node_init(&c->own.node);
    ngr_list_init(&c->unwritten);
    ngr_list_init(&c->written);
    ngr_buf_init(&c->own_bytes, 0);
    if (ngr_parser_init(&c->parser, settings->max_value_bytes, on_piece, on_whole, c) != NGR_OK) {
        ngr_release(c);
        return NULL;
    }
    return c;
}
