/* A Redis small enough for tests: a table of strings behind a scripted peer, in this very process. It answers
 * what the core asks, can refuse a command for a while, repeat keys in SCAN, ignore MATCH, and cut every
 * connection after a given byte in either direction. */
#ifndef TESTS_TINY_H
#define TESTS_TINY_H

#include "buf.h"
#include "fake_loop.h"
#include "peer.h"

#define TINY_ROWS 4096

struct tiny_text {
    char *data;
    size_t len;
};

/* What is answered to one request or several, in the making; `data` belongs to whoever reads it. */
struct tiny_answer {
    char *data;
    size_t len, room;
};

struct tiny {
    struct {
        struct tiny_text key, value;
    } rows[TINY_ROWS];
    size_t count;
    size_t page;                           /* keys in a page of SCAN; 0: all */
    bool scan_repeats, scan_ignores_match; /* as servers are allowed to, and as they are not */
    long reads_at_most, sends_at_most;     /* bytes, until all connections are cut; -1: no limit */
    unsigned cuts;                         /* how often that happened */
    const char *refused_word, *refusal;    /* this command is refused with this reply */
    unsigned refusals;                     /* so many times more */
    struct tiny_text queued[PEER_MAX];     /* between MULTI and EXEC */
    bool is_queueing[PEER_MAX];
    size_t done[PEER_MAX]; /* bytes of peer.conns[n].in that were dealt with */
};

void tiny_init(struct tiny *t);
void tiny_fini(struct tiny *t);

void tiny_set(struct tiny *t, const char *key, const char *value);
/* NULL when absent; with a NUL behind it. */
const char *tiny_get(const struct tiny *t, const char *key);

/* Appends the answer to one whole request of connection `n`. */
void tiny_answer(struct tiny *t, size_t n, const char *request, size_t len, struct tiny_answer *a);

/* Turns the loop and serves the peer's connections until nothing is left to do at this moment. */
void tiny_run(struct tiny *t, struct fake_loop *loop, struct peer *peer);

#endif
