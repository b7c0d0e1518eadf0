#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd.h"

static void insist(bool condition, const char *what)
{
    if (condition)
        return;
    perror(what);
    abort();
}

/* --- listening -------------------------------------------------------------------------------- */

static void listen_on(struct peer *p, const void *address, socklen_t len, int family)
{
    p->listener = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    insist(p->listener >= 0, "socket");
    insist(bind(p->listener, address, len) == 0, "bind");
    insist(listen(p->listener, PEER_MAX / 2) == 0, "listen");
}

static void listen_on_path(struct peer *p)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    memcpy(un.sun_path, p->path, sizeof p->path);
    unlink(un.sun_path);
    listen_on(p, &un, sizeof un, AF_UNIX);
}

void peer_start_unix(struct peer *p)
{
    static unsigned number;
    const char *folder = getenv("TMPDIR");
    memset(p, 0, sizeof *p);
    snprintf(p->path, sizeof p->path, "%.60s/ngr-peer-%d-%u", folder ? folder : "/tmp", (int)getpid(),
             number++);
    listen_on_path(p);
}

void peer_listen_again(struct peer *p)
{
    if (p->listener < 0)
        listen_on_path(p);
}

void peer_start_tcp(struct peer *p)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    memset(p, 0, sizeof *p);
    listen_on(p, &in, sizeof in, AF_INET);
    insist(getsockname(p->listener, (struct sockaddr *)&in, &len) == 0, "getsockname");
    p->port = ntohs(in.sin_port);
}

void peer_stop_listening(struct peer *p)
{
    if (p->listener >= 0)
        close(p->listener);
    p->listener = -1;
    if (p->path[0])
        unlink(p->path);
}

void peer_stop(struct peer *p)
{
    peer_stop_listening(p);
    for (size_t n = 0; n < p->count; n++) {
        peer_close(p, n);
        free(p->conns[n].in);
    }
    p->count = 0;
}

size_t peer_accept(struct peer *p)
{
    int fd;
    while (p->listener >= 0 && (fd = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        insist(p->count < PEER_MAX, "too many connections");
        p->conns[p->count++] = (struct peer_conn){.fd = fd};
    }
    return p->count;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void make_room(struct peer_conn *c)
{
    if (c->len + 65536 <= c->room)
        return;
    c->room = 2 * c->room + 65537;
    c->in = realloc(c->in, c->room);
    insist(c->in != NULL, "realloc");
}

void peer_read(struct peer *p, size_t n)
{
    struct peer_conn *c = &p->conns[n];
    while (n < p->count && c->fd >= 0 && !c->is_over) {
        make_room(c);
        ssize_t got = recv(c->fd, c->in + c->len, c->room - c->len - 1, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        c->is_over = got <= 0;
        c->len += got > 0 ? (size_t)got : 0;
    }
}

const char *peer_take(struct peer *p, size_t n)
{
    peer_read(p, n);
    struct peer_conn *c = &p->conns[n];
    if (n >= p->count || !c->len)
        return "";
    c->in[c->len] = '\0';
    c->len = 0;
    return c->in;
}

bool peer_is_dropped(struct peer *p, size_t n)
{
    peer_read(p, n);
    return n < p->count && p->conns[n].is_over;
}

/* "<mark><number>\r\n": answers its bytes, 0 when incomplete, -1 when it is none. */
static long parse_header(const char *data, size_t len, char mark, size_t *number)
{
    const char *end = memchr(data, '\n', len);
    if (len && data[0] != mark)
        return -1;
    if (!end)
        return 0;
    *number = 0;
    for (const char *at = data + 1; at < end - 1; at++) {
        if (*at < '0' || *at > '9')
            return -1;
        *number = *number * 10 + (size_t)(*at - '0');
    }
    return end - data >= 3 && end[-1] == '\r' ? end - data + 1 : -1;
}

long peer_parse(const char *data, size_t len, struct ngr_span *words, size_t room, size_t *count)
{
    size_t at = 0, size = 0;
    long step = parse_header(data, len, '*', count);
    for (size_t i = 0; step > 0 && i < *count; i++) {
        at += (size_t)step;
        step = at < len ? parse_header(data + at, len - at, '$', &size) : 0;
        if (step <= 0)
            return step;
        if (len - at - (size_t)step < size + 2)
            return 0;
        at += (size_t)step;
        if (i < room)
            words[i] = (struct ngr_span){data + at, size};
        if (memcmp(data + at + size, "\r\n", 2) != 0)
            return -1;
        step = (long)size + 2;
    }
    return step <= 0 ? step : (long)at + step;
}

static void put(char *to, size_t room, size_t *at, const char *data, size_t len)
{
    for (size_t i = 0; i < len && *at + 1 < room; i++)
        to[(*at)++] = data[i] ? data[i] : '0';
    to[*at] = '\0';
}

static void put_word(char *to, size_t room, size_t *at, struct ngr_span word)
{
    char size[40] = "";
    if (word.len <= 100)
        put(to, room, at, word.data, word.len);
    else {
        int len = snprintf(size, sizeof size, "<%zu bytes>", word.len);
        put(to, room, at, size, (size_t)len);
    }
}

const char *peer_asked(struct peer *p, size_t n)
{
    static char text[32768];
    struct ngr_span words[1024];
    size_t at = 0, begin = 0, count, end = 0;
    peer_read(p, n);
    text[0] = '\0';
    const char *data = n < p->count ? p->conns[n].in : NULL;
    if (data)
        end = p->conns[n].len;
    while (begin < end) {
        long bytes = peer_parse(data + begin, end - begin, words, 1024, &count);
        put(text, sizeof text, &at, " | ", at ? 3 : 0);
        if (bytes <= 0) {
            put(text, sizeof text, &at, "...", 3);
            break;
        }
        for (size_t i = 0; i < count && i < 1024; i++) {
            put(text, sizeof text, &at, " ", i ? 1 : 0);
            put_word(text, sizeof text, &at, words[i]);
        }
        begin += (size_t)bytes;
    }
    if (data)
        p->conns[n].len = 0;
    return text;
}

/* --- writing ---------------------------------------------------------------------------------- */

size_t peer_send_bytes(struct peer *p, size_t n, const char *data, size_t len)
{
    size_t sent = 0;
    insist(n < p->count, "no such connection");
    while (sent < len) {
        ssize_t done = send(p->conns[n].fd, data + sent, len - sent, MSG_NOSIGNAL);
        if (done <= 0)
            break;
        sent += (size_t)done;
    }
    return sent;
}

void peer_send(struct peer *p, size_t n, const char *text)
{
    errno = 0;
    bool is_full = peer_send_bytes(p, n, text, strlen(text)) < strlen(text) && errno == EAGAIN;
    insist(!is_full, "no room to send: let the other side read");
}

void peer_close(struct peer *p, size_t n)
{
    if (n < p->count && p->conns[n].fd >= 0)
        close(p->conns[n].fd);
    if (n < p->count)
        p->conns[n].fd = -1;
}

void peer_reset(struct peer *p, size_t n)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (n < p->count && p->conns[n].fd >= 0)
        setsockopt(p->conns[n].fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    peer_close(p, n);
}
