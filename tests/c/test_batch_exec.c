/* Single commands: their words go out as they are, their replies come back piece by piece; and DEL. */
#include "harness.h"

#include "scene.h"

TEST(every_form_of_reply_is_passed_on)
{
    static const struct {
        const char *reply, *got;
    } rows[] = {
        {"+OK\r\n", "0+OK"},
        {":42\r\n", "0:42"},
        {"$2\r\nhi\r\n", "0$hi"},
        {"$-1\r\n", "0-"},
        {"*0\r\n", "0*0"},
        {"*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n-ERR in\r\n", "0*2 1$0 1*2 2$a 2!ERR in"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene s;
        struct outcome o = {0};
        scene_open_ready(&s);
        scene_exec(&s, &o, "OBJECT ENCODING k", true);
        CHECK_TEXT(peer_take(&s.peer, 0), "*3\r\n$6\r\nOBJECT\r\n$8\r\nENCODING\r\n$1\r\nk\r\n");
        scene_answer(&s, 0, rows[i].reply);
        CHECK_TEXT(o.got, rows[i].got);
        scene_check_ended(&o, NGR_OK);
        scene_close(&s);
    }
}

TEST(an_error_reply_ends_the_command)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    scene_exec(&s, &o, "BGSAVE", false);
    scene_answer(&s, 0, "-ERR Background save already in progress\r\n");
    scene_check_ended(&o, NGR_E_SERVER);
    CHECK_TEXT(o.got, "");
    CHECK(strstr(o.message, "ERR Background save already in progress"));
    scene_close(&s);
}

TEST(the_words_may_be_gone_once_the_command_is_started)
{
    struct scene s;
    struct outcome first = {0}, o = {0};
    scene_open_ready(&s);
    scene_get(&s, &first, "x"); /* so that the next one waits for the end of the tick */
    char word[] = "PING";
    const struct ngr_span words[] = {{word, 4}};
    o.call = ngr_exec(s.client, words, 1, true, &scene_reply_sink, &o);
    memcpy(word, "XXXX", 4);
    fake_loop_settle(&s.loop);
    CHECK_TEXT(peer_asked(&s.peer, 0), "GET p:x | PING");
    scene_close(&s);
}

TEST(a_command_that_is_not_repeatable_is_not_repeated)
{
    for (int repeatable = 0; repeatable < 2; repeatable++) {
        struct scene s;
        struct outcome o = {0};
        scene_open_ready(&s);
        scene_exec(&s, &o, "INCR k", repeatable);
        peer_take(&s.peer, 0);
        peer_close(&s.peer, 0);
        fake_loop_settle(&s.loop);
        CHECK_INT(o.ended, !repeatable);
        CHECK_INT(peer_accept(&s.peer), 1 + repeatable);
        scene_close(&s);
    }
}

TEST(a_removal_answers_whether_the_key_was_there)
{
    for (int there = 0; there < 2; there++) {
        struct scene s;
        struct outcome o = {0};
        scene_open_ready(&s);
        scene_remove(&s, &o, "a");
        CHECK_TEXT(peer_take(&s.peer, 0), "*2\r\n$3\r\nDEL\r\n$3\r\np:a\r\n");
        scene_answer(&s, 0, there ? ":1\r\n" : ":0\r\n");
        CHECK_TEXT(o.got, there ? "#0=1" : "#0=0");
        scene_check_ended(&o, NGR_OK);
        scene_close(&s);
    }
}

TEST(a_removal_answered_with_another_type_is_no_answer)
{
    static const char *const wrong[] = {"+OK\r\n", "$1\r\n1\r\n", "$-1\r\n", "*1\r\n:1\r\n", "*0\r\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct scene s;
        struct outcome o = {0};
        scene_open_ready(&s);
        scene_remove(&s, &o, "a");
        scene_answer(&s, 0, wrong[i]);
        CHECK_TEXT(o.got, "");
        scene_check_ended(&o, NGR_E_PROTOCOL);
        CHECK(peer_is_dropped(&s.peer, 0));
        scene_close(&s);
    }
}

static ngr_status refuse_reply(void *user, const struct ngr_reply *piece)
{
    return NGR_E_CALLBACK;
}

TEST(a_removal_answers_with_a_number_whatever_else_the_receiver_understands)
{
    struct scene s;
    struct outcome o = {0};
    scene_open_ready(&s);
    struct ngr_sink both = scene_sink;
    both.reply = refuse_reply;
    const struct ngr_span id = {"a", 1};
    const struct ngr_keys keys = {{"p:", 2}, &id, 1};
    o.call = ngr_remove(s.client, &keys, &both, &o);
    scene_answer(&s, 0, ":1\r\n");
    CHECK_TEXT(o.got, "#0=1");
    scene_check_ended(&o, NGR_OK);
    scene_close(&s);
}

int main(void)
{
    RUN(every_form_of_reply_is_passed_on);
    RUN(an_error_reply_ends_the_command);
    RUN(the_words_may_be_gone_once_the_command_is_started);
    RUN(a_command_that_is_not_repeatable_is_not_repeated);
    RUN(a_removal_answers_whether_the_key_was_there);
    RUN(a_removal_answered_with_another_type_is_no_answer);
    RUN(a_removal_answers_with_a_number_whatever_else_the_receiver_understands);
    return harness_result();
}
