#include "fake_loop.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake_loop *loop_of(void *self)
{
    return self;
}

/* Counts a call; true when it is the one that has to fail. */
static bool must_fail(struct fake_loop *f, enum fake_function function)
{
    return ++f->calls[function] == f->fail_at[function];
}

static void insist(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "fake loop: %s\n", what);
    abort();
}

/* --- descriptors ------------------------------------------------------------------------------ */

static ngr_status watch(void *self, struct ngr_watch *w, unsigned events)
{
    struct fake_loop *f = loop_of(self);
    if (events && must_fail(f, FAKE_WATCH))
        return NGR_E_NOMEM;
    size_t at = 0;
    while (at < f->watch_count && f->watches[at] != w)
        at++;
    if (events && at == f->watch_count) {
        insist(f->watch_count < FAKE_LOOP_MAX, "too many watches");
        insist(w->fd >= 0, "a watch without a descriptor");
        f->watches[f->watch_count++] = w;
    } else if (!events && at < f->watch_count) {
        f->watches[at] = f->watches[--f->watch_count];
    }
    w->events = events;
    return NGR_OK;
}

/* What poll() said, as far as it was asked for; an error or a hang-up counts as both. */
static unsigned events_of(short revents)
{
    unsigned events = 0;
    if (revents & (POLLERR | POLLHUP))
        events |= NGR_READABLE | NGR_WRITABLE;
    if (revents & POLLIN)
        events |= NGR_READABLE;
    if (revents & POLLOUT)
        events |= NGR_WRITABLE;
    return events;
}

static bool is_watched(const struct fake_loop *f, const struct ngr_watch *w)
{
    for (size_t i = 0; i < f->watch_count; i++)
        if (f->watches[i] == w)
            return true;
    return false;
}

static bool run_descriptors(struct fake_loop *f)
{
    struct pollfd polled[FAKE_LOOP_MAX];
    struct ngr_watch *watches[FAKE_LOOP_MAX];
    size_t count = f->watch_count;
    bool ran = false;
    for (size_t i = 0; i < count; i++) {
        watches[i] = f->watches[i];
        short wanted = (short)((watches[i]->events & NGR_READABLE ? POLLIN : 0) |
                               (watches[i]->events & NGR_WRITABLE ? POLLOUT : 0));
        polled[i] = (struct pollfd){.fd = watches[i]->fd, .events = wanted};
    }
    if (!count || poll(polled, (nfds_t)count, 0) <= 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        insist(!(polled[i].revents & POLLNVAL), "a closed descriptor is still watched");
        if (!polled[i].revents || !is_watched(f, watches[i]))
            continue; /* ended by a callback of this very tick */
        unsigned events = events_of(polled[i].revents) & watches[i]->events;
        if (events)
            watches[i]->ready(watches[i], events);
        ran |= events != 0;
    }
    return ran;
}

/* --- timers ----------------------------------------------------------------------------------- */

static void timer_off(void *self, struct ngr_timer *t)
{
    struct fake_loop *f = loop_of(self);
    for (size_t i = 0; i < f->timer_count; i++)
        if (f->timers[i].timer == t) {
            memmove(&f->timers[i], &f->timers[i + 1], (--f->timer_count - i) * sizeof f->timers[0]);
            break;
        }
    t->is_on = false;
}

static ngr_status timer_on(void *self, struct ngr_timer *t, double seconds)
{
    struct fake_loop *f = loop_of(self);
    if (must_fail(f, FAKE_TIMER_ON))
        return NGR_E_NOMEM;
    timer_off(self, t);
    insist(f->timer_count < FAKE_LOOP_MAX, "too many timers");
    insist(seconds >= 0, "a timer in the past");
    f->timers[f->timer_count].timer = t;
    f->timers[f->timer_count++].due = f->clock + seconds - f->early;
    t->is_on = true;
    return NGR_OK;
}

static double now(void *self)
{
    return loop_of(self)->clock;
}

/* The earliest timer, the older one of equals; -1: none. */
static int earliest(const struct fake_loop *f)
{
    int best = -1;
    for (size_t i = 0; i < f->timer_count; i++)
        if (best < 0 || f->timers[i].due < f->timers[best].due)
            best = (int)i;
    return best;
}

static bool run_timers(struct fake_loop *f)
{
    bool ran = false;
    int at;
    for (size_t left = f->timer_count; left && (at = earliest(f)) >= 0; left--) {
        struct ngr_timer *t = f->timers[at].timer;
        if (f->timers[at].due > f->clock)
            break;
        timer_off(f, t);
        t->fire(t);
        ran = true;
    }
    return ran;
}

double fake_loop_next_timer(const struct fake_loop *f)
{
    int at = earliest(f);
    if (at < 0)
        return -1;
    return f->timers[at].due > f->clock ? f->timers[at].due - f->clock : 0;
}

/* --- tasks ------------------------------------------------------------------------------------ */

static ngr_status defer(void *self, struct ngr_task *t)
{
    struct fake_loop *f = loop_of(self);
    if (must_fail(f, FAKE_DEFER))
        return NGR_E_NOMEM;
    if (t->is_pending)
        return NGR_OK;
    insist(f->task_count < FAKE_LOOP_MAX, "too many tasks");
    f->tasks[f->task_count++] = t;
    t->is_pending = true;
    return NGR_OK;
}

static void forget(void *self, struct ngr_task *t)
{
    struct fake_loop *f = loop_of(self);
    for (size_t i = 0; i < f->task_count; i++)
        if (f->tasks[i] == t) {
            memmove(&f->tasks[i], &f->tasks[i + 1], (--f->task_count - i) * sizeof f->tasks[0]);
            break;
        }
    t->is_pending = false;
}

/* What a task defers runs in the next tick. */
static bool run_tasks(struct fake_loop *f)
{
    size_t count = f->task_count;
    for (size_t left = count; left && f->task_count; left--) {
        struct ngr_task *t = f->tasks[0];
        forget(f, t);
        t->run(t);
    }
    return count > 0;
}

/* --- lookups ---------------------------------------------------------------------------------- */

static ngr_status resolve(void *self, struct ngr_lookup *l, const char *host, unsigned port)
{
    struct fake_loop *f = loop_of(self);
    if (must_fail(f, FAKE_RESOLVE))
        return NGR_E_NOMEM;
    insist(!f->lookup, "two lookups at a time");
    snprintf(f->looked_up, sizeof f->looked_up, "%s:%u", host, port);
    f->lookups++;
    f->lookup = l;
    l->is_pending = true;
    return NGR_OK;
}

static void resolve_cancel(void *self, struct ngr_lookup *l)
{
    struct fake_loop *f = loop_of(self);
    if (f->lookup == l)
        f->lookup = NULL;
    l->is_pending = false;
}

bool fake_loop_answer_lookup(struct fake_loop *f, const struct ngr_address *list, size_t count,
                             const char *why)
{
    struct ngr_lookup *l = f->lookup;
    if (!l)
        return false;
    resolve_cancel(f, l);
    l->done(l, list, count, why);
    fake_loop_settle(f);
    return true;
}

/* --- running ---------------------------------------------------------------------------------- */

void fake_loop_init(struct fake_loop *f)
{
    *f = (struct fake_loop){.clock = 1000};
    f->loop = (struct ngr_loop){f, watch, timer_on, timer_off, now, defer, forget, resolve, resolve_cancel};
}

void fake_loop_fail(struct fake_loop *f, enum fake_function function, unsigned long nth)
{
    f->calls[function] = 0;
    f->fail_at[function] = nth;
}

bool fake_loop_tick(struct fake_loop *f)
{
    bool ran = f->timers_first ? run_timers(f) : run_descriptors(f);
    ran |= f->timers_first ? run_descriptors(f) : run_timers(f);
    ran |= run_tasks(f);
    f->clock += f->early; /* as a real clock would move on meanwhile */
    return ran;
}

void fake_loop_settle(struct fake_loop *f)
{
    for (int ticks = 0; fake_loop_tick(f); ticks++)
        insist(ticks < 1000000, "it never settles: somebody spins");
}

void fake_loop_advance(struct fake_loop *f, double seconds)
{
    double end = f->clock + seconds;
    fake_loop_settle(f);
    for (int at; (at = earliest(f)) >= 0 && f->timers[at].due <= end;) {
        if (f->timers[at].due > f->clock)
            f->clock = f->timers[at].due;
        fake_loop_settle(f);
    }
    f->clock = end;
    fake_loop_settle(f);
}

bool fake_loop_is_idle(const struct fake_loop *f)
{
    return !f->watch_count && !f->timer_count && !f->task_count && !f->lookup;
}
