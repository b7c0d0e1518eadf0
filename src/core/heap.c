#include "heap.h"

#include "mem.h"

void ngr_heap_init(struct ngr_heap *h)
{
    *h = (struct ngr_heap){0};
}

void ngr_heap_fini(struct ngr_heap *h)
{
    ngr_release(h->items);
    ngr_heap_init(h);
}

static bool is_before(const struct ngr_req *a, const struct ngr_req *b)
{
    return a->due < b->due || (a->due <= b->due && a->order < b->order);
}

static void put(struct ngr_heap *h, size_t at, struct ngr_req *r)
{
    h->items[at] = r;
    r->heap_index = at;
}

static void sift_up(struct ngr_heap *h, size_t at)
{
    struct ngr_req *r = h->items[at];
    while (at > 0 && is_before(r, h->items[(at - 1) / 2])) {
        put(h, at, h->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(h, at, r);
}

static void sift_down(struct ngr_heap *h, size_t at)
{
    struct ngr_req *r = h->items[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < h->count && is_before(h->items[child + 1], h->items[child]))
            child++;
        if (child >= h->count || !is_before(h->items[child], r))
            break;
        put(h, at, h->items[child]);
        at = child;
    }
    put(h, at, r);
}

ngr_status ngr_heap_push(struct ngr_heap *h, struct ngr_req *r)
{
    if (h->count == h->room) {
        size_t room = h->room ? h->room * 2 : 16;
        struct ngr_req **items = ngr_resize(h->items, room * sizeof *items);
        if (!items)
            return NGR_E_NOMEM;
        h->items = items;
        h->room = room;
    }
    r->order = h->next_order++;
    h->items[h->count] = r;
    sift_up(h, h->count++);
    return NGR_OK;
}

struct ngr_req *ngr_heap_first(const struct ngr_heap *h)
{
    return h->count ? h->items[0] : NULL;
}

void ngr_heap_remove(struct ngr_heap *h, struct ngr_req *r)
{
    size_t at = r->heap_index;
    struct ngr_req *last = h->items[--h->count];
    if (last == r)
        return;
    put(h, at, last);
    sift_up(h, at);
    sift_down(h, last->heap_index);
}
