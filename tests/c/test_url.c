/* The URL parser: what each part means, what is refused, and that neither a failing allocator nor
 * random bytes hurt it. */
#include "harness.h"

#include "url.h"

static struct ngr_url url;
static char error[NGR_URL_ERROR];

static ngr_status parse_text(const char *text)
{
    return ngr_url_parse(&url, text, strlen(text), error);
}

#define PARSE(text)                                                                                          \
    do {                                                                                                     \
        if (parse_text(text) != NGR_OK)                                                                      \
            printf("  %s: %s\n", (text), error);                                                             \
        CHECK_TEXT(error, "");                                                                               \
    } while (0)

static const char *or_dash(const char *text)
{
    return text ? text : "-";
}

/* The whole of `url` in one line: kind tls host:port,... path service db user:password name=value
 * ... */
static const char *summary(void)
{
    static char out[4096];
    static const char kinds[] = "1SC";
    size_t n = (size_t)snprintf(out, sizeof out, "%c%c ", kinds[url.kind], url.tls ? 't' : ' ');
    for (size_t i = 0; i < url.node_count; i++)
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%s|%d", i ? "," : "", url.nodes[i].host,
                              url.nodes[i].port);
    n += (size_t)snprintf(out + n, sizeof out - n, " path=%s service=%s db=%ld %s:%s", or_dash(url.path),
                          or_dash(url.service), url.db, or_dash(url.username), or_dash(url.password));
    for (size_t i = 0; i < url.option_count; i++)
        n += (size_t)snprintf(out + n, sizeof out - n, " %s=%s", url.options[i].name, url.options[i].value);
    return out;
}

static const struct {
    const char *text, *want;
} good[] = {
    {"redis://localhost:6379", "1  localhost|6379 path=- service=- db=-1 -:-"},
    {"redis://", "1  localhost|6379 path=- service=- db=-1 -:-"},
    {"redis://:7000", "1  localhost|7000 path=- service=- db=-1 -:-"},
    {"redis://h:", "1  h|6379 path=- service=- db=-1 -:-"},
    {"redis://h:1", "1  h|1 path=- service=- db=-1 -:-"},
    {"redis://h:65535", "1  h|65535 path=- service=- db=-1 -:-"},
    {"REDIS://Host.Example", "1  host.example|6379 path=- service=- db=-1 -:-"},
    {"rediss://h", "1t h|6379 path=- service=- db=-1 -:-"},
    {"valkey://h", "1  h|6379 path=- service=- db=-1 -:-"},
    {"valkeys://h", "1t h|6379 path=- service=- db=-1 -:-"},
    {" \n redis://h/3\r\n", "1  h|6379 path=- service=- db=3 -:-"},
    {"redis://my_host-1.2/", "1  my_host-1.2|6379 path=- service=- db=-1 -:-"},
    {"redis://%68ost", "1  host|6379 path=- service=- db=-1 -:-"},
    {"redis://h\xc3\xa4user", "1  h\xc3\xa4user|6379 path=- service=- db=-1 -:-"},
    /* IPv6 */
    {"redis://[::1]", "1  ::1|6379 path=- service=- db=-1 -:-"},
    {"redis://[2001:DB8::1]:7/2", "1  2001:db8::1|7 path=- service=- db=2 -:-"},
    {"redis://u:p@[::ffff:1.2.3.4]:", "1  ::ffff:1.2.3.4|6379 path=- service=- db=-1 u:p"},
    {"redis://[fe80::A%25Eth0]:1", "1  fe80::a%Eth0|1 path=- service=- db=-1 -:-"},
    /* databases */
    {"redis://h//4/", "1  h|6379 path=- service=- db=4 -:-"},
    {"redis://h/2147483647", "1  h|6379 path=- service=- db=2147483647 -:-"},
    {"redis://h/4?db=5", "1  h|6379 path=- service=- db=5 -:-"},
    {"redis://h/4?db=", "1  h|6379 path=- service=- db=4 -:-"},
    {"redis://h?db=&db=5&db=6", "1  h|6379 path=- service=- db=5 -:-"},
    {"redis://h?%64b=5", "1  h|6379 path=- service=- db=5 -:-"},
    /* credentials */
    {"redis://u@h", "1  h|6379 path=- service=- db=-1 u:-"},
    {"redis://u:@h", "1  h|6379 path=- service=- db=-1 u:-"},
    {"redis://:p@h", "1  h|6379 path=- service=- db=-1 -:p"},
    {"redis://@h", "1  h|6379 path=- service=- db=-1 -:-"},
    {"redis://u:p@w:d@h:1", "1  h|1 path=- service=- db=-1 u:p@w:d"},
    {"redis://u:p[w@h", "1  h|6379 path=- service=- db=-1 u:p[w"},
    {"redis://u:a b@h", "1  h|6379 path=- service=- db=-1 u:a b"},
    {"redis://u:a+b@h", "1  h|6379 path=- service=- db=-1 u:a+b"},
    {"redis://u:100%@h", "1  h|6379 path=- service=- db=-1 u:100%"},
    {"redis://u:%zz%4@h", "1  h|6379 path=- service=- db=-1 u:%zz%4"},
    {"redis://u:%2541@h", "1  h|6379 path=- service=- db=-1 u:%41"},
    {"redis://h?username=a%3Ab&password=c+d", "1  h|6379 path=- service=- db=-1 a:b:c d"},
    {"redis://u:p@h?username=a&password=b", "1  h|6379 path=- service=- db=-1 u:p"},
    {"redis://u@h?username=a&password=b", "1  h|6379 path=- service=- db=-1 u:b"},
    {"redis://h?password=&password=b&password=c", "1  h|6379 path=- service=- db=-1 -:b"},
    /* options */
    {"redis://h?a=1&b=2", "1  h|6379 path=- service=- db=-1 -:- a=1 b=2"},
    {"redis://h?&a=1&&a=2&b", "1  h|6379 path=- service=- db=-1 -:- a=1 a=2 b="},
    {"redis://h?a%3D=%26+%2B&b=c=d", "1  h|6379 path=- service=- db=-1 -:- a==& + b=c=d"},
    {"redis://h/?=x", "1  h|6379 path=- service=- db=-1 -:- =x"},
    {"redis://h?a=x/y?z", "1  h|6379 path=- service=- db=-1 -:- a=x/y?z"},
    /* sockets */
    {"unix:///run/r.sock", "1   path=/run/r.sock service=- db=-1 -:-"},
    {"UNIX:///r%20s?db=2&a=b", "1   path=/r s service=- db=2 -:- a=b"},
    {"unix://u:p@/r.sock", "1   path=/r.sock service=- db=-1 u:p"},
    {"unix:///tmp/a@b;c,d.sock", "1   path=/tmp/a@b;c,d.sock service=- db=-1 -:-"},
    {"unix:///1", "1   path=/1 service=- db=-1 -:-"},
    /* several hosts */
    {"redis+cluster://a,b:2,[::1]:3", "C  a|6379,b|2,::1|3 path=- service=- db=-1 -:-"},
    {"rediss+cluster://u:p,q@a", "Ct a|6379 path=- service=- db=-1 u:p,q"},
    {"redis+cluster://a/0", "C  a|6379 path=- service=- db=0 -:-"},
    {"redis+sentinel://a,b:2/main", "S  a|26379,b|2 path=- service=main db=-1 -:-"},
    {"rediss+sentinel://a/m%20n/3", "St a|26379 path=- service=m n db=3 -:-"},
    {"redis+sentinel://a", "S  a|26379 path=- service=- db=-1 -:-"},
};

TEST(good_urls_mean_what_they_say)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        PARSE(good[i].text);
        CHECK_TEXT(summary(), good[i].want);
        ngr_url_fini(&url);
    }
}

static const struct {
    const char *text, *want; /* a piece of the message */
} bad[] = {
    {"", "is empty"},
    {" \t ", "is empty"},
    {"localhost:6379", "no scheme"},
    {"redis:/h", "no scheme"},
    {"://h", "scheme is not known"},
    {"unix:/run/r.sock", "no scheme"},
    {"http://h", "\"http\" is not known; use one of redis://"},
    {"redis4://h", "scheme is not known; use one of redis://"},
    {"redis://a\nb", "control character"},
    {"redis://a\x7f", "control character"},
    /* hosts and ports */
    {"redis://h:0", "from 1 to 65535"},
    {"redis://h:65536", "from 1 to 65535"},
    {"redis://h:99999999999999999999", "from 1 to 65535"},
    {"redis://h:-1", "from 1 to 65535"},
    {"redis://h:+1", "from 1 to 65535"},
    {"redis://h:1x", "from 1 to 65535"},
    {"redis://h:1:2", "more than one ':'"},
    {"redis://::1", "needs brackets"},
    {"redis://[::1", "lacks its ']'"},
    {"redis://[::1]6379", "only :port may follow"},
    {"redis://[]", "not an IPv6 address"},
    {"redis://[h]", "not an IPv6 address"},
    {"redis://[::1%25]", "not an IPv6 address"},
    {"redis://[1:2:3:4:5:6:7:8:9:a:b:c:d:e:f:0:1:2:3:4:5:6:7:8:9:a:b:c:d:e:f]", "not an IPv6"},
    {"redis://a b", "no host name has"},
    {"redis://%2Frun", "no host name has"},
    {"redis://a%00b", "a NUL character"},
    {"redis://a%ff", "a host name is not UTF-8"},
    {"redis://a,b", "takes one host"},
    {"redis+cluster://a,,b", "is empty"},
    {"redis+cluster://a,", "is empty"},
    /* databases */
    {"redis://h/x", "from 0 to 2147483647"},
    {"redis://h/-1", "from 0 to 2147483647"},
    {"redis://h/2147483648", "from 0 to 2147483647"},
    {"redis://h/1/2", "from 0 to 2147483647"},
    {"redis://h?db=1.0", "from 0 to 2147483647"},
    {"redis://h/x?db=1", "from 0 to 2147483647"},
    {"redis+cluster://h/1", "database 0 alone"},
    {"redis+cluster://h?db=1", "database 0 alone"},
    {"redis+sentinel://h/main/x", "from 0 to 2147483647"},
    /* credentials and options */
    {"redis://%00:p@h", "the user name holds %00"},
    {"redis://u:a%00@h", "the password holds %00"},
    {"redis://u:%c3@h", "the password is not UTF-8"},
    {"redis://u:%ed%a0%80@h", "the password is not UTF-8"},
    {"redis://u:%c0%af@h", "the password is not UTF-8"},
    {"redis://u:%f4%90%80%80@h", "the password is not UTF-8"},
    {"redis://u:%e2%82@h", "the password is not UTF-8"},
    {"redis://h?%ff=1", "the name of an option is not UTF-8"},
    {"redis://h?a=%00", "the value of an option holds %00"},
    {"redis://u:a/b@h", "'/' is %2F"},
    {"redis://u:a?b@h", "'?' is %3F"},
    {"redis://u:a#b@h", "'#' is %23"},
    {"redis://u:a@b/c@h", "'@' is %40"},
    {"redis://h?client_name=a@b", "'@' is %40"},
    {"redis://h/1#x", "'#', which has no meaning"},
    /* sockets */
    {"unix://", "names no socket"},
    {"unix:///", "names no socket"},
    {"unix://run/r.sock", "three slashes"},
    {"unix://u:p@h/r.sock", "three slashes"},
    {"unix://u:a/b@/r.sock", "three slashes"},
    {"unix://u:a@/b@/r.sock", "'@' is %40"},
    {"unix:///r?db=x", "from 0 to 2147483647"},
    {"unix:///%00", "the socket path holds %00"},
};

TEST(bad_urls_are_refused_with_the_way_out)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ngr_status st = parse_text(bad[i].text);
        if (st != NGR_E_CONFIG || !strstr(error, bad[i].want))
            printf("  %s: %s, \"%s\"\n", bad[i].text, ngr_status_name(st), error);
        CHECK_INT(st, NGR_E_CONFIG);
        CHECK(strstr(error, bad[i].want));
        CHECK(!url.nodes && !url.options && !url.path && !url.username && !url.password);
    }
}

TEST(messages_fit_their_buffer)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        parse_text(bad[i].text);
        CHECK(strlen(error) < sizeof error - 1);
    }
}

TEST(every_byte_of_a_password_survives_encoding)
{
    for (int byte = 1; byte < 128; byte++) {
        char text[64], want[] = {'a', (char)byte, 'z', '\0'};
        snprintf(text, sizeof text, "redis://u%%%02X:a%%%02xz@h:1/2", byte, byte);
        PARSE(text);
        CHECK_TEXT(url.password, want);
        CHECK(url.username[0] == 'u' && url.username[1] == (char)byte);
        CHECK_TEXT(url.nodes[0].host, "h");
        CHECK_INT(url.db, 2);
        ngr_url_fini(&url);
    }
}

TEST(every_raw_special_is_kept_or_refused_but_never_cut)
{
    for (int byte = 1; byte < 128; byte++) {
        char text[64], want[] = {'a', (char)byte, 'z', '\0'};
        snprintf(text, sizeof text, "redis://u:a%cz@h:1/2", byte);
        if (parse_text(text) != NGR_OK)
            continue;
        CHECK_TEXT(url.password, want);
        CHECK_TEXT(url.nodes[0].host, "h");
        ngr_url_fini(&url);
    }
}

TEST(a_nul_inside_the_text_is_refused)
{
    static const char text[] = "redis://h\0.example";
    CHECK_INT(ngr_url_parse(&url, text, sizeof text - 1, error), NGR_E_CONFIG);
    CHECK(strstr(error, "control character"));
}

TEST(a_socket_path_must_fit_the_system)
{
    char text[512];
    for (int len = 100; len < 120; len++) {
        snprintf(text, sizeof text, "unix:///%0*d", len - 1, 0);
        ngr_status st = parse_text(text);
        if (st == NGR_OK)
            CHECK_INT(strlen(url.path), len);
        else
            CHECK(strstr(error, "use a shorter one"));
        CHECK(st == NGR_OK ? len < 108 : len > 103);
        ngr_url_fini(&url);
    }
}

TEST(a_url_has_a_longest_length)
{
    static char text[NGR_URL_MAX_LEN + 2];
    memset(text, 'p', sizeof text);
    memcpy(text, "redis://:", 9);
    memcpy(text + NGR_URL_MAX_LEN - 2, "@hx", 3);
    CHECK_INT(ngr_url_parse(&url, text, NGR_URL_MAX_LEN, error), NGR_OK);
    CHECK_INT(strlen(url.password), NGR_URL_MAX_LEN - 11);
    ngr_url_fini(&url);
    CHECK_INT(ngr_url_parse(&url, text, NGR_URL_MAX_LEN + 1, error), NGR_E_CONFIG);
    CHECK(strstr(error, "longer than 65536 bytes"));
}

TEST(a_failing_allocation_leaks_nothing)
{
    static const char *const texts[] = {
        "redis+sentinel://u:p@a,b:2/main/3?x=1&username=n&password=q&db=4&y=2",
        "unix://:p@/run/r.sock?db=1&a=b",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ngr_status st = NGR_E_NOMEM;
        for (long nth = 1; st != NGR_OK; nth++) {
            harness_fail_nth(nth);
            st = parse_text(texts[i]);
            CHECK_INT(st, harness_allocations < nth ? NGR_OK : NGR_E_NOMEM);
            CHECK_TEXT(error, st == NGR_OK ? "" : ngr_status_text(NGR_E_NOMEM));
            if (st != NGR_OK)
                CHECK_INT(harness_alive, 0);
        }
        ngr_url_fini(&url);
        CHECK_INT(harness_alive, 0);
        ngr_mem_use(NULL);
    }
}

/* An allocator that looks at what is handed back. */
static bool saw_secret;

static void *peeking_alloc(size_t size)
{
    return calloc(1, size < 16 ? 16 : size);
}

static void peeking_release(void *p)
{
    saw_secret |= memcmp(p, "canary", 6) == 0;
    free(p);
}

TEST(secrets_are_wiped_before_they_are_released)
{
    static const struct ngr_mem peeking = {peeking_alloc, realloc, peeking_release};
    static const char *const texts[] = {
        "redis://u:canary@h",    "redis://u:p@h?password=canary", "redis://u:canary%ff@h",
        "redis://u:canary%00@h", "redis://u:canary@h:0",          "redis://h?ssl_password=canary",
    };
    ngr_mem_use(&peeking);
    saw_secret = false;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        parse_text(texts[i]);
        ngr_url_fini(&url);
    }
    ngr_mem_use(NULL);
    CHECK(!saw_secret);
}

/* A small generator of our own, so that a failure repeats. */
static unsigned random_below(unsigned limit)
{
    static unsigned state = 1;
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % limit;
}

TEST(random_text_is_parsed_or_refused_cleanly)
{
    static const char *const heads[] = {"redis://", "unix://", "redis+sentinel://", "rediss+cluster://", ""};
    static const char alphabet[] = "ab1:@/?#[]%&=+,.%25%00\xc3\xa4\xff -db=1username=password=";
    char text[80];
    long accepted = 0;
    for (int round = 0; round < 300000; round++) {
        size_t len = (size_t)snprintf(text, sizeof text, "%s", heads[random_below(5)]);
        for (unsigned extra = random_below(40); extra; extra--)
            text[len++] = alphabet[random_below(sizeof alphabet)];
        char *exact = malloc(len ? len : 1); /* so that the sanitizer sees a read beyond the end */
        memcpy(exact, text, len);
        ngr_status st = ngr_url_parse(&url, exact, len, error);
        free(exact);
        CHECK(st == NGR_OK || st == NGR_E_CONFIG);
        CHECK((st == NGR_OK) == (error[0] == '\0'));
        if (st == NGR_OK)
            CHECK((url.node_count > 0) == (url.path == NULL));
        accepted += st == NGR_OK;
        ngr_url_fini(&url);
    }
    CHECK(accepted > 3000 && accepted < 270000);
}

TEST(fini_may_be_called_twice)
{
    PARSE("redis://u:p@h/1?a=b");
    ngr_url_fini(&url);
    ngr_url_fini(&url);
    CHECK_INT(url.db, NGR_URL_NO_DB);
    CHECK_TEXT(url.scheme, "");
}

int main(void)
{
    RUN(good_urls_mean_what_they_say);
    RUN(bad_urls_are_refused_with_the_way_out);
    RUN(messages_fit_their_buffer);
    RUN(every_byte_of_a_password_survives_encoding);
    RUN(every_raw_special_is_kept_or_refused_but_never_cut);
    RUN(a_nul_inside_the_text_is_refused);
    RUN(a_socket_path_must_fit_the_system);
    RUN(a_url_has_a_longest_length);
    RUN(a_failing_allocation_leaks_nothing);
    RUN(secrets_are_wiped_before_they_are_released);
    RUN(random_text_is_parsed_or_refused_cleanly);
    RUN(fini_may_be_called_twice);
    return harness_result();
}
