/* core/loop.h on an asyncio event loop (or uvloop, which has the same methods).
 *
 * Ownership runs one way: the event loop holds our handles, a handle holds the owner of the connections, the
 * owner holds the C side; the C side only borrows its handles, and a handle that dies takes its name out of
 * the C side. So a loop that is closed or collected lets go of everything without a cycle. The loop itself is
 * held weakly. */
#ifndef NGR_EXT_LOOP_ASYNCIO_H
#define NGR_EXT_LOOP_ASYNCIO_H

#include "state.h"

#include "loop.h"

struct loop_glue {
    struct ext_state *state;
    PyObject *owner;    /* borrowed: the object this struct lives in; every handle keeps it alive */
    PyObject *loop_ref; /* a weak reference to the event loop */
    PyObject *context;  /* an empty contextvars.Context: nobody's variables live as long as a connection */
    bool is_abandoned;  /* the loop is gone or belongs to a parent process: touch nothing of it */
    unsigned depth;     /* of our callbacks that are running */
    /* The last thing in each callback, when nothing of the core is under way; -1 with an exception that the
     * event loop shall see (KeyboardInterrupt, SystemExit). */
    int (*epilogue)(struct loop_glue *glue);
};

/* -1 with an exception set. */
int loop_glue_init(struct loop_glue *glue, struct ext_state *state, PyObject *owner, PyObject *loop);
void loop_glue_clear(struct loop_glue *glue);

/* Monotonic seconds: the clock of the connections' timers. */
double loop_glue_now(void);

/* The core's view of it; `glue` must outlive its use. */
struct ngr_loop loop_glue_functions(struct loop_glue *glue);

/* The event loop, a new reference, or NULL without an exception when it is gone. */
PyObject *loop_glue_loop(const struct loop_glue *glue);

/* Creates the type of the handles; -1 with an exception set. */
int loop_asyncio_init(PyObject *module, struct ext_state *state);

#endif
