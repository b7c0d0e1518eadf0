/* One connection to one server: its states, its handshake, what is written and what waits for an answer.
 *
 *       submit --> [ unwritten ] --first byte sent--> [ written ] --last reply in--> answered()
 *
 * Replies carry no name: the only thing that ties an answer to its question is the order of `written`. So an
 * entry leaves that queue only when its replies have come or when the connection dies, whoever has stopped
 * waiting meanwhile; and a reply that finds the queue empty kills the connection. (Every incident in this
 * field where one user was shown another's data, CVE-2023-28858 among them, was a stream off by one and used
 * on.)
 *
 * A connection knows neither pools nor retries: what it cannot finish it hands back to its owner. */
#ifndef NGR_CONN_H
#define NGR_CONN_H

#include "loop.h"
#include "req.h"
#include "settings.h"
#include "transport.h"

/* The states, and from which they are entered. CLOSED is final. */
#define NGR_CONN_STATES(X)                                                                                   \
    X(NEW, "new", 0)                                                                                         \
    X(RESOLVING, "resolving", 1u << NGR_CONN_NEW)                                                            \
    X(CONNECTING, "connecting", 1u << NGR_CONN_NEW | 1u << NGR_CONN_RESOLVING)                               \
    X(SECURING, "negotiating TLS", 1u << NGR_CONN_CONNECTING)                                                \
    X(GREETING, "authenticating", 1u << NGR_CONN_CONNECTING | 1u << NGR_CONN_SECURING)                       \
    X(READY, "ready", 1u << NGR_CONN_GREETING)                                                               \
    X(CLOSED, "closed", ~(1u << NGR_CONN_CLOSED))

enum ngr_conn_state {
#define NGR_X(name, text, from) NGR_CONN_##name,
    NGR_CONN_STATES(NGR_X)
#undef NGR_X
};

const char *ngr_conn_state_text(enum ngr_conn_state state);

/* How far one connection may run ahead of its answers. */
#define NGR_CONN_MAX_REQUESTS 1024
#define NGR_CONN_MAX_BYTES    (4u * 1024 * 1024)

struct ngr_conn;

/* What a connection tells its owner. `user` is the owner's. None is called from inside ngr_conn_submit(). */
struct ngr_conn_owner {
    void (*ready)(void *user, struct ngr_conn *c);
    /* Answers have come, requests have left or were withdrawn: there may be room again. */
    void (*progressed)(void *user, struct ngr_conn *c);
    /* The last event. The requests are the owner's again, in order: `written` ones were sent at least in
     * part. The owner releases the connection with ngr_conn_release(). `why` lives until the call returns. */
    void (*closed)(void *user, struct ngr_conn *c, ngr_status st, const char *why, struct ngr_list *written,
                   struct ngr_list *unwritten);
    void *user;
};

struct ngr_conn {
    struct ngr_node node; /* for the owner */
    enum ngr_conn_state state;
    bool was_ready;
    uint32_t weight; /* of all its requests */
    size_t requests; /* unwritten and written */
    size_t bytes;    /* of their requests */

    const struct ngr_settings *settings;
    const struct ngr_loop *loop;
    struct ngr_traffic *traffic;
    struct ngr_conn_owner owner;
    struct ngr_transport transport;
    struct ngr_parser parser;
    struct ngr_watch watch;
    struct ngr_timer timer;
    struct ngr_task flush;
    struct ngr_lookup lookup;
    struct ngr_address *addresses;
    size_t address_count, address_next;
    double deadline;      /* of resolving, connecting and the handshake together */
    double attempt_end;   /* of the address being tried */
    double last_progress; /* READY: the peer has moved, or the first request came */
    struct ngr_list unwritten, written;
    struct ngr_req *partial; /* the last of `written` while bytes of it remain */
    struct ngr_req own;      /* the handshake, later PING: requests of the connection itself */
    struct ngr_buf own_bytes;
    unsigned char own_steps[4]; /* which command of `own` is which */
    size_t gathered;            /* requests that came since the last flush */
    size_t crowd;               /* requests under way lately, at flushes */
    unsigned busy;              /* depth of calls out of the parser: nothing may be freed meanwhile */
    bool is_released;
    bool is_writing_blocked;
    ngr_status broken; /* a failure noticed where no callback may be made */
    char why[256];
};

/* What all connections of a client share. */
struct ngr_traffic {
    unsigned long long bytes_in, bytes_out, replies, writes, reads;
    char *scratch; /* NGR_READ_BYTES, one for all: reading never nests */
    bool is_reading;
    struct ngr_tls_context *tls; /* made by the first connection that needs it */
};

#define NGR_READ_BYTES (64 * 1024)

/* NULL when memory ends. Settings, loop and traffic must outlive the connection. */
struct ngr_conn *ngr_conn_new(const struct ngr_settings *settings, const struct ngr_loop *loop,
                              struct ngr_traffic *traffic, const struct ngr_conn_owner *owner);

/* Starts resolving and connecting; the end comes as owner.ready or owner.closed, later, within
 * settings->connect_timeout. */
void ngr_conn_open(struct ngr_conn *c);

/* True when another request, of any size, may be given to this connection now. */
bool ngr_conn_has_room(const struct ngr_conn *c);

/* Takes a request. It is written at once when few are under way, else together with others, at the end of the
 * loop's tick at the latest; an open one is written as it grows. Never calls back from inside. READY
 * connections only. */
void ngr_conn_submit(struct ngr_conn *c, struct ngr_req *r);

/* The open request `r` has grown to this second part, and is complete when it is not open any more. What the
 * peer takes of it is written now. Never calls back from inside. */
void ngr_conn_grow(struct ngr_conn *c, struct ngr_req *r, struct ngr_span body);

/* A WRITTEN open request will not be completed: the connection is lost, owner.closed follows later. */
void ngr_conn_abandon(struct ngr_conn *c);

/* Takes an UNWRITTEN request back. */
void ngr_conn_withdraw(struct ngr_conn *c, struct ngr_req *r);

/* Ends it when it has failed where no callback could be made, and the loop had no memory for doing it later.
 * True when it was ended: owner.closed has been called. */
bool ngr_conn_bury(struct ngr_conn *c);

/* Sends PING when nothing else is under way, so that a dead peer is noticed before it costs somebody's call.
 */
void ngr_conn_check_alive(struct ngr_conn *c);

/* Ends it: owner.closed is called with `st` before this returns, or, from inside one of this connection's own
 * callbacks, as soon as that has returned. Fine when it is closed already. */
void ngr_conn_close(struct ngr_conn *c, ngr_status st, const char *why);

/* Frees a closed connection, now or when its last callback has returned. */
void ngr_conn_release(struct ngr_conn *c);

#endif
