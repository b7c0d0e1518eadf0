/* Where a socket connects to: a Unix path, or an IP address written in digits. Names are the event loop's
 * business. */
#ifndef NGR_ADDRESS_H
#define NGR_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

struct ngr_address {
    struct sockaddr_storage addr;
    socklen_t len;
};

/* False when the path is too long for the system. */
bool ngr_address_unix(struct ngr_address *a, const char *path);

/* IPv4 or IPv6; false when `host` is a name. */
bool ngr_address_numeric(struct ngr_address *a, const char *host, unsigned port);

#endif
