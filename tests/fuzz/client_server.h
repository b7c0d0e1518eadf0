/* The server's side of the client target: tests/c/tiny.c answers, and what it answered is held back until a
 * program sends it, in pieces of any size. An answer can be replaced by an error, which a server may do at
 * any time, or spoilt, which makes a liar of it: after that nothing it says is held against the client. */
#ifndef FUZZ_CLIENT_SERVER_H
#define FUZZ_CLIENT_SERVER_H

#include <stdint.h>

#include "scene.h"
#include "tiny.h"

enum server_lie { LIE_DROP, LIE_TWICE, LIE_FLIP, LIE_CUT, LIE_INSERT, LIE_OTHER, LIES };

struct server {
    struct scene *scene;
    struct tiny tiny;
    struct tiny_answer out[PEER_MAX];
    size_t sent[PEER_MAX];
    unsigned errors, error_number; /* the next so many answers are this error */
    bool is_next_spoilt;
    enum server_lie lie;
    uint8_t lie_at, lie_byte;
    bool has_lied;
};

void server_init(struct server *s, struct scene *scene);
void server_fini(struct server *s);

/* Takes what has connected. */
void server_accept(struct server *s);
/* Answers up to `most` requests that connection `n` has received; true when there were any. */
bool server_answer(struct server *s, size_t n, unsigned most);
/* Sends up to `most` bytes of what is answered; true when anything went. */
bool server_send(struct server *s, size_t n, size_t most);
/* Says something that nobody asked for. */
void server_blurt(struct server *s, size_t n, const char *data, size_t len);
/* Answers and sends everything, and lets the client take it, until neither has anything to do. */
void server_serve(struct server *s);

#endif
