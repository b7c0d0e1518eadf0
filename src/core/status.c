#include "status.h"

static const struct {
    const char *name, *text, *exception;
} rows[] = {
#define NGR_X(code, text, exception) {#code, text, exception},
    NGR_STATUS_LIST(NGR_X)
#undef NGR_X
};

static int in_range(ngr_status st)
{
    return (unsigned)st < (unsigned)NGR_STATUS_COUNT;
}

const char *ngr_status_text(ngr_status st)
{
    return in_range(st) ? rows[st].text : "unknown status";
}

const char *ngr_status_exception(ngr_status st)
{
    return in_range(st) ? rows[st].exception : "";
}

const char *ngr_status_name(ngr_status st)
{
    return in_range(st) ? rows[st].name : "?";
}
