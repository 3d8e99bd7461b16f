/* What the files of the convolution in narrow numbers share: bf16, and bytes (int8).
 *
 * A matrix product whose left side, rows of taps x channels, meets the packed kernel panel by panel. It is gathered block by block into
 * scratch; or, for a unit that is much faster than that, read from a strip of the images (see make_strips), in which each pixel stands once.
 * Everything around the product is the same for all machines and for both kinds of numbers (conv2d_narrow_simd.c); the product of one
 * block is a `conv2d_unit`. For bf16 these are AMX tiles, AVX-512's vdpbf16ps, or plain f32 arithmetic on the widened numbers; for bytes
 * AMX tiles, vpdpbusd, or vpmaddubsw. All read four bytes of a column side by side, two bf16 or four bytes, which is what all these
 * instructions want. So sizes here are bytes. The kernel's depth is packed as it is, or, for strips, with each row of taps filled up to
 * whole tiles. */
#ifndef SCION_CONV2D_NARROW_H
#define SCION_CONV2D_NARROW_H

#include "simd.h"

#define NARROW_TILE 16    /* rows or columns of a tile */
#define NARROW_BLOCK 32   /* rows and columns of a block: two tiles each way, four that sum */
#define NARROW_QUAD 4     /* bytes of a column that lie side by side */
#define NARROW_STEP 64    /* bytes of a tile's row: the packed kernel's depth is a multiple of it */
#define NARROW_PIXELS 128 /* of a chunk, whole blocks of rows */
#define NARROW_DEPTH 2048 /* bytes gathered at a time: pixels x depth stay in the second-level cache */
#define NARROW_STRIP_PIXELS 256 /* the same of a strip; */
#define NARROW_STRIP_BYTES (256 << 10) /* which stays in the second-level cache, too, beside the part of the kernel that meets it */
#define NARROW_NEAR (32 << 10)   /* bytes of one side that stay in the first-level cache while the other streams from the second */
#define NARROW_FAR (1 << 20)     /* of panels that stay in the second-level cache */
#define NARROW_GROUP 16   /* panels of a chunk: NARROW_BLOCK output channels each */

/* The depth of a packed kernel, in bytes: rows of taps x channels, which begin `pitch` apart, and whole steps of a tile in all. */
typedef struct {
  int64_t rows, row, pitch, padded;
} narrow_depth;

/* Where a byte of the depth lies in the packed one. */
static inline int64_t narrow_place(const narrow_depth *d, int64_t k) { return k / d->row * d->pitch + k % d->row; }

/* sums (+)= a b. Of a tile's 16 rows and columns those beyond `rows` and `columns` may be computed, too, from what is there. */
typedef struct {
  const uint8_t *a; /* rows `pitch` bytes apart */
  const uint8_t *b; /* [depth / NARROW_QUAD][column][NARROW_QUAD] of 16 columns, and those of the next 16 `next` bytes on */
  int64_t pitch, next, depth; /* depth: a multiple of the unit's step */
  int64_t further, further_a, further_b; /* so many more such products are summed, whose sides lie so far from one another: see `strips` */
  int rows, columns;          /* 1 .. NARROW_BLOCK */
  void *sums;                 /* f32 or, of bytes, i32, 64-byte aligned in every row */
  int64_t sums_pitch;         /* numbers from row to row */
  bool accumulate;
} conv2d_block;

/* begin and end, where they are not NULL, are called around a chunk's blocks in the thread that computes them. */
typedef struct {
  void (*begin)(void);
  void (*multiply)(const conv2d_block *block);
  void (*end)(void);
  int64_t step; /* bytes that it multiplies at a time: NARROW_STEP or a divisor of it */
  bool strips;  /* whether it is so fast that gathering costs more than multiplying what lies between the rows of an image */
} conv2d_unit;

extern const conv2d_unit conv2d_bf16_amx, conv2d_bf16_avx512, conv2d_int8_amx, conv2d_int8_vnni, conv2d_int8_avxvnni;
conv2d_unit conv2d_bf16_unit(void); /* that of the instructions in use */
SIMD_DECLARE(void, conv2d_bf16_multiply, const conv2d_block *block);
SIMD_DECLARE(void, conv2d_int8_multiply, const conv2d_block *block);
#define INT8_STEP 8 /* of conv2d_int8_multiply */

/* A forward pass, or one phase of a gradient to the input (see conv2d_grid). Tap (r, s) of grid pixel (n, i, j) is input pixel
 * (n, i*stride + r*dilation - before, ..). */
typedef struct {
  const uint8_t *x, *packed;
  int64_t x_stride, channels; /* bytes from pixel to pixel, and of a pixel */
  int64_t size[2], grid[2];   /* rows and columns of input and grid */
  bool apart;                 /* grid pixel (n, i, j) is output pixel (n, i*out_step + out_first, ..), and not that of its number */
  int64_t out_size[2], out_step[2], out_first[2];
  uint8_t outside;            /* every byte of pixels outside of x */
  scion_window window;
  const float *bias;
  const void *addend;
  void *y;
  scion_dtype addend_dtype, y_dtype;
  int64_t addend_stride, y_stride, out_channels; /* elements */
  scion_activation activation;
  const scion_quantization *quantized; /* of x, addend and y; NULL for bf16 */
  float out_factor;                    /* one by the scale of y */
  const float *scales;                 /* of each output channel of a kernel of bytes, and its weights summed up */
  const int32_t *weights;
  narrow_depth depth;
  int64_t pixels;                      /* of all images; of strips those between them, too */
  int64_t strip[2];                    /* rows and columns of an image in a strip; 0: the pixels are gathered */
  int64_t block, groups, group_panels; /* pixels a chunk, chunks that share their pixels, panels a chunk */
  bool pixels_first;                   /* of a strip: whether all panels meet a block of pixels, and not all blocks a panel, one after the other */
  const conv2d_unit *unit;
} conv2d_narrow_job;

/* Pairs of bf16, those of a below those of b: n of them, in pieces of so many that lie `apart` from one another. */
SIMD_DECLARE(void, conv2d_pair_part, const uint16_t *a, const uint16_t *b, int64_t n, uint32_t *out, int64_t piece, int64_t apart);

/* Rows of bf16, turned: out[channel][pair], whose rows are `pitch` pairs apart. pairs: a multiple of 16, of neighbours in `rows`. */
SIMD_DECLARE(void, conv2d_turn_pairs, const uint16_t *const *rows, int64_t channels, int64_t pairs, uint32_t *out, int64_t pitch);

/* A matrix [depth][columns] of up to NARROW_TILE columns, whose rows are `stride` floats apart, times scale [columns] (may be NULL), as
 * bf16 in pairs of rows: [depth / 2, rounded up][NARROW_TILE][2], with zeros where there is none. */
SIMD_DECLARE(void, conv2d_bf16_pack_part, const float *in, int64_t stride, int64_t columns, int64_t depth, const float *scale, uint32_t *out);

SIMD_DECLARE(void, conv2d_narrow_chunk, void *job, int64_t chunk, void *scratch);

/* The depth of so many rows of that many bytes, as a unit wants it. */
narrow_depth conv2d_narrow_depth(int64_t rows, int64_t row, const conv2d_unit *unit);
/* Bytes of a packed kernel of that many output channels. */
int64_t conv2d_narrow_packed(const narrow_depth *depth, int64_t out_channels);
/* Whether windows of images of `size`, where those of `grid` begin, can be read from a strip; if so, the rows and columns that an image has there:
 * the images as they are, with the padding between their rows and between them. Pixel z of a strip is also where the window of pixel z begins,
 * so that neighbours in it lie one pixel apart under every tap, rows end with some that are no pixels of the grid, and images with some such
 * rows. Padding serves both sides: that behind a row is that before the next. */
bool conv2d_narrow_strip(const scion_window *window, const int64_t size[2], const int64_t grid[2], int64_t strip[2]);
/* Computes a job, whose `pixels` are images at first. */
scion_status conv2d_narrow_grid(conv2d_narrow_job *job);
/* Checks the operands, whose dtypes are checked already, and computes. */
scion_status conv2d_narrow_run(const char *kernel, conv2d_narrow_job *job, const scion_tensor *x, const scion_tensor *packed,
                               const scion_tensor *bias, const scion_tensor *addend, const scion_tensor *y,
                               const scion_window *window, scion_activation activation);
/* Kernel w and scale (may be NULL). */
scion_status conv2d_narrow_require_kernel(const char *kernel, const scion_tensor *w, const scion_tensor *scale);
/* Images x and y with channels, and bytes of x under a window that are not too many. */
scion_status conv2d_narrow_require_depth(const char *kernel, const scion_window *window, const scion_tensor *x, const scion_tensor *y);
/* Whether packed weights have so many bytes. */
scion_status conv2d_narrow_require_packed(const char *kernel, const scion_tensor *packed, int64_t bytes);
/* Kernel w, scale (may be NULL) and a target for it; gives the depth. */
scion_status conv2d_narrow_require_pack(const char *kernel, const scion_tensor *w, const scion_tensor *scale, const scion_tensor *packed,
                                        scion_dtype dtype, const conv2d_unit *unit, narrow_depth *depth);

/* The functions of scion.h by that unit, for them and for the tests. */
int64_t conv2d_bf16_packed_elements(const scion_tensor *w, const scion_window *window, const conv2d_unit *unit);
scion_status conv2d_bf16_pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed, const conv2d_unit *unit);
scion_status conv2d_bf16_pack_transposed(const scion_tensor *w, const scion_tensor *scale, const scion_window *window, scion_tensor *packed,
                                         const conv2d_unit *unit);
int64_t conv2d_int8_packed_elements(const scion_tensor *w, const conv2d_unit *unit);
scion_status conv2d_int8_pack(const scion_tensor *w, const scion_tensor *scale, const scion_tensor *bias, const scion_tensor *mean,
                              scion_tensor *packed, scion_tensor *scales, scion_tensor *sums, scion_tensor *shift, const conv2d_unit *unit);
scion_status conv2d_bf16_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                 const scion_tensor *addend, scion_tensor *y, const scion_window *window,
                                 scion_activation activation, const conv2d_unit *unit);
scion_status conv2d_bf16_backward_input(const scion_tensor *dy, const scion_tensor *packed, scion_tensor *dx, const scion_window *window,
                                        int accumulate, const conv2d_unit *unit);
scion_status conv2d_bf16_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw, const scion_window *window,
                                          const conv2d_unit *unit);
scion_status conv2d_int8_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *scales,
                                 const scion_tensor *weights, const scion_tensor *bias, const scion_tensor *addend, scion_tensor *y,
                                 const scion_window *window, scion_activation activation, const scion_quantization quantized[3],
                                 const conv2d_unit *unit);

#endif
