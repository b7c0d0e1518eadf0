#include "conn.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "answer.h"
#include "mem.h"

/* One flush writes at most this much, then lets the loop breathe; one wake-up reads at most READS_PER_TURN
 * buffers. */
#define WRITE_BYTES_PER_TURN (1024 * 1024)
#define WRITE_PARTS          64
#define READS_PER_TURN       4

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
static void enter(struct ngr_conn *c, enum ngr_conn_state to)
{
    assert(states[to].from & (1u << c->state));
    c->state = to;
}

static double now(const struct ngr_conn *c)
{
    return c->loop->now(c->loop->self);
}

/* --- ending -----------------------------------------------------------------------------------------------
 */

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
    enter(c, NGR_CONN_CLOSED);
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
static void break_later(struct ngr_conn *c, ngr_status st, const char *format, ...)
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
static void begin_callbacks(struct ngr_conn *c)
{
    c->busy++;
}

static void end_callbacks(struct ngr_conn *c)
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
        break_later(c, st, "%s", why);
    else
        finish(c, st, why);
}

/* The handshake holds the password. */
static void forget_greeting(struct ngr_conn *c)
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
    forget_greeting(c);
    ngr_buf_fini(&c->own_bytes);
    ngr_release(c->addresses);
    ngr_release(c);
}

/* --- writing ----------------------------------------------------------------------------------------------
 */

static void watch(struct ngr_conn *c)
{
    unsigned events = NGR_READABLE | (c->is_writing_blocked ? NGR_WRITABLE : 0);
    ngr_status st = c->watch.events == events ? NGR_OK : c->loop->watch(c->loop->self, &c->watch, events);
    if (st != NGR_OK)
        break_later(c, st, "the event loop does not watch the connection");
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
            ngr_list_push(&c->written, &r->node);
            r->place = NGR_REQ_WRITTEN;
            c->last_batch++;
        }
        size_t left = ngr_req_length(r) - r->sent;
        size_t taken = bytes < left ? bytes : left;
        r->sent += taken;
        bytes -= taken;
        c->partial = taken < left ? r : NULL;
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
            break_later(c, NGR_E_LOST, "writing failed: %s", ngr_transport_error(&c->transport, io));
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
    c->last_batch = 0;
    c->is_writing_blocked = false;
    while (write_some(c, &budget))
        continue;
    watch(c);
}

static void on_readable(struct ngr_conn *c);

static void on_flush(struct ngr_task *task)
{
    struct ngr_conn *c = ngr_of(task, struct ngr_conn, flush);
    begin_callbacks(c);
    if (c->broken == NGR_OK && !c->is_writing_blocked)
        flush(c);
    if (c->broken == NGR_OK && ngr_transport_has_buffered(&c->transport))
        on_readable(c);
    end_callbacks(c);
}

static void start_timer(struct ngr_conn *c, double seconds)
{
    ngr_status st = c->loop->timer_on(c->loop->self, &c->timer, seconds > 0 ? seconds : 0);
    if (st != NGR_OK)
        break_later(c, st, "the event loop does not set a timer");
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
        break_later(c, NGR_E_LOST, "the server closed the connection");
    enqueue(c, r);
    if (c->broken != NGR_OK)
        return;
    if (was_idle) {
        c->last_progress = now(c);
        if (!c->timer.is_on)
            start_timer(c, c->settings->socket_timeout);
    }
    /* A lone request goes out at once; where requests come in crowds, waiting for the end of the tick makes
     * one write of them, and the crowd of the last tick is the best prophet of this one. */
    bool at_once = was_idle && !c->busy && c->last_batch <= 1 && !c->flush.is_pending;
    if (c->is_writing_blocked)
        return;
    if (at_once || c->loop->defer(c->loop->self, &c->flush) != NGR_OK)
        flush(c);
}

void ngr_conn_withdraw(struct ngr_conn *c, struct ngr_req *r)
{
    assert(r->place == NGR_REQ_UNWRITTEN && r->sent == 0);
    dequeue(c, r);
}

/* --- reading ----------------------------------------------------------------------------------------------
 */

static struct ngr_req *answering(const struct ngr_conn *c)
{
    struct ngr_node *n = ngr_list_first(&c->written);
    return n ? ngr_of(n, struct ngr_req, node) : NULL;
}

static ngr_status nobody_asked(struct ngr_conn *c)
{
    break_later(c, NGR_E_PROTOCOL, "an answer came that nobody asked for");
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
            break_later(c, NGR_E_LOST, "the server closed the connection%s", advice_at_the_end(c));
        if (io.what == NGR_IO_FAILED && c->state == NGR_CONN_GREETING &&
            !io.error) /* TLS 1.3 refuses us only now */
            break_later(c, NGR_E_TLS, "%s", ngr_transport_error(&c->transport, io));
        if (io.what == NGR_IO_FAILED)
            break_later(c, NGR_E_LOST, "reading failed: %s%s", ngr_transport_error(&c->transport, io),
                        advice_at_the_end(c));
        if (io.what != NGR_IO_DONE)
            return;
        t->bytes_in += io.bytes;
        c->last_progress = now(c);
        if (ngr_parser_feed(&c->parser, t->scratch, io.bytes) != NGR_OK)
            break_later(c, c->parser.status, "%s", c->parser.why);
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
    if (c->traffic->is_reading)
        return;
    c->traffic->is_reading = true;
    read_some(c);
    c->traffic->is_reading = false;
    if (c->broken == NGR_OK && ngr_transport_has_unsent(&c->transport))
        flush(c); /* TLS itself had something to answer */
}

/* --- connecting -------------------------------------------------------------------------------------------
 */

enum greeting_step { STEP_AUTH, STEP_SELECT, STEP_SETNAME, STEP_PING };

/* A refusal ends the connection at once: a server that has no room for it answers one command of the four and
 * closes. AUTH's own error text stays out: a server that does not know the command repeats its arguments, the
 * password among them. */
static void take_refusal(struct ngr_conn *c, enum greeting_step step, const struct ngr_reply *r)
{
    ngr_status st = ngr_answer_status(r->data, r->len);
    bool is_about_us = st != NGR_E_LOADING && st != NGR_E_MAXCLIENTS;
    if ((step == STEP_SETNAME && is_about_us) || (step == STEP_PING && st == NGR_E_PERM))
        return;
    int shown = (int)(r->len < 120 ? r->len : 120), word = 0;
    while (word < shown && r->data[word] >= 'A' && r->data[word] <= 'Z')
        word++;
    if (step != STEP_AUTH)
        break_later(c, st, "%.*s", shown, r->data);
    else if (is_about_us)
        break_later(c, NGR_E_AUTH, "the server refused AUTH (%.*s)", word, r->data);
    else
        break_later(c, st, st == NGR_E_MAXCLIENTS ? "max number of clients reached" : "LOADING");
}

static ngr_status greeting_piece(struct ngr_req *r, const struct ngr_reply *reply)
{
    struct ngr_conn *c = ngr_of(r, struct ngr_conn, own);
    if (reply->type == NGR_REPLY_ERROR)
        take_refusal(c, c->own_steps[r->seen], reply);
    else if (reply->type != NGR_REPLY_STATUS)
        return NGR_E_PROTOCOL;
    return c->broken;
}

static void greeting_answered(struct ngr_req *r)
{
    struct ngr_conn *c = ngr_of(r, struct ngr_conn, own);
    enter(c, NGR_CONN_READY);
    c->was_ready = true;
    forget_greeting(c);
    c->loop->timer_off(c->loop->self, &c->timer);
    c->owner.ready(c->owner.user, c);
}

static ngr_status add_step(struct ngr_conn *c, enum greeting_step step, const char *const *words)
{
    c->own_steps[c->own.replies++] = (unsigned char)step;
    return ngr_cmd_words(&c->own_bytes, words);
}

static ngr_status write_greeting(struct ngr_conn *c)
{
    const struct ngr_settings *s = c->settings;
    ngr_status st = NGR_OK;
    char db[16];
    snprintf(db, sizeof db, "%d", s->db);
    if (s->password && s->username)
        st = add_step(c, STEP_AUTH, (const char *[]){"AUTH", s->username, s->password, NULL});
    else if (s->password)
        st = add_step(c, STEP_AUTH, (const char *[]){"AUTH", s->password, NULL});
    if (st == NGR_OK && s->db)
        st = add_step(c, STEP_SELECT, (const char *[]){"SELECT", db, NULL});
    if (st == NGR_OK && s->client_name)
        st = add_step(c, STEP_SETNAME, (const char *[]){"CLIENT", "SETNAME", s->client_name, NULL});
    if (st == NGR_OK)
        st = add_step(c, STEP_PING, (const char *[]){"PING", NULL});
    return st;
}

static void send_own(struct ngr_conn *c, ngr_status (*piece)(struct ngr_req *, const struct ngr_reply *),
                     void (*answered)(struct ngr_req *))
{
    c->own.parts[0] = (struct ngr_span){c->own_bytes.data, c->own_bytes.len};
    c->own.piece = piece;
    c->own.answered = answered;
    c->last_progress = now(c);
    enqueue(c, &c->own);
    flush(c);
}

static void greet(struct ngr_conn *c)
{
    enter(c, NGR_CONN_GREETING);
    if (write_greeting(c) != NGR_OK) {
        break_later(c, NGR_E_NOMEM, "no memory for the handshake");
        return;
    }
    send_own(c, greeting_piece, greeting_answered);
}

/* --- TLS
 * ------------------------------------------------------------------------------------------------------- */

static void secure(struct ngr_conn *c)
{
    struct ngr_io io = ngr_transport_secure(&c->transport);
    if (io.what == NGR_IO_EOF)
        break_later(c, NGR_E_CONNECT,
                    "the server closed the connection during the TLS handshake: does it speak TLS?");
    if (io.what == NGR_IO_FAILED && io.error) /* of the socket: another try may fare better */
        break_later(c, NGR_E_CONNECT, "the TLS handshake was cut off: %s",
                    ngr_transport_error(&c->transport, io));
    if (io.what == NGR_IO_FAILED)
        break_later(c, NGR_E_TLS, "%s", ngr_transport_error(&c->transport, io));
    if (io.what == NGR_IO_DONE) {
        greet(c);
    } else if (io.what == NGR_IO_AGAIN) {
        c->is_writing_blocked = ngr_transport_has_unsent(&c->transport);
        watch(c);
    }
}

static void start_tls(struct ngr_conn *c)
{
    struct ngr_traffic *t = c->traffic;
    char why[sizeof c->why] = "no memory for TLS";
    ngr_status st = t->tls ? NGR_OK : ngr_tls_context_new(c->settings, &t->tls, why, sizeof why);
    struct ngr_tls *tls = st == NGR_OK ? ngr_tls_new(t->tls, c->settings->host) : NULL;
    if (!tls) {
        break_later(c, st == NGR_OK ? NGR_E_NOMEM : st, "%s", why);
        return;
    }
    ngr_transport_use_tls(&c->transport, tls);
    enter(c, NGR_CONN_SECURING);
    secure(c);
}

/* The stream to the server stands. */
static void start_talking(struct ngr_conn *c)
{
    if (c->settings->tls.is_on)
        start_tls(c);
    else
        greet(c);
}

/* One failed address: its error is kept for the message, the next one is tried. */
static void try_next_address(struct ngr_conn *c)
{
    while (c->address_next < c->address_count) {
        c->loop->watch(c->loop->self, &c->watch, 0);
        ngr_transport_close(&c->transport);
        size_t left = c->address_count - c->address_next;
        struct ngr_io io = ngr_transport_connect(&c->transport, &c->addresses[c->address_next++]);
        c->watch.fd = c->transport.fd;
        if (io.what == NGR_IO_DONE) {
            start_talking(c);
            return;
        }
        if (io.what == NGR_IO_AGAIN) {
            double share = (c->deadline - now(c)) / (double)left;
            c->attempt_end = now(c) + share;
            start_timer(c, share);
            ngr_status st = c->loop->watch(c->loop->self, &c->watch, NGR_WRITABLE);
            if (st != NGR_OK)
                break_later(c, st, "the event loop does not watch the connection");
            return;
        }
        snprintf(c->why, sizeof c->why, "%s", ngr_transport_error(&c->transport, io));
    }
    char reason[sizeof c->why];
    memcpy(reason, c->why, sizeof reason);
    break_later(c, NGR_E_CONNECT, "%s", reason[0] ? reason : "the name has no address");
}

static void start_connecting(struct ngr_conn *c, const struct ngr_address *list, size_t count)
{
    c->addresses = ngr_alloc(count * sizeof *list);
    if (!c->addresses) {
        break_later(c, NGR_E_NOMEM, "no memory for the addresses");
        return;
    }
    memcpy(c->addresses, list, count * sizeof *list);
    c->address_count = count;
    enter(c, NGR_CONN_CONNECTING);
    try_next_address(c);
}

static void on_resolved(struct ngr_lookup *lookup, const struct ngr_address *list, size_t count,
                        const char *why)
{
    struct ngr_conn *c = ngr_of(lookup, struct ngr_conn, lookup);
    begin_callbacks(c);
    if (count)
        start_connecting(c, list, count);
    else
        break_later(c, NGR_E_CONNECT, "the host name cannot be resolved: %s", why);
    end_callbacks(c);
}

static void on_connected(struct ngr_conn *c)
{
    struct ngr_io io = ngr_transport_connected(&c->transport);
    if (io.what == NGR_IO_DONE) {
        start_timer(c, c->deadline - now(c));
        start_talking(c);
        return;
    }
    snprintf(c->why, sizeof c->why, "%s", ngr_transport_error(&c->transport, io));
    try_next_address(c);
}

void ngr_conn_open(struct ngr_conn *c)
{
    const struct ngr_settings *s = c->settings;
    struct ngr_address address;
    c->deadline = now(c) + s->connect_timeout;
    start_timer(c, s->connect_timeout);
    if (s->path) {
        if (ngr_address_unix(&address, s->path))
            start_connecting(c, &address, 1);
        else
            break_later(c, NGR_E_CONFIG, "the path of the Unix socket is too long for this system");
    } else if (ngr_address_numeric(&address, s->host, s->port)) {
        start_connecting(c, &address, 1);
    } else {
        enter(c, NGR_CONN_RESOLVING);
        if (c->loop->resolve(c->loop->self, &c->lookup, s->host, s->port) != NGR_OK)
            break_later(c, NGR_E_CONNECT, "the event loop cannot resolve names");
    }
}

/* --- events -----------------------------------------------------------------------------------------------
 */

static void dispatch(struct ngr_conn *c, unsigned events)
{
    if (c->state == NGR_CONN_CONNECTING) {
        on_connected(c);
        return;
    }
    if (c->state == NGR_CONN_SECURING) {
        secure(c);
        return;
    }
    if (events & NGR_WRITABLE) {
        c->last_progress = now(c); /* the peer took what had been written before */
        flush(c);
    }
    if (events & NGR_READABLE)
        on_readable(c);
}

static void on_event(struct ngr_watch *w, unsigned events)
{
    struct ngr_conn *c = ngr_of(w, struct ngr_conn, watch);
    begin_callbacks(c);
    if (c->broken == NGR_OK)
        dispatch(c, events);
    end_callbacks(c);
}

/* A loop that was held up by other work comes late to everything: what has arrived meanwhile counts before
 * the clock does. */
static bool was_held_up(struct ngr_conn *c)
{
    unsigned events = ngr_transport_pending(&c->transport) & c->watch.events;
    if (!events)
        return false;
    c->deadline = c->attempt_end = now(c) + c->settings->connect_timeout;
    dispatch(c, events);
    return true;
}

static void on_ready_timer(struct ngr_conn *c)
{
    double due = c->last_progress + c->settings->socket_timeout;
    if (!c->requests)
        return;
    if (now(c) >= due && !was_held_up(c))
        break_later(c, NGR_E_TIMEOUT, "not a byte for %.3g s", c->settings->socket_timeout);
    else if (c->requests)
        start_timer(c, c->last_progress + c->settings->socket_timeout - now(c));
}

static void on_connect_timer(struct ngr_conn *c)
{
    bool is_last = now(c) >= c->deadline;
    bool is_next = c->state == NGR_CONN_CONNECTING && now(c) >= c->attempt_end;
    if ((is_last || is_next) && !was_held_up(c)) {
        if (is_last) {
            break_later(c, NGR_E_TIMEOUT, "not connected within %.3g s (last state: %s)",
                        c->settings->connect_timeout, ngr_conn_state_text(c->state));
            return;
        }
        snprintf(c->why, sizeof c->why, "no answer from the last address");
        try_next_address(c);
    }
    if (c->broken == NGR_OK && c->state != NGR_CONN_READY)
        start_timer(c, (c->state == NGR_CONN_CONNECTING ? c->attempt_end : c->deadline) - now(c));
}

static void on_timer(struct ngr_timer *timer)
{
    struct ngr_conn *c = ngr_of(timer, struct ngr_conn, timer);
    begin_callbacks(c);
    if (c->state == NGR_CONN_READY)
        on_ready_timer(c);
    else
        on_connect_timer(c);
    end_callbacks(c);
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

void ngr_conn_check_alive(struct ngr_conn *c)
{
    if (c->state != NGR_CONN_READY || c->broken != NGR_OK || c->requests)
        return;
    c->own_bytes.len = 0;
    c->own.replies = 1;
    if (ngr_cmd_words(&c->own_bytes, (const char *[]){"PING", NULL}) != NGR_OK)
        return;
    start_timer(c, c->settings->socket_timeout);
    send_own(c, ping_piece, ping_answered);
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
    c->lookup = (struct ngr_lookup){.done = on_resolved};
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
