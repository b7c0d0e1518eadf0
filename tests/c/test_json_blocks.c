/* Text through the codec's blocks, at every length and place around their edges: written, read and skipped,
 * and compared with what one character after the other gives. All input lies in memory of exactly its size,
 * so that the sanitizer sees a byte too far. */
#include "harness.h"

#include "json.h"
#include "utf8.h"

#define LONGEST 110
#define TAIL    100 /* bytes of a document behind the string */

static struct ngr_json_reader reader;
static uint32_t text[LONGEST]; /* what is under test, and its length */
static size_t chars;

/* --- one character after the other ------------------------------------------------------------ */

static size_t spell_simply(char *out, uint32_t c)
{
    static const char with[] = "\"\\\b\f\n\r\t", behind[] = "\"\\bfnrt";
    const char *at = c && c < 0x80 ? strchr(with, (int)c) : NULL;
    if (at)
        return (size_t)sprintf(out, "\\%c", behind[at - with]);
    if (c < 0x20 || ngr__is_surrogate(c))
        return (size_t)sprintf(out, "\\u%04x", (unsigned)c);
    return ngr__utf8_put((uint8_t *)out, c);
}

/* As json.dumps() does by default. */
static size_t escape_simply(char *out, uint32_t c)
{
    if (c < 0x7f)
        return spell_simply(out, c);
    if (c > 0xffff)
        return (size_t)sprintf(out, "\\u%04x\\u%04x", (unsigned)(0xd7c0 + (c >> 10)),
                               (unsigned)(0xdc00 | (c & 0x3ff)));
    return (size_t)sprintf(out, "\\u%04x", (unsigned)c);
}

static size_t document_of(char *out, size_t (*spell)(char *, uint32_t))
{
    size_t len = 0;
    out[len++] = '"';
    for (size_t i = 0; i < chars; i++)
        len += spell(out + len, text[i]);
    out[len++] = '"';
    return len;
}

/* --- through the codec ------------------------------------------------------------------------ */

static ngr_status write_as(struct ngr_json_writer *w, unsigned width)
{
    void *exact = malloc(chars * width + (chars == 0));
    ngr_status st = NGR_OK;
    for (size_t i = 0; i < chars; i++) {
        if (width == 1)
            ((uint8_t *)exact)[i] = (uint8_t)text[i];
        else if (width == 2)
            ((uint16_t *)exact)[i] = (uint16_t)text[i];
        else
            ((uint32_t *)exact)[i] = text[i];
    }
    if (width == 1)
        st = ngr_json_string_ucs1(w, exact, chars);
    else if (width == 2)
        st = ngr_json_string_ucs2(w, exact, chars);
    else
        st = ngr_json_string_ucs4(w, exact, chars);
    free(exact);
    return st;
}

static void check_written(unsigned width, size_t ceiling, const char *want, size_t len)
{
    struct ngr_buf out;
    struct ngr_json_writer w;
    ngr_buf_init(&out, ceiling);
    ngr_json_writer_init(&w, &out);
    ngr_status st = write_as(&w, width);
    CHECK_INT(st, ceiling && ceiling < len ? NGR_E_TOOBIG : NGR_OK);
    if (st == NGR_OK) {
        CHECK_INT(out.len, len);
        CHECK(memcmp(out.data, want, len) == 0);
    }
    ngr_buf_fini(&out);
}

static ngr_status compare(void *user, const struct ngr_json_text *got)
{
    uint32_t widest = 0;
    CHECK_INT(got->chars, chars);
    for (size_t i = 0; i < chars; i++) {
        unsigned width = (unsigned)ngr_json_text_width(got);
        uint32_t c = width == 1   ? ((const uint8_t *)got->units)[i]
                     : width == 2 ? ((const uint16_t *)got->units)[i]
                                  : ((const uint32_t *)got->units)[i];
        CHECK_INT(c, text[i]);
        widest |= c;
    }
    CHECK_INT(got->max_char, widest < 0x80      ? 0x7f
                             : widest < 0x100   ? 0xff
                             : widest < 0x10000 ? 0xffff
                                                : 0x10ffff);
    ++*(int *)user;
    return NGR_OK;
}

static ngr_status skip(void *user, const struct ngr_json_text *key)
{
    return NGR_JSON_SKIP;
}

static ngr_status pass(void *user)
{
    return NGR_OK;
}

/* Room of exactly the size that is asked for, until the reading is over. */
static void *lent[2];

static void *lend_exactly(void *user, size_t units, unsigned width)
{
    CHECK(lent[width == 4] == NULL);
    return lent[width == 4] = malloc(units * width);
}

/* What could be written where it stays was written there: keys, and strings of narrow units, are not. */
static ngr_status compare_lent(void *user, const struct ngr_json_text *got)
{
    size_t width = ngr_json_text_width(got);
    CHECK(width == 1 || !lent[width == 4] || got->units == lent[width == 4]);
    CHECK(width == 1 || chars < 8 || lent[width == 4]);
    return compare(user, got);
}

static ngr_status compare_key(void *user, const struct ngr_json_text *got)
{
    CHECK(!lent[0] && !lent[1]);
    return compare(user, got);
}

static const struct ngr_json_sink comparing = {.string = compare};
static const struct ngr_json_sink lending = {.string = compare_lent,
                                             .lend = lend_exactly,
                                             .begin_object = pass,
                                             .key = compare_key,
                                             .begin_array = pass,
                                             .null = pass,
                                             .end_array = pass,
                                             .end_object = pass};
static const struct ngr_json_sink skipping = {.begin_object = pass, .key = skip, .end_object = pass};

static ngr_status read_exactly(const char *document, size_t len, const struct ngr_json_sink *sink, int *found,
                               struct ngr_json_error *error)
{
    char *exact = malloc(len + (len == 0));
    memcpy(exact, document, len);
    ngr_status st = ngr_json_read(&reader, exact, len, sink, found, error);
    free(exact);
    for (int i = 0; i < 2; i++) {
        free(lent[i]);
        lent[i] = NULL;
    }
    return st;
}

/* The string is read as `text`, into memory of either's, and as a key; and it is skipped as the value of a
 * key. */
static void check_read(const char *document, size_t len)
{
    struct ngr_json_error error;
    char object[12 * LONGEST + TAIL + 16];
    int found = 0;
    CHECK_INT(read_exactly(document, len, &comparing, &found, &error), NGR_OK);
    CHECK_INT(read_exactly(document, len, &lending, &found, &error), NGR_OK);
    object[0] = '[';
    memcpy(object + 1, document, len);
    memset(object + 1 + len, ' ', TAIL); /* where blocks may still be read */
    object[1 + len + TAIL] = ']';
    CHECK_INT(read_exactly(object, len + TAIL + 2, &lending, &found, &error), NGR_OK);
    object[0] = '{';
    memcpy(object + 1, document, len);
    memcpy(object + 1 + len, ":null}", 6);
    CHECK_INT(read_exactly(object, len + 7, &lending, &found, &error), NGR_OK);
    CHECK_INT(found, 4);
    memcpy(object, "{\"k\":", 5);
    memcpy(object + 5, document, len);
    object[5 + len] = '}';
    CHECK_INT(read_exactly(object, len + 6, &skipping, &found, &error), NGR_OK);
}

/* Reading and skipping a broken string say the same about it. */
static void check_broken(const char *document, size_t len, size_t offset)
{
    struct ngr_json_error read, into_lent, skipped;
    char object[12 * LONGEST + 16];
    int found = 0;
    CHECK_INT(read_exactly(document, len, &comparing, &found, &read), NGR_E_CORRUPT);
    CHECK_INT(read.offset, offset);
    CHECK_INT(read_exactly(document, len, &lending, &found, &into_lent), NGR_E_CORRUPT);
    CHECK_INT(into_lent.offset, offset);
    CHECK_TEXT(into_lent.what, read.what);
    memcpy(object, "{\"k\":", 5);
    memcpy(object + 5, document, len);
    CHECK_INT(read_exactly(object, len + 5, &skipping, &found, &skipped), NGR_E_CORRUPT);
    CHECK_INT(skipped.offset, offset + 5);
    CHECK_TEXT(skipped.what, read.what);
}

static unsigned width_of_text(void)
{
    uint32_t widest = 0;
    for (size_t i = 0; i < chars; i++)
        widest |= text[i];
    return widest < 0x100 ? 1 : widest < 0x10000 ? 2 : 4;
}

static void check_text(void)
{
    char document[12 * LONGEST + 2];
    size_t len = document_of(document, spell_simply);
    for (unsigned width = width_of_text(); width <= 4; width *= 2)
        check_written(width, 0, document, len);
    check_read(document, len);
    check_read(document, document_of(document, escape_simply));
}

/* --- the facts -------------------------------------------------------------------------------- */

/* One of each kind, and the first and last of the kinds. */
static const uint32_t kinds[] = {'"',    '\\',   '\n',   '\b',   '\v',   '\f',   '\r',    '\t',    0x00,
                                 0x1f,   0x20,   0x7f,   0x80,   0xe9,   0xff,   0x100,   0x7ff,   0x800,
                                 0x4e2d, 0xd7ff, 0xd800, 0xdfff, 0xe000, 0xffff, 0x10000, 0x1f600, 0x10ffff};
#define KINDS (sizeof kinds / sizeof *kinds)

/* Characters to stand around the one under test. */
static void fill(size_t len, uint32_t with)
{
    chars = len;
    for (size_t i = 0; i < len; i++)
        text[i] = with == 'a' ? 'a' + (uint32_t)(i % 26) : with;
}

TEST(a_character_of_any_kind_may_stand_at_any_place_of_a_block)
{
    for (size_t len = 1; len < 70; len += len < 36 ? 1 : 5)
        for (size_t at = 0; at < len; at++)
            for (size_t kind = 0; kind < KINDS; kind++) {
                fill(len, 'a');
                text[at] = kinds[kind];
                check_text();
            }
}

TEST(a_character_of_any_kind_may_stand_among_those_of_any_other)
{
    for (size_t around = 0; around < KINDS; around++)
        for (size_t at = 0; at < 40; at++)
            for (size_t kind = 0; kind < KINDS; kind++) {
                if (ngr__is_surrogate(kinds[around]) && ngr__is_surrogate(kinds[kind]))
                    continue; /* two halves would join */
                fill(40, kinds[around]);
                text[at] = kinds[kind];
                check_text();
            }
}

TEST(two_characters_of_any_kind_may_follow_each_other_anywhere)
{
    for (size_t at = 0; at < 36; at++)
        for (size_t first = 0; first < KINDS; first++)
            for (size_t second = 0; second < KINDS; second++) {
                if (ngr__is_surrogate(kinds[first]) && ngr__is_surrogate(kinds[second]))
                    continue;
                fill(56, 'a');
                text[at] = kinds[first];
                text[at + 1 + at % 3] = kinds[second];
                check_text();
            }
}

TEST(any_mixture_is_written_and_read)
{
    unsigned seed = 1;
    for (int round = 0; round < 20000; round++) {
        seed = seed * 1103515245 + 12345;
        unsigned share = (seed >> 16) % 8, last = (seed >> 20) % KINDS;
        chars = (seed >> 8) % LONGEST;
        for (size_t i = 0; i < chars; i++) {
            seed = seed * 1103515245 + 12345;
            text[i] = (seed >> 16) % 8 < share ? kinds[(seed >> 20) % (last + 1)] : 'a' + i % 26;
            if (i && ngr__is_surrogate(text[i]) && ngr__is_surrogate(text[i - 1]))
                text[i] = 'x';
        }
        check_text();
    }
}

TEST(the_ceiling_is_exact_for_text_of_any_kind)
{
    char document[12 * LONGEST + 2];
    for (size_t kind = 0; kind < KINDS; kind++)
        for (size_t len = 1; len < 50; len += 7) {
            fill(len, kinds[kind]);
            size_t whole = document_of(document, spell_simply);
            for (size_t ceiling = whole > 40 ? whole - 40 : 1; ceiling < whole + 40; ceiling++)
                check_written(width_of_text(), ceiling, document, whole);
        }
}

TEST(text_cut_off_at_any_byte_is_refused_there)
{
    char document[12 * LONGEST + 2];
    for (size_t kind = 0; kind < KINDS; kind++)
        for (size_t at = 0; at < 40; at++) {
            fill(40, 'a');
            text[at] = kinds[kind];
            document_of(document, spell_simply);
            check_broken(document, 1 + at, 1 + at); /* just in front of it, where the string may be plain */
        }
}

TEST(a_wrong_byte_is_refused_at_any_place)
{
    static const char *const wrong[] = {"\n",
                                        "\x1f",
                                        "\x80",
                                        "\xc0\x80",
                                        "\xc3\x28",
                                        "\xe0\x80\x80",
                                        "\xe2\x82\x28",
                                        "\xe2\x28\xa1",
                                        "\xed\xa0\x80",
                                        "\xf0\x80\x80\x80",
                                        "\xf4\x90\x80\x80",
                                        "\xff",
                                        "\\x",
                                        "\\\x01",
                                        "\\\xc3\xa9",
                                        "\\u12g4",
                                        "\\u+123"};
    static const char *const fillers[] = {"a",   "\xc3\xa9", "\xe4\xb8\xad", "\xf0\x9f\x98\x80",
                                          "\\n", "\\u4e2d",  "\\\\",         "\\/\\\""};
    char document[12 * LONGEST + 2];
    for (size_t w = 0; w < sizeof wrong / sizeof *wrong; w++)
        for (size_t f = 0; f < sizeof fillers / sizeof *fillers; f++)
            for (size_t before = 0; before < 40; before++)
                for (size_t behind = 0; behind < 60; behind += 29) {
                    char *p = document;
                    *p++ = '"';
                    for (size_t i = 0; i < before; i++)
                        p = stpcpy(p, fillers[f]);
                    size_t offset = (size_t)(p - document);
                    p = stpcpy(p, wrong[w]);
                    for (size_t i = 0; i < behind; i++)
                        p = stpcpy(p, fillers[f]);
                    *p++ = '"';
                    check_broken(document, (size_t)(p - document), offset);
                }
}

int main(void)
{
    ngr_json_reader_init(&reader);
    RUN(a_character_of_any_kind_may_stand_at_any_place_of_a_block);
    RUN(a_character_of_any_kind_may_stand_among_those_of_any_other);
    RUN(two_characters_of_any_kind_may_follow_each_other_anywhere);
    RUN(any_mixture_is_written_and_read);
    RUN(the_ceiling_is_exact_for_text_of_any_kind);
    RUN(text_cut_off_at_any_byte_is_refused_there);
    RUN(a_wrong_byte_is_refused_at_any_place);
    ngr_json_reader_fini(&reader);
    return harness_result();
}
