/* How a connection comes to be: the name is resolved, the addresses are tried, TLS is negotiated, the
 * handshake is sent and answered. After the last answer the connection is READY, and this file has no more to
 * say. */
#include "conn_int.h"

#include <stdio.h>

#include "answer.h"
#include "mem.h"

/* --- the handshake ---------------------------------------------------------------------------- */

enum greeting_step { STEP_AUTH, STEP_SELECT, STEP_SETNAME, STEP_PING };

/* The length of the word that an error begins with, when it is one that servers use: any other may be the
 * password. */
static int known_word(ngr_status st, const struct ngr_reply *r)
{
    size_t word = 0;
    if (st == NGR_E_SERVER && (r->len < 4 || memcmp(r->data, "ERR ", 4) != 0))
        return 0;
    while (word < r->len && r->data[word] >= 'A' && r->data[word] <= 'Z')
        word++;
    return (int)word;
}

/* A refusal ends the connection at once: a server that has no room for it answers one command of the four and
 * closes. AUTH's own error text stays out: a server that does not know the command repeats its arguments, the
 * password among them. */
static void take_refusal(struct ngr_conn *c, enum greeting_step step, const struct ngr_reply *r)
{
    ngr_status st = ngr_answer_status(r->data, r->len);
    bool is_about_us = st != NGR_E_LOADING && st != NGR_E_MAXCLIENTS;
    if ((step == STEP_SETNAME && is_about_us) || (step == STEP_PING && st == NGR_E_PERM))
        return;
    int shown = (int)(r->len < 120 ? r->len : 120), word = known_word(st, r);
    if (step != STEP_AUTH)
        ngr__conn_break(c, st, "%.*s", shown, r->data);
    else if (is_about_us)
        ngr__conn_break(c, NGR_E_AUTH, "the server refused AUTH (%.*s)", word ? word : 11,
                        word ? r->data : "no reason");
    else
        ngr__conn_break(c, st, st == NGR_E_MAXCLIENTS ? "max number of clients reached" : "LOADING");
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
    ngr__conn_enter(c, NGR_CONN_READY);
    c->was_ready = true;
    ngr__conn_forget_greeting(c);
    c->loop->timer_off(c->loop->self, &c->timer);
    c->owner.ready(c->owner.user, c);
}

static ngr_status add_step(struct ngr_conn *c, enum greeting_step step, const char *const *words)
{
    c->own_steps[c->own.replies++] = (unsigned char)step;
    return ngr_cmd_words(&c->own_bytes, words);
}

static size_t length(const char *text)
{
    return text ? strlen(text) : 0;
}

static ngr_status write_greeting(struct ngr_conn *c)
{
    const struct ngr_settings *s = c->settings;
    char db[16];
    /* Room for all of it at once: a buffer that grows leaves copies of the password behind. */
    ngr_status st = ngr_buf_reserve(&c->own_bytes,
                                    512 + length(s->username) + length(s->password) + length(s->client_name));
    snprintf(db, sizeof db, "%d", s->db);
    if (st == NGR_OK && s->password && s->username)
        st = add_step(c, STEP_AUTH, (const char *[]){"AUTH", s->username, s->password, NULL});
    else if (st == NGR_OK && s->password)
        st = add_step(c, STEP_AUTH, (const char *[]){"AUTH", s->password, NULL});
    if (st == NGR_OK && s->db)
        st = add_step(c, STEP_SELECT, (const char *[]){"SELECT", db, NULL});
    if (st == NGR_OK && s->client_name)
        st = add_step(c, STEP_SETNAME, (const char *[]){"CLIENT", "SETNAME", s->client_name, NULL});
    if (st == NGR_OK)
        st = add_step(c, STEP_PING, (const char *[]){"PING", NULL});
    return st;
}

static void greet(struct ngr_conn *c)
{
    ngr__conn_enter(c, NGR_CONN_GREETING);
    if (write_greeting(c) != NGR_OK) {
        ngr__conn_break(c, NGR_E_NOMEM, "no memory for the handshake");
        return;
    }
    ngr__conn_send_own(c, greeting_piece, greeting_answered);
}

/* --- TLS -------------------------------------------------------------------------------------- */

void ngr__conn_secure(struct ngr_conn *c)
{
    struct ngr_io io = ngr_transport_secure(&c->transport);
    if (io.what == NGR_IO_EOF)
        ngr__conn_break(c, NGR_E_CONNECT,
                        "the server closed the connection during the TLS handshake: does it speak TLS?");
    if (io.what == NGR_IO_FAILED && io.error) /* of the socket: another try may fare better */
        ngr__conn_break(c, NGR_E_CONNECT, "the TLS handshake was cut off: %s",
                        ngr_transport_error(&c->transport, io));
    if (io.what == NGR_IO_FAILED)
        ngr__conn_break(c, NGR_E_TLS, "%s", ngr_transport_error(&c->transport, io));
    if (io.what == NGR_IO_DONE) {
        greet(c);
    } else if (io.what == NGR_IO_AGAIN) {
        c->is_writing_blocked = ngr_transport_has_unsent(&c->transport);
        ngr__conn_watch(c);
    }
}

static void start_tls(struct ngr_conn *c)
{
    struct ngr_traffic *t = c->traffic;
    char why[sizeof c->why] = "no memory for TLS";
    ngr_status st = t->tls ? NGR_OK : ngr_tls_context_new(c->settings, &t->tls, why, sizeof why);
    struct ngr_tls *tls = st == NGR_OK ? ngr_tls_new(t->tls, c->settings->host) : NULL;
    if (!tls) {
        ngr__conn_break(c, st == NGR_OK ? NGR_E_NOMEM : st, "%s", why);
        return;
    }
    ngr_transport_use_tls(&c->transport, tls);
    ngr__conn_enter(c, NGR_CONN_SECURING);
    ngr__conn_secure(c);
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
void ngr__conn_try_next_address(struct ngr_conn *c)
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
            double share = (c->deadline - ngr__conn_now(c)) / (double)left;
            c->attempt_end = ngr__conn_now(c) + share;
            ngr__conn_start_timer(c, share);
            ngr_status st = c->loop->watch(c->loop->self, &c->watch, NGR_WRITABLE);
            if (st != NGR_OK)
                ngr__conn_break(c, st, "the event loop does not watch the connection");
            return;
        }
        snprintf(c->why, sizeof c->why, "%s", ngr_transport_error(&c->transport, io));
    }
    char reason[sizeof c->why];
    memcpy(reason, c->why, sizeof reason);
    ngr__conn_break(c, NGR_E_CONNECT, "%s", reason[0] ? reason : "the name has no address");
}

static void start_connecting(struct ngr_conn *c, const struct ngr_address *list, size_t count)
{
    c->addresses = ngr_alloc(count * sizeof *list);
    if (!c->addresses) {
        ngr__conn_break(c, NGR_E_NOMEM, "no memory for the addresses");
        return;
    }
    memcpy(c->addresses, list, count * sizeof *list);
    c->address_count = count;
    ngr__conn_enter(c, NGR_CONN_CONNECTING);
    ngr__conn_try_next_address(c);
}

void ngr__conn_on_resolved(struct ngr_lookup *lookup, const struct ngr_address *list, size_t count,
                           const char *why)
{
    struct ngr_conn *c = ngr_of(lookup, struct ngr_conn, lookup);
    ngr__conn_begin_callbacks(c);
    if (count)
        start_connecting(c, list, count);
    else
        ngr__conn_break(c, NGR_E_CONNECT, "the host name cannot be resolved: %s", why);
    ngr__conn_end_callbacks(c);
}

void ngr__conn_on_connected(struct ngr_conn *c)
{
    struct ngr_io io = ngr_transport_connected(&c->transport);
    if (io.what == NGR_IO_DONE) {
        ngr__conn_start_timer(c, c->deadline - ngr__conn_now(c));
        start_talking(c);
        return;
    }
    snprintf(c->why, sizeof c->why, "%s", ngr_transport_error(&c->transport, io));
    ngr__conn_try_next_address(c);
}

void ngr_conn_open(struct ngr_conn *c)
{
    const struct ngr_settings *s = c->settings;
    struct ngr_address address;
    c->deadline = ngr__conn_now(c) + s->connect_timeout;
    ngr__conn_start_timer(c, s->connect_timeout);
    if (s->path) {
        if (ngr_address_unix(&address, s->path))
            start_connecting(c, &address, 1);
        else
            ngr__conn_break(c, NGR_E_CONFIG, "the path of the Unix socket is too long for this system");
    } else if (ngr_address_numeric(&address, s->host, s->port)) {
        start_connecting(c, &address, 1);
    } else {
        ngr__conn_enter(c, NGR_CONN_RESOLVING);
        if (c->loop->resolve(c->loop->self, &c->lookup, s->host, s->port) != NGR_OK)
            ngr__conn_break(c, NGR_E_CONNECT, "the event loop cannot resolve names");
    }
}
