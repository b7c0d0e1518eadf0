/* An event loop for tests: poll() with a clock that stands still until a test moves it. Nothing here sleeps,
 * so a scene of hours takes milliseconds and always runs the same way. Each function of the loop can be told
 * to fail once, name lookups answer what the test scripts, and the bookkeeping can be asked whether anything
 * was left behind. It knows no protocol. */
#ifndef TESTS_FAKE_LOOP_H
#define TESTS_FAKE_LOOP_H

#include "loop.h"

#define FAKE_LOOP_MAX 64

enum fake_function { FAKE_WATCH, FAKE_TIMER_ON, FAKE_DEFER, FAKE_RESOLVE, FAKE_FUNCTIONS };

struct fake_loop {
    struct ngr_loop loop; /* what the core sees */
    double clock;
    struct ngr_watch *watches[FAKE_LOOP_MAX];
    size_t watch_count;
    struct {
        struct ngr_timer *timer;
        double due;
    } timers[FAKE_LOOP_MAX];
    size_t timer_count;
    struct ngr_task *tasks[FAKE_LOOP_MAX];
    size_t task_count;
    struct ngr_lookup *lookup; /* the one that is pending, or NULL */
    char looked_up[256];       /* host:port of the last lookup */
    unsigned lookups;
    unsigned long calls[FAKE_FUNCTIONS];   /* how often each was called */
    unsigned long fail_at[FAKE_FUNCTIONS]; /* the call that fails; 0: none */
    double early;                          /* timers fire so many seconds before they are due */
    bool timers_first;                     /* before ready descriptors, as libuv has it */
};

/* Never NULL-checked, never freed: the struct belongs to the test. */
void fake_loop_init(struct fake_loop *f);

/* The `nth` next call of `function` fails with NGR_E_NOMEM. */
void fake_loop_fail(struct fake_loop *f, enum fake_function function, unsigned long nth);

/* One tick: ready descriptors, due timers, deferred tasks. True when anything ran. */
bool fake_loop_tick(struct fake_loop *f);

/* Ticks until nothing is left to do at this moment. */
void fake_loop_settle(struct fake_loop *f);

/* Moves the clock by `seconds`, stopping at every timer that is due on the way, and settles at each stop. */
void fake_loop_advance(struct fake_loop *f, double seconds);

/* Seconds until the earliest timer; -1 when there is none. */
double fake_loop_next_timer(const struct fake_loop *f);

/* Ends the pending lookup with addresses, or, when `count` is 0, with `why`. False when none is pending. */
bool fake_loop_answer_lookup(struct fake_loop *f, const struct ngr_address *list, size_t count,
                             const char *why);

/* True when nothing is watched, timed, deferred or looked up any more. */
bool fake_loop_is_idle(const struct fake_loop *f);

#endif
