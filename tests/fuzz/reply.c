/* Any bytes as a stream of replies, fed at once and cut into pieces: both ways the same elements arrive and
 * the same verdict is reached, and what is held for an incomplete element stays in bounds. Where a strict
 * reader of RESP2, written here once more, finds nothing wrong, its elements are the ones that must have
 * arrived; and behind a complete stream a sentinel is read.
 *
 *     byte 0: the largest bulk allowed; bytes 1 to 4: the sizes of the pieces, in turn; then the stream */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"

#define HEADER_BYTES 5
#define SAFE_DEPTH   6  /* what every hiredis can nest */
#define SAFE_DIGITS  17 /* fits a long long without a doubt */

static const char sentinel[] = "+sentinel\r\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "reply: %s\n", what);
    abort();
}

/* --- what arrived, as bytes that can be compared ---------------------------------------------- */

static void note(struct ngr_buf *log, const struct ngr_reply *r)
{
    char line[120];
    int len = snprintf(line, sizeof line, "\n%d depth %u index %zu count %zu number %lld bytes %zu ",
                       (int)r->type, r->depth, r->index, r->count, r->integer, r->len);
    insist(ngr_buf_add(log, line, (size_t)len) == NGR_OK && ngr_buf_add(log, r->data, r->len) == NGR_OK,
           "no memory");
}

static void note_whole(struct ngr_buf *log)
{
    insist(ngr_buf_add(log, ".", 1) == NGR_OK, "no memory");
}

static ngr_status on_piece(void *user, const struct ngr_reply *r)
{
    note(user, r);
    return NGR_OK;
}

static ngr_status on_whole(void *user)
{
    note_whole(user);
    return NGR_OK;
}

static bool same(const struct ngr_buf *a, const struct ngr_buf *b)
{
    return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len) == 0);
}

/* --- a strict reader -------------------------------------------------------------------------- */

enum verdict { COMPLETE, CUT_OFF, NOT_STRICT };

struct strict {
    const char *at, *end;
    size_t max_bulk;
    struct ngr_buf *log;
};

/* A line without its end, neither holding \r nor \n. */
static enum verdict strict_line(struct strict *s, struct ngr_span *line)
{
    const char *begin = s->at;
    while (s->at < s->end && *s->at != '\r' && *s->at != '\n')
        s->at++;
    *line = (struct ngr_span){begin, (size_t)(s->at - begin)};
    if (s->end - s->at < 2)
        return s->at < s->end && *s->at == '\n' ? NOT_STRICT : CUT_OFF;
    if (s->at[0] != '\r' || s->at[1] != '\n')
        return NOT_STRICT;
    s->at += 2;
    return COMPLETE;
}

/* -?digits, without a leading zero. */
static bool strict_number(struct ngr_span line, long long *number)
{
    bool is_negative = line.len && line.data[0] == '-';
    size_t first = is_negative, digits = line.len - first;
    *number = 0;
    if (!digits || digits > SAFE_DIGITS || (line.data[first] == '0' && (digits > 1 || is_negative)))
        return false;
    for (size_t i = first; i < line.len; i++) {
        if (line.data[i] < '0' || line.data[i] > '9')
            return false;
        *number = *number * 10 + (line.data[i] - '0');
    }
    if (is_negative)
        *number = -*number;
    return true;
}

static enum verdict strict_bulk(struct strict *s, long long len, struct ngr_reply *r)
{
    if ((unsigned long long)len > s->max_bulk)
        return NOT_STRICT;
    if (s->end - s->at < len + 2)
        return CUT_OFF;
    r->data = s->at;
    r->len = (size_t)len;
    s->at += len + 2;
    return s->at[-2] == '\r' && s->at[-1] == '\n' ? COMPLETE : NOT_STRICT;
}

/* One element with all that is in it. */
static enum verdict strict_element(struct strict *s, unsigned depth, size_t index)
{
    struct ngr_reply r = {.depth = depth, .index = index};
    struct ngr_span line;
    if (s->at == s->end)
        return CUT_OFF;
    char mark = *s->at++;
    enum verdict verdict = strict_line(s, &line);
    if (depth > SAFE_DEPTH || !memchr("+-:$*", mark, 5))
        return NOT_STRICT;
    if (verdict != COMPLETE)
        return mark == '$' ? NOT_STRICT : verdict; /* half a length may be too large already */
    if (mark == '+' || mark == '-') {
        r.type = mark == '+' ? NGR_REPLY_STATUS : NGR_REPLY_ERROR;
        r.data = line.data;
        r.len = line.len;
    } else if (!strict_number(line, &r.integer) || (mark != ':' && r.integer < -1)) {
        return NOT_STRICT;
    } else if (mark == ':') {
        r.type = NGR_REPLY_INTEGER;
    } else {
        long long count = r.integer;
        r.integer = 0;
        r.type = count < 0 ? NGR_REPLY_NIL : mark == '$' ? NGR_REPLY_BULK : NGR_REPLY_ARRAY;
        if (r.type == NGR_REPLY_BULK && (verdict = strict_bulk(s, count, &r)) != COMPLETE)
            return verdict;
        if (r.type == NGR_REPLY_ARRAY && count > NGR_REPLY_MAX_ELEMENTS)
            return NOT_STRICT;
        r.count = r.type == NGR_REPLY_ARRAY ? (size_t)count : 0;
    }
    note(s->log, &r);
    for (size_t i = 0; i < r.count && verdict == COMPLETE; i++)
        verdict = strict_element(s, depth + 1, i);
    return verdict;
}

static enum verdict strict_stream(struct strict *s)
{
    enum verdict verdict = COMPLETE;
    while (s->at < s->end && verdict == COMPLETE) {
        verdict = strict_element(s, 0, 0);
        if (verdict == COMPLETE)
            note_whole(s->log);
    }
    return verdict;
}

/* --- ours ------------------------------------------------------------------------------------- */

/* From memory of its own, so that reading beyond it is noticed. */
static void feed(struct ngr_parser *p, const char *data, size_t len)
{
    char *alone = malloc(len);
    insist(alone || !len, "no memory");
    memcpy(alone, data, len);
    ngr_status before = p->status, st = ngr_parser_feed(p, alone, len);
    free(alone);
    insist(st == p->status, "feeding answers another status than it keeps");
    insist(before == NGR_OK || st == before, "a failure is forgotten");
    insist(st == NGR_OK || p->why, "a failure has no reason");
    insist(st != NGR_OK || ngr_parser_buffered(p) <= p->max_bulk + NGR_REPLY_MAX_LINE, "too much is held");
}

/* Pieces of 1 to 4 bytes, or with the top bit set of up to 1,016. */
static size_t piece_size(uint8_t byte)
{
    return byte & 0x80 ? 8 * (size_t)(byte & 0x7f) + 1 : 1 + byte % 4u;
}

static void feed_pieces(struct ngr_parser *p, const uint8_t *sizes, const char *data, size_t len)
{
    for (size_t i = 0; len; i = (i + 1) % 4) {
        size_t most = piece_size(sizes[i]), piece = len < most ? len : most;
        feed(p, data, piece);
        data += piece;
        len -= piece;
    }
}

static void open_parser(struct ngr_parser *p, size_t max_bulk, struct ngr_buf *log)
{
    ngr_buf_init(log, 0);
    insist(ngr_parser_init(p, max_bulk, on_piece, on_whole, log) == NGR_OK, "no memory");
}

static void check_strict(struct ngr_parser *p, struct ngr_buf *log, const char *data, size_t len)
{
    struct ngr_buf wanted;
    ngr_buf_init(&wanted, 0);
    struct strict s = {data, data + len, p->max_bulk, &wanted};
    enum verdict verdict = strict_stream(&s);
    if (verdict != NOT_STRICT) {
        insist(p->status == NGR_OK, "a correct stream is refused");
        insist(same(log, &wanted), "a correct stream is read as something else");
    }
    if (verdict == COMPLETE) {
        s.at = sentinel;
        s.end = sentinel + strlen(sentinel);
        strict_stream(&s);
        feed(p, sentinel, strlen(sentinel));
        insist(same(log, &wanted), "the sentinel is not read");
        insist(ngr_parser_buffered(p) == 0, "something is held behind a complete stream");
    }
    ngr_buf_fini(&wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t limits[] = {512u * 1024 * 1024, 100, 16, 0};
    if (size < HEADER_BYTES)
        return 0;
    const char *stream = (const char *)data + HEADER_BYTES;
    size_t len = size - HEADER_BYTES;
    struct ngr_parser at_once, in_pieces;
    struct ngr_buf one, other;
    open_parser(&at_once, limits[data[0] % 4], &one);
    open_parser(&in_pieces, limits[data[0] % 4], &other);
    feed(&at_once, stream, len);
    feed_pieces(&in_pieces, data + 1, stream, len);
    insist(same(&one, &other), "cut into pieces, the stream is read as something else");
    insist((at_once.status == NGR_OK) == (in_pieces.status == NGR_OK),
           "cut into pieces, the verdict is another");
    check_strict(&in_pieces, &other, stream, len);
    ngr_parser_fini(&at_once);
    ngr_parser_fini(&in_pieces);
    ngr_buf_fini(&one);
    ngr_buf_fini(&other);
    return 0;
}
