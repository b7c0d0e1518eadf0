/* One request: bytes to send, and how many replies they ask for. It is the unit that travels: pool ->
 * connection
 * -> (on trouble) back to the client, which sends the very same bytes again or gives up. */
#ifndef NGR_REQ_H
#define NGR_REQ_H

#include <stdbool.h>
#include <stdint.h>

#include "cmd.h"
#include "list.h"
#include "reply.h"

/* Where a request is; each place has its own way of letting go of it. */
enum ngr_req_place {
    NGR_REQ_NOWHERE,
    NGR_REQ_DELAYED,   /* in the client's heap, until a retry is due */
    NGR_REQ_WAITING,   /* in a pool's queue: no connection has room */
    NGR_REQ_UNWRITTEN, /* on a connection, no byte of it sent: may still be taken back */
    NGR_REQ_WRITTEN,   /* on a connection, at least one byte sent: stays until its replies came */
};

struct ngr_req {
    struct ngr_node node; /* the queue it is in */
    enum ngr_req_place place;
    void *holder;             /* the pool or connection that has it */
    struct ngr_span parts[2]; /* the bytes; what has been handed over stays unchanged until the release */
    size_t sent;              /* bytes written so far */
    uint32_t replies;         /* top-level replies that belong to it */
    uint32_t seen;            /* of which these are complete */
    uint32_t weight;          /* what it costs a connection, in small requests */
    bool is_repeatable;       /* sending it twice is as good as once */
    bool is_open;             /* parts[1] still grows; no other request is made meanwhile */

    /* A piece of the reply number `seen`. NGR_OK, or NGR_E_PROTOCOL when the form cannot be an answer to this
     * request (the connection is dropped then). It may run anything but may not release the request. */
    ngr_status (*piece)(struct ngr_req *r, const struct ngr_reply *reply);
    /* All replies are in, the connection has let go. */
    void (*answered)(struct ngr_req *r);

    /* For the call it belongs to, and the client. */
    struct ngr_call *call;
    struct ngr_node sibling;  /* the requests of one call */
    unsigned failures_before; /* of its call, when this try began */
    ngr_status refusal;       /* the first error reply it got */
    double due;               /* DELAYED: when it is sent again */
    uint64_t order;           /* DELAYED: who came first among equals */
    size_t heap_index;
};

static inline size_t ngr_req_length(const struct ngr_req *r)
{
    return r->parts[0].len + r->parts[1].len;
}

#endif
