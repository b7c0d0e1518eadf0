/* The answer table, row by row: what each error of a server is, what may be tried again, what the reader is
 * advised. */
#include "harness.h"

#include "answer.h"

TEST(every_error_is_known_by_its_first_word)
{
    static const struct {
        const char *text;
        ngr_status status;
    } rows[] = {
        {"LOADING Redis is loading the dataset in memory", NGR_E_LOADING},
        {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
         NGR_E_MASTERDOWN},
        {"ERR max number of clients reached", NGR_E_MAXCLIENTS},
        {"ERR max number of clients + cluster connections reached", NGR_E_MAXCLIENTS},
        {"TRYAGAIN Multiple keys request during rehashing of slot", NGR_E_TRYAGAIN},
        {"CLUSTERDOWN Hash slot not served", NGR_E_CLUSTERDOWN},
        {"MOVED 3999 127.0.0.1:6381", NGR_E_REDIRECT},
        {"ASK 3999 127.0.0.1:6381", NGR_E_REDIRECT},
        {"CROSSSLOT Keys in request don't hash to the same slot", NGR_E_CROSSSLOT},
        {"NOAUTH Authentication required.", NGR_E_AUTH},
        {"WRONGPASS invalid username-password pair or user is disabled.", NGR_E_AUTH},
        {"ERR invalid password", NGR_E_AUTH},
        {"ERR AUTH <password> called without any password configured for the default user.", NGR_E_AUTH},
        {"ERR Client sent AUTH, but no password is set", NGR_E_AUTH},
        {"NOPERM this user has no permissions to run the 'get' command", NGR_E_PERM},
        {"READONLY You can't write against a read only replica.", NGR_E_READONLY},
        {"OOM command not allowed when used memory > 'maxmemory'.", NGR_E_OOM},
        {"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
         NGR_E_MISCONF},
        {"WRONGTYPE Operation against a key holding the wrong kind of value", NGR_E_WRONGTYPE},
        {"EXECABORT Transaction discarded because of previous errors.", NGR_E_EXECABORT},
        {"ERR unknown command 'GETEX'", NGR_E_SERVER},
        {"BUSY Redis is busy running a script.", NGR_E_SERVER},
        {"", NGR_E_SERVER},
        {"LOADING", NGR_E_SERVER},
        {"LOADINGS x", NGR_E_SERVER},
        {"loading x", NGR_E_SERVER},
        {"OOMX x", NGR_E_SERVER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK_TEXT(ngr_status_name(ngr_answer_status(rows[i].text, strlen(rows[i].text))),
                   ngr_status_name(rows[i].status));
}

TEST(an_error_cut_short_is_not_read_beyond_its_end)
{
    char *text = malloc(3);
    CHECK(text != NULL);
    memcpy(text, "OOM", 3);
    CHECK_INT(ngr_answer_status(text, 3), NGR_E_SERVER);
    free(text);
}

enum { NEVER, IF_SAFE, ALWAYS };

/* What is retried: ALWAYS, IF_SAFE (repeatable, or proven unsent), NEVER. Statuses that are not here: NEVER.
 */
static int expected(ngr_status st)
{
    switch (st) {
    case NGR_E_CONNECT:
    case NGR_E_LOADING:
    case NGR_E_MASTERDOWN:
    case NGR_E_MAXCLIENTS:
    case NGR_E_TRYAGAIN:
    case NGR_E_CLUSTERDOWN:
        return ALWAYS;
    case NGR_E_LOST:
    case NGR_E_TIMEOUT:
        return IF_SAFE;
    default:
        return NEVER;
    }
}

TEST(what_is_retried_depends_on_sent_and_repeatable)
{
    for (int i = 0; i < NGR_STATUS_COUNT; i++) {
        ngr_status st = (ngr_status)i;
        int rule = expected(st);
        for (int sent = 0; sent < 2; sent++)
            for (int repeatable = 0; repeatable < 2; repeatable++) {
                bool want = rule == ALWAYS || (rule == IF_SAFE && (repeatable || !sent));
                if (ngr_answer_is_retried(st, sent, repeatable) != want)
                    printf("  %s, sent %d, repeatable %d\n", ngr_status_name(st), sent, repeatable);
                CHECK_INT(ngr_answer_is_retried(st, sent, repeatable), want);
            }
    }
}

TEST(advice_is_given_where_the_reader_can_act)
{
    static const ngr_status advised[] = {
        NGR_E_CONNECT, NGR_E_LOST,       NGR_E_TIMEOUT,    NGR_E_PROTOCOL, NGR_E_AUTH,
        NGR_E_PERM,    NGR_E_READONLY,   NGR_E_LOADING,    NGR_E_OOM,      NGR_E_MISCONF,
        NGR_E_TOOBIG,  NGR_E_MAXCLIENTS, NGR_E_MASTERDOWN, NGR_E_REDIRECT, NGR_E_WRONGTYPE,
    };
    for (size_t i = 0; i < sizeof advised / sizeof advised[0]; i++)
        CHECK(ngr_answer_advice(advised[i])[0] != '\0');
    CHECK_TEXT(ngr_answer_advice(NGR_OK), "");
    CHECK_TEXT(ngr_answer_advice(NGR_E_CLOSED), "");
}

int main(void)
{
    RUN(every_error_is_known_by_its_first_word);
    RUN(an_error_cut_short_is_not_read_beyond_its_end);
    RUN(what_is_retried_depends_on_sent_and_repeatable);
    RUN(advice_is_given_where_the_reader_can_act);
    return harness_result();
}
