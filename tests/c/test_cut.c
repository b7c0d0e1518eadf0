/* The connection is cut at every byte in both directions while calls of every kind are under way: each call
 * ends exactly once, with the right answer or with an error that is true, and no group is ever half there. */
#include "harness.h"

#include "client.h"
#include "scene.h"
#include "tiny.h"

enum { CALLS = 8 };

struct play {
    struct scene scene;
    struct tiny tiny;
    struct outcome o[CALLS];
};

static void open_play(struct play *p)
{
    memset(p->o, 0, sizeof p->o);
    tiny_init(&p->tiny);
    for (int i = 0; i < 5; i++) {
        char key[] = "p:k0", value[] = "v0";
        key[3] = value[1] = (char)('0' + i);
        tiny_set(&p->tiny, key, value);
    }
    tiny_set(&p->tiny, "q:1", "mine");
    tiny_set(&p->tiny, "q:2", "mine");
    tiny_set(&p->tiny, "foreign", "yours");
    p->tiny.page = 3;
    scene_open(&p->scene);
}

static void close_play(struct play *p)
{
    scene_close(&p->scene);
    tiny_fini(&p->tiny);
}

static void start_calls(struct play *p)
{
    struct scene *s = &p->scene;
    scene_get(s, &p->o[0], "k0");
    scene_get(s, &p->o[1], "k1 none k2");
    scene_exists(s, &p->o[2], "k3 none");
    scene_put(s, &p->o[3], "x=1 y=2", 0);
    scene_put(s, &p->o[4], "t=1 u=2", 60);
    scene_remove(s, &p->o[5], "k4");
    scene_list(s, &p->o[6], "q:");
    scene_exec(s, &p->o[7], "PING", true);
}

/* Until everybody has ended; true when that was within the bound. */
static bool run_to_the_end(struct play *p)
{
    for (int i = 0; i < 50 && ngr_client_pending(p->scene.client); i++) {
        tiny_run(&p->tiny, &p->scene.loop, &p->scene.peer);
        if (ngr_client_pending(p->scene.client))
            fake_loop_advance(&p->scene.loop, 1);
    }
    return ngr_client_pending(p->scene.client) == 0;
}

/* The answers arrived in `text`, perhaps several times over, and last of all the right one. */
static bool has(const struct outcome *o, const char *piece)
{
    return strstr(o->got, piece) != NULL;
}

static void check_outcomes(const struct play *p)
{
    for (int i = 0; i < CALLS; i++) {
        CHECK_INT(p->o[i].ended, 1);
        if (i != 5)
            CHECK_TEXT(ngr_status_name(p->o[i].st), "NGR_OK");
    }
    CHECK(has(&p->o[0], "0=v0"));
    CHECK(has(&p->o[1], "0=v1") && has(&p->o[1], "2=v2") && has(&p->o[1], "1=nil"));
    CHECK(has(&p->o[2], "#0=1") && has(&p->o[2], "#1=0"));
    CHECK(has(&p->o[6], "0=1") && has(&p->o[6], "0=2"));
    CHECK(has(&p->o[7], "0+PONG"));
    if (p->o[5].st == NGR_OK) {
        CHECK_TEXT(p->o[5].got, "#0=1");
        CHECK(tiny_get(&p->tiny, "p:k4") == NULL);
    } else {
        CHECK_TEXT(ngr_status_name(p->o[5].st), "NGR_E_LOST");
        CHECK_TEXT(p->o[5].got, "");
    }
}

static void check_data(const struct play *p)
{
    CHECK_TEXT(tiny_get(&p->tiny, "p:x"), "1");
    CHECK_TEXT(tiny_get(&p->tiny, "p:y"), "2");
    CHECK_TEXT(tiny_get(&p->tiny, "p:t"), "1");
    CHECK_TEXT(tiny_get(&p->tiny, "p:u"), "2");
    CHECK_TEXT(tiny_get(&p->tiny, "p:k0"), "v0");
    CHECK_TEXT(tiny_get(&p->tiny, "foreign"), "yours");
}

/* Cuts after each number of bytes until a play passes uncut; answers how many cuts there were. */
static long cut_at_every_byte(bool when_reading)
{
    long bytes = 0;
    for (;; bytes++) {
        struct play *p = malloc(sizeof *p);
        CHECK(p != NULL);
        open_play(p);
        *(when_reading ? &p->tiny.reads_at_most : &p->tiny.sends_at_most) = bytes;
        start_calls(p);
        CHECK(run_to_the_end(p));
        check_outcomes(p);
        check_data(p);
        CHECK_INT(p->scene.client->topology.server.waiting_count, 0);
        bool was_cut = p->tiny.cuts > 0;
        close_play(p);
        free(p);
        if (!was_cut)
            return bytes;
    }
}

TEST(calls_survive_a_cut_at_every_byte_of_their_answers)
{
    CHECK(cut_at_every_byte(false) > 150);
}

TEST(calls_survive_a_cut_at_every_byte_of_their_questions)
{
    CHECK(cut_at_every_byte(true) > 400);
}

/* A drop that loses its connection anywhere removes the namespace and nothing else. */
TEST(a_drop_survives_a_cut_at_every_byte)
{
    for (int when_reading = 0; when_reading < 2; when_reading++)
        for (long bytes = 0;; bytes++) {
            struct play *p = malloc(sizeof *p);
            CHECK(p != NULL);
            open_play(p);
            p->tiny.scan_repeats = p->tiny.scan_ignores_match = true;
            *(when_reading ? &p->tiny.reads_at_most : &p->tiny.sends_at_most) = bytes;
            scene_drop(&p->scene, &p->o[0], "p:");
            CHECK(run_to_the_end(p));
            CHECK_INT(p->o[0].ended, 1);
            CHECK_TEXT(ngr_status_name(p->o[0].st), "NGR_OK");
            CHECK_INT(p->tiny.count, 3);
            CHECK_TEXT(tiny_get(&p->tiny, "q:1"), "mine");
            CHECK_TEXT(tiny_get(&p->tiny, "foreign"), "yours");
            bool was_cut = p->tiny.cuts > 0;
            if (!was_cut)
                CHECK_TEXT(p->o[0].got, "#0=5");
            close_play(p);
            free(p);
            if (!was_cut)
                break;
        }
}

/* With no retries left, an error is the truth and a group is there as a whole or not at all. */
TEST(without_retries_a_group_is_there_as_a_whole_or_not_at_all)
{
    for (int when_reading = 0; when_reading < 2; when_reading++)
        for (long bytes = 0;; bytes++) {
            struct play *p = malloc(sizeof *p);
            CHECK(p != NULL);
            open_play(p);
            p->scene.client->settings.retries = 0;
            *(when_reading ? &p->tiny.reads_at_most : &p->tiny.sends_at_most) = bytes;
            scene_put(&p->scene, &p->o[0], "t=1 u=2 v=3", 60);
            CHECK(run_to_the_end(p));
            int there = 0;
            for (int i = 0; i < 3; i++)
                there += tiny_get(&p->tiny, (const char *[]){"p:t", "p:u", "p:v"}[i]) != NULL;
            CHECK(there == 0 || there == 3);
            CHECK_INT(p->o[0].ended, 1);
            if (p->o[0].st == NGR_OK)
                CHECK_INT(there, 3);
            bool was_cut = p->tiny.cuts > 0;
            close_play(p);
            free(p);
            if (!was_cut)
                break;
        }
}

/* --- random plays against the table itself ---------------------------------------------------- */

static unsigned long long state;

static unsigned random_below(unsigned limit)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)((state >> 33) % limit);
}

/* Reads of keys that never change, whoever is cancelled and whatever is cut meanwhile: no answer is ever
 * another key's. */
TEST(no_answer_is_ever_another_keys)
{
    for (unsigned seed = 1; seed <= 150; seed++) {
        struct play *p = malloc(sizeof *p);
        CHECK(p != NULL);
        state = seed;
        open_play(p);
        p->scene.client->settings.max_connections = 1 + seed % 3;
        for (int step = 0; step < 60; step++) {
            struct outcome *o = &p->o[random_below(CALLS)];
            unsigned k = random_below(5);
            if (o->call && random_below(3) == 0) {
                scene_cancel(o);
            } else if (!o->call) {
                char ids[] = "k0 none k0";
                ids[1] = ids[9] = (char)('0' + k);
                if (random_below(2))
                    ids[2] = '\0';
                memset(o, 0, sizeof *o);
                scene_get(&p->scene, o, ids);
                CHECK(o->call != NULL);
            }
            if (random_below(6) == 0)
                p->tiny.sends_at_most = random_below(60);
            if (random_below(3) == 0)
                tiny_run(&p->tiny, &p->scene.loop, &p->scene.peer);
            else
                fake_loop_tick(&p->scene.loop);
            if (p->scene.peer.count > PEER_MAX - 4)
                break;
        }
        CHECK(run_to_the_end(p));
        for (int i = 0; i < CALLS; i++) {
            char want[] = "=v0";
            want[2] = p->o[i].ids[0] ? p->o[i].ids[1] : '0';
            for (const char *at = p->o[i].got; (at = strstr(at, "=v")); at++)
                CHECK(strncmp(at, want, 3) == 0);
            CHECK(p->o[i].ended <= 1);
        }
        close_play(p);
        free(p);
    }
}

int main(void)
{
    RUN(calls_survive_a_cut_at_every_byte_of_their_answers);
    RUN(calls_survive_a_cut_at_every_byte_of_their_questions);
    RUN(a_drop_survives_a_cut_at_every_byte);
    RUN(without_retries_a_group_is_there_as_a_whole_or_not_at_all);
    RUN(no_answer_is_ever_another_keys);
    return harness_result();
}
