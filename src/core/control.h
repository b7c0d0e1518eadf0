/* What the core says of itself, and its own small JSON documents, written with cJSON: they are read by people
 * and dashboards, hold nothing but counters and short texts, and are never on the way of a value. */
#ifndef NGR_CONTROL_H
#define NGR_CONTROL_H

#include <cjson/cJSON.h>

#include "client.h"

/* What ngr_client_stats() of ngr.h answers:
 *   endpoint      where, without credentials
 *   connections   open, ready, max; opened and lost since the start
 *   requests      in_flight, waiting, delayed (for a retry)
 *   calls         started, failed, pending; retries
 *   traffic       bytes_in, bytes_out, replies, reads, writes */
cJSON *ngr_control_stats(const struct ngr_client *c);

#endif
