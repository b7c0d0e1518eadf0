/* `Op`: one call under way, the thing that `await` waits for. It keeps the arguments alive whose bytes the
 * core reads, collects the answers, wakes the waiting task (op_await.c), and tells the core when that task
 * was cancelled.
 *
 * The core holds no reference: an operation that nobody has awaited yet is deallocated with its last
 * reference, and that cancels the call. Once awaited it is anchored until the waiting task was woken, and the
 * task with it. */
#ifndef NGR_EXT_OP_H
#define NGR_EXT_OP_H

#include "store.h"

#define OP_MAX_NESTING 9 /* of a raw reply; hiredis allows 7 or 9 */

struct op;

/* What the kinds of operations differ in. */
struct op_kind {
    const char *name;                   /* the API method, for messages */
    PyObject *(*finish)(struct op *op); /* the result once all answers are in; NULL with an exception */
};

/* Who is told when the operation has ended: with a task that awaits it, the task's own wakeup. */
struct op_waiters {
    PyObject *callback, *context; /* the first one; NULL: none */
    PyObject *more;               /* a list of (callback, context), or NULL */
    bool is_blocking;             /* _asyncio_future_blocking: handed to a task in this very step */
};

struct op {
    PyObject_HEAD const struct op_kind *kind;
    struct ngr_node node; /* store->ops */
    struct anchor anchor; /* while somebody waits */
    struct store *store;  /* while it runs: the task that is woken may be about to drop it */
    struct conn_set *set;
    struct ngr_call *call; /* NULL: not (or no longer) in the core's hands */
    PyObject *error;       /* the exception that ends it */
    PyObject *result;      /* what has been built so far; the answer once it is done */
    struct op_waiters waiters;
    bool is_done, is_cancelled;
    bool is_taken; /* the answer went to the one who awaited it */

    /* Arguments. */
    PyObject *held; /* the id, or the tuple of ids: owns the bytes below */
    struct ngr_span one;
    struct ngr_span *spans; /* &one, or an array of `count` */
    size_t count;
    PyObject *fields; /* frozenset, or NULL */

    /* Working memory of single kinds. */
    unsigned char *flags;                 /* missing: one per id */
    PyObject *command;                    /* execute: its first word, for messages */
    PyObject *containers[OP_MAX_NESTING]; /* execute: the list open at each depth, borrowed */
    struct ngr_put *put;                  /* put: while it is encoded */
    PyObject *snapshot;
    Py_ssize_t position;
    struct ngr_task task;      /* the next slice of the encoding */
    bool is_encoding, is_over; /* is_over: ended while it was being encoded */
    long long acked;
};

int op_init(PyObject *module, struct ext_state *state);

/* A new operation on the running loop; NULL with an exception. */
struct op *op_new(struct store *store, const struct op_kind *kind);

/* Hands over to the core: `call` may be NULL for "no memory". Answers the operation, or NULL with an
 * exception; takes the reference in both cases. */
PyObject *op_started(struct op *op, struct ngr_call *call);

/* Ends an operation that is not in the core's hands with the exception that is set. */
void op_fail(struct op *op);

/* Makes it known to its storage, whose aclose() ends it from now on. */
void op_link(struct op *op);

/* An operation that has nothing to ask ends at once. Takes and answers the reference. */
PyObject *op_finish_at_once(struct op *op);

/* Lets go of what only a running operation needs, its storage included. */
void op_release_work(struct op *op);

/* op_kind.finish of the kinds whose result is complete once the last answer is in. */
PyObject *op_take_result(struct op *op);

/* sink->done of every kind. */
void op_done(void *user, ngr_status st, const char *message);

/* Keeps the exception that is set for the end; answers NGR_E_CALLBACK. */
ngr_status op_keep_error(struct op *op);

/* Ends it with ClosedError. */
void op_close(struct op *op);

/* Takes it out of the core's hands without an end; whoever waits for it stays. The caller holds a reference,
 * or there is none left. */
void op_withdraw(struct op *op);

/* The span of a str; -1 with TypeError or EncodeError, naming `what`. */
int op_span(struct ext_state *state, PyObject *text, struct ngr_span *span);

/* --- the operations (op_read.c, op_write.c, op_command.c); each answers an Op or NULL with an exception */

PyObject *op_get(struct store *store, PyObject *id);
PyObject *op_get_many(struct store *store, PyObject *ids, PyObject *fields);
PyObject *op_missing(struct store *store, PyObject *ids);
PyObject *op_put(struct store *store, PyObject *mapping);
PyObject *op_remove(struct store *store, PyObject *id);
PyObject *op_keys(struct store *store);
PyObject *op_clear(struct store *store);
PyObject *op_execute(struct store *store, PyObject *words, bool is_repeatable);

#endif
