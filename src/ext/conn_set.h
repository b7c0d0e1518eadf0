/* The connections that storages with equal settings share on one event loop in one process: one core client,
 * how many storages use it, and who may close it when.
 *
 * Another loop or a forked child gets a set of its own. A set whose loop is closed, or that was inherited by
 * a fork, is abandoned: descriptors are closed, no byte is sent, nothing of the loop is touched. */
#ifndef NGR_EXT_CONN_SET_H
#define NGR_EXT_CONN_SET_H

#include "state.h"

#include "loop_asyncio.h"

/* Lives in an object that waits for an answer. */
struct anchor {
    struct ngr_node node;
    PyObject *object; /* a reference while anchored, else NULL */
    /* Tells whoever waits for the object; -1 with an exception that must end the event loop. */
    int (*wake)(PyObject *object);
};

struct conn_set {
    PyObject_HEAD struct loop_glue glue;
    struct ngr_client *client;
    PyObject *registry_key;
    unsigned long process;   /* the fork generation it was made in */
    Py_ssize_t users;        /* storages attached */
    struct ngr_list anchors; /* what waits for an answer */
    struct ngr_list ready;   /* what has its answer and is to be woken, in order */
    struct ngr_task wake;    /* wakes them when no callback of ours is running */
    bool is_waking;
    PyObject *weakrefs;
};

int conn_set_init(PyObject *module, struct ext_state *state);

/* The set for these settings on this loop, made when there is none; a new reference with one more user, or
 * NULL with an exception. `key` is hashable and equal for settings that may share connections. */
struct conn_set *conn_set_attach(struct ext_state *state, PyObject *key, const struct ngr_settings *settings,
                                 PyObject *loop);

/* One user less. On its own loop the last one closes the connections when `may_close`; else the set closes
 * itself at its next idle check. */
void conn_set_detach(struct conn_set *set, bool may_close);

/* What is anchored lives as long as the event loop has something of the set to call, even when nobody else
 * holds it: a task that waits for an answer must not be garbage. Letting go may free the object; fine when it
 * is not anchored. */
void conn_set_anchor(struct conn_set *set, struct anchor *a, PyObject *object, int (*wake)(PyObject *object));
void conn_set_let_go(struct anchor *a);

/* The wait is over: a->wake runs at the end of the callback that the event loop is in, or, outside of one,
 * soon; never from inside. Nothing happens when it is not anchored.
 *
 * So the tasks that one read has answers for run right behind it, without a turn through the event loop's own
 * queue for each: asyncio's Future.set_result() costs a Handle and a call_soon(), which is more than all of
 * the rest of a small call. */
void conn_set_wake(struct conn_set *set, struct anchor *a);

/* True when the set belongs to this loop and this process. */
bool conn_set_serves(const struct conn_set *set, PyObject *loop);

/* True when its loop is gone or closed, or it was inherited by a fork: it can only be abandoned. */
bool conn_set_is_stale(const struct conn_set *set);

/* Closes the descriptors and forgets every call without a word to anybody. */
void conn_set_abandon(struct conn_set *set);

#endif
