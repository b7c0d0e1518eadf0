#include "answer.h"

#include <string.h>

static const struct {
    const char *start; /* the error reply begins with this */
    ngr_status status;
} errors[] = {
    {"LOADING ", NGR_E_LOADING},
    {"MASTERDOWN ", NGR_E_MASTERDOWN},
    {"ERR max number of clients", NGR_E_MAXCLIENTS},
    {"TRYAGAIN ", NGR_E_TRYAGAIN},
    {"CLUSTERDOWN ", NGR_E_CLUSTERDOWN},
    {"MOVED ", NGR_E_REDIRECT},
    {"ASK ", NGR_E_REDIRECT},
    {"CROSSSLOT ", NGR_E_CROSSSLOT},
    {"NOAUTH ", NGR_E_AUTH},
    {"WRONGPASS ", NGR_E_AUTH},
    {"ERR invalid password", NGR_E_AUTH},
    {"ERR AUTH ", NGR_E_AUTH}, /* "<password> called without any password configured" */
    {"ERR Client sent AUTH", NGR_E_AUTH},
    {"NOPERM ", NGR_E_PERM},
    {"READONLY ", NGR_E_READONLY},
    {"OOM ", NGR_E_OOM},
    {"MISCONF ", NGR_E_MISCONF},
    {"WRONGTYPE ", NGR_E_WRONGTYPE},
    {"EXECABORT ", NGR_E_EXECABORT},
};

/* The retry table. A row that is not here is permanent: it fails at once. */
static const struct {
    ngr_status status;
    bool is_refusal; /* the server said no and did nothing: even what is not repeatable may go again */
} retried[] = {
    {NGR_E_CONNECT, true}, /* never sent */
    {NGR_E_LOST, false},      {NGR_E_TIMEOUT, false}, {NGR_E_LOADING, true},     {NGR_E_MASTERDOWN, true},
    {NGR_E_MAXCLIENTS, true}, {NGR_E_TRYAGAIN, true}, {NGR_E_CLUSTERDOWN, true},
};

static const struct {
    ngr_status status;
    const char *advice;
} advices[] = {
    {NGR_E_CONNECT, "check that the server runs and that redis_url names it"},
    {NGR_E_TLS, "check redis_ssl_ca_certs, redis_ssl_certfile and the host name in redis_url"},
    {NGR_E_LOST, "see the server's log; a restart, CLIENT KILL or a proxy's limit closes connections"},
    {NGR_E_TIMEOUT, "see whether the server is overloaded or unreachable, or raise redis_socket_timeout"},
    {NGR_E_PROTOCOL, "check that redis_url names a Redis or Valkey server and no other service"},
    {NGR_E_AUTH, "check redis_username and redis_password (or the ones in redis_url)"},
    {NGR_E_PERM, "grant the user this command and the keys of this prefix with ACL SETUSER"},
    {NGR_E_READONLY, "point redis_url at the primary: this server is a replica"},
    {NGR_E_LOADING, "wait until the server has loaded its data"},
    {NGR_E_MASTERDOWN, "the replica serves stale data only when replica-serve-stale-data allows it"},
    {NGR_E_MAXCLIENTS, "raise maxclients on the server or lower redis_max_connections"},
    {NGR_E_OOM, "raise maxmemory, or choose a volatile-* eviction policy and give caches a TTL"},
    {NGR_E_MISCONF, "free disk space or repair persistence; the server's log says what failed"},
    {NGR_E_REDIRECT, "this server belongs to a cluster, which this version cannot use"},
    {NGR_E_WRONGTYPE, "another program uses this key; choose another redis_key_prefix"},
    {NGR_E_TOOBIG, "raise redis_max_value_bytes (the server's proto-max-bulk-len limits it too)"},
};

ngr_status ngr_answer_status(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        size_t n = strlen(errors[i].start);
        if (len >= n && memcmp(text, errors[i].start, n) == 0)
            return errors[i].status;
    }
    return NGR_E_SERVER;
}

bool ngr_answer_is_retried(ngr_status st, bool was_sent, bool is_repeatable)
{
    for (size_t i = 0; i < sizeof retried / sizeof retried[0]; i++)
        if (retried[i].status == st)
            return retried[i].is_refusal || is_repeatable || !was_sent;
    return false;
}

const char *ngr_answer_advice(ngr_status st)
{
    for (size_t i = 0; i < sizeof advices / sizeof advices[0]; i++)
        if (advices[i].status == st)
            return advices[i].advice;
    return "";
}
