/* Memory that ends and a loop that refuses, at every single point of every kind of call: whatever fails, each
 * started call ends exactly once, what it answers is right, nothing is left behind, and the client works
 * afterwards as if nothing had happened. */
#include "harness.h"

#include <cjson/cJSON.h>
#include <hiredis/hiredis.h>

#include "client.h"
#include "scene.h"
#include "tiny.h"

enum { CALLS = 4 };

struct play {
    struct scene scene;
    struct tiny tiny;
    struct outcome o[CALLS];
};

/* --- what is played --------------------------------------------------------------------------- */

#define IDS_60                                                                                               \
    "k0 k1 k2 k3 k4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 "   \
    "35 "                                                                                                    \
    "36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 k4"

static void play_get(struct play *p)
{
    scene_get(&p->scene, &p->o[0], "k0");
}

static void play_get_many(struct play *p)
{
    scene_get(&p->scene, &p->o[0], IDS_60);
    scene_get(&p->scene, &p->o[1], "k1 none");
}

static void play_exists(struct play *p)
{
    scene_exists(&p->scene, &p->o[0], "k0 none k1");
}

static void play_put(struct play *p)
{
    scene_put(&p->scene, &p->o[0], "x=1", 0);
    scene_put(&p->scene, &p->o[1], "x=1 y=2", 0);
}

static void play_put_ttl(struct play *p)
{
    scene_put(&p->scene, &p->o[0], "x=1 y=2 z=3", 60);
}

static void play_put_stream(struct play *p)
{
    const struct ngr_put_options options = {.prefix = {"p:", 2},
                                            .ttl = 60,
                                            .max_value_bytes = 1000,
                                            .max_atomic_bytes = 1000,
                                            .wait_replicas = 1};
    scene_stream(&p->scene, &p->o[0], "a=1 b=2 c=3 d=4 e=5", &options);
}

static void play_put_groups(struct play *p)
{
    const struct ngr_put_options options = {
        .prefix = {"p:", 2}, .max_value_bytes = 1000, .max_atomic_bytes = 30, .wait_replicas = 1};
    scene_put_with(&p->scene, &p->o[0], "a=1 b=2 c=3 d=4 e=5", &options);
}

static void play_list(struct play *p)
{
    scene_list(&p->scene, &p->o[0], "p:");
}

static void play_drop(struct play *p)
{
    scene_drop(&p->scene, &p->o[0], "q:");
}

static void play_exec(struct play *p)
{
    scene_exec(&p->scene, &p->o[0], "BGSAVE SCHEDULE", false);
}

static void play_remove(struct play *p)
{
    scene_remove(&p->scene, &p->o[0], "k4");
}

static void play_retries(struct play *p)
{
    p->tiny.refused_word = "GET";
    p->tiny.refusal = "-LOADING x\r\n";
    p->tiny.refusals = 2;
    for (int i = 0; i < CALLS; i++)
        scene_get(&p->scene, &p->o[i], "k0");
}

static void play_lost_connection(struct play *p)
{
    p->tiny.sends_at_most = 20;
    play_get_many(p);
}

static void play_stats(struct play *p)
{
    char *stats = ngr_client_stats(p->scene.client);
    ngr_release(stats);
    scene_get(&p->scene, &p->o[0], "k0");
}

static void play_close(struct play *p)
{
    struct outcome closed = {0};
    scene_get(&p->scene, &closed, IDS_60);
    bool was_started = closed.call != NULL;
    fake_loop_tick(&p->scene.loop);
    ngr_client_close(p->scene.client);
    CHECK_INT(closed.ended, was_started);
    scene_get(&p->scene, &p->o[0], "k0");
}

static void play_cancel(struct play *p)
{
    struct outcome cancelled = {0};
    scene_get(&p->scene, &cancelled, IDS_60);
    fake_loop_tick(&p->scene.loop);
    if (cancelled.call)
        scene_cancel(&cancelled);
    scene_get(&p->scene, &p->o[0], "k0");
}

static const struct {
    const char *name;
    void (*start)(struct play *p);
    const char *got; /* what the first call answers, wherever it has succeeded; NULL: not looked at */
} plays[] = {
    {"get", play_get, "0=v0"},
    {"get many", play_get_many, NULL},
    {"exists", play_exists, "#0=1 #1=0 #2=1"},
    {"put", play_put, ""},
    {"put with a TTL", play_put_ttl, ""},
    {"put while it is built", play_put_stream, NULL},
    {"put in groups", play_put_groups, NULL},
    {"list", play_list, NULL},
    {"drop", play_drop, "#0=2"},
    {"exec", play_exec, "0+OK"},
    {"remove", play_remove, "#0=1"},
    {"retries", play_retries, "0=v0"},
    {"lost connection", play_lost_connection, NULL},
    {"stats", play_stats, "0=v0"},
    {"close", play_close, "0=v0"},
    {"cancel", play_cancel, "0=v0"},
};

#define PLAYS (sizeof plays / sizeof plays[0])

/* --- how it is played ------------------------------------------------------------------------- */

static void set_up(struct play *p)
{
    memset(p, 0, sizeof *p);
    tiny_init(&p->tiny);
    for (int i = 0; i < 5; i++) {
        char key[] = "p:k0", value[] = "v0";
        key[3] = value[1] = (char)('0' + i);
        tiny_set(&p->tiny, key, value);
    }
    tiny_set(&p->tiny, "q:1", "x");
    tiny_set(&p->tiny, "q:2", "x");
    p->tiny.page = 3;
    scene_prepare(&p->scene);
    p->scene.settings.username = "ann";
    p->scene.settings.password = "secret";
    p->scene.settings.client_name = "kv";
    p->scene.settings.tls.ca_certs = "ca.pem"; /* copied, although not used */
    p->scene.settings.max_connections = 2;
    p->scene.settings.idle_check = 30;
}

static void run_to_the_end(struct play *p)
{
    for (int i = 0; i < 50 && ngr_client_pending(p->scene.client); i++) {
        tiny_run(&p->tiny, &p->scene.loop, &p->scene.peer);
        if (ngr_client_pending(p->scene.client))
            fake_loop_advance(&p->scene.loop, 1);
    }
}

static bool is_honest(ngr_status st)
{
    return st == NGR_OK || st == NGR_E_NOMEM || st == NGR_E_CONNECT || st == NGR_E_LOST;
}

static void check_outcomes(const struct play *p, const bool *was_started, const char *got)
{
    CHECK_INT(ngr_client_pending(p->scene.client), 0);
    for (int i = 0; i < CALLS; i++) {
        CHECK_INT(p->o[i].ended, was_started[i]);
        CHECK(is_honest(p->o[i].st));
    }
    if (was_started[0] && p->o[0].st == NGR_OK && got)
        CHECK_TEXT(p->o[0].got, got);
}

/* With everything in order again. */
static void check_usable(struct play *p)
{
    struct outcome o = {0};
    scene_get(&p->scene, &o, "k0");
    run_to_the_end(p);
    CHECK_INT(o.ended, 1);
    CHECK_TEXT(ngr_status_name(o.st), "NGR_OK");
    CHECK(strstr(o.got, "0=v0"));
}

/* One performance, in which the caller has arranged for something to fail; `calm` is called when that is to
 * be over. */
static void perform(struct play *p, size_t which, void (*calm)(struct play *))
{
    const struct ngr_hooks none = {0};
    p->scene.client = ngr_client_new(&p->scene.settings, &p->scene.loop.loop, &none);
    if (p->scene.client) {
        bool was_started[CALLS];
        plays[which].start(p);
        for (int i = 0; i < CALLS; i++)
            was_started[i] = p->o[i].call != NULL;
        run_to_the_end(p);
        check_outcomes(p, was_started, plays[which].got);
        calm(p);
        check_usable(p);
        ngr_client_release(p->scene.client);
    }
    CHECK(fake_loop_is_idle(&p->scene.loop));
    peer_stop(&p->scene.peer);
    tiny_fini(&p->tiny);
}

/* --- memory ----------------------------------------------------------------------------------- */

static void calm_memory(struct play *p)
{
    harness_fail_at = 0;
}

static long fail_every_allocation(size_t which)
{
    for (long nth = 1;; nth++) {
        struct play *p = malloc(sizeof *p);
        CHECK(p != NULL);
        set_up(p);
        harness_fail_nth(nth);
        perform(p, which, calm_memory);
        free(p);
        CHECK_INT(harness_alive, 0);
        if (harness_allocations < nth)
            return nth;
    }
}

TEST(memory_may_end_at_any_allocation_of_any_call)
{
    long total = 0;
    for (size_t i = 0; i < PLAYS; i++) {
        long tried = fail_every_allocation(i);
        total += tried - 1;
        if (tried < 10)
            printf("  only %ld allocations in \"%s\"\n", tried, plays[i].name);
        CHECK(tried >= 10);
    }
    printf("%ld allocations, each of which has failed once\n", total);
    ngr_mem_use(NULL);
}

static void *json_alloc(size_t size)
{
    return harness_alloc(size);
}

static void json_release(void *p)
{
    if (p)
        harness_release(p);
}

TEST(memory_may_end_within_the_json_library)
{
    cJSON_Hooks hooks = {json_alloc, json_release};
    cJSON_InitHooks(&hooks);
    for (size_t i = 0; i < PLAYS; i++)
        if (plays[i].start == play_stats)
            CHECK(fail_every_allocation(i) > 40);
    cJSON_InitHooks(NULL);
    ngr_mem_use(NULL);
}

#if HIREDIS_MAJOR >= 1
static void *reader_calloc(size_t count, size_t size)
{
    void *p = harness_alloc(count * size);
    return p ? memset(p, 0, count * size) : NULL;
}

static char *reader_strdup(const char *text)
{
    char *p = harness_alloc(strlen(text) + 1);
    return p ? strcpy(p, text) : NULL;
}

TEST(memory_may_end_within_the_reply_reader)
{
    hiredisAllocFuncs failing = {.mallocFn = harness_alloc,
                                 .callocFn = reader_calloc,
                                 .reallocFn = harness_resize,
                                 .strdupFn = reader_strdup,
                                 .freeFn = json_release};
    hiredisSetAllocators(&failing);
    for (size_t i = 0; i < PLAYS; i++)
        CHECK(fail_every_allocation(i) > 12);
    hiredisResetAllocators();
    ngr_mem_use(NULL);
}
#endif

/* --- the loop --------------------------------------------------------------------------------- */

static void calm_loop(struct play *p)
{
    memset(p->scene.loop.fail_at, 0, sizeof p->scene.loop.fail_at);
}

static unsigned long refuse_every_use(size_t which, enum fake_function function)
{
    for (unsigned long nth = 1;; nth++) {
        struct play *p = malloc(sizeof *p);
        CHECK(p != NULL);
        set_up(p);
        fake_loop_fail(&p->scene.loop, function, nth);
        perform(p, which, calm_loop);
        bool was_reached = p->scene.loop.calls[function] >= nth;
        free(p);
        if (!was_reached)
            return nth;
    }
}

TEST(the_loop_may_refuse_to_watch_at_any_moment)
{
    for (size_t i = 0; i < PLAYS; i++)
        CHECK(refuse_every_use(i, FAKE_WATCH) > 1);
}

TEST(the_loop_may_refuse_a_timer_at_any_moment)
{
    for (size_t i = 0; i < PLAYS; i++)
        CHECK(refuse_every_use(i, FAKE_TIMER_ON) > 3);
}

TEST(the_loop_may_refuse_to_defer_at_any_moment)
{
    for (size_t i = 0; i < PLAYS; i++)
        CHECK(refuse_every_use(i, FAKE_DEFER) > 1);
}

/* --- calls without work ----------------------------------------------------------------------- */

TEST(statistics_are_a_json_document)
{
    struct play *p = malloc(sizeof *p);
    CHECK(p != NULL);
    set_up(p);
    p->scene.settings.endpoint = "redis://\"quoted\"\\host:6379/0";
    scene_start(&p->scene);
    play_get_many(p);
    run_to_the_end(p);
    char *text = ngr_client_stats(p->scene.client);
    cJSON *stats = cJSON_Parse(text);
    CHECK(stats != NULL);
    CHECK_TEXT(cJSON_GetObjectItem(stats, "endpoint")->valuestring, "redis://\"quoted\"\\host:6379/0");
    const cJSON *connections = cJSON_GetObjectItem(stats, "connections");
    const cJSON *requests = cJSON_GetObjectItem(stats, "requests");
    const cJSON *calls = cJSON_GetObjectItem(stats, "calls");
    const cJSON *traffic = cJSON_GetObjectItem(stats, "traffic");
    CHECK(connections && requests && calls && traffic);
    CHECK_INT(cJSON_GetObjectItem(connections, "max")->valueint, 2);
    CHECK(cJSON_GetObjectItem(connections, "ready")->valueint >= 1);
    CHECK_INT(cJSON_GetObjectItem(requests, "in_flight")->valueint, 0);
    CHECK_INT(cJSON_GetObjectItem(requests, "waiting")->valueint, 0);
    CHECK_INT(cJSON_GetObjectItem(requests, "delayed")->valueint, 0);
    CHECK_INT(cJSON_GetObjectItem(calls, "started")->valueint, 2);
    CHECK_INT(cJSON_GetObjectItem(calls, "failed")->valueint, 0);
    CHECK_INT(cJSON_GetObjectItem(calls, "pending")->valueint, 0);
    CHECK(cJSON_GetObjectItem(traffic, "bytes_in")->valueint > 100);
    CHECK(cJSON_GetObjectItem(traffic, "replies")->valueint > 10);
    CHECK(!strstr(text, "secret"));
    cJSON_Delete(stats);
    ngr_release(text);
    scene_close(&p->scene);
    tiny_fini(&p->tiny);
    free(p);
}

TEST(versions_are_those_of_the_headers)
{
    struct ngr_versions v = ngr_versions();
    char hiredis[64];
    snprintf(hiredis, sizeof hiredis, "%d.%d.%d", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
    CHECK_TEXT(v.hiredis_compiled, hiredis);
    CHECK_TEXT(v.cjson_loaded, cJSON_Version());
    CHECK(strstr(v.openssl_compiled, "SSL ") && strstr(v.openssl_loaded, "SSL "));
}

int main(void)
{
    RUN(memory_may_end_at_any_allocation_of_any_call);
    RUN(memory_may_end_within_the_json_library);
#if HIREDIS_MAJOR >= 1
    RUN(memory_may_end_within_the_reply_reader);
#endif
    RUN(the_loop_may_refuse_to_watch_at_any_moment);
    RUN(the_loop_may_refuse_a_timer_at_any_moment);
    RUN(the_loop_may_refuse_to_defer_at_any_moment);
    RUN(statistics_are_a_json_document);
    RUN(versions_are_those_of_the_headers);
    return harness_result();
}
