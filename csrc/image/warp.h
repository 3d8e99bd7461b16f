/* Between warp.c and the builds of warp_simd.c. */
#ifndef SCION_WARP_H
#define SCION_WARP_H

#include "../kernels/simd.h"

typedef struct {
  const unsigned char *x;
  int height, width; /* of x */
  int count;         /* pixels of a row of the result */
  float source_x, source_y; /* where the row's first pixel comes from */
  float step_x, step_y;     /* and how far each next one lies */
  scion_fill fill;
  float value;
  float gain, shift[3]; /* what is blended becomes value * gain + shift, cut off to a byte: shift holds the half that rounds */
} warp_row;

/* One row of job->count pixels. */
SIMD_DECLARE(void, warp_pixels, const warp_row *job, unsigned char *y);

/* One pixel, for all fills and sizes. */
void warp_pixel(const warp_row *job, float x, float y, unsigned char *out);

#endif
