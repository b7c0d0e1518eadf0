#include "client_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SERVED 10000 /* requests in one go: nobody asks for more without being answered */

static const char *const errors[] = {
    "-LOADING Redis is loading the dataset in memory\r\n",
    "-ERR unknown command\r\n",
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
    "-NOPERM this user has no permissions\r\n",
    "-READONLY You can't write against a read only replica.\r\n",
    "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    "-MOVED 3999 127.0.0.1:6381\r\n",
    "-NOAUTH Authentication required.\r\n",
    "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
    "-EXECABORT Transaction discarded because of previous errors.\r\n",
    "-\r\n",
};

static const char *const others[] = {
    "$-1\r\n",
    ":1\r\n",
    ":-7\r\n",
    "+QUEUED\r\n",
    "*0\r\n",
    "*-1\r\n",
    "*2\r\n$1\r\n0\r\n*0\r\n",
    "$0\r\n\r\n",
    "*1\r\n*1\r\n:1\r\n",
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void add(struct tiny_answer *a, size_t at, const char *data, size_t len)
{
    char *grown = malloc(a->len + len + 1);
    if (!grown)
        abort();
    if (at)
        memcpy(grown, a->data, at);
    memcpy(grown + at, data, len);
    if (a->len > at)
        memcpy(grown + at + len, a->data + at, a->len - at);
    free(a->data);
    a->data = grown;
    a->len += len;
    a->room = a->len + 1;
}

void server_init(struct server *s, struct scene *scene)
{
    memset(s, 0, sizeof *s);
    s->scene = scene;
    tiny_init(&s->tiny);
}

void server_fini(struct server *s)
{
    tiny_fini(&s->tiny);
    for (size_t n = 0; n < PEER_MAX; n++)
        free(s->out[n].data);
}

void server_accept(struct server *s)
{
    peer_accept(&s->scene->peer);
}

/* --- answering -------------------------------------------------------------------------------- */

/* Spoils the answer that starts at `begin`. */
static void spoil(struct server *s, struct tiny_answer *a, size_t begin)
{
    size_t len = a->len - begin, at = begin + (len ? s->lie_at % len : 0);
    const char *other = others[s->lie_at % COUNT(others)], byte = (char)s->lie_byte;
    s->is_next_spoilt = false;
    s->has_lied = true;
    switch (s->lie) {
    case LIE_TWICE: {
        char *copy = malloc(len + 1);
        if (!copy)
            abort();
        memcpy(copy, a->data + begin, len);
        add(a, a->len, copy, len);
        free(copy);
        break;
    }
    case LIE_FLIP:
        a->data[at] = (char)(a->data[at] ^ s->lie_byte);
        break;
    case LIE_CUT:
        a->len = at;
        break;
    case LIE_INSERT:
        add(a, at, &byte, 1);
        break;
    case LIE_OTHER:
        a->len = begin;
        add(a, begin, other, strlen(other));
        break;
    default:
        a->len = begin;
    }
}

static void answer_one(struct server *s, size_t n, const char *request, size_t len)
{
    struct tiny_answer *a = &s->out[n];
    size_t begin = a->len;
    if (s->errors) {
        const char *error = errors[s->error_number % COUNT(errors)];
        s->errors--;
        add(a, a->len, error, strlen(error));
    } else {
        tiny_answer(&s->tiny, n, request, len, a);
    }
    if (s->is_next_spoilt)
        spoil(s, a, begin);
}

bool server_answer(struct server *s, size_t n, unsigned most)
{
    struct peer_conn *c = &s->scene->peer.conns[n];
    struct ngr_span word;
    size_t count;
    unsigned answered = 0;
    peer_read(&s->scene->peer, n);
    while (answered < most && c->fd >= 0 && s->tiny.done[n] < c->len) {
        const char *request = c->in + s->tiny.done[n];
        long len = peer_parse(request, c->len - s->tiny.done[n], &word, 1, &count);
        if (len < 0) {
            fprintf(stderr, "client: what the server received is no request\n");
            abort();
        }
        if (len == 0)
            break;
        answer_one(s, n, request, (size_t)len);
        s->tiny.done[n] += (size_t)len;
        answered++;
    }
    return answered > 0;
}

/* --- sending ---------------------------------------------------------------------------------- */

bool server_send(struct server *s, size_t n, size_t most)
{
    struct tiny_answer *a = &s->out[n];
    size_t left = a->len - s->sent[n];
    if (!left || s->scene->peer.conns[n].fd < 0)
        return false;
    size_t sent = peer_send_bytes(&s->scene->peer, n, a->data + s->sent[n], left < most ? left : most);
    s->sent[n] += sent;
    return sent > 0;
}

void server_blurt(struct server *s, size_t n, const char *data, size_t len)
{
    s->has_lied = true;
    add(&s->out[n], s->out[n].len, data, len);
}

void server_serve(struct server *s)
{
    for (bool is_busy = true; is_busy;) {
        fake_loop_settle(&s->scene->loop);
        server_accept(s);
        is_busy = false;
        for (size_t n = 0; n < s->scene->peer.count; n++) {
            is_busy |= server_answer(s, n, MAX_SERVED);
            is_busy |= server_send(s, n, (size_t)-1);
        }
    }
}
