/* Reading many keys: GET, MGET, GETEX and EXISTS. A call is cut into parts of a bounded expected size; a few
 * parts are under way at a time, so that the server prepares the next answer while this one is decoded, and
 * neither side holds more than the parts under way. */
#include "batch.h"

#include <assert.h>
#include <stddef.h>

#include "mem.h"

/* MGET and EXISTS_GROUP ask for many keys with one command and leave some unclear, which GET and EXISTS clear
 * up. */
enum read_mode { READ_GET, READ_MGET, READ_GETEX, READ_EXISTS, READ_EXISTS_GROUP };

#define PARTS_UNDER_WAY 4
#define PART_BYTES      (256u * 1024) /* of values expected in one part, and of keys */
#define PART_MAX_KEYS   512
#define PART_FIRST_KEYS 16 /* while nothing is known about the size of values */
#define EXISTS_KEYS     1024
#define GROUP_KEYS      16   /* in one EXISTS: most of what there is to gain, and few of them mixed */
#define PROBE_KEYS      128  /* the first part of many: shows whether groups pay, before the rest is sent */
#define WEIGHT_BYTES    512  /* so much to be answered weighs as much as one small request */
#define USUAL_BYTES     4096 /* of a value, while nothing is known */
#define COMMAND_BYTES   96   /* more than the words around a key ever take */

struct read_part {
    struct ngr_req req;
    enum read_mode mode;
    size_t begin, count; /* serves the indices begin ... begin + count - 1 */
    size_t *chosen;      /* or, when not NULL, these `count` indices */
    size_t *unclear;     /* of these indices the answer does not tell enough */
    size_t unclear_count;
    bool is_embedded;
};

struct read_call {
    struct ngr_call call;
    struct ngr_keys keys;
    enum read_mode mode;
    long long renew;
    size_t next;     /* the first index that no part serves yet */
    size_t parts;    /* under way */
    bool is_probing; /* EXISTS_GROUP: the answer to the first part decides how the rest is asked */
    struct read_part *prepared;
    struct read_part solo; /* a call for one key needs no second allocation; its bytes follow */
};

static struct read_call *read_of(struct ngr_call *call)
{
    return ngr_of(call, struct read_call, call);
}

static struct read_part *part_of(struct ngr_req *r)
{
    return ngr_of(r, struct read_part, req);
}

static bool asks_existence(enum read_mode mode)
{
    return mode == READ_EXISTS || mode == READ_EXISTS_GROUP;
}

static bool asks_many_at_once(enum read_mode mode)
{
    return mode == READ_MGET || mode == READ_EXISTS_GROUP;
}

static size_t index_at(const struct read_part *part, size_t i)
{
    return part->chosen ? part->chosen[i] : part->begin + i;
}

/* --- the bytes -------------------------------------------------------------------------------- */

static size_t key_room(const struct read_call *rc, size_t index)
{
    return COMMAND_BYTES + rc->keys.prefix.len + rc->keys.ids[index].len;
}

/* How many keys the next part takes, and the room its bytes need at most. */
static size_t part_keys(const struct read_call *rc, size_t *room)
{
    size_t most = rc->is_probing ? PROBE_KEYS : EXISTS_KEYS, count = 0;
    double expected = rc->call.host ? rc->call.host->value_bytes : 0;
    if (!asks_existence(rc->mode)) {
        most = expected > 0 ? (size_t)(PART_BYTES / expected) : PART_FIRST_KEYS;
        most = most < 1 ? 1 : most > PART_MAX_KEYS ? PART_MAX_KEYS : most;
    }
    *room = COMMAND_BYTES;
    while (count < most && rc->next + count < rc->keys.count && (count == 0 || *room < PART_BYTES))
        *room += key_room(rc, rc->next + count++);
    return count;
}

/* `b` is as large as part_keys() said, so nothing here can fail. */
static void write_key_command(struct ngr_buf *b, const struct read_call *rc, const struct read_part *part,
                              size_t index)
{
    static const char *const words[] = {[READ_GET] = "GET", [READ_GETEX] = "GETEX", [READ_EXISTS] = "EXISTS"};
    ngr_cmd_array(b, part->mode == READ_GETEX ? 4 : 2);
    ngr_cmd_bulk(b, words[part->mode], strlen(words[part->mode]));
    ngr_cmd_key(b, rc->keys.prefix, rc->keys.ids[index]);
    if (part->mode == READ_GETEX) {
        ngr_cmd_bulk(b, "EX", 2);
        ngr_cmd_number(b, rc->renew);
    }
}

/* A full part weighs 512: enough to keep small calls off this connection, see pool.c. */
static uint32_t weight_of(const struct read_call *rc, const struct read_part *part)
{
    double bytes = rc->call.host && rc->call.host->value_bytes > 0 ? rc->call.host->value_bytes : USUAL_BYTES;
    if (part->count == 1)
        return 1;
    if (asks_existence(part->mode))
        return (uint32_t)(part->count / 2);
    double weight = bytes * (double)part->count / WEIGHT_BYTES;
    return weight < 512 ? 1 + (uint32_t)weight : 512;
}

/* One command for `count` keys of the part, beginning with the `from`th. */
static void write_keys_command(struct ngr_buf *b, const struct read_call *rc, const struct read_part *part,
                               size_t from, size_t count)
{
    const char *word = part->mode == READ_MGET ? "MGET" : "EXISTS";
    ngr_cmd_array(b, count + 1);
    ngr_cmd_bulk(b, word, strlen(word));
    for (size_t i = from; i < from + count; i++)
        ngr_cmd_key(b, rc->keys.prefix, rc->keys.ids[index_at(part, i)]);
}

/* How many keys one command, and so one reply, is about. */
static size_t keys_per_command(const struct read_part *part)
{
    switch (part->mode) {
    case READ_MGET:
        return part->count;
    case READ_EXISTS_GROUP:
        return GROUP_KEYS;
    default:
        return 1;
    }
}

/* The number of keys of the command that begins with the `from`th. */
static size_t command_keys(const struct read_part *part, size_t from)
{
    size_t most = keys_per_command(part), left = part->count - from;
    return left < most ? left : most;
}

static void write_part(struct read_call *rc, struct read_part *part, char *bytes, size_t room)
{
    struct ngr_buf b = {.data = bytes, .cap = room};
    part->req.replies = 0;
    for (size_t i = 0, n; i < part->count; i += n) {
        n = command_keys(part, i);
        if (asks_many_at_once(part->mode))
            write_keys_command(&b, rc, part, i, n);
        else
            write_key_command(&b, rc, part, index_at(part, i));
        part->req.replies++;
    }
    part->req.parts[0] = (struct ngr_span){b.data, b.len};
    part->req.weight = weight_of(rc, part);
    part->req.is_repeatable = true;
}

/* --- the answers ------------------------------------------------------------------------------ */

static void learn_size(struct ngr_call_host *host, size_t len)
{
    double seen = (double)len + 32;
    host->value_bytes = host->value_bytes > 0 ? host->value_bytes + (seen - host->value_bytes) / 16 : seen;
}

static void refuse(struct read_part *part, size_t index, const struct ngr_reply *reply)
{
    struct read_call *rc = read_of(part->req.call);
    if (!rc->call.is_ended)
        ngr_call_refuse(&part->req, reply, rc->keys.prefix, &rc->keys.ids[index]);
}

static ngr_status answer_value(struct read_part *part, size_t index, const struct ngr_reply *reply)
{
    struct ngr_call *call = part->req.call;
    if (reply->type == NGR_REPLY_BULK) {
        learn_size(call->host, reply->len);
        ngr_call_value(call, index, reply->data, reply->len);
        return NGR_OK;
    }
    if (reply->type != NGR_REPLY_NIL)
        return NGR_E_PROTOCOL;
    if (part->mode == READ_MGET)
        part->unclear[part->unclear_count++] = index;
    else
        ngr_call_value(call, index, NULL, 0);
    return NGR_OK;
}

/* EXISTS answers how many of its keys there are: where that is none or all, each of them is known. */
static ngr_status answer_existence(struct read_part *part, size_t from, const struct ngr_reply *reply)
{
    size_t count = command_keys(part, from);
    if (reply->type != NGR_REPLY_INTEGER)
        return NGR_E_PROTOCOL;
    bool is_clear = count == 1 || reply->integer == 0 || reply->integer == (long long)count;
    for (size_t i = from; i < from + count; i++) {
        if (is_clear)
            ngr_call_number(part->req.call, index_at(part, i), reply->integer != 0);
        else
            part->unclear[part->unclear_count++] = index_at(part, i);
    }
    return NGR_OK;
}

static ngr_status answer(struct read_part *part, size_t i, const struct ngr_reply *reply)
{
    if (reply->type == NGR_REPLY_ERROR) {
        refuse(part, index_at(part, i), reply);
        return NGR_OK;
    }
    return asks_existence(part->mode) ? answer_existence(part, i, reply)
                                      : answer_value(part, index_at(part, i), reply);
}

static ngr_status on_piece(struct ngr_req *r, const struct ngr_reply *reply)
{
    struct read_part *part = part_of(r);
    if (r->seen == 0 && reply->depth == 0)
        part->unclear_count = 0; /* this may be the second try */
    if (part->mode != READ_MGET)
        return reply->depth == 0 ? answer(part, r->seen * keys_per_command(part), reply) : NGR_E_PROTOCOL;
    if (reply->depth == 1)
        return answer(part, reply->index, reply);
    if (reply->type == NGR_REPLY_ERROR) {
        ngr_call_refuse(r, reply, (struct ngr_span){NULL, 0}, NULL);
        return NGR_OK;
    }
    return reply->type == NGR_REPLY_ARRAY && reply->count == part->count ? NGR_OK : NGR_E_PROTOCOL;
}

/* --- the parts -------------------------------------------------------------------------------- */

static void on_answered(struct ngr_req *r);

static void init_part(struct read_part *part, enum read_mode mode, size_t begin, size_t count)
{
    *part = (struct read_part){.mode = mode, .begin = begin, .count = count};
    part->req.piece = on_piece;
    part->req.answered = on_answered;
}

/* A part with room for `numbers` indices and its bytes behind it, in one piece of memory:
 *     [ struct | indices | bytes ] */
static struct read_part *new_part(enum read_mode mode, size_t begin, size_t count, size_t numbers,
                                  size_t room, char **bytes)
{
    struct read_part *part = ngr_alloc(sizeof *part + numbers * sizeof(size_t) + room);
    if (!part)
        return NULL;
    init_part(part, mode, begin, count);
    *bytes = (char *)(part + 1) + numbers * sizeof(size_t);
    return part;
}

/* The mode that asks the same for one key and leaves nothing unclear. */
static enum read_mode single_mode(enum read_mode mode)
{
    switch (mode) {
    case READ_MGET:
        return READ_GET;
    case READ_EXISTS_GROUP:
        return READ_EXISTS;
    default:
        return mode;
    }
}

static struct read_part *next_part(struct read_call *rc)
{
    size_t room;
    char *bytes;
    size_t count = part_keys(rc, &room);
    enum read_mode mode = count == 1 ? single_mode(rc->mode) : rc->mode;
    size_t numbers = asks_many_at_once(mode) ? count : 0;
    struct read_part *part = new_part(mode, rc->next, count, numbers, room, &bytes);
    if (!part)
        return NULL;
    part->unclear = (size_t *)(void *)(part + 1);
    write_part(rc, part, bytes, room);
    rc->next += count;
    return part;
}

/* MGET answers nil for a key of another type as for no key. GET tells them apart, so what was nil is asked
 * again: an id must never look absent when something is there. Likewise EXISTS for the keys of mixed groups.
 */
static struct read_part *second_look(struct read_call *rc, const struct read_part *first)
{
    size_t room = 0, count = first->unclear_count;
    char *bytes;
    for (size_t i = 0; i < count; i++)
        room += key_room(rc, first->unclear[i]);
    struct read_part *part = new_part(single_mode(first->mode), 0, count, count, room, &bytes);
    if (!part)
        return NULL;
    part->chosen = (size_t *)(void *)(part + 1);
    memcpy(part->chosen, first->unclear, count * sizeof(size_t));
    write_part(rc, part, bytes, room);
    return part;
}

static void send_parts(struct read_call *rc)
{
    while (rc->parts < (rc->is_probing ? 1 : PARTS_UNDER_WAY) && rc->next < rc->keys.count) {
        struct read_part *part = next_part(rc);
        if (!part)
            return;
        rc->parts++;
        ngr_call_send(&rc->call, &part->req);
    }
}

static void on_answered(struct ngr_req *r)
{
    struct read_part *part = part_of(r), *second = NULL;
    struct ngr_call *call = r->call;
    struct read_call *rc = read_of(call);
    if (!ngr_call_goes_on(r))
        return;
    bool needs_second = part->unclear_count > 0;
    if (needs_second)
        second = second_look(rc, part);
    rc->is_probing = false;
    if (rc->mode == READ_EXISTS_GROUP && part->unclear_count > part->count / 4 * 3)
        rc->mode =
            READ_EXISTS; /* so mixed that groups do not pay: each costs a quarter of its keys one by one */
    rc->parts--;
    ngr_call_drop(r);
    if (second) {
        rc->parts++;
        ngr_call_send(call, &second->req);
    } else if (needs_second) {
        ngr_call_end(call, NGR_E_NOMEM, "");
        return;
    }
    send_parts(rc);
    if (rc->parts == 0)
        ngr_call_end(call, rc->next == rc->keys.count ? NGR_OK : NGR_E_NOMEM, "");
}

/* --- the call --------------------------------------------------------------------------------- */

static void start(struct ngr_call *call)
{
    struct read_call *rc = read_of(call);
    struct read_part *first = rc->prepared;
    rc->prepared = NULL;
    rc->parts = 1;
    ngr_call_send(call, &first->req);
    send_parts(rc);
}

static void release_part(struct ngr_req *r)
{
    struct read_part *part = part_of(r);
    if (!part->is_embedded)
        ngr_release(part);
}

static void release(struct ngr_call *call)
{
    ngr_release(read_of(call));
}

static const struct ngr_call_kind get_kind = {"GET", start, release, release_part};
static const struct ngr_call_kind exists_kind = {"EXISTS", start, release, release_part};

static void prepare_solo(struct read_call *rc, size_t room)
{
    init_part(&rc->solo, single_mode(rc->mode), 0, 1);
    rc->solo.is_embedded = true;
    write_part(rc, &rc->solo, (char *)(rc + 1), room);
    rc->next = 1;
    rc->prepared = &rc->solo;
}

static struct ngr_call *new_read(const struct ngr_keys *keys, enum read_mode mode, long long renew,
                                 const struct ngr_call_kind *kind, const struct ngr_sink *sink, void *user)
{
    assert(keys->count > 0);
    bool is_solo = keys->count == 1;
    size_t room = is_solo ? COMMAND_BYTES + keys->prefix.len + keys->ids[0].len : 0;
    struct read_call *rc = ngr_alloc(sizeof *rc + room);
    if (!rc)
        return NULL;
    memset(rc, 0, offsetof(struct read_call, solo));
    ngr_call_init(&rc->call, kind, sink, user);
    rc->keys = *keys;
    rc->mode = mode;
    rc->renew = renew;
    rc->is_probing = mode == READ_EXISTS_GROUP && keys->count > PROBE_KEYS;
    if (is_solo)
        prepare_solo(rc, room);
    else
        rc->prepared = next_part(rc);
    if (rc->prepared)
        return &rc->call;
    ngr_release(rc);
    return NULL;
}

struct ngr_call *ngr_batch_get(const struct ngr_keys *keys, long long renew, const struct ngr_sink *sink,
                               void *user)
{
    return new_read(keys, renew > 0 ? READ_GETEX : READ_MGET, renew, &get_kind, sink, user);
}

struct ngr_call *ngr_batch_exists(const struct ngr_keys *keys, const struct ngr_sink *sink, void *user)
{
    return new_read(keys, READ_EXISTS_GROUP, 0, &exists_kind, sink, user);
}
