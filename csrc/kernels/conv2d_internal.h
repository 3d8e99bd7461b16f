/* What the files of the convolution share.
 *
 * Forward pass and gradient to the input are one problem: a grid of output pixels, each a sum over taps x channels of
 * gathered source values times packed weights. It is computed as a blocked matrix product (Goto and van de Geijn, "Anatomy
 * of high-performance matrix multiplication", ACM TOMS 2008) whose left side is never in memory as a whole: a tile of a few
 * pixels x CONV2D_DEPTH is gathered into the first-level cache and meets one panel of weights after the other. */
#ifndef SCION_CONV2D_INTERNAL_H
#define SCION_CONV2D_INTERNAL_H

#include "simd.h"

#define CONV2D_DEPTH 256  /* taps x channels gathered at a time */
#define CONV2D_PITCH 272  /* floats between gathered pixels: no power of two, and room for a vector past the end */
#define CONV2D_PIXELS 168 /* pixels of a block: a multiple of the rows of every tile (14, 6, 4) */

#define CONV2D_GROUP 16   /* panels a chunk at most, so that their part of the depth stays in the second-level cache */

/* Where the values under the taps of a grid pixel lie: tap (r, s) of pixel (n, i, j) is source pixel
 * (n, i*step[0] + first[0] + r*tap_step[0], j*step[1] + first[1] + s*tap_step[1]), zeros where that is outside. */
typedef struct {
  const float *data;
  int64_t stride, channels;              /* floats from pixel to pixel, floats of a pixel */
  int64_t size[2], grid[2], taps[2];     /* source rows and columns, grid rows and columns, vertical and horizontal taps */
  int64_t step[2], first[2], tap_step[2];
} conv2d_source;

/* One grid: a forward pass, or one phase of a gradient to the input. */
typedef struct {
  conv2d_source source;
  const float *panels, *bias, *addend; /* the last two may be NULL */
  int64_t addend_stride;
  float *out; /* grid pixel (n, i, j) is output pixel (n, i*out_step[0] + out_first[0], j*out_step[1] + out_first[1]) */
  int64_t out_stride, out_channels, out_size[2], out_step[2], out_first[2];
  int accumulate;
  scion_activation activation;
  int64_t pixels, depth;                   /* of all images; taps x channels */
  int64_t block, groups, group_panels;     /* pixels a chunk, chunks that share a block, panels a chunk */
} conv2d_grid;

/* Output channels of a panel: two vectors. A last panel of at most one vector is that narrow. */
static inline int64_t conv2d_panel(void) {
  static const int64_t widths[] = {[SCION_ISA_PORTABLE] = 8, [SCION_ISA_AVX2] = 16, [SCION_ISA_AVX512] = 32};
  return widths[scion_isa_in_use()];
}
static inline int64_t conv2d_divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t conv2d_padded(int64_t channels) {
  int64_t vector = conv2d_panel() / 2;
  return conv2d_divide_up(channels, vector) * vector;
}

/* The taps that reach input pixels of one phase (index mod stride) along one axis: last, last - tap_step, .. (count of
 * them); the k-th in that order reads dy at index / stride + first + k * dy_step. */
typedef struct {
  int64_t count, last, tap_step, first, dy_step;
} conv2d_phase;
conv2d_phase conv2d_find_phase(const scion_window *window, int axis, int64_t phase);

/* A contiguous f32 tensor of that many elements. */
bool conv2d_is_vector(const scion_tensor *t, int64_t elements);
scion_status conv2d_check_window(const scion_window *window);
/* f32 images x and y of equal number, and y of the size that the window gives. */
scion_status conv2d_check_images(const scion_tensor *x, const scion_tensor *y, const scion_window *window);
/* What lies under the taps for each pixel of y. */
conv2d_source conv2d_forward_source(const scion_tensor *x, const scion_tensor *y, const scion_window *window);

SIMD_DECLARE(void, conv2d_grid_chunk, void *grid, int64_t chunk, void *scratch);

#endif
