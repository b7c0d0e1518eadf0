#include "tiny.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

#define MAX_WORDS 4096

static void insist(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "tiny: %s\n", what);
    abort();
}

static void add(struct tiny_answer *a, const char *data, size_t len)
{
    if (a->len + len >= a->room) {
        a->room = 2 * (a->len + len) + 1;
        a->data = realloc(a->data, a->room);
    }
    if (!a->data)
        abort();
    memcpy(a->data + a->len, data, len);
    a->len += len;
}

static void add_text(struct tiny_answer *a, const char *text)
{
    add(a, text, strlen(text));
}

static void add_header(struct tiny_answer *a, char mark, long long number)
{
    char text[32];
    snprintf(text, sizeof text, "%c%lld\r\n", mark, number);
    add_text(a, text);
}

static void add_bulk(struct tiny_answer *a, const char *data, size_t len)
{
    add_header(a, '$', (long long)len);
    add(a, data, len);
    add_text(a, "\r\n");
}

/* --- the table -------------------------------------------------------------------------------- */

static struct tiny_text copy_of(struct ngr_span from)
{
    struct tiny_text to = {malloc(from.len + 1), from.len};
    insist(to.data != NULL, "no memory");
    memcpy(to.data, from.data, from.len);
    to.data[from.len] = '\0';
    return to;
}

static long find(const struct tiny *t, struct ngr_span key)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->rows[i].key.len == key.len && memcmp(t->rows[i].key.data, key.data, key.len) == 0)
            return (long)i;
    return -1;
}

static void set(struct tiny *t, struct ngr_span key, struct ngr_span value)
{
    long at = find(t, key);
    if (at < 0) {
        insist(t->count < TINY_ROWS, "too many keys");
        at = (long)t->count++;
        t->rows[at].key = copy_of(key);
    } else {
        free(t->rows[at].value.data);
    }
    t->rows[at].value = copy_of(value);
}

static bool erase(struct tiny *t, struct ngr_span key)
{
    long at = find(t, key);
    if (at < 0)
        return false;
    free(t->rows[at].key.data);
    free(t->rows[at].value.data);
    memmove(&t->rows[at], &t->rows[at + 1], (--t->count - (size_t)at) * sizeof t->rows[0]);
    return true;
}

static struct ngr_span span_of(const char *text)
{
    return (struct ngr_span){text, strlen(text)};
}

void tiny_set(struct tiny *t, const char *key, const char *value)
{
    set(t, span_of(key), span_of(value));
}

const char *tiny_get(const struct tiny *t, const char *key)
{
    long at = find(t, span_of(key));
    return at < 0 ? NULL : t->rows[at].value.data;
}

void tiny_init(struct tiny *t)
{
    memset(t, 0, sizeof *t);
    t->reads_at_most = t->sends_at_most = -1;
}

void tiny_fini(struct tiny *t)
{
    while (t->count)
        erase(t, (struct ngr_span){t->rows[0].key.data, t->rows[0].key.len});
    for (size_t n = 0; n < PEER_MAX; n++)
        free(t->queued[n].data);
}

/* --- commands --------------------------------------------------------------------------------- */

static void get(struct tiny *t, struct ngr_span key, struct tiny_answer *a)
{
    long at = find(t, key);
    if (at < 0)
        add_text(a, "$-1\r\n");
    else
        add_bulk(a, t->rows[at].value.data, t->rows[at].value.len);
}

/* Does SCAN show row number `at`? */
static bool is_shown(const struct tiny *t, const char *pattern, size_t at)
{
    return t->scan_ignores_match || fnmatch(pattern, t->rows[at].key.data, 0) == 0;
}

/* The cursor counts down from the end of the table, so that rows removed behind it (those of the page before)
 * do not shift what is still to come: 0 begins at the end. */
static void scan(struct tiny *t, const struct ngr_span *words, struct tiny_answer *a)
{
    char cursor[24], pattern[1000];
    size_t begin = strtoul(words[1].data, NULL, 10), shown = 0;
    snprintf(pattern, sizeof pattern, "%.*s", (int)words[3].len, words[3].data);
    if (begin == 0 || begin > t->count)
        begin = t->count;
    size_t end = t->page && begin > t->page ? begin - t->page : 0;
    for (size_t i = end; i < begin; i++)
        shown += is_shown(t, pattern, i);
    bool repeats = t->scan_repeats && shown > 0;
    add_text(a, "*2\r\n");
    snprintf(cursor, sizeof cursor, "%zu", end);
    add_bulk(a, cursor, strlen(cursor));
    add_header(a, '*', (long long)shown + repeats);
    for (size_t i = end; i < begin; i++)
        for (int times = is_shown(t, pattern, i) ? 1 + repeats : 0; times > 0; times--, repeats = false)
            add_bulk(a, t->rows[i].key.data, t->rows[i].key.len);
}

static bool is_word(struct ngr_span word, const char *text)
{
    return word.len == strlen(text) && memcmp(word.data, text, word.len) == 0;
}

static void set_many(struct tiny *t, const struct ngr_span *words, size_t count, struct tiny_answer *a)
{
    for (size_t i = 1; i + 1 < count; i += 2)
        set(t, words[i], words[i + 1]);
    add_text(a, "+OK\r\n");
}

static void remove_many(struct tiny *t, const struct ngr_span *words, size_t count, struct tiny_answer *a)
{
    long long removed = 0;
    for (size_t i = 1; i < count; i++)
        removed += erase(t, words[i]);
    add_header(a, ':', removed);
}

static void count_many(const struct tiny *t, const struct ngr_span *words, size_t count,
                       struct tiny_answer *a)
{
    long long there = 0;
    for (size_t i = 1; i < count; i++)
        there += find(t, words[i]) >= 0;
    add_header(a, ':', there);
}

static void execute(struct tiny *t, const struct ngr_span *words, size_t count, struct tiny_answer *a)
{
    if (is_word(words[0], "GET") || is_word(words[0], "GETEX")) {
        get(t, words[1], a);
    } else if (is_word(words[0], "MGET")) {
        add_header(a, '*', (long long)count - 1);
        for (size_t i = 1; i < count; i++)
            get(t, words[i], a);
    } else if (is_word(words[0], "EXISTS")) {
        count_many(t, words, count, a);
    } else if (is_word(words[0], "SET") || is_word(words[0], "MSET")) {
        set_many(t, words, count, a);
    } else if (is_word(words[0], "SETEX")) {
        set(t, words[1], words[3]);
        add_text(a, "+OK\r\n");
    } else if (is_word(words[0], "DEL") || is_word(words[0], "UNLINK")) {
        remove_many(t, words, count, a);
    } else if (is_word(words[0], "SCAN")) {
        scan(t, words, a);
    } else if (is_word(words[0], "WAIT")) {
        add_text(a, ":1\r\n");
    } else {
        add_text(a, is_word(words[0], "PING") ? "+PONG\r\n" : "+OK\r\n");
    }
}

/* --- transactions ----------------------------------------------------------------------------- */

static void queue(struct tiny *t, size_t n, const char *request, size_t len)
{
    struct tiny_text *q = &t->queued[n];
    q->data = realloc(q->data, q->len + len);
    insist(q->data != NULL, "no memory");
    memcpy(q->data + q->len, request, len);
    q->len += len;
}

static void execute_queued(struct tiny *t, size_t n, struct tiny_answer *a)
{
    static struct ngr_span words[MAX_WORDS];
    struct tiny_answer all = {NULL, 0, 0};
    long long number = 0;
    size_t count;
    for (size_t at = 0; at < t->queued[n].len; number++) {
        at += (size_t)peer_parse(t->queued[n].data + at, t->queued[n].len - at, words, MAX_WORDS, &count);
        execute(t, words, count, &all);
    }
    add_header(a, '*', number);
    add(a, all.data ? all.data : "", all.len);
    free(all.data);
    t->queued[n].len = 0;
    t->is_queueing[n] = false;
}

void tiny_answer(struct tiny *t, size_t n, const char *request, size_t len, struct tiny_answer *a)
{
    static struct ngr_span words[MAX_WORDS];
    size_t count;
    peer_parse(request, len, words, MAX_WORDS, &count);
    insist(count > 0 && count <= MAX_WORDS, "a request without words, or with too many");
    if (t->refusals && is_word(words[0], t->refused_word)) {
        t->refusals--;
        add_text(a, t->refusal);
    } else if (is_word(words[0], "MULTI")) {
        t->is_queueing[n] = true;
        t->queued[n].len = 0;
        add_text(a, "+OK\r\n");
    } else if (is_word(words[0], "EXEC")) {
        execute_queued(t, n, a);
    } else if (t->is_queueing[n]) {
        queue(t, n, request, len);
        add_text(a, "+QUEUED\r\n");
    } else {
        execute(t, words, count, a);
    }
}

/* --- connections ------------------------------------------------------------------------------ */

static void cut(struct tiny *t, struct peer *peer)
{
    for (size_t n = 0; n < peer->count; n++)
        peer_close(peer, n);
    t->reads_at_most = t->sends_at_most = -1;
    t->cuts++;
}

/* Sends what may be sent; true when the connections were cut at its end. */
static bool send_answer(struct tiny *t, struct peer *peer, struct fake_loop *loop, size_t n,
                        const struct tiny_answer *a)
{
    bool is_cut = t->sends_at_most >= 0 && (size_t)t->sends_at_most <= a->len;
    size_t len = is_cut ? (size_t)t->sends_at_most : a->len, sent = 0;
    while (sent < len && peer->conns[n].fd >= 0 && !peer->conns[n].is_over) {
        sent += peer_send_bytes(peer, n, a->data + sent, len - sent);
        fake_loop_settle(loop);
        peer_read(peer, n);
    }
    if (t->sends_at_most >= 0)
        t->sends_at_most -= (long)len;
    if (is_cut)
        cut(t, peer);
    return is_cut;
}

/* The requests of connection `n` that are complete; true when there were any. */
static bool serve(struct tiny *t, struct peer *peer, struct fake_loop *loop, size_t n)
{
    struct peer_conn *c = &peer->conns[n];
    struct ngr_span word;
    size_t count;
    bool served = false, is_cut = false;
    peer_read(peer, n);
    while (!is_cut && c->fd >= 0 && t->done[n] < c->len) {
        long len = peer_parse(c->in + t->done[n], c->len - t->done[n], &word, 1, &count);
        insist(len >= 0, "that is no request");
        if (t->reads_at_most >= 0 && (len == 0 || t->reads_at_most < len) &&
            c->len - t->done[n] >= (size_t)t->reads_at_most) {
            cut(t, peer);
            return true;
        }
        if (len == 0)
            break;
        struct tiny_answer a = {NULL, 0, 0};
        tiny_answer(t, n, c->in + t->done[n], (size_t)len, &a);
        t->done[n] += (size_t)len;
        if (t->reads_at_most >= 0)
            t->reads_at_most -= len;
        is_cut = send_answer(t, peer, loop, n, &a);
        free(a.data);
        served = true;
    }
    return served;
}

void tiny_run(struct tiny *t, struct fake_loop *loop, struct peer *peer)
{
    bool served = true;
    while (served) {
        fake_loop_settle(loop);
        peer_accept(peer);
        served = false;
        for (size_t n = 0; n < peer->count; n++)
            served |= serve(t, peer, loop, n);
    }
}
