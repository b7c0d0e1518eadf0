/* A hundred thousand callers at once on one connection whose server stalls: they wait in order, within
 * bounds, some give up, and every one of the others is served when the server goes on. */
#include "harness.h"

#include "client.h"
#include "scene.h"

enum { CALLERS = 100000 };

struct caller {
    struct ngr_call *call;
    unsigned number;
    char id[8];
    struct ngr_span span;
    struct ngr_keys keys;
    bool is_right, is_ended;
};

static struct caller callers[CALLERS];
static unsigned last_served;
static bool out_of_order;

static ngr_status on_value(void *user, size_t index, const char *data, size_t len)
{
    struct caller *c = user;
    c->is_right = len == c->span.len && memcmp(data, c->id, len) == 0;
    out_of_order |= c->number < last_served;
    last_served = c->number;
    return NGR_OK;
}

static void on_done(void *user, ngr_status st, const char *message)
{
    struct caller *c = user;
    c->is_ended = true;
    c->is_right &= st == NGR_OK;
}

static const struct ngr_sink sink = {.value = on_value, .done = on_done};

static void start(struct scene *s, unsigned number)
{
    struct caller *c = &callers[number];
    *c = (struct caller){.number = number};
    c->span = (struct ngr_span){c->id, (size_t)snprintf(c->id, sizeof c->id, "%u", number)};
    c->keys = (struct ngr_keys){{"p:", 2}, &c->span, 1};
    c->call = ngr_get(s->client, &c->keys, 0, &sink, c);
    CHECK(c->call != NULL);
}

/* Answers each GET with its own id; false when nothing was asked. */
static bool serve(struct scene *s)
{
    struct ngr_span words[2];
    static char answers[1 << 20];
    size_t at = 0, begin = 0, count = 0;
    peer_read(&s->peer, 0);
    size_t len = s->peer.conns[0].len;
    const char *data = peer_take(&s->peer, 0);
    while (begin < len) {
        long bytes = peer_parse(data + begin, len - begin, words, 2, &count);
        CHECK(bytes > 0 && count == 2);
        at += (size_t)sprintf(answers + at, "$%zu\r\n%.*s\r\n", words[1].len - 2, (int)words[1].len - 2,
                              words[1].data + 2);
        begin += (size_t)bytes;
    }
    answers[at] = '\0';
    peer_send(&s->peer, 0, answers);
    fake_loop_settle(&s->loop);
    return len > 0;
}

TEST(a_hundred_thousand_callers_wait_in_order_and_are_served)
{
    struct scene s;
    last_served = 0;
    out_of_order = false;
    scene_open(&s);
    for (unsigned i = 0; i < CALLERS; i++)
        start(&s, i);
    scene_welcome(&s, 0);
    fake_loop_advance(&s.loop, 5); /* the server stalls, for less than the timeout */
    CHECK_INT(s.client->topology.server.waiting_count, CALLERS - NGR_CONN_MAX_REQUESTS);
    for (unsigned i = 0; i < CALLERS; i += 3)
        ngr_cancel(callers[i].call);
    while (serve(&s))
        continue;
    CHECK(!out_of_order);
    for (unsigned i = 0; i < CALLERS; i++) {
        CHECK_INT(callers[i].is_ended, i % 3 != 0);
        CHECK_INT(callers[i].is_right, i % 3 != 0);
    }
    CHECK_INT(ngr_client_pending(s.client), 0);
    CHECK_INT(s.client->topology.server.waiting_count, 0);
    scene_close(&s);
}

TEST(a_hundred_thousand_callers_of_a_dead_server_all_hear_of_it)
{
    struct scene s;
    scene_prepare(&s);
    peer_stop_listening(&s.peer);
    s.settings.retries = 1;
    scene_start(&s);
    for (unsigned i = 0; i < CALLERS; i++)
        start(&s, i);
    fake_loop_settle(&s.loop);
    CHECK_INT(s.client->delayed.count, CALLERS);
    for (unsigned i = 0; i < CALLERS; i += 2)
        ngr_cancel(callers[i].call);
    fake_loop_advance(&s.loop, 1);
    for (unsigned i = 0; i < CALLERS; i++)
        CHECK_INT(callers[i].is_ended, i % 2);
    CHECK_INT(s.client->topology.server.opened, 2);
    scene_close(&s);
}

int main(void)
{
    RUN(a_hundred_thousand_callers_wait_in_order_and_are_served);
    RUN(a_hundred_thousand_callers_of_a_dead_server_all_hear_of_it);
    return harness_result();
}
