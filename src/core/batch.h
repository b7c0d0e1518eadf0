/* The kinds of calls: how each becomes requests, what their replies mean, when it is done. A kind splits
 * large work into parts, keeps a few of them under way, and joins the answers by index. This file never asks
 * where a request goes. */
#ifndef NGR_BATCH_H
#define NGR_BATCH_H

#include "call.h"

/* Each answers a call that has sent nothing yet, or NULL when memory ends. The client sets call->host, then
 * start()s it. */
struct ngr_call *ngr_batch_get(const struct ngr_keys *keys, long long renew, const struct ngr_sink *sink,
                               void *user);
struct ngr_call *ngr_batch_exists(const struct ngr_keys *keys, const struct ngr_sink *sink, void *user);
struct ngr_call *ngr_batch_remove(const struct ngr_keys *keys, const struct ngr_sink *sink, void *user);
struct ngr_call *ngr_batch_scan(struct ngr_span prefix, bool drop, const struct ngr_sink *sink, void *user);
struct ngr_call *ngr_batch_exec(const struct ngr_span *words, size_t count, bool is_repeatable,
                                const struct ngr_sink *sink, void *user);
struct ngr_call *ngr_batch_put(struct ngr_put *put, const struct ngr_sink *sink, void *user);
struct ngr_call *ngr_batch_stream(struct ngr_put *put, size_t entries, size_t bytes,
                                  const struct ngr_sink *sink, void *user);

#endif
