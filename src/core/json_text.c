/* From the UTF-8 of a decoded string (json.h) to one unit per character. The reader has checked and
 * counted the text, so nothing is checked here. Most text is ASCII with exceptions: runs of it are
 * widened sixteen at a time. */
#include "json.h"

#include <string.h>

#include "utf8.h"

#define RUN 16

static inline bool is_ascii_run(const uint8_t *p)
{
    uint64_t word[2];
    memcpy(word, p, sizeof word);
    return ((word[0] | word[1]) & 0x8080808080808080u) == 0;
}

/* One character of any length. */
static inline uint32_t take(const uint8_t **p)
{
    const uint8_t *at = *p;
    if (at[0] < 0x80) {
        *p = at + 1;
        return at[0];
    }
    if (at[0] < 0xe0) {
        *p = at + 2;
        return ngr__utf8_two(at);
    }
    if (at[0] < 0xf0) {
        *p = at + 3;
        return ngr__utf8_three(at);
    }
    *p = at + 4;
    return ngr__utf8_four(at);
}

/* The three functions differ in `unit` alone. The fixed-length loop is one that compilers turn into
 * vector code. */
#define DEFINE_TO(name, unit)                                                                                \
    void name(const struct ngr_json_text *text, unit *out)                                                   \
    {                                                                                                        \
        const uint8_t *p = (const uint8_t *)text->data, *end = p + text->bytes;                              \
        while (p < end) {                                                                                    \
            if (end - p >= RUN && is_ascii_run(p)) {                                                         \
                for (int i = 0; i < RUN; i++)                                                                \
                    out[i] = p[i];                                                                           \
                p += RUN;                                                                                    \
                out += RUN;                                                                                  \
            } else {                                                                                         \
                *out++ = (unit)take(&p);                                                                     \
            }                                                                                                \
        }                                                                                                    \
    }

DEFINE_TO(ngr_json_text_to_ucs1, uint8_t)
DEFINE_TO(ngr_json_text_to_ucs2, uint16_t)
DEFINE_TO(ngr_json_text_to_ucs4, uint32_t)
