/* Any bytes as a URL. Parsed or refused, no message ever holds a piece of it beyond the name of its scheme: a
 * marker that no scheme can hold is put somewhere into the text, and must not show up. What was parsed is
 * written as a URL with everything %-encoded, and reads back as the same.
 *
 *     bytes 0 and 1: where the marker goes (beyond the end: nowhere); then the URL */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "mem.h"
#include "url.h"

#define MARKER       "s3cr3t"
#define HEADER_BYTES 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "url: %s\n", what);
    abort();
}

/* --- writing ---------------------------------------------------------------------------------- */

static void add(struct ngr_buf *b, const char *text)
{
    insist(ngr_buf_add(b, text, strlen(text)) == NGR_OK, "no memory");
}

static void add_encoded(struct ngr_buf *b, const char *text)
{
    char escape[4];
    for (; *text; text++) {
        snprintf(escape, sizeof escape, "%%%02X", (unsigned char)*text);
        add(b, escape);
    }
}

static void add_nodes(struct ngr_buf *b, const struct ngr_url *url)
{
    char port[16];
    for (size_t i = 0; i < url->node_count; i++) {
        const char *host = url->nodes[i].host;
        bool is_ipv6 = strchr(host, ':') != NULL;
        add(b, i ? "," : "");
        add(b, is_ipv6 ? "[" : "");
        add_encoded(b, host);
        add(b, is_ipv6 ? "]" : "");
        snprintf(port, sizeof port, ":%d", url->nodes[i].port);
        add(b, port);
    }
}

/* "?first=1&second=2"; an option named db and the like would have another meaning, but never gets here. */
static void add_options(struct ngr_buf *b, const struct ngr_url *url)
{
    for (size_t i = 0; i < url->option_count; i++) {
        add(b, i ? "&" : "?");
        add_encoded(b, url->options[i].name);
        add(b, "=");
        add_encoded(b, url->options[i].value);
    }
}

static void write_url(struct ngr_buf *b, const struct ngr_url *url)
{
    char db[32] = "";
    add(b, url->scheme);
    add(b, "://");
    if (url->username)
        add_encoded(b, url->username);
    if (url->password) {
        add(b, ":");
        add_encoded(b, url->password);
    }
    add(b, url->username || url->password ? "@" : "");
    add_nodes(b, url);
    if (url->path) {
        add(b, "/"); /* the path starts with one; encoded, it would not look like a path */
        add_encoded(b, url->path + 1);
    }
    if (url->kind == NGR_URL_SENTINEL) {
        add(b, "/");
        add_encoded(b, url->service ? url->service : "");
    }
    add_options(b, url);
    if (url->db != NGR_URL_NO_DB) {
        snprintf(db, sizeof db, "%sdb=%ld", url->option_count ? "&" : "?", url->db);
        add(b, db);
    }
}

/* --- comparing -------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same(const struct ngr_url *a, const struct ngr_url *b)
{
    bool is_same = a->kind == b->kind && a->tls == b->tls && a->db == b->db &&
                   same_text(a->scheme, b->scheme) && same_text(a->path, b->path) &&
                   same_text(a->service, b->service) && same_text(a->username, b->username) &&
                   same_text(a->password, b->password) && a->node_count == b->node_count &&
                   a->option_count == b->option_count;
    for (size_t i = 0; is_same && i < a->node_count; i++)
        is_same = same_text(a->nodes[i].host, b->nodes[i].host) && a->nodes[i].port == b->nodes[i].port;
    for (size_t i = 0; is_same && i < a->option_count; i++)
        is_same = same_text(a->options[i].name, b->options[i].name) &&
                  same_text(a->options[i].value, b->options[i].value);
    return is_same;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* Never a piece of the URL, and on success nothing at all. */
static void check_message(ngr_status st, const char *error)
{
    insist(memchr(error, '\0', NGR_URL_ERROR) != NULL, "a message does not end");
    insist((st == NGR_OK) == (error[0] == '\0'), "a message without a failure, or the other way round");
    insist(!strstr(error, MARKER), "a message quotes the URL");
}

static void check_refused(ngr_status st, const struct ngr_url *url)
{
    insist(st == NGR_E_CONFIG, "a URL is refused for a strange reason");
    insist(!url->nodes && !url->options && !url->path && !url->service && !url->username && !url->password,
           "a URL that was refused owns something");
}

static void check_parsed(const struct ngr_url *url)
{
    struct ngr_url again;
    struct ngr_buf text;
    char error[NGR_URL_ERROR];
    insist(!url->path == (url->node_count > 0), "neither a host nor a socket, or both");
    ngr_buf_init(&text, 0);
    write_url(&text, url);
    if (text.len <= NGR_URL_MAX_LEN) {
        insist(ngr_url_parse(&again, text.data, text.len, error) == NGR_OK, "the same URL is refused");
        insist(same(url, &again), "the same URL reads as another");
        ngr_url_fini(&again);
    }
    ngr_buf_fini(&text);
}

/* The text with the marker in its place; in memory of exactly its size. */
static char *marked(const char *text, size_t len, size_t place, size_t *marked_len)
{
    size_t marker = place <= len ? strlen(MARKER) : 0, before = marker ? place : len;
    *marked_len = len + marker;
    char *whole = malloc(*marked_len);
    insist(whole || !*marked_len, "no memory");
    memcpy(whole, text, before);
    memcpy(whole + before, MARKER, marker);
    memcpy(whole + before + marker, text + before, len - before);
    return whole;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ngr_url url;
    char error[NGR_URL_ERROR];
    size_t len;
    if (size < HEADER_BYTES)
        return 0;
    size_t place = data[0] | (size_t)data[1] << 8;
    char *text = marked((const char *)data + HEADER_BYTES, size - HEADER_BYTES, place, &len);
    ngr_status st = ngr_url_parse(&url, text, len, error);
    free(text);
    check_message(st, error);
    if (st == NGR_OK)
        check_parsed(&url);
    else
        check_refused(st, &url);
    ngr_url_fini(&url);
    return 0;
}
