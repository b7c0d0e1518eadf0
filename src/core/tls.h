/* TLS as a filter between plain bytes and cipher bytes: OpenSSL works on memory on both sides, and the
 * transport moves the cipher bytes. So nothing here touches a socket, no write has to be repeated with the
 * same bytes, and freeing says no goodbye on a descriptor that a forked child shares.
 *
 * The error queue of OpenSSL belongs to the thread and is shared with Python's ssl module: it is cleared
 * before each operation, and what others left there is never taken for ours. */
#ifndef NGR_TLS_H
#define NGR_TLS_H

#include <stdbool.h>

#include "buf.h"
#include "settings.h"

struct ngr_tls_context; /* certificates and rules, one per client */
struct ngr_tls;         /* one connection */

/* Reads the files that settings->tls names. NGR_E_CONFIG with a sentence in `why`, which names the file. */
ngr_status ngr_tls_context_new(const struct ngr_settings *settings, struct ngr_tls_context **context,
                               char *why, size_t why_room);
void ngr_tls_context_free(struct ngr_tls_context *context);

/* A client side for `host` (a name, which is sent as SNI, or an address); NULL when memory ends. */
struct ngr_tls *ngr_tls_new(struct ngr_tls_context *context, const char *host);
void ngr_tls_free(struct ngr_tls *tls);

enum ngr_tls_what { NGR_TLS_DONE, NGR_TLS_WANTS_INPUT, NGR_TLS_CLOSED, NGR_TLS_FAILED };

/* Goes on with the handshake, as far as the input allows; its output waits in ngr_tls_output(). */
enum ngr_tls_what ngr_tls_handshake(struct ngr_tls *tls);

/* Cipher bytes that came from the peer. */
ngr_status ngr_tls_feed(struct ngr_tls *tls, const char *data, size_t len);

/* Plain bytes out of what was fed: DONE with *len > 0. */
enum ngr_tls_what ngr_tls_read(struct ngr_tls *tls, char *to, size_t room, size_t *len);

/* Turns plain bytes into output: all of them, or FAILED. */
enum ngr_tls_what ngr_tls_write(struct ngr_tls *tls, const char *data, size_t len);

/* Cipher bytes for the peer; the caller takes away from the front what it has sent. */
size_t ngr_tls_output(struct ngr_tls *tls, const char **data);
void ngr_tls_output_sent(struct ngr_tls *tls, size_t len);

/* True when something waits here that no event will announce: bytes, plain or cipher, or the end of the
 * stream. */
bool ngr_tls_has_buffered(const struct ngr_tls *tls);

/* True when the peer said goodbye, or broke the stream, in what was fed and is not read yet. */
bool ngr_tls_is_over(struct ngr_tls *tls);

/* After FAILED: what went wrong, in one sentence. */
const char *ngr_tls_error(const struct ngr_tls *tls);

/* The version of OpenSSL that this was compiled with, and of the one that is loaded. */
const char *ngr_tls_version_compiled(void);
const char *ngr_tls_version_loaded(void);

#endif
