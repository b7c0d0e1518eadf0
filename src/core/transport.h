/* A non-blocking byte stream to one address: TCP or a Unix socket, with or without TLS on it. It knows no
 * protocol, no loop and no timer. */
#ifndef NGR_TRANSPORT_H
#define NGR_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "loop.h"
#include "tls.h"

/* "Would block" and "the peer is done" are answers, not errors. */
enum ngr_io_what { NGR_IO_DONE, NGR_IO_AGAIN, NGR_IO_EOF, NGR_IO_FAILED };

struct ngr_io {
    enum ngr_io_what what;
    size_t bytes; /* moved */
    int error;    /* errno when FAILED */
};

struct ngr_transport {
    int fd;              /* -1: none */
    struct ngr_tls *tls; /* NULL: plain */
};

void ngr_transport_init(struct ngr_transport *t);

/* Starts connecting. DONE: connected at once; AGAIN: wait until writable, then ngr_transport_connected(). */
struct ngr_io ngr_transport_connect(struct ngr_transport *t, const struct ngr_address *to);
/* How the connecting ended. */
struct ngr_io ngr_transport_connected(struct ngr_transport *t);

/* Puts TLS on a connected stream: `tls` is the transport's from now on. Then ngr_transport_secure() goes on
 * with the handshake at every event until it answers DONE. */
void ngr_transport_use_tls(struct ngr_transport *t, struct ngr_tls *tls);
struct ngr_io ngr_transport_secure(struct ngr_transport *t);

struct ngr_io ngr_transport_read(struct ngr_transport *t, char *to, size_t room);
struct ngr_io ngr_transport_write(struct ngr_transport *t, struct iovec *from, int count);

/* Cipher bytes wait for room on the socket: watch it for writing, then ngr_transport_push(). */
bool ngr_transport_has_unsent(const struct ngr_transport *t);
struct ngr_io ngr_transport_push(struct ngr_transport *t);

/* Bytes, or the end of them, wait in here that no event of the socket will announce. */
bool ngr_transport_has_buffered(const struct ngr_transport *t);

/* What FAILED meant; lives as long as the transport is used no further. */
const char *ngr_transport_error(const struct ngr_transport *t, struct ngr_io io);

/* True when the peer has closed, or the connection is broken; costs one system call. */
bool ngr_transport_is_over(struct ngr_transport *t);

/* NGR_READABLE, NGR_WRITABLE: what could be done right now, without asking the loop. */
unsigned ngr_transport_pending(const struct ngr_transport *t);

/* Closes the descriptor and nothing else: no farewell byte, so that it is right in a forked child too. */
void ngr_transport_close(struct ngr_transport *t);

#endif
