/* The heap of delayed requests, against a plain list that is searched from end to end. */
#include "harness.h"

#include <stdint.h>

#include "heap.h"

static uint64_t state = 88172645463325252u;

static unsigned random_below(unsigned limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state % limit);
}

/* The earliest of `all`, the one pushed first among equals; NULL when none is in the heap. */
static struct ngr_req *earliest(struct ngr_req *all, const bool *is_in, size_t count)
{
    struct ngr_req *best = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!is_in[i])
            continue;
        if (!best || all[i].due < best->due || (all[i].due <= best->due && all[i].order < best->order))
            best = &all[i];
    }
    return best;
}

TEST(an_empty_heap_has_no_first)
{
    struct ngr_heap h;
    ngr_heap_init(&h);
    CHECK(ngr_heap_first(&h) == NULL);
    ngr_heap_fini(&h);
}

TEST(equal_times_come_out_in_the_order_of_pushing)
{
    struct ngr_heap h;
    struct ngr_req r[100] = {{.due = 0}};
    ngr_heap_init(&h);
    for (int i = 0; i < 100; i++)
        CHECK_INT(ngr_heap_push(&h, &r[i]), NGR_OK);
    for (int i = 0; i < 100; i++) {
        CHECK(ngr_heap_first(&h) == &r[i]);
        ngr_heap_remove(&h, &r[i]);
    }
    CHECK(ngr_heap_first(&h) == NULL);
    ngr_heap_fini(&h);
}

TEST(whatever_is_pushed_and_removed_the_first_is_the_earliest)
{
    enum { COUNT = 60, STEPS = 60000 };
    struct ngr_heap h;
    struct ngr_req all[COUNT] = {{.due = 0}};
    bool is_in[COUNT] = {false};
    ngr_heap_init(&h);
    for (int step = 0; step < STEPS; step++) {
        /* phases of growing and of shrinking, so that it is full and empty many times */
        bool grows = (step / 500) % 2 == 0;
        unsigned i = random_below(COUNT);
        if (is_in[i] && (!grows || random_below(4) == 0)) {
            ngr_heap_remove(&h, &all[i]);
            is_in[i] = false;
        } else if (!is_in[i] && (grows || random_below(4) == 0)) {
            all[i].due = random_below(20);
            CHECK_INT(ngr_heap_push(&h, &all[i]), NGR_OK);
            is_in[i] = true;
        }
        CHECK(ngr_heap_first(&h) == earliest(all, is_in, COUNT));
    }
    ngr_heap_fini(&h);
}

TEST(everybody_knows_where_he_sits)
{
    struct ngr_heap h;
    struct ngr_req all[200] = {{.due = 0}};
    ngr_heap_init(&h);
    for (int i = 0; i < 200; i++) {
        all[i].due = random_below(1000);
        CHECK_INT(ngr_heap_push(&h, &all[i]), NGR_OK);
    }
    for (size_t i = 0; i < h.count; i++)
        CHECK_INT(h.items[i]->heap_index, i);
    ngr_heap_fini(&h);
}

TEST(a_failed_allocation_leaves_the_heap_as_it_was)
{
    struct ngr_heap h;
    struct ngr_req r[17] = {{.due = 0}};
    ngr_heap_init(&h);
    harness_fail_nth(2);
    for (int i = 0; i < 16; i++)
        CHECK_INT(ngr_heap_push(&h, &r[i]), NGR_OK);
    CHECK_INT(ngr_heap_push(&h, &r[16]), NGR_E_NOMEM);
    CHECK_INT(h.count, 16);
    CHECK(ngr_heap_first(&h) == &r[0]);
    CHECK_INT(ngr_heap_push(&h, &r[16]), NGR_OK);
    ngr_heap_fini(&h);
    CHECK_INT(harness_alive, 0);
    ngr_mem_use(NULL);
}

int main(void)
{
    RUN(an_empty_heap_has_no_first);
    RUN(equal_times_come_out_in_the_order_of_pushing);
    RUN(whatever_is_pushed_and_removed_the_first_is_the_earliest);
    RUN(everybody_knows_where_he_sits);
    RUN(a_failed_allocation_leaves_the_heap_as_it_was);
    return harness_result();
}
