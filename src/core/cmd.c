#include "cmd.h"

#include <stdio.h>

size_t ngr_cmd_header(char *to, char mark, size_t number)
{
    char digits[20];
    size_t n = 0, at = 0;
    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    to[at++] = mark;
    while (n)
        to[at++] = digits[--n];
    to[at++] = '\r';
    to[at++] = '\n';
    return at;
}

static ngr_status add_header(struct ngr_buf *b, char mark, size_t number)
{
    ngr_status st = ngr_buf_reserve(b, NGR_CMD_HEADER_MAX);
    if (st == NGR_OK)
        b->len += ngr_cmd_header(b->data + b->len, mark, number);
    return st;
}

ngr_status ngr_cmd_array(struct ngr_buf *b, size_t count)
{
    return add_header(b, '*', count);
}

ngr_status ngr_cmd_key(struct ngr_buf *b, struct ngr_span prefix, struct ngr_span id)
{
    if (prefix.len > (size_t)-1 / 4 || id.len > (size_t)-1 / 4)
        return NGR_E_TOOBIG;
    ngr_status st = ngr_buf_reserve(b, NGR_CMD_HEADER_MAX + prefix.len + id.len + 2);
    if (st != NGR_OK)
        return st;
    char *to = b->data + b->len;
    to += ngr_cmd_header(to, '$', prefix.len + id.len);
    if (prefix.len)
        memcpy(to, prefix.data, prefix.len);
    to += prefix.len;
    if (id.len)
        memcpy(to, id.data, id.len);
    to += id.len;
    *to++ = '\r';
    *to++ = '\n';
    b->len = (size_t)(to - b->data);
    return NGR_OK;
}

ngr_status ngr_cmd_bulk(struct ngr_buf *b, const char *data, size_t len)
{
    return ngr_cmd_key(b, (struct ngr_span){NULL, 0}, (struct ngr_span){data, len});
}

ngr_status ngr_cmd_number(struct ngr_buf *b, long long number)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", number);
    return ngr_cmd_bulk(b, text, (size_t)len);
}

ngr_status ngr_cmd_words(struct ngr_buf *b, const char *const *words)
{
    size_t count = 0;
    while (words[count])
        count++;
    ngr_status st = ngr_cmd_array(b, count);
    for (size_t i = 0; st == NGR_OK && i < count; i++)
        st = ngr_cmd_bulk(b, words[i], strlen(words[i]));
    return st;
}
