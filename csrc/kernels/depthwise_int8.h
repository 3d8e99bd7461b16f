/* What the files of the depthwise convolution of bytes share. */
#ifndef SCION_DEPTHWISE_INT8_H
#define SCION_DEPTHWISE_INT8_H

#include "simd.h"

#define INT8_TAPS 128 /* of a kernel: 128 * 255 * 32767 < 2^31 */

typedef struct {
  const int32_t *packed; /* [pairs][width]: weights of two taps in the lower and the upper half */
  const int32_t *sums;   /* of each channel's weights */
  const float *scales, *bias; /* bias may be NULL */
  int64_t pairs, width;
  scion_quantization x, y; /* y: where it is codes */
  scion_dtype y_dtype;
  scion_activation activation;
} depthwise_int8_kernel;

/* Pixels of a row of y whose windows have the same taps inside of x. A tap is the first channel of an input pixel, of the first of them; the next
 * one's lies `step` further. Outside there is a pixel of zero points, again and again. */
typedef struct {
  const uint8_t *tap[INT8_TAPS];
  int64_t step[INT8_TAPS];
  void *y;
  int64_t count, y_step; /* elements */
} depthwise_int8_run;

SIMD_DECLARE(void, scion_depthwise_int8_run, const depthwise_int8_kernel *kernel, const depthwise_int8_run *run);

#endif
