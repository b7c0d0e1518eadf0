#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

bool ngr_address_unix(struct ngr_address *a, const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof un.sun_path)
        return false;
    memcpy(un.sun_path, path, len + 1);
    memset(a, 0, sizeof *a);
    memcpy(&a->addr, &un, sizeof un);
    a->len = (socklen_t)sizeof un;
    return true;
}

bool ngr_address_numeric(struct ngr_address *a, const char *host, unsigned port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    memset(a, 0, sizeof *a);
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(&a->addr, &v4, sizeof v4);
        a->len = (socklen_t)sizeof v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(&a->addr, &v6, sizeof v6);
        a->len = (socklen_t)sizeof v6;
        return true;
    }
    return false;
}
