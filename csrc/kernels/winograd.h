/* What the files of the fast convolution by Winograd's minimal filtering share.
 *
 * Four neighbouring outputs of a filter of r taps need r + 3 inputs, and r + 3 multiplications instead of 4 r: inputs and taps are
 * seen as polynomials, evaluated at r + 2 points and at infinity, multiplied there, and the outputs interpolated (Winograd,
 * "Arithmetic Complexity of Computations", 1980; Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016). In two
 * dimensions it is done along one axis, then along the other. Summed over channels, each point is a matrix product.
 *
 * The points are 0, infinity and pairs +-p, so that each pair shares its even and odd halves. Which p they are decides only how
 * much rounding errors grow: these were found by trying, in f32 against f64, and leave an error of 2 to 5 times that of plain
 * sums. */
#ifndef SCION_WINOGRAD_H
#define SCION_WINOGRAD_H

#include "conv2d_weights.h"

#define WINOGRAD_OUTPUTS 4      /* along an axis that is transformed */
#define WINOGRAD_PAIRS 4        /* at most */
#define WINOGRAD_TILES 54       /* of a block: whole tiles of the product */
#define WINOGRAD_TAPS (2 * WINOGRAD_PAIRS - 1)
#define WINOGRAD_MOST (2 * WINOGRAD_PAIRS + 2)

/* Pairs for 1, 3 or 7 taps along an axis, the p of each number of pairs, and the positions of a tile along it. */
static inline int winograd_pairs(int taps) { return taps / 2 + (taps > 1); }
extern const double winograd_points[WINOGRAD_PAIRS + 1][WINOGRAD_PAIRS];
static inline int winograd_along(int taps) { return taps == 1 ? 1 : taps + WINOGRAD_OUTPUTS - 1; }

/* One axis: with `pairs` pairs of points, 2 * pairs - 1 taps; without, it stays as it is. */
typedef struct {
  int pairs, positions, outputs; /* positions: inputs of a tile, and products */
  float p[WINOGRAD_PAIRS];
  float each[WINOGRAD_PAIRS][WINOGRAD_PAIRS]; /* [k]: the product of x^2 - p^2 over all pairs but k, from the lowest power on */
  float all[WINOGRAD_PAIRS + 1];              /* over all pairs */
} winograd_axis;

typedef struct {
  const float *data;
  int64_t stride, channels, size[2]; /* floats from pixel to pixel; of a pixel; rows and columns */
} winograd_image;

/* One convolution. Tiles are numbered through images, rows and columns; a chunk is a block of them x a group of panels. */
typedef struct {
  winograd_axis axis[2];
  winograd_image x;
  const float *panels, *bias, *addend; /* panels [position][those of a product of Ci x Co]; the last two may be NULL */
  float *y;
  int64_t y_stride, addend_stride, y_size[2], before[2], out;
  int64_t tiles[2], count, block, groups, group_panels; /* of an image; of all */
  scion_activation activation;
  bool stream; /* y goes past the caches */
} winograd_job;

#define WINOGRAD_PRODUCT_SCRATCH ((size_t)512 << 10) /* bytes of a thread's scratch that the products of a block take */

/* Floats from pixel to pixel of the transformed tiles, and from one position to the next: no power of two. */
static inline int64_t winograd_pitch(int64_t block, int64_t padded) { return block * padded + 16; }

/* One gradient to the weights. Tiles are cut into parts, parts into stretches; v and z are the transformed x and dy of a stretch,
 * whose products at each position are summed over the tiles of a part. */
typedef struct {
  winograd_job job; /* block: tiles of a stretch, at most GRADIENT_PIXELS */
  winograd_image dy;
  conv2d_gradient product; /* of one position: x is v, one row of tiles; taps is 1 */
  float *v, *z, *sums;     /* [position][tile][channels], [position][panel][tile][vectors], [part][position][Ci][Co] */
  int64_t parts, part;     /* tiles of a part */
  int64_t first, count;    /* the stretch */
  float *dw;
  int taps[2];
  double weights[2][WINOGRAD_MOST][WINOGRAD_MOST]; /* of each tap along an axis at each position */
} winograd_gradient;
#define WINOGRAD_STRETCH 9 /* tiles that a chunk transforms */

/* The stretch from tile `first` on, of the part that starts at tile `begin`. */
void winograd_set_stretch(winograd_gradient *g, int64_t begin, int64_t first);

/* The transform of x and of dy for a chunk of the stretch; the products for a chunk of those of all positions; a part, whole; and when
 * all is summed, the taps of an input channel. */
SIMD_DECLARE(void, winograd_spread_chunk, void *gradient, int64_t chunk, void *scratch);
SIMD_DECLARE(void, winograd_gradient_chunk, void *gradient, int64_t chunk, void *scratch);
SIMD_DECLARE(void, winograd_part_chunk, void *gradient, int64_t part, void *scratch);
SIMD_DECLARE(void, winograd_taps_chunk, void *gradient, int64_t in, void *scratch);

/* One kernel to pack, a chunk a panel. */
typedef struct {
  const scion_tensor *w;
  const float *scale;
  float *packed;
  int64_t in, out;
  bool transposed;
  float weights[2][WINOGRAD_MOST][WINOGRAD_TAPS]; /* of each tap along an axis at each position */
} winograd_pack_job;
SIMD_DECLARE(void, winograd_pack_panel, void *job, int64_t chunk, void *scratch);

SIMD_DECLARE(void, winograd_chunk, void *job, int64_t chunk, void *scratch);

scion_status winograd_check_window(const scion_window *window);
/* out[i][r]: what tap r along an axis weighs at position i. */
void winograd_find_weights(int taps, double out[WINOGRAD_MOST][WINOGRAD_MOST]);
void winograd_find_tiles(winograd_job *w, const scion_tensor *x, const scion_tensor *y, const scion_window *window);
static inline int64_t winograd_positions(const winograd_job *w) { return (int64_t)w->axis[0].positions * w->axis[1].positions; }

#endif
