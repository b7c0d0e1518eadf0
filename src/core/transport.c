#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* One TLS record and its frame. */
#define TLS_READ_BYTES (17 * 1024)

void ngr_transport_init(struct ngr_transport *t)
{
    t->fd = -1;
    t->tls = NULL;
}

static struct ngr_io done(size_t bytes)
{
    return (struct ngr_io){NGR_IO_DONE, bytes, 0};
}

static struct ngr_io failed(int error)
{
    bool again = error == EAGAIN || error == EWOULDBLOCK || error == EINPROGRESS;
    return (struct ngr_io){again ? NGR_IO_AGAIN : NGR_IO_FAILED, 0, error};
}

static int open_socket(int family)
{
    int fd = socket(family, SOCK_STREAM, 0);
    if (fd < 0)
        return -1;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Best effort: a platform that lacks one of these still works. */
static void tune(int fd, int family)
{
    int one = 1;
    if (family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    }
#ifdef SO_NOSIGPIPE
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &one, sizeof one);
#endif
}

struct ngr_io ngr_transport_connect(struct ngr_transport *t, const struct ngr_address *to)
{
    int family = to->addr.ss_family;
    t->fd = open_socket(family);
    if (t->fd < 0)
        return failed(errno);
    tune(t->fd, family);
    if (connect(t->fd, (const struct sockaddr *)&to->addr, to->len) == 0)
        return done(0);
    int error = errno;
    if (error == EINTR)
        error = EINPROGRESS;
    /* EAGAIN on a Unix socket says that the server's backlog is full; nothing is in progress. */
    if (family == AF_UNIX && error == EAGAIN)
        error = ECONNREFUSED;
    return failed(error);
}

struct ngr_io ngr_transport_connected(struct ngr_transport *t)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    return error ? failed(error) : done(0);
}

/* --- plain bytes ------------------------------------------------------------------------------ */

static struct ngr_io receive(const struct ngr_transport *t, char *to, size_t room)
{
    ssize_t n;
    do {
        n = recv(t->fd, to, room, 0);
    } while (n < 0 && errno == EINTR);
    if (n == 0)
        return (struct ngr_io){NGR_IO_EOF, 0, 0};
    return n < 0 ? failed(errno) : done((size_t)n);
}

static struct ngr_io transmit(const struct ngr_transport *t, struct iovec *from, int count)
{
    struct msghdr message = {.msg_iov = from};
    message.msg_iovlen = (__typeof__(message.msg_iovlen))count;
#ifdef MSG_NOSIGNAL
    const int flags = MSG_NOSIGNAL;
#else
    const int flags = 0;
#endif
    ssize_t n;
    do {
        n = sendmsg(t->fd, &message, flags);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? failed(errno) : done((size_t)n);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static struct ngr_io tls_failed(void)
{
    return (struct ngr_io){NGR_IO_FAILED, 0, 0};
}

void ngr_transport_use_tls(struct ngr_transport *t, struct ngr_tls *tls)
{
    t->tls = tls;
}

bool ngr_transport_has_unsent(const struct ngr_transport *t)
{
    const char *data;
    return t->tls && ngr_tls_output(t->tls, &data) > 0;
}

struct ngr_io ngr_transport_push(struct ngr_transport *t)
{
    struct iovec part;
    const char *data;
    while (t->tls && (part.iov_len = ngr_tls_output(t->tls, &data)) > 0) {
        part.iov_base = (void *)data;
        struct ngr_io io = transmit(t, &part, 1);
        if (io.what != NGR_IO_DONE)
            return io;
        ngr_tls_output_sent(t->tls, io.bytes);
    }
    return done(0);
}

/* Moves cipher bytes from the socket into the filter. */
static struct ngr_io pull(struct ngr_transport *t)
{
    char bytes[TLS_READ_BYTES];
    struct ngr_io io = receive(t, bytes, sizeof bytes);
    if (io.what == NGR_IO_DONE && ngr_tls_feed(t->tls, bytes, io.bytes) != NGR_OK)
        return failed(ENOMEM);
    return io;
}

struct ngr_io ngr_transport_secure(struct ngr_transport *t)
{
    for (;;) {
        enum ngr_tls_what what = ngr_tls_handshake(t->tls);
        struct ngr_io io = ngr_transport_push(t); /* an alert on the way out, too */
        if (what == NGR_TLS_FAILED || what == NGR_TLS_CLOSED)
            return tls_failed();
        if (what == NGR_TLS_DONE || io.what != NGR_IO_DONE)
            return io;
        io = pull(t);
        if (io.what != NGR_IO_DONE)
            return io;
    }
}

/* Fills `to` as far as the socket allows: a short count says that the socket is empty, as it does without
 * TLS. */
static struct ngr_io read_tls(struct ngr_transport *t, char *to, size_t room)
{
    size_t total = 0, len;
    struct ngr_io io;
    do {
        enum ngr_tls_what what;
        while ((what = ngr_tls_read(t->tls, to + total, room - total, &len)) == NGR_TLS_DONE) {
            total += len;
            if (total == room)
                return done(total);
        }
        if (what == NGR_TLS_CLOSED)
            io = (struct ngr_io){NGR_IO_EOF, 0, 0};
        else
            io = what == NGR_TLS_FAILED ? tls_failed() : pull(t);
    } while (io.what == NGR_IO_DONE);
    return total ? done(total) : io;
}

/* Takes plain bytes only while no cipher bytes wait, so that what is held here stays bounded by one write. */
static struct ngr_io write_tls(struct ngr_transport *t, const struct iovec *from, int count)
{
    size_t total = 0;
    struct ngr_io io = ngr_transport_push(t);
    if (io.what != NGR_IO_DONE)
        return io;
    for (int i = 0; i < count; i++) {
        if (ngr_tls_write(t->tls, from[i].iov_base, from[i].iov_len) != NGR_TLS_DONE)
            return tls_failed();
        total += from[i].iov_len;
    }
    io = ngr_transport_push(t);
    return io.what == NGR_IO_FAILED ? io : done(total);
}

/* --- either ----------------------------------------------------------------------------------- */

struct ngr_io ngr_transport_read(struct ngr_transport *t, char *to, size_t room)
{
    return t->tls ? read_tls(t, to, room) : receive(t, to, room);
}

struct ngr_io ngr_transport_write(struct ngr_transport *t, struct iovec *from, int count)
{
    return t->tls ? write_tls(t, from, count) : transmit(t, from, count);
}

bool ngr_transport_has_buffered(const struct ngr_transport *t)
{
    return t->tls && ngr_tls_has_buffered(t->tls);
}

const char *ngr_transport_error(const struct ngr_transport *t, struct ngr_io io)
{
    /* The texts of known numbers are constants: NOLINTNEXTLINE(concurrency-mt-unsafe) */
    return t->tls && !io.error ? ngr_tls_error(t->tls) : strerror(io.error);
}

/* Bytes on the socket are no proof of life under TLS: they may be a goodbye. */
static bool is_over_tls(struct ngr_transport *t)
{
    struct ngr_io io = pull(t);
    return io.what == NGR_IO_EOF || io.what == NGR_IO_FAILED || ngr_tls_is_over(t->tls);
}

bool ngr_transport_is_over(struct ngr_transport *t)
{
    if (t->tls)
        return is_over_tls(t);
    char byte;
    ssize_t n = recv(t->fd, &byte, 1, MSG_PEEK);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

unsigned ngr_transport_pending(const struct ngr_transport *t)
{
    struct pollfd p = {.fd = t->fd, .events = POLLIN | POLLOUT};
    if (t->fd < 0 || poll(&p, 1, 0) <= 0)
        return 0;
    if (p.revents & (POLLERR | POLLHUP | POLLNVAL))
        return NGR_READABLE | NGR_WRITABLE;
    return ((p.revents & POLLIN) ? NGR_READABLE : 0u) | ((p.revents & POLLOUT) ? NGR_WRITABLE : 0u);
}

void ngr_transport_close(struct ngr_transport *t)
{
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    ngr_tls_free(t->tls);
    t->tls = NULL;
}
