/* Replies, piece by piece: hiredis's reader behind our own guards. Bytes go in, one call per element comes
 * out, in the order of the wire, with the bytes still in the reader's buffer. This file knows nothing of
 * requests.
 *
 * What hiredis leaves open is checked here: a bulk must end in \r\n, a bulk has a size limit that is enforced
 * on its header (before a byte is buffered), a line has one too, an array may not claim an absurd count or
 * nest without end, and RESP3 types (which nobody asked for) are refused. A callback of ours never fails
 * inside hiredis, which would poison the reader. */
#ifndef NGR_REPLY_H
#define NGR_REPLY_H

#include "cmd.h"
#include "status.h"

enum ngr_reply_type {
    NGR_REPLY_BULK,
    NGR_REPLY_NIL,
    NGR_REPLY_INTEGER,
    NGR_REPLY_STATUS,
    NGR_REPLY_ERROR,
    NGR_REPLY_ARRAY, /* announces `count` elements of depth + 1; they follow */
};

struct ngr_reply {
    enum ngr_reply_type type;
    unsigned depth; /* 0: the reply itself, 1: an element of its array, ... */
    size_t index;   /* position in the enclosing array */
    size_t count;   /* ARRAY: elements announced */
    long long integer;
    const char *data; /* BULK, STATUS, ERROR: valid during the callback */
    size_t len;
};

/* An array may not announce more elements than this. SCAN answers some thousands, a transaction one per key.
 */
#define NGR_REPLY_MAX_ELEMENTS (16u * 1024 * 1024)

/* Arrays may be nested this deep; SCAN's answer is two deep. hiredis 0.14 stops here too, later ones do not.
 */
#define NGR_REPLY_MAX_DEPTH 8

/* A line (status, error, header) may not be longer than this. */
#define NGR_REPLY_MAX_LINE (64u * 1024)

struct ngr_parser {
    /* One element. Any answer but NGR_OK stops the parsing and comes out of ngr_parser_feed(). */
    ngr_status (*piece)(void *user, const struct ngr_reply *r);
    /* A reply is complete. */
    ngr_status (*whole)(void *user);
    void *user;
    size_t max_bulk;
    size_t missing;    /* bytes that the bulk string being read still lacks; 0: not known */
    void *reader;      /* redisReader */
    ngr_status status; /* the first thing that went wrong, sticky */
    const char *why;   /* a constant sentence for it */
};

ngr_status ngr_parser_init(struct ngr_parser *p, size_t max_bulk,
                           ngr_status (*piece)(void *, const struct ngr_reply *), ngr_status (*whole)(void *),
                           void *user);
void ngr_parser_fini(struct ngr_parser *p);

/* Parses `len` bytes and calls back for everything that is complete. NGR_OK; NGR_E_PROTOCOL, NGR_E_TOOBIG or
 * NGR_E_NOMEM with p->why set; or what a callback answered. After anything but NGR_OK the stream is lost. The
 * callbacks must not free the parser. */
ngr_status ngr_parser_feed(struct ngr_parser *p, const char *data, size_t len);

/* Bytes held for an element that is not complete yet. */
size_t ngr_parser_buffered(const struct ngr_parser *p);

/* The version of hiredis that this was compiled with. */
const char *ngr_parser_version(void);

#endif
