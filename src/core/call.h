/* One call of the API while it is under way: a small state machine that sends requests, looks at their
 * answers, perhaps sends more, and ends once. Kinds of calls live in batch.c; who sends and retries their
 * requests is the host (client.c). */
#ifndef NGR_CALL_H
#define NGR_CALL_H

#include "ngr.h"
#include "pool.h"

/* What a call needs from the client. */
struct ngr_call_host {
    void (*submit)(struct ngr_call_host *host, struct ngr_req *r);
    /* Sends `r` again after a pause, or ends its call when it may not be retried or the tries are used up. */
    void (*retry)(struct ngr_call_host *host, struct ngr_req *r, ngr_status st, const char *why);
    /* The open request `r` has grown to this second part. */
    void (*grow)(struct ngr_call_host *host, struct ngr_req *r, struct ngr_span body);
    /* The open request `r` will not be completed; its call is about to be cancelled. */
    void (*abandon)(struct ngr_call_host *host, struct ngr_req *r);
    /* Takes a request back from wherever it is; false when it was sent and has to be waited for. */
    bool (*withdraw)(struct ngr_call_host *host, struct ngr_req *r);
    /* The call has ended: compose the message, tell the sink unless it was cancelled. */
    void (*report)(struct ngr_call_host *host, struct ngr_call *call, ngr_status st, const char *why);
    unsigned long long troubles; /* how often a connection ended, or the server told to come again later */
    double value_bytes;          /* what a value weighed lately, on average: sizes the parts of large reads */
};

struct ngr_call {
    struct ngr_node node; /* the host's list of calls */
    struct ngr_call_host *host;
    const struct ngr_sink *sink;
    void *user;
    struct ngr_list requests;
    unsigned refs; /* one for being under way, one per request, and those of ngr_call_hold() */
    bool is_ended;
    unsigned failures; /* tries that failed */
    double started;
    struct ngr_conn *conn; /* where its last request went: compared, never followed */
    char *refusal; /* the server's words for the first error of the request answered last, and the key; NULL:
                      none */
    const struct ngr_call_kind *kind;
};

/* What the kinds of calls differ in. */
struct ngr_call_kind {
    const char *name;                           /* "GET", for messages */
    void (*start)(struct ngr_call *call);       /* sends the first requests */
    void (*release)(struct ngr_call *call);     /* frees the call itself */
    void (*release_request)(struct ngr_req *r); /* frees one request */
};

void ngr_call_init(struct ngr_call *call, const struct ngr_call_kind *kind, const struct ngr_sink *sink,
                   void *user);

/* Between these two the call stays in memory, whatever its sink does. */
void ngr_call_hold(struct ngr_call *call);
void ngr_call_let_go(struct ngr_call *call);

/* Ties a request to its call and sends it. */
void ngr_call_send(struct ngr_call *call, struct ngr_req *r);
/* Sends a request of the call again, with other bytes. */
void ngr_call_send_again(struct ngr_call *call, struct ngr_req *r);
/* Lets go of a request that is nowhere any more; frees it, and the call with the last one. */
void ngr_call_drop(struct ngr_req *r);

/* Notes an error reply to `r`; the first one counts. `id` NULL: the error is about no single key. */
void ngr_call_refuse(struct ngr_req *r, const struct ngr_reply *reply, struct ngr_span prefix,
                     const struct ngr_span *id);
/* After a request was answered: deals with a dead call and with refusals. True when the answer is good and
 * the call goes on; false when `r` has been taken care of. */
bool ngr_call_goes_on(struct ngr_req *r);

/* Ends the call, telling the sink; requests that were not sent are taken back. Nothing happens when it is
 * ended. */
void ngr_call_end(struct ngr_call *call, ngr_status st, const char *why);

/* Passes an answer on, unless the call is over; a status other than NGR_OK ends the call. */
void ngr_call_value(struct ngr_call *call, size_t index, const char *data, size_t len);
void ngr_call_number(struct ngr_call *call, size_t index, long long number);

#endif
