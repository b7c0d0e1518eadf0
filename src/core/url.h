/* What a Redis URL says, as a struct. Pure: no I/O, no clock, no look at the environment; it does
 * not know what any query option means beyond the three that a URL can also spell elsewhere (db,
 * username, password).
 *
 *     redis://user:password@host:6379/0?option=value          also rediss:// valkey:// valkeys://
 *     unix://user:password@/path/to/socket?db=0
 *     redis+cluster://user:password@host1:6379,host2:6379     also rediss+cluster://
 *     redis+sentinel://user:password@host1:26379,host2/service/0     also rediss+sentinel://
 *
 * Everything between the separators is %-decoded. An error message never quotes the URL, only its
 * scheme: with a misplaced separator any other part may be a piece of the password. */
#ifndef NGR_URL_H
#define NGR_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "status.h"

#define NGR_URL_MAX_LEN 65536 /* bytes of a URL */
#define NGR_URL_ERROR   256   /* bytes of a message, its NUL included */
#define NGR_URL_NO_DB   (-1)

enum ngr_url_kind { NGR_URL_STANDALONE, NGR_URL_SENTINEL, NGR_URL_CLUSTER };

struct ngr_url_node {
    char *host; /* lower case, IPv6 without its brackets */
    int port;
};

struct ngr_url_option {
    char *name, *value; /* neither is NULL; a name without '=' has the value "" */
};

/* All strings are NUL-terminated UTF-8 and owned by the struct. */
struct ngr_url {
    const char *scheme; /* one of the known ones, in lower case, without "://" */
    enum ngr_url_kind kind;
    bool tls;
    struct ngr_url_node *nodes; /* at least one, but none for unix:// */
    size_t node_count;
    char *path;                     /* of the Unix socket, else NULL */
    char *service;                  /* which master the sentinels are asked for, else NULL */
    char *username, *password;      /* NULL when absent or empty */
    long db;                        /* NGR_URL_NO_DB when the URL names none */
    struct ngr_url_option *options; /* the query in its order, without db, username and password */
    size_t option_count;
};

/* Fills `url`, whatever it held before, from `len` bytes of text. On anything but NGR_OK
 * (NGR_E_CONFIG, NGR_E_NOMEM) `url` owns nothing and `error` says what is wrong and how to write it
 * right. */
ngr_status ngr_url_parse(struct ngr_url *url, const char *text, size_t len, char error[NGR_URL_ERROR]);

/* Wipes and releases all strings; the struct is empty afterwards. */
void ngr_url_fini(struct ngr_url *url);

#endif
