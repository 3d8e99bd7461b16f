/* Between resize.c and the builds of resize_simd.c. */
#ifndef SCION_RESIZE_H
#define SCION_RESIZE_H

#include "../kernels/simd.h"

#define RESIZE_BITS 22      /* fraction of a weight: 8 bits a pixel, one for overshoot and the sign remain of 32 */
#define RESIZE_MAX_LANES 16 /* the widest SIMD_WIDTH */

/* Along one axis: result i is the sum of weights[i*most .. ][0 .. count[i]-1] over the inputs from first[i] on. */
typedef struct {
  int32_t *first, *count, *weights;
  int most;
} resize_taps;

/* y[r, :] for SIMD_WIDTH rows or fewer of `width` pixels, `stride` bytes apart, into rows of `new_width` pixels.
 * columns: room for SIMD_WIDTH * (width + new_width) words. */
SIMD_DECLARE(void, resize_across, const unsigned char *x, ptrdiff_t stride, int rows, int width, unsigned char *y, int new_width,
             const resize_taps *taps, uint32_t *columns);
/* y[0 .. bytes-1] = the sum of weights[t] * x[t*stride + ..]: one row from `count` rows. */
SIMD_DECLARE(void, resize_down, const unsigned char *x, ptrdiff_t stride, ptrdiff_t bytes, unsigned char *y, const int32_t *weights,
             int count);
SIMD_DECLARE(int, resize_lanes, void);

#endif
