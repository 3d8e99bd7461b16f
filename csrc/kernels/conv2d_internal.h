/* What the files of the convolution share.
 *
 * Forward pass and gradient to the input are one problem: a grid of output pixels, each a sum over taps x channels of
 * gathered source values times packed weights. It is computed as a blocked matrix product (Goto and van de Geijn, "Anatomy
 * of high-performance matrix multiplication", ACM TOMS 2008) whose left side is never in memory: its rows are pointers to where
 * the values of each tap lie (Dukhan, "The indirect convolution algorithm", 2019), and only short stretches, as of an image of
 * three channels, are gathered. Part of a panel of weights stays in the first-level cache while a block of pixels comes by. */
#ifndef SCION_CONV2D_INTERNAL_H
#define SCION_CONV2D_INTERNAL_H

#include "simd.h"

#define CONV2D_DEPTH 384  /* taps x channels at a time */
#define CONV2D_PITCH 400  /* floats between gathered pixels: no power of two, and room for a vector past the end */
#define CONV2D_BLOCK 252  /* pixels of a block, or a half or quarter of them: whole tiles of 9, 6, 4, 3 or 2 rows */
#define CONV2D_CHUNKS 16  /* at least, where there is so much work: then a few threads end at about the same time */
#define CONV2D_GROUP 16   /* panels a chunk at most, so that their part of the depth stays in the second-level cache */

/* Where the values under the taps of a grid pixel lie: tap (r, s) of pixel (n, i, j) is source pixel
 * (n, i*step[0] + first[0] + r*tap_step[0], j*step[1] + first[1] + s*tap_step[1]), zeros where that is outside. */
typedef struct {
  const float *data, *zeros;             /* zeros: as many as all bundles have channels; NULL where there is one */
  int64_t stride, channels;              /* floats from pixel to pixel, floats of a pixel */
  int64_t size[2], grid[2], taps[2];     /* source rows and columns, grid rows and columns, vertical and horizontal taps */
  int64_t step[2], first[2], tap_step[2];
} conv2d_source;

/* One grid: a forward pass, or one phase of a gradient to the input. */
typedef struct {
  conv2d_source source;
  const float *panels, *bias, *addend; /* the last two may be NULL */
  int64_t addend_stride;
  int64_t bundles, bundle_panels; /* convolutions of one shape side by side (0: one): the grid is the first, and each of the others takes
                                     the channels, and so many floats of packed weights, that follow */
  const float *loose; /* where panels is NULL: weights as they are, [depth][out_channels], or [out_channels][depth] if turned */
  int64_t loose_stride;
  bool loose_turned;
  float *out; /* grid pixel (n, i, j) is output pixel (n, i*out_step[0] + out_first[0], j*out_step[1] + out_first[1]) */
  int64_t out_stride, out_channels, out_size[2], out_step[2], out_first[2];
  int accumulate;
  bool stream; /* the output goes past the caches */
  scion_activation activation;
  int64_t pixels, depth;                   /* of all images; taps x channels */
  int64_t block, groups, group_panels;     /* pixels a chunk, chunks that share a block, panels (of all bundles) a chunk */
} conv2d_grid;

static inline int64_t conv2d_vector(void) { /* floats */
#ifdef SIMD_BUILD
  return SIMD_WIDTH; /* in the innermost loops a constant */
#else
  static const int64_t widths[] = {[SCION_ISA_PORTABLE] = 4, [SCION_ISA_AVX2] = 8, [SCION_ISA_AVX512] = 16};
  return widths[scion_isa_in_use()];
#endif
}
static inline int64_t conv2d_padded(int64_t channels) {
  return scion_divide_up(channels, conv2d_vector()) * conv2d_vector();
}

/* Packed weights lie in panels of three vectors of output channels, of four where that leaves no rest; only few channels make one
 * panel of one, two or five vectors. Wide panels need few loads for many multiplications. */
static inline int64_t conv2d_panels(int64_t channels) {
  int64_t vectors = scion_divide_up(channels, conv2d_vector());
  return vectors < 3 ? 1 : vectors / 3;
}
/* The channel that a panel begins with; for the number of panels, the end of the last one. */
static inline int64_t conv2d_panel_begin(int64_t panel, int64_t channels) {
  int64_t at = scion_divide_up(channels, conv2d_vector()) * panel / conv2d_panels(channels) * conv2d_vector();
  return at < channels ? at : channels;
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
/* A bias, an addend (each may be NULL) and an activation that fit output y. */
scion_status conv2d_check_epilogue(const scion_tensor *bias, const scion_tensor *addend, const scion_tensor *y,
                                   scion_activation activation);
/* A scale (may be NULL) and a target of so many elements that fit kernel w. */
scion_status conv2d_check_packing(const scion_tensor *w, const scion_tensor *scale, const scion_tensor *packed, int64_t elements);
/* What lies under the taps for each pixel of y. */
conv2d_source conv2d_forward_source(const scion_tensor *x, const scion_tensor *y, const scion_window *window);

/* Columns of a matrix [length][columns] whose rows are `stride` floats apart, times scale [columns] (may be NULL), packed:
 * [length][whole vectors], zeros behind the last one. turn: the same of a matrix [columns][length], and scale [length]. */
SIMD_DECLARE(void, conv2d_pack_part, const float *in, int64_t stride, int64_t columns, int64_t length, const float *scale, float *out);
SIMD_DECLARE(void, conv2d_turn_part, const float *in, int64_t stride, int64_t columns, int64_t length, const float *scale, float *out);

/* Whether an output is so large that hardly any of it is in a cache when it is read: then its lines need not be read before they are
 * written, either. */
bool conv2d_streams(const scion_tensor *y);

/* Computes a grid of that many `pixels`: images, at first. */
scion_status conv2d_run_grid(conv2d_grid *grid);

/* scion_conv2d_forward and scion_conv2d_backward_input, for so many convolutions of one shape side by side: each has its own
 * 1/bundles of the channels of both images, and their packed weights follow one another. */
scion_status conv2d_forward_bundles(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias, const scion_tensor *addend,
                                    scion_tensor *y, const scion_window *window, scion_activation activation, int64_t bundles);
scion_status conv2d_backward_input_bundles(const scion_tensor *dy, const scion_tensor *packed, scion_tensor *dx, const scion_window *window,
                                           int accumulate, int64_t bundles);
SIMD_DECLARE(void, conv2d_grid_chunk, void *grid, int64_t chunk, void *scratch);

#endif
