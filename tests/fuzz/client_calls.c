#include "client_calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 300100 /* bytes of the largest value, its id and a NUL */

enum kind { GET, EXISTS, PUT, REMOVE, LIST, DROP, EXEC };

struct caller {
    struct world *world;
    struct ngr_call *call;
    enum kind kind;
    enum reaction reaction;
    unsigned first; /* number of its first id */
    size_t answers;
    bool is_refused;
    struct ngr_keys keys;
    struct ngr_span spans[KEYS_MAX];
    char texts[IDS][4];
    bool seen[KEYS_MAX]; /* by index; for LIST by number of id */
};

static void insist(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "client: %s\n", what);
    abort();
}

static bool is_honest(const struct caller *c)
{
    return !c->world->server.has_lied;
}

/* --- ids and values --------------------------------------------------------------------------- */

/* "k0" to "k7" are always there, "a0" to "a3" never, "v0" to "v7" come and go. */
static void write_id(char to[4], unsigned number)
{
    const char *mark = number < CONSTANTS ? "k" : number < CONSTANTS + ABSENT ? "a" : "v";
    unsigned within = number < CONSTANTS            ? number
                      : number < CONSTANTS + ABSENT ? number - CONSTANTS
                                                    : number - CONSTANTS - ABSENT;
    snprintf(to, 4, "%s%u", mark, within);
}

static bool is_constant(unsigned number)
{
    return number < CONSTANTS;
}

static bool is_absent(unsigned number)
{
    return number >= CONSTANTS && number < CONSTANTS + ABSENT;
}

/* A value is its id, "=", and as many 'x' as its size says. */
static size_t constant_size(unsigned number)
{
    static const size_t sizes[CONSTANTS] = {0, 1, 5, 40, 200, 1000, 5000, 20000};
    return sizes[number];
}

static size_t write_value(char *to, const char *id, size_t size)
{
    size_t head = (size_t)sprintf(to, "%s=", id);
    insist(head + size < VALUE_MAX, "a value is longer than any that was written");
    memset(to + head, 'x', size);
    to[head + size] = '\0';
    return head + size;
}

static void check_value(const char *id, const char *data, size_t len)
{
    static char wanted[VALUE_MAX];
    size_t head = strlen(id) + 1;
    insist(len >= head && memcmp(data, id, head - 1) == 0 && data[head - 1] == '=',
           "a value is another key's");
    write_value(wanted, id, len - head);
    insist(memcmp(data, wanted, len) == 0, "a value is not what was written");
}

static void check_value_of(unsigned number, const char *data, size_t len)
{
    char id[4];
    write_id(id, number);
    check_value(id, data, len);
    insist(!is_absent(number), "a key has a value that was never written");
    insist(!is_constant(number) || len == strlen(id) + 1 + constant_size(number), "a value has lost its end");
}

void calls_prepare(struct world *w)
{
    char id[4], key[8], value[21000];
    for (unsigned number = 0; number < CONSTANTS; number++) {
        write_id(id, number);
        snprintf(key, sizeof key, "p:%s", id);
        write_value(value, id, constant_size(number));
        tiny_set(&w->server.tiny, key, value);
    }
}

void calls_check_table(const struct world *w)
{
    char id[4], key[8];
    const struct tiny *t = &w->server.tiny;
    for (unsigned number = 0; number < CONSTANTS; number++) {
        write_id(id, number);
        snprintf(key, sizeof key, "p:%s", id);
        const char *value = tiny_get(t, key);
        insist(value != NULL, "a key is gone that nobody removed");
        check_value_of(number, value, strlen(value));
    }
    for (size_t i = 0; i < t->count; i++) {
        insist(t->rows[i].key.len > 2, "a key was written that nobody has");
        check_value(t->rows[i].key.data + 2, t->rows[i].value.data, t->rows[i].value.len);
    }
}

/* --- the life of a call ----------------------------------------------------------------------- */

size_t calls_live(const struct world *w)
{
    size_t count = 0;
    for (size_t i = 0; i < LIVE_MAX; i++)
        count += w->live[i] != NULL;
    return count;
}

static void forget(struct caller *c)
{
    for (size_t i = 0; i < LIVE_MAX; i++)
        if (c->world->live[i] == c)
            c->world->live[i] = NULL;
    free(c);
}

static struct caller *new_caller(struct world *w, enum kind kind, unsigned first, unsigned count)
{
    size_t place = 0;
    while (place < LIVE_MAX && w->live[place])
        place++;
    if (place == LIVE_MAX)
        return NULL;
    struct caller *c = calloc(1, sizeof *c);
    insist(c != NULL, "no memory");
    c->world = w;
    c->kind = kind;
    c->reaction = w->reaction;
    c->first = first;
    w->reaction = REACT_NOT;
    for (unsigned i = 0; i < IDS; i++)
        write_id(c->texts[i], i);
    for (unsigned i = 0; i < count; i++)
        c->spans[i] = (struct ngr_span){c->texts[(first + i) % IDS], strlen(c->texts[(first + i) % IDS])};
    c->keys = (struct ngr_keys){{"p:", 2}, c->spans, count};
    w->live[place] = c;
    return c;
}

/* Keeps a call that was started, or forgets the caller. */
static void started(struct caller *c, struct ngr_call *call)
{
    c->call = call;
    if (!call)
        forget(c);
}

void calls_cancel(struct world *w, unsigned at)
{
    struct caller *c = w->live[at % LIVE_MAX];
    if (!c || !c->call)
        return;
    ngr_cancel(c->call);
    forget(c);
}

/* Does what the call was told to do at its first news; it may be gone afterwards. What its sink answers. */
static ngr_status react(struct caller *c, bool is_end)
{
    struct world *w = c->world;
    enum reaction reaction = c->reaction;
    c->reaction = REACT_NOT;
    c->is_refused |= reaction == REACT_REFUSE && !is_end;
    ngr_status st = c->is_refused ? NGR_E_CALLBACK : NGR_OK;
    if (reaction == REACT_CANCEL && !is_end) {
        ngr_cancel(c->call);
        forget(c);
    } else if (reaction == REACT_CANCEL_OTHER) {
        for (unsigned i = 0; i < LIVE_MAX; i++)
            if (w->live[i] && w->live[i] != c && w->live[i]->call) {
                calls_cancel(w, i);
                break;
            }
    } else if (reaction == REACT_GET) {
        calls_get(w, c->first, 2, 0);
    } else if (reaction == REACT_CLOSE) {
        ngr_client_close(w->scene.client);
    }
    return st;
}

/* --- sinks ------------------------------------------------------------------------------------ */

/* Reads every byte, whoever may have written it. */
static void touch(const char *data, size_t len)
{
    static volatile char last;
    for (size_t i = 0; i < len; i++)
        last = data[i];
    (void)last;
}

static unsigned number_of_id(const char *data, size_t len)
{
    char id[4];
    unsigned number = 0;
    for (; number < IDS; number++) {
        write_id(id, number);
        if (strlen(id) == len && memcmp(id, data, len) == 0)
            break;
    }
    return number;
}

static void check_listed(struct caller *c, const char *data, size_t len)
{
    unsigned number = number_of_id(data, len);
    insist(number < IDS && !is_absent(number), "an id is listed that there never was");
    c->seen[number] = true;
}

static ngr_status on_value(void *user, size_t index, const char *data, size_t len)
{
    struct caller *c = user;
    insist(c->kind == GET || c->kind == LIST, "a value for a call that asked for none");
    insist(c->kind == LIST ? index == 0 && data : index < c->keys.count,
           "an answer to a question that was not asked");
    insist(!c->is_refused, "a call goes on after its sink refused");
    c->answers++;
    if (c->kind == GET)
        c->seen[index] = true;
    if (!is_honest(c))
        touch(data, data ? len : 0);
    else if (c->kind == LIST)
        check_listed(c, data, len);
    else if (data)
        check_value_of((c->first + (unsigned)index) % IDS, data, len);
    else
        insist(!is_constant((c->first + (unsigned)index) % IDS), "a key is said to be absent that is there");
    return react(c, false);
}

static ngr_status on_number(void *user, size_t index, long long number)
{
    struct caller *c = user;
    insist(c->kind != GET && c->kind != LIST && c->kind != EXEC, "a number for a call that asked for none");
    insist(c->kind == EXISTS ? index < c->keys.count : index < KEYS_MAX,
           "an answer to a question that was not asked");
    insist(!c->is_refused, "a call goes on after its sink refused");
    c->answers++;
    c->seen[index] = true;
    if (is_honest(c) && c->kind == EXISTS) {
        unsigned id = (c->first + (unsigned)index) % IDS;
        insist(number == 0 || number == 1, "a key exists more than once");
        insist(!is_constant(id) || number == 1, "a key is said to be absent that is there");
        insist(!is_absent(id) || number == 0, "a key is said to be there that never was");
    }
    return react(c, false);
}

static ngr_status on_reply(void *user, const struct ngr_reply *r)
{
    struct caller *c = user;
    insist(c->kind == EXEC && !c->is_refused, "a reply for a call that asked for none");
    touch(r->data, r->len);
    c->answers++;
    if (is_honest(c) && r->type == NGR_REPLY_BULK)
        check_value_of(c->first, r->data, r->len);
    return react(c, false);
}

/* A call that ended well has all that it asked for. */
static void check_answers(const struct caller *c)
{
    size_t wanted = c->kind == LIST ? CONSTANTS : c->kind == GET || c->kind == EXISTS ? c->keys.count : 0;
    for (size_t i = 0; i < wanted; i++)
        insist(c->seen[i], "a call ends well with an answer missing");
    if (c->kind == REMOVE || c->kind == DROP || c->kind == EXEC)
        insist(c->answers > 0, "a call ends well without its answer");
}

static void on_done(void *user, ngr_status st, const char *message)
{
    struct caller *c = user;
    insist((st == NGR_OK) == (message[0] == '\0'), "a failure without a message, or the other way round");
    insist(!strstr(message, "s3cr3t"), "a message quotes the password");
    insist(!c->is_refused || st == NGR_E_CALLBACK, "a refusal of the sink is not what the call ends with");
    if (st == NGR_OK && is_honest(c))
        check_answers(c);
    c->world->good += st == NGR_OK;
    c->call = NULL;
    react(c, true);
    forget(c);
}

static const struct ngr_sink sink = {on_value, on_number, on_reply, on_done};

/* --- starting --------------------------------------------------------------------------------- */

void calls_get(struct world *w, unsigned first, unsigned count, long long renew)
{
    struct caller *c = new_caller(w, GET, first, count);
    if (c)
        started(c, ngr_get(w->scene.client, &c->keys, renew, &sink, c));
}

void calls_exists(struct world *w, unsigned first, unsigned count)
{
    struct caller *c = new_caller(w, EXISTS, first, count);
    if (c)
        started(c, ngr_exists(w->scene.client, &c->keys, &sink, c));
}

void calls_remove(struct world *w, unsigned number)
{
    struct caller *c = new_caller(w, REMOVE, CONSTANTS + number % (ABSENT + VOLATILE), 1);
    if (c)
        started(c, ngr_remove(w->scene.client, &c->keys, &sink, c));
}

void calls_list(struct world *w)
{
    struct caller *c = new_caller(w, LIST, 0, 0);
    if (c)
        started(c, ngr_list_ids(w->scene.client, c->keys.prefix, &sink, c));
}

void calls_drop(struct world *w)
{
    struct caller *c = new_caller(w, DROP, 0, 0);
    if (c)
        started(c, ngr_drop(w->scene.client, (struct ngr_span){"d:", 2}, &sink, c));
}

void calls_exec(struct world *w, unsigned number, bool is_repeatable)
{
    struct caller *c = new_caller(w, EXEC, number, 1);
    char key[8];
    if (!c)
        return;
    snprintf(key, sizeof key, "p:%s", c->texts[number]);
    const struct ngr_span words[] = {{"GET", 3}, {key, strlen(key)}};
    started(c, ngr_exec(w->scene.client, words, 2, is_repeatable, &sink, c));
}

/* What puts differ in: lifetime, the largest group, waiting, the size of values. */
static const struct flavour {
    const char *prefix;
    long long ttl;
    size_t max_value, max_atomic, size;
    unsigned wait_replicas;
    bool wait_aof;
} flavours[] = {
    {"p:", 0, 1 << 20, 1 << 20, 3, 0, false},    {"p:", 60, 1 << 20, 1 << 20, 3, 0, false},
    {"p:", 0, 1 << 20, 40, 3, 0, false},         {"p:", 60, 1 << 20, 60, 3, 1, false},
    {"p:", 0, 1 << 20, 1 << 20, 30000, 0, true}, {"p:", 60, 1 << 20, 1 << 20, 300000, 0, false},
    {"p:", 0, 30, 1 << 20, 40, 0, false},        {"d:", 0, 1 << 20, 1 << 20, 3, 0, false},
};

/* One entry more; false when memory ends. A value that is too large is left out. */
static bool add_entry(struct ngr_put *put, const char *id, size_t size, bool *is_any)
{
    static char value[VALUE_MAX];
    size_t len = write_value(value, id, size);
    struct ngr_buf *b = ngr_put_begin(put, (struct ngr_span){id, strlen(id)});
    if (!b || ngr_buf_add(b, value, len) != NGR_OK)
        return false;
    ngr_status st = ngr_put_end(put);
    *is_any |= st == NGR_OK;
    return st == NGR_OK || st == NGR_E_TOOBIG;
}

#define FLAVOURS (sizeof flavours / sizeof *flavours)

/* Adds `count` entries; false when memory ends. */
static bool add_entries(struct ngr_put *put, const struct caller *c, unsigned first, unsigned count,
                        size_t size, bool *is_any)
{
    bool is_built = true;
    for (unsigned i = 0; is_built && i < count; i++)
        is_built =
            add_entry(put, c->texts[CONSTANTS + ABSENT + (first + i) % VOLATILE], size / (1 + i % 3), is_any);
    return is_built;
}

static struct ngr_call *put_whole(struct world *w, struct caller *c, struct ngr_put *put, unsigned first,
                                  unsigned count, size_t size)
{
    bool is_any = false;
    if (add_entries(put, c, first, count, size, &is_any) && is_any)
        return ngr_put_send(w->scene.client, put, &sink, c);
    ngr_put_discard(put);
    return NULL;
}

/* The same while it is sent: of what cannot be too large. */
static struct ngr_call *put_growing(struct world *w, struct caller *c, struct ngr_put *put, unsigned first,
                                    unsigned count, size_t size)
{
    bool is_any = false;
    struct ngr_call *call = ngr_put_stream(w->scene.client, put, count, size, &sink, c);
    if (!call || (add_entries(put, c, first, count, size, &is_any) && ngr_put_finish(put) == NGR_OK))
        return call;
    ngr_put_break(put);
    return NULL;
}

/* Flavours beyond the table are those of the table once more, sent while they are built. */
void calls_put(struct world *w, unsigned first, unsigned count, unsigned flavour)
{
    const struct flavour *f = &flavours[flavour % FLAVOURS];
    bool is_growing = flavour / FLAVOURS % 2 && count > 1 && f->size < f->max_value;
    const struct ngr_put_options options = {.prefix = {f->prefix, 2},
                                            .ttl = f->ttl,
                                            .max_value_bytes = f->max_value,
                                            .max_atomic_bytes = f->max_atomic,
                                            .wait_replicas = f->wait_replicas,
                                            .wait_aof = f->wait_aof,
                                            .wait_ms = 1000};
    struct caller *c = new_caller(w, PUT, first, 0);
    struct ngr_put *put = c ? ngr_put_new(&options) : NULL;
    if (c)
        started(c, !put ? NULL : (is_growing ? put_growing : put_whole)(w, c, put, first, count, f->size));
}
