#include "scene.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "p:"

/* --- the client ------------------------------------------------------------------------------- */

static void on_log(void *user, bool is_good, const char *line)
{
    struct scene *s = user;
    size_t at = strlen(s->log);
    snprintf(s->log + at, sizeof s->log - at, "%c %s\n", is_good ? '+' : '-', line);
}

static void on_idle(void *user)
{
    ((struct scene *)user)->idles++;
}

void scene_prepare(struct scene *s)
{
    memset(s, 0, sizeof *s);
    fake_loop_init(&s->loop);
    peer_start_unix(&s->peer);
    s->settings = (struct ngr_settings){
        .path = s->peer.path,
        .max_connections = 1,
        .connect_timeout = 5,
        .socket_timeout = 7,
        .retries = 3,
        .retry_base = 1,
        .retry_cap = 10,
        .max_value_bytes = 1 << 30,
        .endpoint = "unix://peer",
    };
}

void scene_use_tcp(struct scene *s, char *host)
{
    peer_stop(&s->peer);
    peer_start_tcp(&s->peer);
    s->settings.path = NULL;
    s->settings.host = host;
    s->settings.port = s->peer.port;
}

void scene_start(struct scene *s)
{
    const struct ngr_hooks hooks = {on_log, on_idle, s};
    s->client = ngr_client_new(&s->settings, &s->loop.loop, &hooks);
    if (!s->client)
        abort();
}

void scene_open(struct scene *s)
{
    scene_prepare(s);
    scene_start(s);
}

bool scene_finish(struct scene *s)
{
    ngr_client_release(s->client);
    bool is_clean = fake_loop_is_idle(&s->loop);
    peer_stop(&s->peer);
    return is_clean;
}

void scene_settle(struct scene *s)
{
    fake_loop_settle(&s->loop);
    peer_accept(&s->peer);
}

void scene_answer(struct scene *s, size_t n, const char *bytes)
{
    peer_send(&s->peer, n, bytes);
    fake_loop_settle(&s->loop);
}

void scene_welcome(struct scene *s, size_t n)
{
    scene_settle(s);
    if (strcmp(peer_asked(&s->peer, n), "PING") != 0)
        abort();
    scene_answer(s, n, "+PONG\r\n");
}

/* --- outcomes --------------------------------------------------------------------------------- */

static void note(struct outcome *o, const char *format, ...)
{
    size_t at = strlen(o->got);
    va_list args;
    va_start(args, format);
    if (at && at + 1 < sizeof o->got)
        o->got[at++] = ' ';
    vsnprintf(o->got + at, sizeof o->got - at, format, args);
    va_end(args);
}

static ngr_status after(struct outcome *o)
{
    ngr_status st = o->reply_with;
    if (o->react)
        o->react(o, false);
    return st;
}

static ngr_status on_value(void *user, size_t index, const char *data, size_t len)
{
    struct outcome *o = user;
    if (!data)
        note(o, "%zu=nil", index);
    else if (len > 40)
        note(o, "%zu=<%zu bytes>", index, len);
    else
        note(o, "%zu=%.*s", index, (int)len, data);
    return after(o);
}

static ngr_status on_number(void *user, size_t index, long long number)
{
    note(user, "#%zu=%lld", index, number);
    return after(user);
}

static ngr_status on_reply(void *user, const struct ngr_reply *r)
{
    static const char marks[] = "$-:+!*";
    if (r->type == NGR_REPLY_INTEGER)
        note(user, "%u:%lld", r->depth, r->integer);
    else if (r->type == NGR_REPLY_ARRAY)
        note(user, "%u*%zu", r->depth, r->count);
    else
        note(user, "%u%c%.*s", r->depth, marks[r->type], (int)r->len, r->data ? r->data : "");
    return after(user);
}

static void on_done(void *user, ngr_status st, const char *message)
{
    struct outcome *o = user;
    o->ended++;
    o->st = st;
    o->call = NULL;
    snprintf(o->message, sizeof o->message, "%s", message);
    if (o->react)
        o->react(o, true);
}

const struct ngr_sink scene_sink = {.value = on_value, .number = on_number, .done = on_done};
const struct ngr_sink scene_reply_sink = {.reply = on_reply, .done = on_done};

/* --- calls ------------------------------------------------------------------------------------ */

size_t scene_words(const char *text, struct ngr_span *spans, size_t room)
{
    size_t count = 0;
    while (*text && count < room) {
        size_t len = strcspn(text, " ");
        spans[count++] = (struct ngr_span){text, len};
        text += len + (text[len] == ' ');
    }
    return count;
}

static const struct ngr_keys *keys_of(struct scene *s, struct outcome *o, const char *ids)
{
    o->scene = s;
    snprintf(o->ids, sizeof o->ids, "%s", ids);
    o->keys = (struct ngr_keys){{PREFIX, strlen(PREFIX)}, o->spans, scene_words(o->ids, o->spans, 64)};
    return &o->keys;
}

void scene_warm_up(struct scene *s)
{
    struct outcome o = {0};
    scene_get(s, &o, "warm");
    scene_welcome(s, 0);
    peer_take(&s->peer, 0);
    scene_answer(s, 0, "$-1\r\n");
}

void scene_open_ready(struct scene *s)
{
    scene_open(s);
    scene_warm_up(s);
}

void scene_get(struct scene *s, struct outcome *o, const char *ids)
{
    o->call = ngr_get(s->client, keys_of(s, o, ids), 0, &scene_sink, o);
}

void scene_exists(struct scene *s, struct outcome *o, const char *ids)
{
    o->call = ngr_exists(s->client, keys_of(s, o, ids), &scene_sink, o);
}

void scene_remove(struct scene *s, struct outcome *o, const char *id)
{
    o->call = ngr_remove(s->client, keys_of(s, o, id), &scene_sink, o);
}

void scene_exec(struct scene *s, struct outcome *o, const char *words, bool is_repeatable)
{
    struct ngr_span spans[16];
    size_t count = scene_words(words, spans, 16);
    o->scene = s;
    o->call = ngr_exec(s->client, spans, count, is_repeatable, &scene_reply_sink, o);
}

void scene_list(struct scene *s, struct outcome *o, const char *prefix)
{
    o->scene = s;
    o->call = ngr_list_ids(s->client, (struct ngr_span){prefix, strlen(prefix)}, &scene_sink, o);
}

void scene_drop(struct scene *s, struct outcome *o, const char *prefix)
{
    o->scene = s;
    o->call = ngr_drop(s->client, (struct ngr_span){prefix, strlen(prefix)}, &scene_sink, o);
}

static bool put_entry(struct ngr_put *put, struct ngr_span entry)
{
    size_t id = (size_t)((const char *)memchr(entry.data, '=', entry.len) - entry.data);
    struct ngr_buf *b = ngr_put_begin(put, (struct ngr_span){entry.data, id});
    return b && ngr_buf_add(b, entry.data + id + 1, entry.len - id - 1) == NGR_OK &&
           ngr_put_end(put) == NGR_OK;
}

void scene_put_with(struct scene *s, struct outcome *o, const char *entries,
                    const struct ngr_put_options *options)
{
    struct ngr_span spans[64];
    size_t count = scene_words(entries, spans, 64);
    struct ngr_put *put = ngr_put_new(options);
    o->scene = s;
    o->call = NULL;
    for (size_t i = 0; put && i < count; i++)
        if (!put_entry(put, spans[i])) {
            ngr_put_discard(put);
            put = NULL;
        }
    if (put)
        o->call = ngr_put_send(s->client, put, &scene_sink, o);
}

void scene_stream(struct scene *s, struct outcome *o, const char *entries,
                  const struct ngr_put_options *options)
{
    struct ngr_span spans[64];
    size_t count = scene_words(entries, spans, 64), i = 0;
    struct ngr_put *put = ngr_put_new(options);
    o->scene = s;
    o->call = put ? ngr_put_stream(s->client, put, count, 1, &scene_sink, o) : NULL;
    while (o->call && i < count && put_entry(put, spans[i]))
        i++;
    if (o->call && (i < count || ngr_put_finish(put) != NGR_OK)) {
        ngr_put_break(put);
        o->call = NULL;
    }
}

void scene_put(struct scene *s, struct outcome *o, const char *entries, long long ttl)
{
    const struct ngr_put_options options = {
        .prefix = {PREFIX, strlen(PREFIX)},
        .ttl = ttl,
        .max_value_bytes = 1 << 20,
        .max_atomic_bytes = 1 << 20,
    };
    scene_put_with(s, o, entries, &options);
}

void scene_cancel(struct outcome *o)
{
    ngr_cancel(o->call);
    o->call = NULL;
}
