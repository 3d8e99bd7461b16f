/* Between pipeline.c and the builds of colour_simd.c. */
#ifndef SCION_COLOUR_H
#define SCION_COLOUR_H

#include "../kernels/simd.h"

/* Of each of `count` pixels: channel c becomes m[4c] * red + m[4c+1] * green + m[4c+2] * blue + m[4c+3], rounded and cut off to a byte. */
SIMD_DECLARE(void, image_colours, unsigned char *pixels, int count, const float m[12]);
/* The sum of each channel. */
SIMD_DECLARE(void, image_sums, const unsigned char *pixels, int count, uint64_t sums[3]);

#endif
