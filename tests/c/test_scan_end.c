/* The end of a walk that drops a namespace: whoever is told how many keys there were may end the call. */
#include "harness.h"

#include "scene.h"

static void cancel_it(struct outcome *o, bool is_end)
{
    if (!is_end && o->call)
        scene_cancel(o);
}

TEST(whoever_is_told_how_many_were_dropped_may_cancel)
{
    struct scene s;
    struct outcome o = {.react = cancel_it};
    scene_open(&s);
    scene_drop(&s, &o, "p:");
    scene_welcome(&s, 0);
    scene_answer(&s, 0, "*2\r\n$1\r\n0\r\n*0\r\n");
    CHECK_TEXT(o.got, "#0=0");
    CHECK(o.ended == 0);
    scene_close(&s);
}

TEST(whoever_is_told_how_many_were_dropped_may_fail)
{
    struct scene s;
    struct outcome o = {.reply_with = NGR_E_CALLBACK};
    scene_open(&s);
    scene_drop(&s, &o, "p:");
    scene_welcome(&s, 0);
    scene_answer(&s, 0, "*2\r\n$1\r\n0\r\n*1\r\n$3\r\np:a\r\n");
    scene_answer(&s, 0, ":1\r\n");
    CHECK_TEXT(o.got, "#0=1");
    CHECK(o.ended == 1);
    CHECK(o.st == NGR_E_CALLBACK);
    scene_close(&s);
}

int main(void)
{
    RUN(whoever_is_told_how_many_were_dropped_may_cancel);
    RUN(whoever_is_told_how_many_were_dropped_may_fail);
    return harness_result();
}
