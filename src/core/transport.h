/* A non-blocking byte stream to one address: TCP or a Unix socket. It knows no protocol, no loop and no
 * timer; TLS will be a second implementation behind the same functions. */
#ifndef NGR_TRANSPORT_H
#define NGR_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "loop.h"

/* "Would block" and "the peer is done" are answers, not errors. */
enum ngr_io_what { NGR_IO_DONE, NGR_IO_AGAIN, NGR_IO_EOF, NGR_IO_FAILED };

struct ngr_io {
    enum ngr_io_what what;
    size_t bytes; /* moved */
    int error;    /* errno when FAILED */
};

struct ngr_transport {
    int fd; /* -1: none */
};

void ngr_transport_init(struct ngr_transport *t);

/* Starts connecting. DONE: connected at once; AGAIN: wait until writable, then ngr_transport_connected(). */
struct ngr_io ngr_transport_connect(struct ngr_transport *t, const struct ngr_address *to);
/* How the connecting ended. */
struct ngr_io ngr_transport_connected(struct ngr_transport *t);

struct ngr_io ngr_transport_read(struct ngr_transport *t, char *to, size_t room);
struct ngr_io ngr_transport_write(struct ngr_transport *t, struct iovec *from, int count);

/* True when the peer has closed, or the connection is broken; costs one system call. */
bool ngr_transport_is_over(const struct ngr_transport *t);

/* NGR_READABLE, NGR_WRITABLE: what could be done right now, without asking the loop. */
unsigned ngr_transport_pending(const struct ngr_transport *t);

/* Closes the descriptor and nothing else: no farewell byte, so that it is right in a forked child too. */
void ngr_transport_close(struct ngr_transport *t);

#endif
