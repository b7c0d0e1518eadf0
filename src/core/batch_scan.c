/* Walking over a namespace with SCAN: to list its ids, or to drop it. Keys outside the prefix are never
 * touched, whatever characters the prefix holds; a drop removes each page with UNLINK in the same write that
 * asks for the next page.
 *
 * A cursor is a place in the hash table of one run of the server: the next run has another seed, and a walk
 * that went on there would pass keys by. So whenever a connection was lost meanwhile, for whatever reason,
 * the walk begins anew. */
#include "batch.h"

#include <stdlib.h>

#include "mem.h"

#define PAGE         "1000" /* keys the server looks at per SCAN */
#define MAX_RESTARTS 16     /* of one walk */

struct scan_call {
    struct ngr_call call;
    struct ngr_req req;
    struct ngr_span prefix; /* into `pattern`'s memory */
    struct ngr_buf pattern; /* the prefix, then the prefix as a glob pattern */
    struct ngr_buf bytes;   /* of the request under way */
    struct ngr_buf page;    /* drop: the keys found, as bulks */
    size_t page_keys;
    bool is_drop;
    bool has_unlink; /* the request under way starts with an UNLINK */
    char cursor[24]; /* where to go on, "0": start or end */
    char next_cursor[24];
    unsigned long long troubles; /* of the client, when the walk began */
    unsigned restarts;
    bool must_restart; /* the page that has come is not to be gone on from */
    long long removed, removed_now;
    bool is_out_of_memory;
};

static struct scan_call *scan_of(struct ngr_call *call)
{
    return ngr_of(call, struct scan_call, call);
}

/* Characters that MATCH would take for more than themselves are escaped. */
static ngr_status write_pattern(struct ngr_buf *b, struct ngr_span prefix)
{
    ngr_status st = ngr_buf_add(b, prefix.data, prefix.len);
    for (size_t i = 0; st == NGR_OK && i < prefix.len; i++) {
        if (strchr("*?[]\\^", prefix.data[i]) && prefix.data[i])
            st = ngr_buf_add(b, "\\", 1);
        if (st == NGR_OK)
            st = ngr_buf_add(b, &prefix.data[i], 1);
    }
    return st == NGR_OK ? ngr_buf_add(b, "*", 1) : st;
}

static ngr_status write_unlink(struct scan_call *sc)
{
    ngr_status st = ngr_cmd_array(&sc->bytes, sc->page_keys + 1);
    if (st == NGR_OK)
        st = ngr_cmd_bulk(&sc->bytes, "UNLINK", 6);
    return st == NGR_OK ? ngr_buf_add(&sc->bytes, sc->page.data, sc->page.len) : st;
}

static ngr_status write_scan(struct scan_call *sc)
{
    const struct ngr_span words[] = {
        {"SCAN", 4},  {sc->cursor, strlen(sc->cursor)},
        {"MATCH", 5}, {sc->pattern.data + sc->prefix.len, sc->pattern.len - sc->prefix.len},
        {"COUNT", 5}, {PAGE, sizeof PAGE - 1},
    };
    const size_t count = sizeof words / sizeof words[0];
    ngr_status st = ngr_cmd_array(&sc->bytes, count);
    for (size_t i = 0; st == NGR_OK && i < count; i++)
        st = ngr_cmd_bulk(&sc->bytes, words[i].data, words[i].len);
    return st;
}

/* The next request: what was found goes, and unless this was the last page, the next one comes. */
static ngr_status write_request(struct scan_call *sc, bool wants_page)
{
    ngr_status st = NGR_OK;
    sc->bytes.len = 0;
    sc->has_unlink = sc->page_keys > 0;
    if (sc->has_unlink)
        st = write_unlink(sc);
    if (st == NGR_OK && wants_page)
        st = write_scan(sc);
    sc->page.len = 0;
    sc->page_keys = 0;
    sc->req.parts[0] = (struct ngr_span){sc->bytes.data, sc->bytes.len};
    sc->req.replies = (uint32_t)sc->has_unlink + (uint32_t)wants_page;
    return st;
}

static ngr_status on_key(struct scan_call *sc, const struct ngr_reply *reply)
{
    if (reply->type != NGR_REPLY_BULK)
        return NGR_E_PROTOCOL;
    if (reply->len < sc->prefix.len || memcmp(reply->data, sc->prefix.data, sc->prefix.len) != 0)
        return NGR_OK; /* MATCH is only a hint to us: what is not ours stays */
    if (!sc->is_drop) {
        ngr_call_value(&sc->call, 0, reply->data + sc->prefix.len, reply->len - sc->prefix.len);
        return NGR_OK;
    }
    if (ngr_cmd_bulk(&sc->page, reply->data, reply->len) != NGR_OK)
        sc->is_out_of_memory = true;
    else
        sc->page_keys++;
    return NGR_OK;
}

static ngr_status on_page(struct scan_call *sc, const struct ngr_reply *reply)
{
    if (reply->depth == 2)
        return on_key(sc, reply);
    if (reply->depth == 1 && reply->index == 0) {
        if (reply->type != NGR_REPLY_BULK || reply->len == 0 || reply->len >= sizeof sc->next_cursor)
            return NGR_E_PROTOCOL;
        memcpy(sc->next_cursor, reply->data, reply->len);
        sc->next_cursor[reply->len] = '\0';
        return NGR_OK;
    }
    if (reply->depth == 1)
        return reply->type == NGR_REPLY_ARRAY ? NGR_OK : NGR_E_PROTOCOL;
    sc->page.len = sc->page_keys = 0; /* a page asked for again starts anew */
    return reply->type == NGR_REPLY_ARRAY && reply->count == 2 ? NGR_OK : NGR_E_PROTOCOL;
}

static ngr_status on_piece(struct ngr_req *r, const struct ngr_reply *reply)
{
    struct scan_call *sc = ngr_of(r, struct scan_call, req);
    if (reply->type == NGR_REPLY_ERROR && reply->depth == 0) {
        ngr_call_refuse(r, reply, (struct ngr_span){NULL, 0}, NULL);
        return NGR_OK;
    }
    if (sc->has_unlink && r->seen == 0) {
        sc->removed_now = reply->integer;
        return reply->type == NGR_REPLY_INTEGER ? NGR_OK : NGR_E_PROTOCOL;
    }
    return on_page(sc, reply);
}

static void finish(struct scan_call *sc, ngr_status st, const char *why)
{
    struct ngr_call *call = &sc->call;
    ngr_call_hold(call);
    ngr_call_drop(&sc->req);
    if (st == NGR_OK && sc->is_drop)
        ngr_call_number(call, 0, sc->removed);
    ngr_call_end(call, st, why);
    ngr_call_let_go(call);
}

/* After a page: where the walk goes on. False when it has begun anew too often. */
static bool advance(struct scan_call *sc)
{
    unsigned long long troubles = sc->call.host->troubles;
    bool was_first = strcmp(sc->cursor, "0") == 0;
    memcpy(sc->cursor, sc->next_cursor, sizeof sc->cursor);
    sc->must_restart = !was_first && troubles != sc->troubles;
    if (was_first)
        sc->troubles = troubles;
    if (!sc->must_restart)
        return true;
    strcpy(sc->cursor, "0");
    return ++sc->restarts <= MAX_RESTARTS;
}

static void on_answered(struct ngr_req *r)
{
    struct scan_call *sc = ngr_of(r, struct scan_call, req);
    bool had_page = r->replies > (uint32_t)sc->has_unlink;
    if (!ngr_call_goes_on(r))
        return;
    sc->removed += sc->has_unlink ? sc->removed_now : 0;
    if (had_page && !advance(sc)) {
        finish(sc, NGR_E_LOST, "connections were lost again and again while the keys were listed");
        return;
    }
    bool is_last = !sc->must_restart && strcmp(sc->cursor, "0") == 0;
    sc->must_restart = false;
    if (is_last && sc->page_keys == 0) {
        finish(sc, sc->is_out_of_memory ? NGR_E_NOMEM : NGR_OK, "");
        return;
    }
    ngr_status st = sc->is_out_of_memory ? NGR_E_NOMEM : write_request(sc, !is_last);
    if (st != NGR_OK)
        finish(sc, st, "");
    else
        ngr_call_send_again(&sc->call, r);
}

static void start(struct ngr_call *call)
{
    ngr_call_send(call, &scan_of(call)->req);
}

static void release_request(struct ngr_req *r)
{
    (void)r; /* lives in the call */
}

static void release(struct ngr_call *call)
{
    struct scan_call *sc = scan_of(call);
    ngr_buf_fini(&sc->pattern);
    ngr_buf_fini(&sc->bytes);
    ngr_buf_fini(&sc->page);
    ngr_release(sc);
}

static const struct ngr_call_kind kind = {"SCAN", start, release, release_request};

struct ngr_call *ngr_batch_scan(struct ngr_span prefix, bool drop, const struct ngr_sink *sink, void *user)
{
    struct scan_call *sc = ngr_alloc_zero(sizeof *sc);
    if (!sc)
        return NULL;
    ngr_call_init(&sc->call, &kind, sink, user);
    sc->is_drop = drop;
    sc->req.piece = on_piece;
    sc->req.answered = on_answered;
    sc->req.is_repeatable = true;
    sc->req.weight = 64;
    strcpy(sc->cursor, "0");
    if (write_pattern(&sc->pattern, prefix) == NGR_OK) {
        sc->prefix = (struct ngr_span){sc->pattern.data, prefix.len};
        if (write_request(sc, true) == NGR_OK)
            return &sc->call;
    }
    release(&sc->call);
    return NULL;
}
