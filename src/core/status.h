/* Every way a call can end, in one list: the code, what a human reads, and the name of the exception
 * the Python layer raises for it. Nothing else in the project enumerates errors. */
#ifndef NGR_STATUS_H
#define NGR_STATUS_H

/*  code              text                                              exception */
#define NGR_STATUS_LIST(X)                                                                                   \
    X(NGR_OK, "success", "")                                                                                 \
    X(NGR_E_NOMEM, "out of memory in this process", "MemoryError")                                           \
    X(NGR_E_CALLBACK, "the receiver of an answer failed", "")                                                \
    X(NGR_E_CONFIG, "a setting is wrong", "ConfigurationError")                                              \
    X(NGR_E_UNSUPPORTED, "not built yet", "UnsupportedFeatureError")                                         \
    X(NGR_E_CLOSED, "the storage was closed", "ClosedError")                                                 \
    X(NGR_E_CONNECT, "cannot connect", "RedisConnectionError")                                               \
    X(NGR_E_TLS, "TLS cannot be set up", "TlsError")                                                         \
    X(NGR_E_LOST, "the connection was lost", "RedisConnectionError")                                         \
    X(NGR_E_TIMEOUT, "no answer in time", "RedisTimeoutError")                                               \
    X(NGR_E_PROTOCOL, "the server broke the protocol", "ProtocolError")                                      \
    X(NGR_E_AUTH, "authentication failed", "AuthenticationError")                                            \
    X(NGR_E_PERM, "the user may not do this", "NoPermissionError")                                           \
    X(NGR_E_READONLY, "the server is read-only", "ReadOnlyError")                                            \
    X(NGR_E_LOADING, "the server is loading its data", "LoadingError")                                       \
    X(NGR_E_MASTERDOWN, "the replica lost its master", "LoadingError")                                       \
    X(NGR_E_MAXCLIENTS, "the server has no free client slot", "RedisConnectionError")                        \
    X(NGR_E_OOM, "the server is out of memory", "OutOfMemoryError")                                          \
    X(NGR_E_MISCONF, "the server refuses writes: it cannot persist", "MisconfError")                         \
    X(NGR_E_CLUSTERDOWN, "the cluster is down", "ClusterDownError")                                          \
    X(NGR_E_TRYAGAIN, "the cluster is moving this key", "ClusterDownError")                                  \
    X(NGR_E_REDIRECT, "this server is part of a cluster", "CrossSlotError")                                  \
    X(NGR_E_CROSSSLOT, "the keys live in different slots", "CrossSlotError")                                 \
    X(NGR_E_WRONGTYPE, "the key holds another type", "WrongTypeError")                                       \
    X(NGR_E_EXECABORT, "the transaction was aborted", "ResponseError")                                       \
    X(NGR_E_SERVER, "the server answered with an error", "ResponseError")                                    \
    X(NGR_E_TOOBIG, "the value is too large", "ValueTooLargeError")                                          \
    X(NGR_E_CORRUPT, "the stored value is not JSON", "CorruptValueError")                                    \
    X(NGR_E_ENCODE, "the value cannot be stored as JSON", "EncodeError")

typedef enum ngr_status {
#define NGR_X(code, text, exception) code,
    NGR_STATUS_LIST(NGR_X)
#undef NGR_X
        NGR_STATUS_COUNT
} ngr_status;

/* The text of a status; never NULL. */
const char *ngr_status_text(ngr_status st);

/* The name of the Python exception for a status; "" where there is none. */
const char *ngr_status_exception(ngr_status st);

/* The name of the code itself ("NGR_E_TIMEOUT"), for traces and tests. */
const char *ngr_status_name(ngr_status st);

#endif
