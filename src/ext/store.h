/* `Store`: one namespace on one server, as Python's storage.py uses it. Each method takes plain arguments and
 * answers an awaitable (op.h); it knows settings and connection sets, no protocol. */
#ifndef NGR_EXT_STORE_H
#define NGR_EXT_STORE_H

#include "conn_set.h"

/* What was seen by this storage; plain counters for get_stats(). */
struct store_counters {
    unsigned long long hits, misses, writes, corrupt;
};

struct store {
    PyObject_HEAD struct ext_state *state;
    PyObject *namespace_name; /* str */
    PyObject *prefix_text;    /* bytes: "nano_graphrag:text_chunks:" */
    struct ngr_span prefix;   /* the same */
    PyObject *settings_key;
    struct ngr_settings settings;
    struct ngr_put_options put;
    bool renews; /* reading renews the TTL */
    bool is_strict;
    struct conn_set *current; /* of the loop used last, borrowed from `sets` */
    PyObject *sets;           /* list of conn_set */
    struct ngr_list ops;      /* under way */
    struct store_counters counters;
    bool has_answered; /* a call has ended well */
    PyObject *weakrefs;
};

int store_init(PyObject *module, struct ext_state *state);

/* The running loop, and the connections for it: a new reference to the loop, the set borrowed. -1 with an
 * exception. */
int store_connections(struct store *store, PyObject **loop, struct conn_set **set);

#endif
