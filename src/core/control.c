#include "control.h"

#include "mem.h"
#include "tls.h"

struct gauge {
    const char *name;
    double value;
};

static void add_object(cJSON *to, const char *name, const struct gauge *gauges, size_t count)
{
    cJSON *object = cJSON_AddObjectToObject(to, name);
    for (size_t i = 0; object && i < count; i++)
        cJSON_AddNumberToObject(object, gauges[i].name, gauges[i].value);
}

#define ADD_OBJECT(to, name, ...)                                                                            \
    add_object(to, name, (const struct gauge[]){__VA_ARGS__},                                                \
               sizeof((const struct gauge[]){__VA_ARGS__}) / sizeof(struct gauge))

static void add_pool(cJSON *to, const struct ngr_client *c, const struct ngr_pool *p)
{
    ADD_OBJECT(to, "connections", {"open", (double)p->conn_count}, {"ready", (double)p->ready_count},
               {"max", (double)c->settings.max_connections}, {"opened", (double)p->opened},
               {"lost", (double)p->lost});
    ADD_OBJECT(to, "requests", {"in_flight", (double)ngr_pool_in_flight(p)},
               {"waiting", (double)p->waiting_count}, {"delayed", (double)c->delayed.count});
}

static void add_client(cJSON *to, const struct ngr_client *c)
{
    const struct ngr_counters *n = &c->counters;
    const struct ngr_traffic *t = &c->traffic;
    ADD_OBJECT(to, "calls", {"started", (double)n->calls}, {"failed", (double)n->failed_calls},
               {"pending", (double)c->call_count}, {"retries", (double)n->retries});
    ADD_OBJECT(to, "traffic", {"bytes_in", (double)t->bytes_in}, {"bytes_out", (double)t->bytes_out},
               {"replies", (double)t->replies}, {"reads", (double)t->reads}, {"writes", (double)t->writes});
}

cJSON *ngr_control_stats(const struct ngr_client *c)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "endpoint", c->settings.endpoint);
    add_pool(root, c, &c->topology.server);
    add_client(root, c);
    return root;
}

char *ngr_client_stats(const struct ngr_client *c)
{
    cJSON *stats = ngr_control_stats(c);
    char *text = stats ? cJSON_PrintUnformatted(stats) : NULL;
    char *copy = text ? ngr_copy_string(text, strlen(text)) : NULL;
    cJSON_free(text);
    cJSON_Delete(stats);
    return copy;
}

struct ngr_versions ngr_versions(void)
{
    return (struct ngr_versions){
        .hiredis_compiled = ngr_parser_version(),
        .openssl_compiled = ngr_tls_version_compiled(),
        .openssl_loaded = ngr_tls_version_loaded(),
        .cjson_loaded = cJSON_Version(),
    };
}
