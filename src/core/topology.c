#include "topology.h"

void ngr_topology_init(struct ngr_topology *t, const struct ngr_settings *settings,
                       const struct ngr_loop *loop, struct ngr_traffic *traffic,
                       const struct ngr_pool_owner *owner)
{
    ngr_pool_init(&t->server, settings, loop, traffic, owner);
}

struct ngr_pool *ngr_topology_route(struct ngr_topology *t, const struct ngr_req *r)
{
    (void)r;
    return &t->server;
}

struct ngr_pool *ngr_topology_next(struct ngr_topology *t, const struct ngr_pool *after)
{
    return after ? NULL : &t->server;
}
