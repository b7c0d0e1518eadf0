#include "settings.h"

#include <string.h>

#include "mem.h"

/* Copies one text; false when memory ends. */
static int copy(char **to, const char *from)
{
    *to = from ? ngr_copy_string(from, strlen(from)) : NULL;
    return !from || *to;
}

ngr_status ngr_settings_copy(struct ngr_settings *to, const struct ngr_settings *from)
{
    *to = *from;
    int complete = copy(&to->host, from->host);
    complete &= copy(&to->path, from->path);
    complete &= copy(&to->username, from->username);
    complete &= copy(&to->password, from->password);
    complete &= copy(&to->client_name, from->client_name);
    complete &= copy(&to->endpoint, from->endpoint);
    complete &= copy(&to->tls.ca_certs, from->tls.ca_certs);
    complete &= copy(&to->tls.certfile, from->tls.certfile);
    complete &= copy(&to->tls.keyfile, from->tls.keyfile);
    if (complete)
        return NGR_OK;
    ngr_settings_fini(to);
    return NGR_E_NOMEM;
}

void ngr_settings_fini(struct ngr_settings *s)
{
    ngr_release(s->host);
    ngr_release(s->path);
    ngr_release(s->username);
    ngr_release_secret(s->password);
    ngr_release(s->client_name);
    ngr_release(s->endpoint);
    ngr_release(s->tls.ca_certs);
    ngr_release(s->tls.certfile);
    ngr_release(s->tls.keyfile);
    memset(s, 0, sizeof *s);
}
