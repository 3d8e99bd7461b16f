/* What the files of the convolution in bf16 share.
 *
 * Forward alone: a matrix product whose left side, rows of taps x channels, is gathered block by block into scratch and meets
 * the packed kernel panel by panel. Everything around the product is the same for all machines (conv2d_bf16_simd.c); the product
 * of one block is a `conv2d_bf16_unit`: AMX tiles, AVX-512's vdpbf16ps, or plain f32 arithmetic on the widened numbers. All
 * read one layout, pairs of k side by side, which is what both instructions want. */
#ifndef SCION_CONV2D_BF16_H
#define SCION_CONV2D_BF16_H

#include "simd.h"

#define BF16_TILE 16    /* rows or columns of a tile */
#define BF16_BLOCK 32   /* rows and columns of a block: two tiles each way, four that sum */
#define BF16_STEP 32    /* k of a tile: 64 bytes */
#define BF16_PIXELS 128 /* of a chunk, whole blocks of rows */
#define BF16_DEPTH 1024 /* k gathered at a time: pixels x depth stay in the second-level cache */
#define BF16_GROUP 16   /* panels of a chunk: BF16_BLOCK output channels each */

/* sums (+)= a b. Of a tile's 16 rows and columns those beyond `rows` and `columns` may be computed, too, from what is there. */
typedef struct {
  const uint16_t *a; /* a[row * pitch + k] */
  const uint16_t *b; /* b[k / 2][column][k % 2] of 16 columns, and those of the next 16 `next` elements on */
  int64_t pitch, next, depth; /* depth: a multiple of BF16_STEP */
  int rows, columns;          /* 1 .. BF16_BLOCK */
  float *sums;                /* [BF16_BLOCK][BF16_BLOCK], 64-byte aligned */
  bool accumulate;
} conv2d_bf16_block;

/* begin and end, where they are not NULL, are called around a chunk's blocks in the thread that computes them. */
typedef struct {
  void (*begin)(void);
  void (*multiply)(const conv2d_bf16_block *block);
  void (*end)(void);
} conv2d_bf16_unit;

extern const conv2d_bf16_unit conv2d_bf16_amx, conv2d_bf16_avx512;
SIMD_DECLARE(void, conv2d_bf16_multiply, const conv2d_bf16_block *block);

/* A forward pass. Tap (r, s) of output pixel (n, i, j) is input pixel (n, i*stride + r*dilation - before, ..). */
typedef struct {
  const uint16_t *x, *packed;
  int64_t x_stride, channels, size[2], grid[2]; /* elements from pixel to pixel; rows and columns of input and output */
  scion_window window;
  const float *bias;
  const void *addend;
  void *y;
  scion_dtype addend_dtype, y_dtype;
  int64_t addend_stride, y_stride, out_channels;
  scion_activation activation;
  int64_t pixels, depth, padded;       /* of all images; taps x channels; and that in whole steps */
  int64_t block, groups, group_panels; /* pixels a chunk, chunks that share their pixels, panels a chunk */
  const conv2d_bf16_unit *unit;
} conv2d_bf16_job;

SIMD_DECLARE(void, conv2d_bf16_chunk, void *job, int64_t chunk, void *scratch);

/* scion_conv2d_bf16_forward by that unit, for it and for the tests. */
scion_status conv2d_bf16_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                 const scion_tensor *addend, scion_tensor *y, const scion_window *window,
                                 scion_activation activation, const conv2d_bf16_unit *unit);

#endif
