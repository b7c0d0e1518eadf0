/* The tables of json_mixed have a row for each set of eight things, which macros work out at compile time. */
#ifndef NGR_JSON_MIXED_TABLE_H
#define NGR_JSON_MIXED_TABLE_H

/* `row` is the name of a macro that makes the row of a set: NOLINTBEGIN(bugprone-macro-parentheses) */
#define NGR__ROWS4(row, set) row(set), row((set) + 1), row((set) + 2), row((set) + 3)
#define NGR__ROWS16(row, set)                                                                                \
    NGR__ROWS4(row, set), NGR__ROWS4(row, (set) + 4), NGR__ROWS4(row, (set) + 8), NGR__ROWS4(row, (set) + 12)
#define NGR__ROWS64(row, set)                                                                                \
    NGR__ROWS16(row, set), NGR__ROWS16(row, (set) + 16), NGR__ROWS16(row, (set) + 32),                       \
        NGR__ROWS16(row, (set) + 48)
/* NOLINTEND(bugprone-macro-parentheses) */

/* clang-tidy would look at each of a table's 100,000 expressions, for minutes; it is given an empty one. */
#if defined(__clang_analyzer__)
#define NGR__ROWS256(row)                                                                                    \
    {                                                                                                        \
        {                                                                                                    \
            0                                                                                                \
        }                                                                                                    \
    }
#else
#define NGR__ROWS256(row)                                                                                    \
    {                                                                                                        \
        NGR__ROWS64(row, 0), NGR__ROWS64(row, 64), NGR__ROWS64(row, 128), NGR__ROWS64(row, 192)              \
    }
#endif

#endif
