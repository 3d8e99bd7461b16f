/* Between the operations and the builds of the files *_simd.c. A product and a sum are rounded each by itself here, whatever the CPU has:
 * the Makefile says so, and all builds give the same bytes. */
#ifndef SCION_OPS_KERNELS_H
#define SCION_OPS_KERNELS_H

#include "../../kernels/simd.h"

/* x[i] = base[i] + factor * (x[i] - base[i]), cut off to 0 .. 255 */
SIMD_DECLARE(void, ops_blend, unsigned char *x, const unsigned char *base, ptrdiff_t bytes, float factor);
/* y = row[1] smoothed by its neighbours, which are rows of `width` pixels, without the first and the last pixel */
SIMD_DECLARE(void, ops_smooth, const unsigned char *const row[3], unsigned char *y, int width);

/* y[i] = own * x[i] + share * other[i]; bytes are rounded */
SIMD_DECLARE(void, ops_mix_bytes, const unsigned char *x, const unsigned char *other, unsigned char *y, ptrdiff_t count, float own, float share);
SIMD_DECLARE(void, ops_mix_floats, const float *x, const float *other, float *y, ptrdiff_t count, float own, float share);

/* colours of `count` pixels */
SIMD_DECLARE(void, ops_gray, unsigned char *x, ptrdiff_t count);
/* sums of red, green, blue, and of gray values */
SIMD_DECLARE(void, ops_sums, const unsigned char *x, ptrdiff_t count, int64_t sums[4]);
SIMD_DECLARE(void, ops_saturate, unsigned char *x, ptrdiff_t count, float factor);
SIMD_DECLARE(void, ops_matrix, unsigned char *x, ptrdiff_t count, const float m[12]);
SIMD_DECLARE(void, ops_hue, unsigned char *x, ptrdiff_t count, int turn);

/* y[i] = the sum of weights[t] * rows[t][i] for t in 0 .. size-1, where size is odd and the weights are the same from both ends. All are
 * floats; a few behind the `count` are read, and written, up to a multiple of OPS_BLUR_BLOCK. */
#define OPS_BLUR_BLOCK 64
SIMD_DECLARE(void, ops_blur, const float *const *rows, const float *weights, int size, float *y, ptrdiff_t count);
SIMD_DECLARE(void, ops_to_floats, const unsigned char *x, float *y, ptrdiff_t count);
/* rounded; x is in 0 .. 255 but for its own rounding */
SIMD_DECLARE(void, ops_to_bytes, const float *x, unsigned char *y, ptrdiff_t count);

#endif
