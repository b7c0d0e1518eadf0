/* The caller's side of the client target: calls of every kind on keys whose values say whose they are, and
 * sinks that check what they are told. A call's memory, its keys included, goes when it ends or is cancelled,
 * so that AddressSanitizer sees whoever touches it later, or ends it twice. */
#ifndef FUZZ_CLIENT_CALLS_H
#define FUZZ_CLIENT_CALLS_H

#include "client_server.h"

#define LIVE_MAX 16
#define KEYS_MAX 160

/* The ids of prefix "p:": what they stand for, by number. */
enum { CONSTANTS = 8, ABSENT = 4, VOLATILE = 8, IDS = CONSTANTS + ABSENT + VOLATILE };

enum reaction {
    REACT_NOT,
    REACT_CANCEL,
    REACT_CANCEL_OTHER,
    REACT_GET,
    REACT_CLOSE,
    REACT_REFUSE,
    REACTIONS
};

struct world {
    struct scene scene;
    struct server server;
    struct caller *live[LIVE_MAX];
    enum reaction reaction; /* of the call that is started next */
    unsigned good;          /* calls that ended well */
};

/* Puts the constants into the server's table. */
void calls_prepare(struct world *w);
/* No constant was touched, no value is another key's. */
void calls_check_table(const struct world *w);

size_t calls_live(const struct world *w);

/* Each starts a call, unless there are too many or memory ends. Ids go from `first` on, `count` of them. */
void calls_get(struct world *w, unsigned first, unsigned count, long long renew);
void calls_exists(struct world *w, unsigned first, unsigned count);
void calls_put(struct world *w, unsigned first, unsigned count, unsigned flavour);
void calls_remove(struct world *w, unsigned number);
void calls_list(struct world *w);
/* Of the namespace that only drops are made in, which puts of flavour 7 fill. */
void calls_drop(struct world *w);
void calls_exec(struct world *w, unsigned number, bool is_repeatable);

/* Cancels the call in place `at`, if there is one. */
void calls_cancel(struct world *w, unsigned at);

#endif
