/* A test program is a list of facts: TEST(name) functions named in RUN_ALL(). A failed CHECK prints where and
 * what and ends that test; the program's exit code is the number of failed tests. The last line is "N passed,
 * M failed". */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness_memory.h"

static jmp_buf harness_exit;
static int harness_passed, harness_failed;

#define TEST(name) static void name(void)

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            printf("  %s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                               \
            longjmp(harness_exit, 1);                                                                        \
        }                                                                                                    \
    } while (0)

#define CHECK_INT(got, want)                                                                                 \
    do {                                                                                                     \
        long long harness_got = (long long)(got), harness_want = (long long)(want);                          \
        if (harness_got != harness_want) {                                                                   \
            printf("  %s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, harness_got, harness_want);  \
            longjmp(harness_exit, 1);                                                                        \
        }                                                                                                    \
    } while (0)

#define CHECK_TEXT(got, want)                                                                                \
    do {                                                                                                     \
        const char *harness_got = (got), *harness_want = (want);                                             \
        if (!harness_got || strcmp(harness_got, harness_want) != 0) {                                        \
            printf("  %s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, #got,                          \
                   harness_got ? harness_got : "(null)", harness_want);                                      \
            longjmp(harness_exit, 1);                                                                        \
        }                                                                                                    \
    } while (0)

/* With ONLY="name,name" in the environment a program runs those tests alone, and says of each that it passed.
 */
static inline int harness_is_wanted(const char *name)
{
    const char *at = getenv("ONLY");
    size_t len = strlen(name);
    if (!at)
        return 1;
    for (; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return 1;
    return 0;
}

static inline void harness_note_passed(const char *name)
{
    harness_passed++;
    if (getenv("ONLY")) {
        printf("passed %s\n", name);
        fflush(stdout);
    }
}

#define RUN(name)                                                                                            \
    do {                                                                                                     \
        if (!harness_is_wanted(#name))                                                                       \
            break;                                                                                           \
        if (setjmp(harness_exit) == 0) {                                                                     \
            name();                                                                                          \
            harness_note_passed(#name);                                                                      \
        } else {                                                                                             \
            printf("FAILED %s\n", #name);                                                                    \
            fflush(stdout);                                                                                  \
            harness_failed++;                                                                                \
        }                                                                                                    \
    } while (0)

/* Ends main(): prints the totals, answers the exit code. A failed test leaves things behind by nature: the
 * leak checker has no say then. */
static inline int harness_result(void)
{
    printf("%d passed, %d failed\n", harness_passed, harness_failed);
    fflush(stdout);
    if (harness_failed)
        _Exit(harness_failed);
    return 0;
}

#endif
