/* Which instruction set the codec's inner loops are spelled in: NGR__SSE2, NGR__NEON, or neither, which
 * means plain C. All of them take sixteen bytes at a time and have the same meaning. */
#ifndef NGR_SIMD_H
#define NGR_SIMD_H

#if defined(NGR_PLAIN) /* the tests build the plain C spelling with it, too */
#elif defined(__SSE2__)
#define NGR__SSE2
#include <emmintrin.h>
#elif defined(__aarch64__) && defined(__ARM_NEON) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NGR__NEON
#include <arm_neon.h>
#endif

#endif
