/* What an error reply means. One table says it for the whole project: the word a server's error starts with,
 * the status it becomes, and whether the same request may succeed a little later. */
#ifndef NGR_ANSWER_H
#define NGR_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "status.h"

/* The status of an error reply ("WRONGTYPE Operation against ..."); NGR_E_SERVER when the word is unknown. */
ngr_status ngr_answer_status(const char *text, size_t len);

/* May a request that ended like this be tried again? `was_sent`: at least one byte of it left this process;
 * `is_repeatable`: doing it twice is as good as once. */
bool ngr_answer_is_retried(ngr_status st, bool was_sent, bool is_repeatable);

/* One sentence of advice for the reader of the error; "" where there is none. */
const char *ngr_answer_advice(ngr_status st);

#endif
