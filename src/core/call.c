#include "call.h"

#include <stdio.h>

#include "answer.h"
#include "mem.h"

#define REFUSAL_BYTES 400

void ngr_call_init(struct ngr_call *call, const struct ngr_call_kind *kind, const struct ngr_sink *sink,
                   void *user)
{
    call->kind = kind;
    call->sink = sink;
    call->user = user;
    call->refs = 1;
    ngr_node_init(&call->node);
    ngr_list_init(&call->requests);
}

void ngr_call_hold(struct ngr_call *call)
{
    call->refs++;
}

void ngr_call_let_go(struct ngr_call *call)
{
    if (--call->refs)
        return;
    ngr_release(call->refusal);
    call->kind->release(call);
}

void ngr_call_send(struct ngr_call *call, struct ngr_req *r)
{
    r->call = call;
    ngr_call_hold(call);
    ngr_node_init(&r->node);
    ngr_list_push(&call->requests, &r->sibling);
    call->host->submit(call->host, r);
}

void ngr_call_send_again(struct ngr_call *call, struct ngr_req *r)
{
    call->host->submit(call->host, r);
}

void ngr_call_drop(struct ngr_req *r)
{
    struct ngr_call *call = r->call;
    ngr_node_unlink(&r->sibling);
    call->kind->release_request(r);
    ngr_call_let_go(call);
}

static int at_most(size_t len, int limit)
{
    return len < (size_t)limit ? (int)len : limit;
}

void ngr_call_refuse(struct ngr_req *r, const struct ngr_reply *reply, struct ngr_span prefix,
                     const struct ngr_span *id)
{
    struct ngr_call *call = r->call;
    if (r->refusal != NGR_OK)
        return;
    r->refusal = ngr_answer_status(reply->data, reply->len);
    if (!call->refusal)
        call->refusal = ngr_alloc(REFUSAL_BYTES);
    if (!call->refusal)
        return; /* the status alone must do */
    int shown = at_most(reply->len, 200);
    if (id)
        snprintf(call->refusal, REFUSAL_BYTES, "%.*s (key %.*s%.*s)", shown, reply->data,
                 at_most(prefix.len, 80), prefix.data, at_most(id->len, 80), id->data);
    else
        snprintf(call->refusal, REFUSAL_BYTES, "%.*s", shown, reply->data);
}

bool ngr_call_goes_on(struct ngr_req *r)
{
    struct ngr_call *call = r->call;
    ngr_status st = r->refusal;
    if (call->is_ended) {
        ngr_call_drop(r);
        return false;
    }
    if (st == NGR_OK)
        return true;
    r->refusal = NGR_OK;
    call->host->retry(call->host, r, st, call->refusal ? call->refusal : "");
    return false;
}

void ngr_call_end(struct ngr_call *call, ngr_status st, const char *why)
{
    if (call->is_ended)
        return;
    call->is_ended = true;
    ngr_node_unlink(&call->node);
    for (struct ngr_node *n = call->requests.head.next, *next; n != &call->requests.head; n = next) {
        struct ngr_req *r = ngr_of(n, struct ngr_req, sibling);
        next = n->next;
        if (call->host->withdraw(call->host, r))
            ngr_call_drop(r);
    }
    call->host->report(call->host, call, st, why);
    ngr_call_let_go(call);
}

void ngr_call_value(struct ngr_call *call, size_t index, const char *data, size_t len)
{
    if (call->is_ended)
        return;
    ngr_status st = call->sink->value(call->user, index, data, len);
    if (st != NGR_OK)
        ngr_call_end(call, st, "");
}

void ngr_call_number(struct ngr_call *call, size_t index, long long number)
{
    if (call->is_ended)
        return;
    ngr_status st = call->sink->number(call->user, index, number);
    if (st != NGR_OK)
        ngr_call_end(call, st, "");
}

void ngr_cancel(struct ngr_call *call)
{
    static const struct ngr_sink nobody = {0};
    call->sink = &nobody;
    ngr_call_end(call, NGR_E_CLOSED, "");
}
