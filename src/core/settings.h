/* What a client is told once, in its own copies. Times are in seconds, sizes in bytes. */
#ifndef NGR_SETTINGS_H
#define NGR_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "status.h"

struct ngr_tls_settings {
    bool is_on;
    bool verifies;    /* the server's certificate must be signed by somebody we trust */
    bool checks_host; /* and must name the host */
    char *ca_certs;   /* PEM file of whom to trust; NULL: the system's */
    char *certfile;   /* PEM file of our own certificate, or NULL */
    char *keyfile;    /* PEM file of its key; NULL: the same file */
};

struct ngr_settings {
    char *host; /* NULL with a Unix socket */
    unsigned port;
    char *path; /* Unix socket, or NULL */
    int db;
    char *username;    /* or NULL */
    char *password;    /* or NULL */
    char *client_name; /* or NULL */
    unsigned max_connections;
    double connect_timeout; /* resolve, connect, handshake: all of it */
    double socket_timeout;  /* without progress */
    double idle_check;      /* PING a connection idle for this long; 0: never */
    unsigned retries;       /* after the first try */
    double retry_base, retry_cap;
    size_t max_value_bytes;
    struct ngr_tls_settings tls;
    char *endpoint; /* "redis://host:6379/0": for messages, never with credentials */
};

/* Fills `to` with copies; NGR_E_NOMEM leaves it empty. */
ngr_status ngr_settings_copy(struct ngr_settings *to, const struct ngr_settings *from);
void ngr_settings_fini(struct ngr_settings *s);

#endif
