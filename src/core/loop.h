/* What the core asks of an event loop: nine functions. The extension implements them on asyncio, the tests on
 * a loop of their own. The core itself never blocks and never calls back from inside one of these. */
#ifndef NGR_LOOP_H
#define NGR_LOOP_H

#include <stdbool.h>
#include <stddef.h>

#include "address.h"
#include "status.h"

enum { NGR_READABLE = 1, NGR_WRITABLE = 2 };

/* Interest in one file descriptor. The core owns the struct; `host` belongs to the loop. */
struct ngr_watch {
    void (*ready)(struct ngr_watch *w, unsigned events);
    int fd;
    unsigned events; /* what is being watched now; written by the loop's functions only */
    void *host;
};

/* A one-shot timer. */
struct ngr_timer {
    void (*fire)(struct ngr_timer *t);
    bool is_on; /* written by the loop's functions only */
    void *host;
};

/* A piece of work for the end of this tick of the loop: runs once per ngr_loop.defer(). */
struct ngr_task {
    void (*run)(struct ngr_task *t);
    bool is_pending; /* set by defer, cleared by the loop before it runs the task */
    void *host;
};

/* A name being resolved. `done` is called once, later: with addresses, or with none and a reason; never after
 * ngr_loop.resolve_cancel(). */
struct ngr_lookup {
    void (*done)(struct ngr_lookup *l, const struct ngr_address *list, size_t count, const char *why);
    bool is_pending; /* written by the loop's functions only */
    void *host;
};

struct ngr_loop {
    void *self;
    /* Starts or changes the watch on w->fd; `events` 0 ends it. Ending a watch that is not on is fine. */
    ngr_status (*watch)(void *self, struct ngr_watch *w, unsigned events);
    /* Fires once, `seconds` from now. Setting a timer that is on moves it. */
    ngr_status (*timer_on)(void *self, struct ngr_timer *t, double seconds);
    void (*timer_off)(void *self, struct ngr_timer *t);
    /* Monotonic seconds. */
    double (*now)(void *self);
    /* Runs t->run soon; a task that is pending already stays pending once. */
    ngr_status (*defer)(void *self, struct ngr_task *t);
    /* Takes a pending task back; fine when it is not pending. */
    void (*forget)(void *self, struct ngr_task *t);
    ngr_status (*resolve)(void *self, struct ngr_lookup *l, const char *host, unsigned port);
    void (*resolve_cancel)(void *self, struct ngr_lookup *l);
};

#endif
