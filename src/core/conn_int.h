/* What the two halves of a connection share, and nobody else sees: conn.c (its states, what is written and
 * read) and conn_open.c (how it comes to be). */
#ifndef NGR_CONN_INT_H
#define NGR_CONN_INT_H

#include "conn.h"

/* --- conn.c ------------------------------------------------------------------------------------ */

/* The one function that changes the state. */
void ngr__conn_enter(struct ngr_conn *c, enum ngr_conn_state to);

double ngr__conn_now(const struct ngr_conn *c);

/* Notes a failure where no callback may be made; the flush task or the end of the current callback finishes
 * it. Only the first one counts. */
void ngr__conn_break(struct ngr_conn *c, ngr_status st, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Callbacks run between these two: whatever they do, the connection stays in memory. */
void ngr__conn_begin_callbacks(struct ngr_conn *c);
void ngr__conn_end_callbacks(struct ngr_conn *c);

/* Watches for what the connection waits for: always answers, and room to write while writing is blocked. */
void ngr__conn_watch(struct ngr_conn *c);
void ngr__conn_start_timer(struct ngr_conn *c, double seconds);

/* Sends the connection's own request, whose bytes and number of replies are set. */
void ngr__conn_send_own(struct ngr_conn *c, ngr_status (*piece)(struct ngr_req *, const struct ngr_reply *),
                        void (*answered)(struct ngr_req *));

/* Wipes the handshake, which holds the password. */
void ngr__conn_forget_greeting(struct ngr_conn *c);

/* --- conn_open.c ------------------------------------------------------------------------------- */

/* The lookup has ended. */
void ngr__conn_on_resolved(struct ngr_lookup *lookup, const struct ngr_address *list, size_t count,
                           const char *why);

/* CONNECTING: the socket has an answer. */
void ngr__conn_on_connected(struct ngr_conn *c);

/* CONNECTING: gives the present address up for the next one. */
void ngr__conn_try_next_address(struct ngr_conn *c);

/* SECURING: goes on with the TLS handshake. */
void ngr__conn_secure(struct ngr_conn *c);

#endif
