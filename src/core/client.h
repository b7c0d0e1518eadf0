/* The client: owns the topology and the calls under way, decides what is retried and when, and speaks to the
 * outside. */
#ifndef NGR_CLIENT_H
#define NGR_CLIENT_H

#include "call.h"
#include "heap.h"
#include "topology.h"

/* What happened since the client was made. */
struct ngr_counters {
    unsigned long long calls, failed_calls, retries;
};

struct ngr_client {
    struct ngr_call_host host; /* what calls see of it */
    struct ngr_settings settings;
    struct ngr_loop loop;
    struct ngr_hooks hooks;
    struct ngr_traffic traffic;
    struct ngr_topology topology;
    struct ngr_list calls;
    size_t call_count;
    struct ngr_heap delayed;
    struct ngr_timer retry_timer, idle_timer;
    struct ngr_list again; /* to be sent when the trouble that returned them has been told to everybody */
    unsigned trouble_depth;
    double jitter; /* 0.5 ... 1, one per trouble: who fails together is retried together */
    unsigned long long random;
    bool is_down; /* as far as the log knows */
    struct ngr_counters counters;
};

#endif
