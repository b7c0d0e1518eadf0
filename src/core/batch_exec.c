/* One command as it is, its reply passed on piece by piece; and DEL, which is such a command with a number
 * for an answer. */
#include "batch.h"

#include "mem.h"

struct exec_call {
    struct ngr_call call;
    struct ngr_req req;
    struct ngr_buf bytes;
    bool wants_number; /* the one answer there can be, or an error */
};

static struct exec_call *exec_of(struct ngr_call *call)
{
    return ngr_of(call, struct exec_call, call);
}

static ngr_status on_piece(struct ngr_req *r, const struct ngr_reply *reply)
{
    struct ngr_call *call = r->call;
    const struct exec_call *ec = exec_of(call);
    if (reply->type == NGR_REPLY_ERROR && reply->depth == 0) {
        ngr_call_refuse(r, reply, (struct ngr_span){NULL, 0}, NULL);
        return NGR_OK;
    }
    if (ec->wants_number) {
        if (reply->type != NGR_REPLY_INTEGER)
            return NGR_E_PROTOCOL;
        ngr_call_number(call, 0, reply->integer);
        return NGR_OK;
    }
    ngr_status st = call->is_ended ? NGR_OK : call->sink->reply(call->user, reply);
    if (st != NGR_OK)
        ngr_call_end(call, st, "");
    return NGR_OK;
}

static void on_answered(struct ngr_req *r)
{
    struct ngr_call *call = r->call;
    if (!ngr_call_goes_on(r))
        return;
    ngr_call_drop(r);
    ngr_call_end(call, NGR_OK, "");
}

static void start(struct ngr_call *call)
{
    ngr_call_send(call, &exec_of(call)->req);
}

static void release_request(struct ngr_req *r)
{
    (void)r; /* lives in the call */
}

static void release(struct ngr_call *call)
{
    ngr_buf_fini(&exec_of(call)->bytes);
    ngr_release(exec_of(call));
}

static const struct ngr_call_kind exec_kind = {"command", start, release, release_request};
static const struct ngr_call_kind remove_kind = {"DEL", start, release, release_request};

static struct exec_call *new_exec(const struct ngr_call_kind *kind, bool is_repeatable,
                                  const struct ngr_sink *sink, void *user)
{
    struct exec_call *ec = ngr_alloc_zero(sizeof *ec);
    if (!ec)
        return NULL;
    ngr_call_init(&ec->call, kind, sink, user);
    ec->req.piece = on_piece;
    ec->req.answered = on_answered;
    ec->req.replies = 1;
    ec->req.weight = 1;
    ec->req.is_repeatable = is_repeatable;
    return ec;
}

/* Takes over the bytes that were written with status `st`. */
static struct ngr_call *ready(struct exec_call *ec, ngr_status st)
{
    if (st != NGR_OK) {
        release(&ec->call);
        return NULL;
    }
    ec->req.parts[0] = (struct ngr_span){ec->bytes.data, ec->bytes.len};
    return &ec->call;
}

struct ngr_call *ngr_batch_exec(const struct ngr_span *words, size_t count, bool is_repeatable,
                                const struct ngr_sink *sink, void *user)
{
    struct exec_call *ec = new_exec(&exec_kind, is_repeatable, sink, user);
    if (!ec)
        return NULL;
    ngr_status st = ngr_cmd_array(&ec->bytes, count);
    for (size_t i = 0; st == NGR_OK && i < count; i++)
        st = ngr_cmd_bulk(&ec->bytes, words[i].data, words[i].len);
    return ready(ec, st);
}

struct ngr_call *ngr_batch_remove(const struct ngr_keys *keys, const struct ngr_sink *sink, void *user)
{
    struct exec_call *ec = new_exec(&remove_kind, false, sink, user);
    if (!ec)
        return NULL;
    ec->wants_number = true;
    ngr_status st = ngr_cmd_array(&ec->bytes, 2);
    if (st == NGR_OK)
        st = ngr_cmd_bulk(&ec->bytes, "DEL", 3);
    if (st == NGR_OK)
        st = ngr_cmd_key(&ec->bytes, keys->prefix, keys->ids[0]);
    return ready(ec, st);
}
