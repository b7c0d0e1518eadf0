#include "reply.h"

#include <hiredis/hiredis.h>
#include <hiredis/read.h>

/* hiredis frees and re-allocates an empty buffer above this; ours carries 16 KiB feeds and must stay. */
#define KEEP_BUFFER (1024 * 1024)

/* hiredis moves the rest of its buffer to the front after every reply of 1 KiB or more, so its cost grows
 * with the square of what is fed at once: 16 MiB of 1 KiB replies take 2.8 s in one feed and 4.4 ms in feeds
 * of 16 KiB. Elements of an array are moved once per feed only: there, larger feeds are cheaper. */
#define FEED_BYTES       (4 * 1024)
#define FEED_ARRAY_BYTES (16 * 1024)

static const char resp3[] = "a reply of a RESP3 type came without being asked for";
static const char too_large[] = "a value is larger than redis_max_value_bytes";

static void note(struct ngr_parser *p, ngr_status st, const char *why)
{
    if (p->status == NGR_OK) {
        p->status = st;
        p->why = why;
    }
}

/* Passes one element on. What hiredis gets back only says "not NULL": failures wait in p->status. */
static void *deliver(const redisReadTask *task, struct ngr_reply *r)
{
    struct ngr_parser *p = task->privdata;
    if (p->status != NGR_OK)
        return p;
    r->depth = 0;
    for (const redisReadTask *t = task->parent; t; t = t->parent)
        r->depth++;
    if (r->depth > NGR_REPLY_MAX_DEPTH) {
        note(p, NGR_E_PROTOCOL, "arrays are nested too deeply");
        return p;
    }
    r->index = task->idx < 0 ? 0 : (size_t)task->idx;
    ngr_status st = p->piece(p->user, r);
    if (st != NGR_OK)
        note(p, st, "an answer has an unexpected form");
    return p;
}

static void *on_string(const redisReadTask *task, char *text, size_t len)
{
    struct ngr_parser *p = task->privdata;
    struct ngr_reply r = {.data = text, .len = len};
    switch (task->type) {
    case REDIS_REPLY_STRING:
        r.type = NGR_REPLY_BULK;
        if (text[len] != '\r' || text[len + 1] != '\n')
            note(p, NGR_E_PROTOCOL, "a bulk string does not end in CR LF");
        if (len > p->max_bulk)
            note(p, NGR_E_TOOBIG, too_large);
        break;
    case REDIS_REPLY_STATUS:
        r.type = NGR_REPLY_STATUS;
        break;
    case REDIS_REPLY_ERROR:
        r.type = NGR_REPLY_ERROR;
        break;
    default:
        note(p, NGR_E_PROTOCOL, resp3);
    }
    return deliver(task, &r);
}

static void *announce(const redisReadTask *task, size_t count)
{
    struct ngr_reply r = {.type = NGR_REPLY_ARRAY, .count = count};
    if (task->type != REDIS_REPLY_ARRAY)
        note(task->privdata, NGR_E_PROTOCOL, resp3);
    if (count > NGR_REPLY_MAX_ELEMENTS)
        note(task->privdata, NGR_E_PROTOCOL, "an array announces an absurd number of elements");
    return deliver(task, &r);
}

#if HIREDIS_MAJOR >= 1
static void *on_array(const redisReadTask *task, size_t count)
{
    return announce(task, count);
}

static void *on_double(const redisReadTask *task, double value, char *text, size_t len)
{
    (void)value, (void)text, (void)len;
    note(task->privdata, NGR_E_PROTOCOL, resp3);
    return task->privdata;
}

static void *on_bool(const redisReadTask *task, int value)
{
    (void)value;
    note(task->privdata, NGR_E_PROTOCOL, resp3);
    return task->privdata;
}
#else
static void *on_array(const redisReadTask *task, int count)
{
    return announce(task, count < 0 ? 0 : (size_t)count);
}
#endif

static void *on_integer(const redisReadTask *task, long long value)
{
    struct ngr_reply r = {.type = NGR_REPLY_INTEGER, .integer = value};
    return deliver(task, &r);
}

static void *on_nil(const redisReadTask *task)
{
    struct ngr_reply r = {.type = NGR_REPLY_NIL};
    if (task->type == REDIS_REPLY_NIL) /* RESP2 writes nil as a bulk or an array of length -1 */
        note(task->privdata, NGR_E_PROTOCOL, resp3);
    return deliver(task, &r);
}

static void on_free(void *object)
{
    (void)object;
}

static redisReplyObjectFunctions callbacks = {
    .createString = on_string,
    .createArray = on_array,
    .createInteger = on_integer,
#if HIREDIS_MAJOR >= 1
    .createDouble = on_double,
    .createBool = on_bool,
#endif
    .createNil = on_nil,
    .freeObject = on_free,
};

ngr_status ngr_parser_init(struct ngr_parser *p, size_t max_bulk,
                           ngr_status (*piece)(void *, const struct ngr_reply *), ngr_status (*whole)(void *),
                           void *user)
{
    *p = (struct ngr_parser){.piece = piece, .whole = whole, .user = user, .max_bulk = max_bulk};
    redisReader *reader = redisReaderCreateWithFunctions(&callbacks);
    if (!reader)
        return NGR_E_NOMEM;
    reader->privdata = p;
    reader->maxbuf = KEEP_BUFFER;
    p->reader = reader;
    return NGR_OK;
}

void ngr_parser_fini(struct ngr_parser *p)
{
    if (p->reader)
        redisReaderFree(p->reader);
    p->reader = NULL;
}

size_t ngr_parser_buffered(const struct ngr_parser *p)
{
    const redisReader *reader = p->reader;
    return reader->len - reader->pos;
}

/* The type of the element that is being read; its type byte is consumed, the rest is at the front of the
 * buffer. */
static int incomplete_type(const redisReader *reader)
{
    if (reader->ridx < 0)
        return -1;
#if HIREDIS_MAJOR >= 1
    return reader->task[reader->ridx]->type;
#else
    return reader->rstack[reader->ridx].type;
#endif
}

/* Looks at the element that is still incomplete: its announced or buffered size must stay in bounds. */
static void check_incomplete(struct ngr_parser *p)
{
    const redisReader *reader = p->reader;
    size_t have = reader->len - reader->pos, announced = 0, digits = 0;
    const char *text = reader->buf + reader->pos;
    p->missing = 0;
    if (incomplete_type(reader) != REDIS_REPLY_STRING) {
        if (have > NGR_REPLY_MAX_LINE)
            note(p, NGR_E_PROTOCOL, "a line of a reply does not end");
        return;
    }
    for (; digits < have && text[digits] >= '0' && text[digits] <= '9'; digits++) {
        announced = announced * 10 + (size_t)(text[digits] - '0');
        if (announced > p->max_bulk) {
            note(p, NGR_E_TOOBIG, too_large);
            return;
        }
    }
    if (have > announced + NGR_REPLY_MAX_LINE)
        note(p, NGR_E_PROTOCOL, "the length of a bulk string does not end");
    size_t whole = digits + 2 + announced + 2; /* the length, CR LF, the bytes, CR LF */
    if (digits < have && have < whole)
        p->missing = whole - have;
}

static ngr_status feed_slice(struct ngr_parser *p, const char *data, size_t len)
{
    redisReader *reader = p->reader;
    if (redisReaderFeed(reader, data, len) != REDIS_OK)
        note(p, NGR_E_NOMEM, "no memory for a reply");
    while (p->status == NGR_OK) {
        void *complete = NULL;
        if (redisReaderGetReply(reader, &complete) != REDIS_OK) {
            int no_memory = reader->err == REDIS_ERR_OOM;
            note(p, no_memory ? NGR_E_NOMEM : NGR_E_PROTOCOL,
                 no_memory ? "no memory for a reply" : "the bytes are not a Redis reply");
        }
        if (p->status != NGR_OK || !complete)
            break;
        ngr_status st = p->whole(p->user);
        if (st != NGR_OK)
            note(p, st, "an answer came that nobody asked for");
    }
    if (p->status == NGR_OK)
        check_incomplete(p);
    return p->status;
}

/* How much to feed next: to the end of the value that has begun, so that nothing has to be moved. */
static size_t feed_size(const struct ngr_parser *p)
{
    const redisReader *reader = p->reader;
    if (reader->ridx > 0)
        return FEED_ARRAY_BYTES;
    return p->missing ? p->missing : FEED_BYTES;
}

ngr_status ngr_parser_feed(struct ngr_parser *p, const char *data, size_t len)
{
    while (len && p->status == NGR_OK) {
        size_t most = feed_size(p), slice = len < most ? len : most;
        if (feed_slice(p, data, slice) != NGR_OK)
            break;
        data += slice;
        len -= slice;
    }
    return p->status;
}

#define TEXT(word)                   #word
#define VERSION(major, minor, patch) TEXT(major) "." TEXT(minor) "." TEXT(patch)

const char *ngr_parser_version(void)
{
    return VERSION(HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
}
