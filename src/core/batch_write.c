/* Writing a batch. One group of entries is one atomic step on the server:
 *
 *     no TTL:  MSET k v k v ...                 (SET for a single one)
 *     TTL:     MULTI, SETEX k t v, ..., EXEC    (SETEX alone for a single one), in one write
 *
 * Groups are sent when all entries are complete; a batch beyond max_atomic_bytes becomes several, each
 * atomic. Where it is certain that all entries will come, the one group is sent as it grows: its first bytes
 * tell how many they are, and the server does nothing before it has the last. WAIT or WAITAOF follows its
 * group on the same connection, because it speaks of what that connection wrote. */
#include "batch.h"

#include <assert.h>
#include <stdio.h>

#include "mem.h"

/* Redis before 7.0 refuses commands of more than 1,048,576 words, and MSET has two per entry. */
#define GROUP_MAX_ENTRIES 500000

#define PART_WEIGHT_BYTES (64u * 1024)  /* so much to write weighs as much as one small request */
#define STREAM_BYTES      (256u * 1024) /* so much of a growing group is worth a write */

struct put_group {
    struct ngr_req req;
    struct put_group *next;
    size_t number;
    struct ngr_buf body;
    char head[64];
    size_t entries;
};

struct ngr_put {
    struct ngr_call call;
    struct ngr_put_options options;
    struct put_group *first, *last;
    size_t groups, unanswered;
    size_t entry_at, value_at; /* of the entry being written, in last->body */
    size_t digits;             /* of the last value's length: the best guess for the next one's */
    size_t announced;          /* entries of a group that is sent while it grows; 0: sent when complete */
};

static struct ngr_put *put_of(struct ngr_call *call)
{
    return ngr_of(call, struct ngr_put, call);
}

static struct put_group *group_of(struct ngr_req *r)
{
    return ngr_of(r, struct put_group, req);
}

/* --- building --------------------------------------------------------------------------------- */

static struct put_group *add_group(struct ngr_put *put)
{
    struct put_group *g = ngr_alloc_zero(sizeof *g);
    if (!g)
        return NULL;
    g->number = put->groups++;
    if (put->last)
        put->last->next = g;
    else
        put->first = g;
    put->last = g;
    return g;
}

/* The words before the length of the value. */
static ngr_status write_entry_head(const struct ngr_put *put, struct ngr_buf *b, struct ngr_span id)
{
    ngr_status st = NGR_OK;
    if (put->options.ttl > 0) {
        st = ngr_cmd_array(b, 4);
        if (st == NGR_OK)
            st = ngr_cmd_bulk(b, "SETEX", 5);
    }
    if (st == NGR_OK)
        st = ngr_cmd_key(b, put->options.prefix, id);
    if (st == NGR_OK && put->options.ttl > 0)
        st = ngr_cmd_number(b, put->options.ttl);
    return st;
}

/* Hands over what has been added. Whole entries only: the last one may still be taken out. */
static void send_on(struct put_group *g)
{
    struct ngr_call_host *host = g->req.call->host;
    host->grow(host, &g->req, (struct ngr_span){g->body.data, g->body.len});
}

struct ngr_buf *ngr_put_begin(struct ngr_put *put, struct ngr_span id)
{
    struct put_group *g = put->last ? put->last : add_group(put);
    if (!g)
        return NULL;
    struct ngr_buf *b = &g->body;
    if (put->announced && b->len - g->req.parts[1].len >= STREAM_BYTES)
        send_on(g);
    put->entry_at = b->len;
    size_t header = 1 + put->digits + 2; /* "$", the digits, CR LF: moved later if the guess was wrong */
    if (write_entry_head(put, b, id) != NGR_OK || ngr_buf_reserve(b, header) != NGR_OK) {
        b->len = put->entry_at;
        return NULL;
    }
    b->len += header;
    put->value_at = b->len;
    return b;
}

/* Writes the length before the value, and the line end behind it. */
static ngr_status close_value(struct ngr_put *put, struct ngr_buf *b)
{
    char header[NGR_CMD_HEADER_MAX];
    size_t len = b->len - put->value_at;
    size_t room = 1 + put->digits + 2, need = ngr_cmd_header(header, '$', len);
    ngr_status st = ngr_buf_reserve(b, need + 2);
    if (st != NGR_OK)
        return st;
    if (need != room) {
        memmove(b->data + put->value_at - room + need, b->data + put->value_at, len);
        put->digits = need - 3;
    }
    memcpy(b->data + put->value_at - room, header, need);
    b->len = put->value_at - room + need + len;
    return ngr_buf_add(b, "\r\n", 2);
}

/* The entry just written was one too many for its group: it becomes the first of the next one. */
static ngr_status split_off(struct ngr_put *put, struct put_group *full)
{
    size_t len = full->body.len - put->entry_at;
    struct put_group *g = add_group(put);
    ngr_status st = g ? ngr_buf_add(&g->body, full->body.data + put->entry_at, len) : NGR_E_NOMEM;
    full->body.len = put->entry_at;
    if (st == NGR_OK)
        g->entries = 1;
    return st;
}

ngr_status ngr_put_end(struct ngr_put *put)
{
    struct put_group *g = put->last;
    if (g->body.len - put->value_at > put->options.max_value_bytes) {
        g->body.len = put->entry_at;
        return NGR_E_TOOBIG;
    }
    ngr_status st = close_value(put, &g->body);
    if (st != NGR_OK)
        return st;
    bool is_full = g->body.len > put->options.max_atomic_bytes || g->entries >= GROUP_MAX_ENTRIES;
    if (is_full && g->entries > 0 && !put->announced)
        return split_off(put, g);
    g->entries++;
    return NGR_OK;
}

static ngr_status write_wait(const struct ngr_put_options *o, struct ngr_buf *b)
{
    char replicas[16], ms[16];
    snprintf(replicas, sizeof replicas, "%u", o->wait_replicas);
    snprintf(ms, sizeof ms, "%u", o->wait_ms);
    if (o->wait_aof)
        return ngr_cmd_words(b, (const char *[]){"WAITAOF", "1", replicas, ms, NULL});
    if (o->wait_replicas)
        return ngr_cmd_words(b, (const char *[]){"WAIT", replicas, ms, NULL});
    return NGR_OK;
}

static bool has_wait(const struct ngr_put_options *o)
{
    return o->wait_aof || o->wait_replicas;
}

static bool is_transaction(const struct ngr_put_options *o, size_t entries)
{
    return o->ttl > 0 && entries > 1;
}

static ngr_status on_piece(struct ngr_req *r, const struct ngr_reply *reply);
static void on_answered(struct ngr_req *r);

/* The frame before the entries, and what can be told of the request once it is known how many they are. */
static void open_group(const struct ngr_put_options *o, struct put_group *g, size_t entries, size_t bytes)
{
    static const char multi[] = "*1\r\n$5\r\nMULTI\r\n";
    size_t head = 0;
    g->req.replies = has_wait(o) ? 2 : 1;
    if (o->ttl <= 0) {
        const char *word = entries == 1 ? "$3\r\nSET\r\n" : "$4\r\nMSET\r\n";
        head = ngr_cmd_header(g->head, '*', 2 * entries + 1);
        memcpy(g->head + head, word, strlen(word));
        head += strlen(word);
    } else if (is_transaction(o, entries)) {
        memcpy(g->head, multi, sizeof multi - 1);
        head = sizeof multi - 1;
        g->req.replies += (uint32_t)entries + 1;
    }
    g->req.parts[0] = (struct ngr_span){g->head, head};
    g->req.weight = 1 + (uint32_t)(bytes / PART_WEIGHT_BYTES);
    g->req.is_repeatable = true;
    g->req.piece = on_piece;
    g->req.answered = on_answered;
}

/* The frame behind the entries. */
static ngr_status close_group(const struct ngr_put_options *o, struct put_group *g)
{
    static const char exec[] = "*1\r\n$4\r\nEXEC\r\n";
    ngr_status st = NGR_OK;
    if (is_transaction(o, g->entries))
        st = ngr_buf_add(&g->body, exec, sizeof exec - 1);
    return st == NGR_OK ? write_wait(o, &g->body) : st;
}

/* --- the answers ------------------------------------------------------------------------------ */

/* The reply to WAIT is the number of replicas; WAITAOF answers two numbers, of which the smaller counts for
 * nobody: the local one says that this server has it on disk. */
static ngr_status on_wait(struct put_group *g, const struct ngr_reply *reply)
{
    if (reply->type == NGR_REPLY_ARRAY)
        return NGR_OK;
    if (reply->type == NGR_REPLY_ERROR) {
        ngr_call_number(g->req.call, g->number, -1);
        return NGR_OK;
    }
    if (reply->type != NGR_REPLY_INTEGER)
        return NGR_E_PROTOCOL;
    if (reply->depth == 0 || reply->index == 0)
        ngr_call_number(g->req.call, g->number, reply->integer);
    return NGR_OK;
}

static ngr_status on_piece(struct ngr_req *r, const struct ngr_reply *reply)
{
    struct put_group *g = group_of(r);
    if (has_wait(&put_of(r->call)->options) && r->seen + 1 == r->replies)
        return on_wait(g, reply);
    if (reply->type == NGR_REPLY_ERROR) {
        ngr_call_refuse(r, reply, (struct ngr_span){NULL, 0}, NULL);
        return NGR_OK;
    }
    bool is_exec = is_transaction(&put_of(r->call)->options, g->entries) && r->seen == g->entries + 1;
    if (is_exec && reply->depth == 0)
        return reply->type == NGR_REPLY_ARRAY && reply->count == g->entries ? NGR_OK : NGR_E_PROTOCOL;
    return reply->type == NGR_REPLY_STATUS ? NGR_OK : NGR_E_PROTOCOL;
}

static void on_answered(struct ngr_req *r)
{
    struct ngr_call *call = r->call;
    struct ngr_put *put = put_of(call);
    if (!ngr_call_goes_on(r))
        return;
    ngr_call_drop(r);
    if (--put->unanswered == 0)
        ngr_call_end(call, NGR_OK, "");
}

/* --- the call --------------------------------------------------------------------------------- */

static void release_group(struct put_group *g)
{
    ngr_buf_fini(&g->body);
    ngr_release(g);
}

static void release_request(struct ngr_req *r)
{
    release_group(group_of(r));
}

/* Groups that were sent belong to their requests; what is still in the list was not. */
static void release(struct ngr_call *call)
{
    struct ngr_put *put = put_of(call);
    while (put->first) {
        struct put_group *g = put->first;
        put->first = g->next;
        release_group(g);
    }
    ngr_release(put);
}

static void start(struct ngr_call *call)
{
    struct ngr_put *put = put_of(call);
    put->unanswered = put->groups;
    while (put->first) {
        struct put_group *g = put->first;
        put->first = g->next;
        ngr_call_send(call, &g->req);
    }
}

static const struct ngr_call_kind kind = {"SET", start, release, release_request};

struct ngr_put *ngr_put_new(const struct ngr_put_options *options)
{
    struct ngr_put *put = ngr_alloc_zero(sizeof *put);
    if (!put)
        return NULL;
    put->options = *options;
    put->digits = 4;
    return put;
}

void ngr_put_discard(struct ngr_put *put)
{
    if (put)
        release(&put->call);
}

struct ngr_call *ngr_batch_put(struct ngr_put *put, const struct ngr_sink *sink, void *user)
{
    assert(put->first && put->first->entries > 0);
    for (struct put_group *g = put->first; g; g = g->next) {
        open_group(&put->options, g, g->entries, g->body.len);
        if (close_group(&put->options, g) != NGR_OK) {
            release(&put->call);
            return NULL;
        }
        g->req.parts[1] = (struct ngr_span){g->body.data, g->body.len};
    }
    ngr_call_init(&put->call, &kind, sink, user);
    return &put->call;
}

/* --- sending while it is built ---------------------------------------------------------------- */

struct ngr_call *ngr_batch_stream(struct ngr_put *put, size_t entries, size_t bytes,
                                  const struct ngr_sink *sink, void *user)
{
    assert(!put->first && entries > 1);
    struct put_group *g = add_group(put);
    if (!g || ngr_buf_reserve(&g->body, bytes) != NGR_OK) {
        release(&put->call);
        return NULL;
    }
    put->announced = entries;
    open_group(&put->options, g, entries, bytes);
    g->req.is_open = true;
    ngr_call_init(&put->call, &kind, sink, user);
    return &put->call;
}

ngr_status ngr_put_finish(struct ngr_put *put)
{
    struct put_group *g = put->last;
    assert(g->entries == put->announced);
    ngr_status st = close_group(&put->options, g);
    if (st != NGR_OK)
        return st;
    g->req.is_open = false;
    send_on(g);
    return NGR_OK;
}

void ngr_put_break(struct ngr_put *put)
{
    struct ngr_req *r = &put->last->req;
    r->call->host->abandon(r->call->host, r);
    ngr_cancel(r->call);
}
