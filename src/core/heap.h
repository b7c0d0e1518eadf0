/* Requests that wait for their retry, the earliest first: a binary heap that knows where each request sits,
 * so that one can be taken out when its call is cancelled. */
#ifndef NGR_HEAP_H
#define NGR_HEAP_H

#include "req.h"

struct ngr_heap {
    struct ngr_req **items;
    size_t count, room;
    uint64_t next_order;
};

void ngr_heap_init(struct ngr_heap *h);
void ngr_heap_fini(struct ngr_heap *h);
/* NGR_E_NOMEM leaves the heap as it was. */
ngr_status ngr_heap_push(struct ngr_heap *h, struct ngr_req *r);
/* The earliest, or NULL. */
struct ngr_req *ngr_heap_first(const struct ngr_heap *h);
void ngr_heap_remove(struct ngr_heap *h, struct ngr_req *r);

#endif
