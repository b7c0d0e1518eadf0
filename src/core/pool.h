/* The connections to one server, and the queue in front of them. Few connections serve many callers: a
 * request goes to the least loaded one; another is opened when all are busy with large answers; when none has
 * room, requests wait in order. Nothing here retries: what a dying connection hands back goes up to the
 * owner.
 *
 *     submit --> [ waiting ] --room--> conn 0, conn 1, ... max_connections */
#ifndef NGR_POOL_H
#define NGR_POOL_H

#include "conn.h"

struct ngr_pool_owner {
    /* A request came back. `was_sent`: at least one byte of it left. The request is the owner's again. */
    void (*failed)(void *user, struct ngr_req *r, ngr_status st, const char *why, bool was_sent);
    /* Called once before and once after a run of failed() calls that have one cause. */
    void (*trouble)(void *user, bool begins);
    /* The server became reachable, or stopped to be. */
    void (*is_up)(void *user, bool up, ngr_status st, const char *why);
    void *user;
};

struct ngr_pool {
    const struct ngr_settings *settings;
    const struct ngr_loop *loop;
    struct ngr_traffic *traffic;
    struct ngr_pool_owner owner;
    struct ngr_list conns;
    struct ngr_list waiting;
    size_t conn_count, opening_count, ready_count, waiting_count;
    double grow_after; /* no additional connection before this moment: the last one failed */
    bool is_closing;
    struct ngr_task give_up;         /* tells the waiting ones that there is no memory for a connection */
    unsigned long long opened, lost; /* connections, ever */
};

void ngr_pool_init(struct ngr_pool *p, const struct ngr_settings *settings, const struct ngr_loop *loop,
                   struct ngr_traffic *traffic, const struct ngr_pool_owner *owner);

/* Takes a request. `prefer`, when it is (still) a usable connection of this pool, keeps the parts of one
 * large call together so that small calls find another connection free. Never calls back from inside. */
void ngr_pool_submit(struct ngr_pool *p, struct ngr_req *r, struct ngr_conn *prefer);

/* Takes a WAITING request back. */
void ngr_pool_withdraw(struct ngr_pool *p, struct ngr_req *r);

/* Opens the first connection if there is none. */
void ngr_pool_connect(struct ngr_pool *p);

/* Ends the connections that have failed without being able to say so. */
void ngr_pool_bury(struct ngr_pool *p);

/* PING on every idle connection. */
void ngr_pool_check_alive(struct ngr_pool *p);

/* Requests on connections, not counting the waiting ones. */
size_t ngr_pool_in_flight(const struct ngr_pool *p);

/* Closes every connection and hands every request back with NGR_E_CLOSED. The pool may be used again. */
void ngr_pool_close(struct ngr_pool *p);

#endif
