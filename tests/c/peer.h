/* The other end of a connection, moved by hand: a listening socket in this very process, whose test says when
 * to accept, to read, to send (whole, or in pieces), to close, to reset, or to do nothing at all. It never
 * blocks and knows of Redis only how requests are framed. */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "address.h"

#define PEER_MAX 32

struct peer_conn {
    int fd;
    char *in; /* received and not taken yet */
    size_t len, room;
    bool is_over; /* the other side has closed */
};

struct peer {
    int listener;
    char path[100]; /* of the Unix socket, "" with TCP */
    unsigned port;
    struct peer_conn conns[PEER_MAX];
    size_t count; /* accepted, ever; the first one is number 0 */
};

void peer_start_unix(struct peer *p);
void peer_start_tcp(struct peer *p);
/* Closes everything, the listener too. */
void peer_stop(struct peer *p);
/* From now on nobody can connect; connections stay. */
void peer_stop_listening(struct peer *p);
/* At the same Unix path as before; fine when it listens still. */
void peer_listen_again(struct peer *p);

/* Takes every connection that is waiting; answers how many there are now. */
size_t peer_accept(struct peer *p);

/* Reads what has arrived on connection `n`. */
void peer_read(struct peer *p, size_t n);
/* Everything that arrived on connection `n`, taken, with a NUL behind it; good until the next call. */
const char *peer_take(struct peer *p, size_t n);
/* The same as words: "MULTI | SETEX k 5 v | EXEC". What is no complete request ends with "...". */
const char *peer_asked(struct peer *p, size_t n);
/* Has the other side closed connection `n`? */
bool peer_is_dropped(struct peer *p, size_t n);

void peer_send(struct peer *p, size_t n, const char *text);
/* As much as the socket takes; answers how much that was. */
size_t peer_send_bytes(struct peer *p, size_t n, const char *data, size_t len);
/* Closes with a FIN; with RST. Both are fine when it is closed already. */
void peer_close(struct peer *p, size_t n);
void peer_reset(struct peer *p, size_t n);

/* One request in `data`: answers its bytes, 0 when it is incomplete, -1 when it is none. Words beyond `room`
 * are not noted; `count` is how many there are. */
struct ngr_span;
long peer_parse(const char *data, size_t len, struct ngr_span *words, size_t room, size_t *count);

#endif
