#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "mem.h"

struct ngr_tls_context {
    SSL_CTX *ssl;
    bool verifies, checks_host;
};

struct ngr_tls {
    SSL *ssl;
    BIO *in, *out;         /* owned by ssl */
    size_t sent;           /* of the output, from its front */
    enum ngr_tls_what end; /* CLOSED or FAILED once the peer's stream has ended so, else DONE */
    char error[200];
};

/* --- the context ------------------------------------------------------------------------------ */

static const char *error_text(unsigned long code, char *to, size_t room)
{
    bool is_system = ERR_GET_LIB(code) == ERR_LIB_SYS;
    /* The texts of known numbers are constants: NOLINTNEXTLINE(concurrency-mt-unsafe) */
    const char *reason = is_system ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    snprintf(to, room, "%s", reason ? reason : "unknown error");
    return to;
}

/* Of a long path its end is shown, which tells files apart. */
#define PATH_SHOWN 80

static ngr_status refuse(char *why, size_t room, const char *setting, const char *path, const char *reason)
{
    size_t len = strlen(path);
    bool is_long = len > PATH_SHOWN;
    snprintf(why, room, "%s %s%s cannot be used: %s", setting, is_long ? "..." : "",
             is_long ? path + len - PATH_SHOWN : path, reason);
    return NGR_E_CONFIG;
}

/* Refuses for what the queue says; but OpenSSL takes a directory for an empty file. */
static ngr_status refuse_content(char *why, size_t room, const char *setting, const char *path,
                                 const char *needed)
{
    unsigned long code = ERR_peek_error();
    char text[100], reason[160];
    struct stat file;
    bool is_content = ERR_GET_LIB(code) != ERR_LIB_SYS;
    if (stat(path, &file) == 0 && S_ISDIR(file.st_mode))
        return refuse(why, room, setting, path, "Is a directory");
    snprintf(reason, sizeof reason, "%s%s%s", error_text(code, text, sizeof text),
             is_content ? "; it must hold " : "", is_content ? needed : "");
    return refuse(why, room, setting, path, reason);
}

static ngr_status load_trust(SSL_CTX *ssl, const struct ngr_settings *s, char *why, size_t room)
{
    const char *file = s->tls.ca_certs;
    if (file && SSL_CTX_load_verify_locations(ssl, file, NULL) != 1)
        return refuse_content(why, room, "redis_ssl_ca_certs", file, "certificates in PEM form");
    if (!file && SSL_CTX_set_default_verify_paths(ssl) != 1) {
        snprintf(why, room, "the system's CA certificates cannot be used");
        return NGR_E_CONFIG;
    }
    return NGR_OK;
}

/* Called when a key has a passphrase: none is given, since asking for it on the terminal would stop the event
 * loop. */
static int no_passphrase(char *to, int room, int is_writing, void *was_asked)
{
    (void)to, (void)room, (void)is_writing;
    *(bool *)was_asked = true;
    return 0;
}

/* After loading a key: whether it and the certificate loaded before do not belong together. */
static bool is_other_key(SSL_CTX *ssl, bool is_loaded)
{
    unsigned long code = ERR_peek_error();
    if (is_loaded)
        return SSL_CTX_check_private_key(ssl) != 1;
    return ERR_GET_LIB(code) == ERR_LIB_X509 && ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH;
}

static ngr_status load_key(SSL_CTX *ssl, const char *file, char *why, size_t room)
{
    bool has_passphrase = false;
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ssl, &has_passphrase);
    bool is_loaded = SSL_CTX_use_PrivateKey_file(ssl, file, SSL_FILETYPE_PEM) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(ssl, NULL);
    if (has_passphrase)
        return refuse(why, room, "redis_ssl_keyfile", file, "it has a passphrase; name a key without one");
    if (is_other_key(ssl, is_loaded))
        return refuse(why, room, "redis_ssl_keyfile", file, "it is not the key of redis_ssl_certfile");
    if (!is_loaded)
        return refuse_content(why, room, "redis_ssl_keyfile", file, "a private key in PEM form");
    return NGR_OK;
}

static ngr_status load_identity(SSL_CTX *ssl, const struct ngr_settings *s, char *why, size_t room)
{
    const char *cert = s->tls.certfile, *key = s->tls.keyfile ? s->tls.keyfile : s->tls.certfile;
    if (!cert)
        return NGR_OK;
    if (SSL_CTX_use_certificate_chain_file(ssl, cert) != 1)
        return refuse_content(why, room, "redis_ssl_certfile", cert, "a certificate in PEM form");
    return load_key(ssl, key, why, room);
}

static void set_rules(SSL_CTX *ssl, const struct ngr_settings *s)
{
    SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    SSL_CTX_set_mode(ssl, SSL_MODE_AUTO_RETRY | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(ssl, s->tls.verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
}

ngr_status ngr_tls_context_new(const struct ngr_settings *settings, struct ngr_tls_context **context,
                               char *why, size_t why_room)
{
    ERR_clear_error();
    struct ngr_tls_context *c = ngr_alloc_zero(sizeof *c);
    SSL_CTX *ssl = c ? SSL_CTX_new(TLS_client_method()) : NULL;
    ngr_status st = ssl ? NGR_OK : NGR_E_NOMEM;
    if (st == NGR_OK) {
        set_rules(ssl, settings);
        st = load_trust(ssl, settings, why, why_room);
    }
    if (st == NGR_OK)
        st = load_identity(ssl, settings, why, why_room);
    ERR_clear_error();
    if (st != NGR_OK) {
        SSL_CTX_free(ssl);
        ngr_release(c);
        return st;
    }
    c->ssl = ssl;
    c->verifies = settings->tls.verifies;
    c->checks_host = settings->tls.verifies && settings->tls.checks_host;
    *context = c;
    return NGR_OK;
}

void ngr_tls_context_free(struct ngr_tls_context *c)
{
    if (!c)
        return;
    SSL_CTX_free(c->ssl);
    ngr_release(c);
}

/* --- one connection --------------------------------------------------------------------------- */

static bool is_address(const char *host)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* Says whom the certificate must name. An address is matched against the certificate's IP entries, and is no
 * SNI. */
static bool name_peer(const struct ngr_tls_context *c, SSL *ssl, const char *host)
{
    if (is_address(host))
        return !c->checks_host || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    if (SSL_set_tlsext_host_name(ssl, host) != 1)
        return false;
    if (!c->checks_host)
        return true;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1;
}

struct ngr_tls *ngr_tls_new(struct ngr_tls_context *c, const char *host)
{
    ERR_clear_error();
    struct ngr_tls *t = ngr_alloc_zero(sizeof *t);
    SSL *ssl = t ? SSL_new(c->ssl) : NULL;
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (!ssl || !in || !out || !name_peer(c, ssl, host)) {
        BIO_free(in);
        BIO_free(out);
        SSL_free(ssl);
        ngr_release(t);
        ERR_clear_error();
        return NULL;
    }
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    *t = (struct ngr_tls){.ssl = ssl, .in = in, .out = out};
    return t;
}

void ngr_tls_free(struct ngr_tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    ngr_release(t);
}

/* Keeps the reason of a failure. A refused certificate says more than the queue does; of that, the last error
 * is TLS's own, those before it are about its parts. */
static void note_error(struct ngr_tls *t)
{
    char text[100];
    long verdict = SSL_get_verify_result(t->ssl);
    if (verdict != X509_V_OK && SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE)
        snprintf(t->error, sizeof t->error, "the server's certificate is refused: %s",
                 X509_verify_cert_error_string(verdict));
    else
        snprintf(t->error, sizeof t->error, "TLS failed: %s",
                 error_text(ERR_peek_last_error(), text, sizeof text));
}

static enum ngr_tls_what judge(struct ngr_tls *t, int rc)
{
    switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_NONE:
        return NGR_TLS_DONE;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: /* the output is memory and takes everything: only input can be missing */
        return NGR_TLS_WANTS_INPUT;
    case SSL_ERROR_ZERO_RETURN:
        return t->end = NGR_TLS_CLOSED;
    default:
        if (t->end != NGR_TLS_FAILED)
            note_error(t);
        ERR_clear_error();
        return t->end = NGR_TLS_FAILED;
    }
}

enum ngr_tls_what ngr_tls_handshake(struct ngr_tls *t)
{
    ERR_clear_error();
    return judge(t, SSL_do_handshake(t->ssl));
}

ngr_status ngr_tls_feed(struct ngr_tls *t, const char *data, size_t len)
{
    ERR_clear_error();
    return len <= INT_MAX && BIO_write(t->in, data, (int)len) == (int)len ? NGR_OK : NGR_E_NOMEM;
}

enum ngr_tls_what ngr_tls_read(struct ngr_tls *t, char *to, size_t room, size_t *len)
{
    ERR_clear_error();
    int rc = SSL_read(t->ssl, to, room < INT_MAX ? (int)room : INT_MAX);
    *len = rc > 0 ? (size_t)rc : 0;
    return rc > 0 ? NGR_TLS_DONE : judge(t, rc);
}

enum ngr_tls_what ngr_tls_write(struct ngr_tls *t, const char *data, size_t len)
{
    while (len) {
        ERR_clear_error();
        int rc = SSL_write(t->ssl, data, len < INT_MAX ? (int)len : INT_MAX);
        if (rc <= 0) {
            judge(t, rc);
            return NGR_TLS_FAILED;
        }
        data += rc;
        len -= (size_t)rc;
    }
    return NGR_TLS_DONE;
}

size_t ngr_tls_output(struct ngr_tls *t, const char **data)
{
    char *start = NULL;
    long len = BIO_get_mem_data(t->out, &start);
    *data = start + t->sent;
    return (size_t)len - t->sent;
}

void ngr_tls_output_sent(struct ngr_tls *t, size_t len)
{
    const char *rest;
    t->sent += len;
    if (ngr_tls_output(t, &rest) == 0) {
        (void)BIO_reset(t->out);
        t->sent = 0;
    }
}

bool ngr_tls_has_buffered(const struct ngr_tls *t)
{
    return t->end != NGR_TLS_DONE || SSL_pending(t->ssl) > 0 || BIO_ctrl_pending(t->in) > 0;
}

bool ngr_tls_is_over(struct ngr_tls *t)
{
    char byte;
    ERR_clear_error();
    judge(t, SSL_peek(t->ssl, &byte, 1));
    return t->end != NGR_TLS_DONE;
}

const char *ngr_tls_error(const struct ngr_tls *t)
{
    return t->error;
}

const char *ngr_tls_version_compiled(void)
{
    return OPENSSL_VERSION_TEXT;
}

const char *ngr_tls_version_loaded(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}
