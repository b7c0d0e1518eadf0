/* Requests in RESP2, the form every Redis and Valkey understands: *<n>\r\n then $<len>\r\n<bytes>\r\n each.
 */
#ifndef NGR_CMD_H
#define NGR_CMD_H

#include "buf.h"

/* A run of bytes that somebody else owns. */
struct ngr_span {
    const char *data;
    size_t len;
};

/* Room that `*<n>` or `$<n>` and its line end can take at most. */
#define NGR_CMD_HEADER_MAX 24

/* Writes `mark`, the number and \r\n to `to`, which has NGR_CMD_HEADER_MAX bytes; answers how many it took.
 */
size_t ngr_cmd_header(char *to, char mark, size_t number);

/* Each appends to `b` and answers NGR_OK, NGR_E_NOMEM or NGR_E_TOOBIG. */
ngr_status ngr_cmd_array(struct ngr_buf *b, size_t count);
ngr_status ngr_cmd_bulk(struct ngr_buf *b, const char *data, size_t len);
/* One bulk made of two parts: the key prefix and the id. */
ngr_status ngr_cmd_key(struct ngr_buf *b, struct ngr_span prefix, struct ngr_span id);
ngr_status ngr_cmd_number(struct ngr_buf *b, long long number);
/* A whole command of NUL-terminated words; the list ends with NULL. */
ngr_status ngr_cmd_words(struct ngr_buf *b, const char *const *words);

#endif
