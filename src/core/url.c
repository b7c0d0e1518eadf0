/* Where redis-py's parse_url() and urllib.parse define a meaning, this parser has the same: the
 * last '@' ends the user information, its first ':' starts the password, '+' in the query is a
 * space, a '%' without two hex digits is itself, the first of several equal options counts. It is
 * stricter where they would guess: see refuse_ambiguity(). */
#include "url.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "mem.h"
#include "utf8.h"

#define MAX_DB 2147483647L

struct scheme {
    const char *name;
    enum ngr_url_kind kind;
    bool tls;
    int port; /* the default; 0: a Unix socket */
};

static const struct scheme schemes[] = {
    {"redis", NGR_URL_STANDALONE, false, 6379},
    {"rediss", NGR_URL_STANDALONE, true, 6379},
    {"valkey", NGR_URL_STANDALONE, false, 6379},
    {"valkeys", NGR_URL_STANDALONE, true, 6379},
    {"unix", NGR_URL_STANDALONE, false, 0},
    {"redis+sentinel", NGR_URL_SENTINEL, false, 26379},
    {"rediss+sentinel", NGR_URL_SENTINEL, true, 26379},
    {"redis+cluster", NGR_URL_CLUSTER, false, 6379},
    {"rediss+cluster", NGR_URL_CLUSTER, true, 6379},
};

#define KNOWN_SCHEMES                                                                                        \
    "redis://, rediss://, valkey://, valkeys://, unix://, redis+sentinel://, "                               \
    "rediss+sentinel://, redis+cluster://, rediss+cluster://"

/* A piece of the text under parsing; not terminated, owns nothing. */
struct span {
    const char *at;
    size_t len;
};

/* The URL cut at its separators, nothing decoded yet. */
struct pieces {
    struct span user_info, hosts, path, query;
    struct span tail; /* path, query and fragment together */
    bool has_user_info, has_fragment;
};

struct parse {
    struct ngr_url *url;
    const struct scheme *scheme;
    struct pieces in;
    bool has_query_db;
    char *error;
};

static bool is_unix(const struct parse *p)
{
    return p->scheme->port == 0;
}

__attribute__((format(printf, 2, 3))) static ngr_status fail(struct parse *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->error, NGR_URL_ERROR, format, args);
    va_end(args);
    return NGR_E_CONFIG;
}

static ngr_status fail_memory(struct parse *p)
{
    snprintf(p->error, NGR_URL_ERROR, "%s", ngr_status_text(NGR_E_NOMEM));
    return NGR_E_NOMEM;
}

/* --- spans ------------------------------------------------------------------------------------ */

/* Cuts off what stands before the first byte out of `stops`; that byte stays at the front of
 * `rest`. */
static struct span cut_before(struct span *rest, const char *stops)
{
    struct span head = {rest->at, 0};
    while (head.len < rest->len && !memchr(stops, rest->at[head.len], strlen(stops)))
        head.len++;
    rest->at += head.len;
    rest->len -= head.len;
    return head;
}

/* Takes the front byte off if it is `byte`. */
static bool take_byte(struct span *s, char byte)
{
    if (!s->len || s->at[0] != byte)
        return false;
    s->at++;
    s->len--;
    return true;
}

static bool has_byte(struct span s, char byte)
{
    return s.len && memchr(s.at, byte, s.len) != NULL;
}

static size_t count_byte(struct span s, char byte)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.at[i] == byte;
    return n;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool equals_ignoring_case(struct span s, const char *word)
{
    if (s.len != strlen(word))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (lower(s.at[i]) != word[i])
            return false;
    return true;
}

/* A URL out of a file or an environment often drags a newline along. */
static struct span trim(struct span s)
{
    while (s.len && (unsigned char)s.at[0] <= ' ')
        s.at++, s.len--;
    while (s.len && (unsigned char)s.at[s.len - 1] <= ' ')
        s.len--;
    return s;
}

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

/* --- decoding --------------------------------------------------------------------------------- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One decoded byte off the front of `s`, which is not empty. */
static char take_decoded(struct span *s, bool plus_is_space)
{
    char c = s->at[0];
    size_t used = 1;
    if (c == '+' && plus_is_space)
        c = ' ';
    if (c == '%' && s->len >= 3 && hex_value(s->at[1]) >= 0 && hex_value(s->at[2]) >= 0) {
        c = (char)(hex_value(s->at[1]) * 16 + hex_value(s->at[2]));
        used = 3;
    }
    s->at += used;
    s->len -= used;
    return c;
}

static bool is_utf8(const char *text)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);
    uint32_t unused;
    while (at < end) {
        size_t len = *at < 0x80 ? 1 : ngr__utf8_get(at, end, &unused);
        if (!len)
            return false;
        at += len;
    }
    return true;
}

/* %-decodes `raw` into a new string. `what` names it in a message. */
static ngr_status decode(struct parse *p, struct span raw, bool plus_is_space, const char *what, char **out)
{
    char *text = ngr_alloc(raw.len + 1);
    if (!text)
        return fail_memory(p);
    size_t len = 0;
    bool has_nul = false;
    while (raw.len && !has_nul) {
        text[len] = take_decoded(&raw, plus_is_space);
        has_nul = text[len++] == '\0';
    }
    text[len] = '\0';
    if (has_nul || !is_utf8(text)) {
        ngr_release_secret(text);
        return fail(
            p, has_nul ? "%s holds %%00, a NUL character" : "%s is not UTF-8 once its %%-escapes are decoded",
            what);
    }
    *out = text;
    return NGR_OK;
}

/* Like decode(), but an empty result is no result: `*out` is NULL. */
static ngr_status decode_or_none(struct parse *p, struct span raw, const char *what, char **out)
{
    return raw.len ? decode(p, raw, false, what, out) : NGR_OK;
}

/* A whole number up to `max` in decimal digits alone, or -1. */
static long number_of(struct span s, long max)
{
    long value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return -1;
        int digit = s.at[i] - '0';
        if (value > (max - digit) / 10)
            return -1;
        value = value * 10 + digit;
    }
    return s.len ? value : -1;
}

/* --- cutting ---------------------------------------------------------------------------------- */

static ngr_status check_text(struct parse *p, struct span text)
{
    if (!text.len)
        return fail(p, "the URL is empty; write for example redis://localhost:6379/0");
    if (text.len > NGR_URL_MAX_LEN)
        return fail(p, "the URL is longer than %d bytes", NGR_URL_MAX_LEN);
    for (size_t i = 0; i < text.len; i++)
        if (is_control(text.at[i]))
            return fail(p, "the URL holds a control character (a line break, a tab); write it "
                           "%%-encoded or remove it");
    return NGR_OK;
}

/* Only what looks like the name of a scheme may be quoted; a password without any URL around it may
 * not. */
static bool is_quotable_scheme(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = lower(s.at[i]);
        if ((c < 'a' || c > 'z') && c != '+' && c != '-' && c != '.')
            return false;
    }
    return s.len >= 1 && s.len <= 20;
}

static ngr_status find_scheme(struct parse *p, struct span *rest)
{
    struct span name = cut_before(rest, ":");
    if (rest->len < 3 || memcmp(rest->at, "://", 3) != 0)
        return fail(p, "the URL has no scheme; write for example redis://localhost:6379/0 or "
                       "unix:///path/to/socket");
    rest->at += 3;
    rest->len -= 3;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (equals_ignoring_case(name, schemes[i].name))
            p->scheme = &schemes[i];
    if (p->scheme)
        return NGR_OK;
    if (is_quotable_scheme(name))
        return fail(p, "the scheme \"%.*s\" is not known; use one of %s", (int)name.len, name.at,
                    KNOWN_SCHEMES);
    return fail(p, "the scheme is not known; use one of %s", KNOWN_SCHEMES);
}

/* [user:password@]hosts[/path][?query][#fragment] */
static void cut_pieces(struct pieces *in, struct span rest)
{
    in->hosts = cut_before(&rest, "/?#");
    in->tail = rest;
    in->path = cut_before(&rest, "?#");
    take_byte(&rest, '?');
    in->query = cut_before(&rest, "#");
    in->has_fragment = rest.len > 0;
    for (size_t i = in->hosts.len; i > 0; i--) {
        if (in->hosts.at[i - 1] != '@')
            continue;
        in->has_user_info = true;
        in->user_info = (struct span){in->hosts.at, i - 1};
        in->hosts = (struct span){in->hosts.at + i, in->hosts.len - i};
        return;
    }
}

/* A password with a raw '/', '?' or '#' ends the authority early, and the rest of it lands in the
 * path, the query or the fragment, where an '@' gives it away. Guessing would send half a password
 * to a wrong host, so both are refused. */
static ngr_status refuse_ambiguity(struct parse *p)
{
    struct span checked = p->in.tail;
    if (is_unix(p) && !p->in.has_user_info)
        cut_before(&checked, "?#"); /* a socket path may well hold an '@' */
    if (has_byte(checked, '@'))
        return fail(p, "an '@' stands behind a '/', '?' or '#'; %%-encode these characters in user "
                       "name, password and options: '/' is %%2F, '?' is %%3F, '#' is %%23, '@' is "
                       "%%40");
    if (p->in.has_fragment)
        return fail(p, "the URL holds a '#', which has no meaning here; %%-encode it as %%23");
    return NGR_OK;
}

static ngr_status cut_url(struct parse *p, struct span text)
{
    text = trim(text);
    ngr_status st = check_text(p, text);
    if (st == NGR_OK)
        st = find_scheme(p, &text);
    if (st != NGR_OK)
        return st;
    cut_pieces(&p->in, text);
    return refuse_ambiguity(p);
}

/* --- user and hosts --------------------------------------------------------------------------- */

static ngr_status read_user_info(struct parse *p)
{
    if (!p->in.has_user_info)
        return NGR_OK;
    struct span password = p->in.user_info, user = cut_before(&password, ":");
    take_byte(&password, ':');
    ngr_status st = decode_or_none(p, user, "the user name", &p->url->username);
    return st == NGR_OK ? decode_or_none(p, password, "the password", &p->url->password) : st;
}

static bool is_ipv6(const char *host)
{
    char address[64];
    size_t len = strcspn(host, "%"); /* a zone may follow, as in fe80::1%eth0 */
    if (len >= sizeof address || (host[len] == '%' && host[len + 1] == '\0'))
        return false;
    memcpy(address, host, len);
    address[len] = '\0';
    struct in6_addr ignored;
    return inet_pton(AF_INET6, address, &ignored) == 1;
}

static bool is_host_name(const char *host)
{
    for (const char *c = host; *c; c++)
        if (is_control(*c) || strchr(" \"#%/:<>?@[\\]^`{|}", *c))
            return false;
    return true;
}

static ngr_status read_port(struct parse *p, struct span text, struct ngr_url_node *node)
{
    node->port = p->scheme->port;
    if (!text.len)
        return NGR_OK;
    long port = number_of(text, 65535);
    if (port < 1)
        return fail(p,
                    "the port is not a number from 1 to 65535; write host:%d (and %%-encode ':' "
                    "'/' '?' '#' '@' in a user name or password)",
                    p->scheme->port);
    node->port = (int)port;
    return NGR_OK;
}

/* host, host:port, [ipv6], [ipv6]:port */
static ngr_status read_node(struct parse *p, struct span item, struct ngr_url_node *node)
{
    bool bracketed = take_byte(&item, '[');
    struct span host = cut_before(&item, bracketed ? "]" : ":");
    if (bracketed && !take_byte(&item, ']'))
        return fail(p, "an IPv6 address lacks its ']'; write for example redis://[::1]:6379");
    if (item.len && !take_byte(&item, ':'))
        return fail(p, "only :port may follow the ']' of an IPv6 address");
    if (!bracketed && has_byte(item, ':'))
        return fail(p, "a host has more than one ':'; an IPv6 address needs brackets, as in "
                       "redis://[::1]:6379");
    if (!host.len && !bracketed && p->url->node_count == 1)
        host = (struct span){"localhost", 9};
    ngr_status st = decode(p, host, false, "a host name", &node->host);
    if (st != NGR_OK)
        return st;
    for (char *c = node->host; *c && *c != '%'; c++) /* the zone behind '%' keeps its case */
        *c = lower(*c);
    if (bracketed ? !is_ipv6(node->host) : !node->host[0] || !is_host_name(node->host))
        return fail(p, bracketed ? "what stands in [ ] is not an IPv6 address"
                                 : "a host name is empty or holds a character that no host name has");
    return read_port(p, item, node);
}

static ngr_status read_nodes(struct parse *p)
{
    struct span rest = p->in.hosts;
    size_t count = count_byte(rest, ',') + 1;
    if (count > 1 && p->scheme->kind == NGR_URL_STANDALONE)
        return fail(p,
                    "%s:// takes one host; several belong to redis+cluster:// or "
                    "redis+sentinel://",
                    p->scheme->name);
    p->url->nodes = ngr_alloc_zero(count * sizeof *p->url->nodes);
    if (!p->url->nodes)
        return fail_memory(p);
    p->url->node_count = count;
    for (size_t i = 0; i < count; i++) {
        ngr_status st = read_node(p, cut_before(&rest, ","), &p->url->nodes[i]);
        if (st != NGR_OK)
            return st;
        take_byte(&rest, ',');
    }
    return NGR_OK;
}

/* --- path and query --------------------------------------------------------------------------- */

static ngr_status read_socket_path(struct parse *p)
{
    if (p->in.hosts.len)
        return fail(p, "a unix:// URL has no host; an absolute path makes three slashes, as in "
                       "unix:///run/redis/redis.sock");
    if (p->in.path.len < 2)
        return fail(p, "the URL names no socket; write for example unix:///run/redis/redis.sock");
    ngr_status st = decode(p, p->in.path, false, "the socket path", &p->url->path);
    if (st != NGR_OK)
        return st;
    size_t room = sizeof((struct sockaddr_un *)NULL)->sun_path - 1, len = strlen(p->url->path);
    if (len > room)
        return fail(p, "the socket path has %zu bytes, but this system allows %zu; use a shorter one", len,
                    room);
    return NGR_OK;
}

static ngr_status read_db(struct parse *p, struct span text)
{
    if (!text.len)
        return NGR_OK;
    p->url->db = number_of(text, MAX_DB);
    if (p->url->db < 0)
        return fail(p,
                    "the database is not a number from 0 to %ld; write it as in "
                    "redis://host:6379/0 or ?db=0",
                    MAX_DB);
    return NGR_OK;
}

/* /db or, for sentinels, /service[/db]; slashes around them do not count. */
static ngr_status read_path(struct parse *p)
{
    struct span rest = p->in.path;
    while (take_byte(&rest, '/'))
        ;
    while (rest.len && rest.at[rest.len - 1] == '/')
        rest.len--;
    if (p->scheme->kind == NGR_URL_SENTINEL) {
        struct span service = cut_before(&rest, "/");
        ngr_status st = decode_or_none(p, service, "the service name", &p->url->service);
        if (st != NGR_OK)
            return st;
        take_byte(&rest, '/');
    }
    return read_db(p, rest);
}

/* Where a query option that the rest of the URL can also spell goes; NULL for all others. */
static char **credential_slot(struct ngr_url *url, const char *name)
{
    if (strcmp(name, "username") == 0)
        return &url->username;
    return strcmp(name, "password") == 0 ? &url->password : NULL;
}

/* Gives `value` a home in `slot` if that is free and the value says something; the user information
 * was there first. */
static void settle(char **slot, char *value)
{
    if (*slot || !value[0])
        ngr_release_secret(value);
    else
        *slot = value;
}

/* Puts a decoded option where it belongs and owns its strings from here on. */
static ngr_status keep_option(struct parse *p, struct ngr_url_option option)
{
    struct ngr_url *url = p->url;
    ngr_status st = NGR_OK;
    char **slot = credential_slot(url, option.name);
    if (slot) {
        settle(slot, option.value);
    } else if (strcmp(option.name, "db") == 0) {
        if (!p->has_query_db)
            st = read_db(p, (struct span){option.value, strlen(option.value)});
        p->has_query_db |= option.value[0] != '\0';
        ngr_release_secret(option.value);
    } else {
        url->options[url->option_count++] = option;
        return NGR_OK;
    }
    ngr_release_secret(option.name);
    return st;
}

/* name=value; read_query() made room for it. */
static ngr_status read_option(struct parse *p, struct span item)
{
    struct span value = item, name = cut_before(&value, "=");
    take_byte(&value, '=');
    struct ngr_url_option option = {NULL, NULL};
    ngr_status st = decode(p, name, true, "the name of an option", &option.name);
    if (st != NGR_OK)
        return st;
    st = decode(p, value, true, "the value of an option", &option.value);
    if (st != NGR_OK) {
        ngr_release_secret(option.name);
        return st;
    }
    assert(option.name && option.value);
    return keep_option(p, option);
}

static ngr_status read_query(struct parse *p)
{
    struct span rest = p->in.query;
    if (!rest.len)
        return NGR_OK;
    p->url->options = ngr_alloc_zero((count_byte(rest, '&') + 1) * sizeof *p->url->options);
    if (!p->url->options)
        return fail_memory(p);
    ngr_status st = NGR_OK;
    while (st == NGR_OK && rest.len) {
        struct span item = cut_before(&rest, "&");
        take_byte(&rest, '&');
        if (item.len)
            st = read_option(p, item);
    }
    return st;
}

/* --- the whole -------------------------------------------------------------------------------- */

static ngr_status parse(struct parse *p, struct span text)
{
    ngr_status st = cut_url(p, text);
    if (st != NGR_OK)
        return st;
    p->url->scheme = p->scheme->name;
    p->url->kind = p->scheme->kind;
    p->url->tls = p->scheme->tls;
    if ((st = read_user_info(p)) != NGR_OK)
        return st;
    if (is_unix(p))
        st = read_socket_path(p);
    else if ((st = read_nodes(p)) == NGR_OK)
        st = read_path(p);
    if (st == NGR_OK)
        st = read_query(p);
    if (st == NGR_OK && p->url->kind == NGR_URL_CLUSTER && p->url->db > 0)
        st = fail(p, "a cluster has database 0 alone; leave the database out of the URL");
    return st;
}

static void clear(struct ngr_url *url)
{
    memset(url, 0, sizeof *url);
    url->scheme = "";
    url->db = NGR_URL_NO_DB;
}

ngr_status ngr_url_parse(struct ngr_url *url, const char *text, size_t len, char error[NGR_URL_ERROR])
{
    clear(url);
    error[0] = '\0';
    struct parse p = {.url = url, .error = error};
    ngr_status st = parse(&p, (struct span){text, len});
    if (st != NGR_OK)
        ngr_url_fini(url);
    return st;
}

void ngr_url_fini(struct ngr_url *url)
{
    for (size_t i = 0; i < url->node_count; i++)
        ngr_release_secret(url->nodes[i].host);
    for (size_t i = 0; i < url->option_count; i++) {
        ngr_release_secret(url->options[i].name);
        ngr_release_secret(url->options[i].value);
    }
    ngr_release(url->nodes);
    ngr_release(url->options);
    ngr_release_secret(url->path);
    ngr_release_secret(url->service);
    ngr_release_secret(url->username);
    ngr_release_secret(url->password);
    clear(url);
}
