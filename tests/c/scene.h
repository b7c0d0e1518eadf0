/* A scene: one client on a fake loop, one scripted peer, and notes of everything the client says. A test
 * reads like a play: somebody asks, the peer sees the request, answers, the outcome is checked.
 *
 *     struct scene s;
 *     scene_open(&s);                              the peer listens; nothing is connected
 *     struct outcome o = {0};
 *     scene_get(&s, &o, "a");                      the client connects and greets
 *     scene_welcome(&s, 0);                        connection 0 is accepted and its handshake answered
 *     CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:a");
 *     scene_answer(&s, 0, "$1\r\nx\r\n");
 *     CHECK_TEXT(o.got, "0=x");
 *     scene_close(&s);                             checks that nothing is left behind */
#ifndef TESTS_SCENE_H
#define TESTS_SCENE_H

#include "fake_loop.h"
#include "ngr.h"
#include "peer.h"

struct scene {
    struct fake_loop loop;
    struct peer peer;
    struct ngr_settings settings; /* change them before scene_start() */
    struct ngr_client *client;
    char log[4000]; /* "- line\n" when the server went, "+ line\n" when it came back */
    unsigned idles;
};

/* What became of one call. */
struct outcome {
    unsigned ended; /* how often `done` was called: 0 or 1 */
    ngr_status st;
    char message[1000];
    char got[8000];        /* "0=x 1=nil #0=3 ..." in the order of arrival */
    ngr_status reply_with; /* what value, number and reply answer */
    /* When set, called at the end of value, number, reply (`is_end` false) and done (`is_end` true). */
    void (*react)(struct outcome *o, bool is_end);
    struct scene *scene;
    struct ngr_call *call;
    char ids[1000]; /* what the keys of the call point to */
    struct ngr_span spans[64];
    struct ngr_keys keys;
};

/* Prepares settings and the peer (a Unix socket); scene_start() then makes the client. */
void scene_prepare(struct scene *s);
void scene_start(struct scene *s);
/* Between the two: the peer listens on a TCP port instead, reached by this name or address. */
void scene_use_tcp(struct scene *s, char *host);
/* Both in one, for tests that have nothing to change. */
void scene_open(struct scene *s);
/* Lets connection 0 become ready, by a read that finds nothing. */
void scene_warm_up(struct scene *s);
/* Opened, and warmed up. */
void scene_open_ready(struct scene *s);
/* Releases the client and stops the peer. True when the loop was left as it was found. */
bool scene_finish(struct scene *s);
#define scene_close(s) CHECK(scene_finish(s))
/* The call has ended, once, and so. */
#define scene_check_ended(o, status)                                                                         \
    do {                                                                                                     \
        CHECK_INT((o)->ended, 1);                                                                            \
        CHECK_TEXT(ngr_status_name((o)->st), ngr_status_name(status));                                       \
    } while (0)

/* Accepts connections up to number `n` and answers its handshake of PING alone. */
void scene_welcome(struct scene *s, size_t n);
/* Sends bytes on connection `n` and lets the client digest them. */
void scene_answer(struct scene *s, size_t n, const char *bytes);
/* Lets the client do what it can, then accepts what has connected. */
void scene_settle(struct scene *s);

extern const struct ngr_sink scene_sink;       /* values and numbers */
extern const struct ngr_sink scene_reply_sink; /* the pieces of a reply */

/* Starts calls on keys "p:<id>"; `ids` are separated by blanks. */
void scene_get(struct scene *s, struct outcome *o, const char *ids);
void scene_exists(struct scene *s, struct outcome *o, const char *ids);
void scene_remove(struct scene *s, struct outcome *o, const char *id);
void scene_exec(struct scene *s, struct outcome *o, const char *words, bool is_repeatable);
void scene_list(struct scene *s, struct outcome *o, const char *prefix);
void scene_drop(struct scene *s, struct outcome *o, const char *prefix);
/* "id=value id=value" */
void scene_put(struct scene *s, struct outcome *o, const char *entries, long long ttl);
void scene_put_with(struct scene *s, struct outcome *o, const char *entries,
                    const struct ngr_put_options *options);
/* The same, sent while it is built. */
void scene_stream(struct scene *s, struct outcome *o, const char *entries,
                  const struct ngr_put_options *options);
/* Cancels and forgets the call. */
void scene_cancel(struct outcome *o);

/* Cuts a text at blanks; the spans point into it. Answers how many there are. */
size_t scene_words(const char *text, struct ngr_span *spans, size_t room);

#endif
