/* The public face of the core: life cycle, submitting, cancelling, and who owns what. json.h and loop.h are
 * its two companions; whoever uses the core includes these three and nothing else.
 *
 * A client belongs to one event loop and one process and is not thread-safe. Every function that starts a
 * call answers the call, or NULL when memory ends (then nothing happened). A started call ends exactly once,
 * later, never from inside the function that started it: by sink->done, or silently by ngr_cancel(). After
 * that its pointer is dead. */
#ifndef NGR_H
#define NGR_H

#include "buf.h"
#include "cmd.h"
#include "list.h"
#include "loop.h"
#include "mem.h"
#include "reply.h"
#include "settings.h"
#include "status.h"
#include "url.h"

struct ngr_client;
struct ngr_call;

/* Where the answers of a call go. Each function may run anything, including new calls and cancelling this
 * one. An answer may come twice when a lost connection made the core ask again; the last one counts. A status
 * other than NGR_OK ends the call with that status. */
struct ngr_sink {
    /* `data` NULL: there is no such key. The bytes are gone when the function returns. */
    ngr_status (*value)(void *user, size_t index, const char *data, size_t len);
    ngr_status (*number)(void *user, size_t index, long long number);
    ngr_status (*reply)(void *user, const struct ngr_reply *piece);
    /* The end. `message` says what happened, with the endpoint, without secrets; "" on success. */
    void (*done)(void *user, ngr_status st, const char *message);
};

/* What a client tells its owner besides answers. Both may be NULL. */
struct ngr_hooks {
    /* A change of state worth a line in the log: the server became reachable (`is_good`) or stopped to be. */
    void (*log)(void *user, bool is_good, const char *line);
    /* Once per settings.idle_check (or 30 s when that is 0) while connections are open: the moment to see
     * whether anybody still needs them. */
    void (*idle)(void *user);
    void *user;
};

/* `settings` and `loop` are copied; NULL when memory ends. Nothing is connected until the first call. */
struct ngr_client *ngr_client_new(const struct ngr_settings *settings, const struct ngr_loop *loop,
                                  const struct ngr_hooks *hooks);

/* Ends every call with NGR_E_CLOSED and closes every connection. The client may be used again afterwards, and
 * then reads the files of its TLS settings anew. */
void ngr_client_close(struct ngr_client *client);

/* Closes and frees. Not from inside anything the client called. */
void ngr_client_release(struct ngr_client *client);

/* --- calls ------------------------------------------------------------------------------------ */

/* The part of a key before the id, and the ids, at least one; they must stay unchanged until the call ends.
 */
struct ngr_keys {
    struct ngr_span prefix;
    const struct ngr_span *ids;
    size_t count;
};

/* sink->value for every index. With `renew` > 0 each read also sets the key's TTL to so many seconds (GETEX,
 * Redis 6.2). Large reads go out in pieces, a few at a time, so that neither side holds more than a bounded
 * amount. */
struct ngr_call *ngr_get(struct ngr_client *client, const struct ngr_keys *keys, long long renew,
                         const struct ngr_sink *sink, void *user);

/* sink->number for every index: 1 when the key exists, else 0. */
struct ngr_call *ngr_exists(struct ngr_client *client, const struct ngr_keys *keys,
                            const struct ngr_sink *sink, void *user);

/* sink->number(0): 1 when the key (keys->ids[0]) was there. Never asked twice, so a lost connection is an
 * error. */
struct ngr_call *ngr_remove(struct ngr_client *client, const struct ngr_keys *keys,
                            const struct ngr_sink *sink, void *user);

/* sink->value(0) for every id under the prefix, in no order, repeats possible. */
struct ngr_call *ngr_list_ids(struct ngr_client *client, struct ngr_span prefix, const struct ngr_sink *sink,
                              void *user);

/* Removes every key under the prefix without blocking the server; sink->number(0): how many there were. */
struct ngr_call *ngr_drop(struct ngr_client *client, struct ngr_span prefix, const struct ngr_sink *sink,
                          void *user);

/* Any one command; its reply goes to sink->reply piece by piece, error replies to sink->done.
 * `is_repeatable`: may be sent again after a lost connection. The words are copied. */
struct ngr_call *ngr_exec(struct ngr_client *client, const struct ngr_span *words, size_t count,
                          bool is_repeatable, const struct ngr_sink *sink, void *user);

/* The sink's functions are not called any more, done included. What was not sent yet is not sent; what was
 * sent is answered into the void. A write that was sent may still take effect. */
void ngr_cancel(struct ngr_call *call);

/* --- writing: build, then send ---------------------------------------------------------------- */

struct ngr_put_options {
    struct ngr_span prefix;
    long long ttl; /* seconds; 0: none */
    size_t max_value_bytes;
    size_t max_atomic_bytes; /* up to this, one atomic group; beyond, several, each atomic */
    unsigned wait_replicas;  /* WAIT: this many replicas have it before the call ends; 0: do not wait */
    bool wait_aof;           /* WAITAOF: it is on the disk of the primary */
    unsigned wait_ms;        /* at most this long */
};

/* Starts a batch. Nothing is sent before ngr_put_send(). NULL when memory ends. */
struct ngr_put *ngr_put_new(const struct ngr_put_options *options);
/* Begins one entry; the value is then appended to the answered buffer. NULL when memory ends. */
struct ngr_buf *ngr_put_begin(struct ngr_put *put, struct ngr_span id);
/* Ends the entry. NGR_E_TOOBIG when the value exceeds max_value_bytes: the entry is taken out again.
 * NGR_E_NOMEM: the put can only be discarded. */
ngr_status ngr_put_end(struct ngr_put *put);
/* Throws away what was built. */
void ngr_put_discard(struct ngr_put *put);
/* Sends it, with one entry at least; the put is consumed, even when NULL is answered. Each group that waited
 * answers sink->number(group, replicas or AOFs that have it). */
struct ngr_call *ngr_put_send(struct ngr_client *client, struct ngr_put *put, const struct ngr_sink *sink,
                              void *user);

/* The other way: sends while it is built, so that the server reads the first entries while the last ones are
 * made. It carries out nothing before the end has come. For the number of entries that was announced (two at
 * least) and in one go: between this and ngr_put_finish() or ngr_put_break() nothing else may use the client,
 * nor its event loop run. One atomic group, whatever max_atomic_bytes says. `bytes`: about as much will be
 * appended. The call is under way when this returns; NULL when memory ends, and the put is consumed. */
struct ngr_call *ngr_put_stream(struct ngr_client *client, struct ngr_put *put, size_t entries, size_t bytes,
                                const struct ngr_sink *sink, void *user);
/* All announced entries are there: the put belongs to its call. NGR_E_NOMEM: it can only be broken. */
ngr_status ngr_put_finish(struct ngr_put *put);
/* The rest will not come. Nothing is stored, and the call is cancelled; the connection is given up if
 * something was written, since the server would wait for the rest. */
void ngr_put_break(struct ngr_put *put);

/* --- looking at it ---------------------------------------------------------------------------- */

/* Counters and state as a JSON object; to be released with ngr_release(). NULL when memory ends. */
char *ngr_client_stats(const struct ngr_client *client);

/* True when a connection is ready. */
bool ngr_client_is_connected(const struct ngr_client *client);

/* Calls under way. */
size_t ngr_client_pending(const struct ngr_client *client);

/* The libraries underneath, by their own names for their versions: constant texts. hiredis cannot be asked
 * which one is loaded. */
struct ngr_versions {
    const char *hiredis_compiled, *openssl_compiled, *openssl_loaded, *cjson_loaded;
};
struct ngr_versions ngr_versions(void);

#endif
