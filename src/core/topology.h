/* Which servers there are, and which of them serves a key now. One server is the only topology built so far;
 * Sentinel and Cluster will answer the same two questions. Nothing above this file asks how many servers
 * there are. */
#ifndef NGR_TOPOLOGY_H
#define NGR_TOPOLOGY_H

#include "pool.h"

struct ngr_topology {
    struct ngr_pool server;
};

void ngr_topology_init(struct ngr_topology *t, const struct ngr_settings *settings,
                       const struct ngr_loop *loop, struct ngr_traffic *traffic,
                       const struct ngr_pool_owner *owner);

/* The pool a request goes to. */
struct ngr_pool *ngr_topology_route(struct ngr_topology *t, const struct ngr_req *r);

/* Every pool there is, one after another: start with NULL; NULL is the end. */
struct ngr_pool *ngr_topology_next(struct ngr_topology *t, const struct ngr_pool *after);

#endif
