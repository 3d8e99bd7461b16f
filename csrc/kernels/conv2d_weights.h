/* What the files of the convolution's gradient to the weights share.
 *
 * dw[r,s] is a matrix product over the pixels of dy: at one tap, pixels that are neighbours along a row of dy are so along a row
 * of x, a stride apart. So nothing is gathered: the micro-kernel reads both images where they are, row by row, and leaves out the
 * columns whose tap lies in the padding. */
#ifndef SCION_CONV2D_WEIGHTS_H
#define SCION_CONV2D_WEIGHTS_H

#include "conv2d_internal.h"

#define GRADIENT_PIXELS 192 /* of a block, whose x and dy stay in the second-level cache while taps and channels go by */
#define GRADIENT_DEPTH 252   /* taps x channels of a chunk, about */
#define GRADIENT_NEAR 65536   /* floats of x that are copied close together */
#define GRADIENT_CHANNELS 36 /* whole tiles of 9, 6, 4, 3 or 2 */
#define GRADIENT_COLUMNS 640  /* of the panels of a chunk, at most */
#define GRADIENT_SCRATCH ((size_t)1 << 20) /* bytes of a thread's scratch that a chunk takes */

/* Chunks are parts of the rows of dy x blocks of input channels x groups of panels of output channels. Rows of dy are cut into
 * pieces of `piece` columns where they are long. */
typedef struct {
  conv2d_source source;
  const float *dy;
  bool gathered; /* dy lies as a block of rows is gathered: [panels][pixels][whole vectors] */
  int64_t dy_stride, out_channels, taps;
  float *dw; /* [parts][taps][channels][out_channels] */
  bool accumulate;
  int64_t piece, pieces, rows, block_rows; /* rows: pieces of all images; of a block */
  int64_t parts, part_rows, blocks, block_channels, groups, group_panels;
} conv2d_gradient;

/* Panels of a chunk at most; several together are of three or four vectors. */
static inline int64_t conv2d_gradient_panels(void) { return GRADIENT_COLUMNS / (4 * conv2d_vector()); }

/* dw of a shape that fits those of x and dy; and these, in f32, too. */
scion_status conv2d_check_dw(const scion_tensor *x, const scion_tensor *dy, const scion_tensor *dw, const scion_window *window);
scion_status conv2d_check_gradient(const scion_tensor *x, const scion_tensor *dy, const scion_tensor *dw, const scion_window *window);

/* Memory for so many gradients like dw; *parts = NULL for one, which is dw itself. And their sum, if all went well until then. */
scion_status conv2d_new_parts(int64_t count, const scion_tensor *dw, float **parts);
scion_status conv2d_sum_parts(scion_status status, float *parts, int64_t count, scion_tensor *dw);

/* Cuts the input channels into blocks of whole tiles, whose taps stay near while the panels of dy come by. */
void conv2d_cut_channels(conv2d_gradient *g);

/* Cuts the work by blocks of input channels. Where that gives too few chunks, it is also cut by rows of dy (each part has a sum of its
 * own), and then by groups of panels. */
void conv2d_cut_gradient(conv2d_gradient *g, int64_t images);

SIMD_DECLARE(void, conv2d_gradient_chunk, void *gradient, int64_t chunk, void *scratch);

#endif
