/* The gradient to the weights in bf16, by the units of the forward pass: of a tap, rows of input channels times columns of output channels,
 * and what is summed are the pixels of dy. A unit reads two neighbours of the depth side by side, and these are two pixels here: so both
 * images are gathered as pairs of pixels, and those of x turned, so that a row is a channel. All chunks read dy, which is gathered once
 * beforehand; each has an x of its own. */
#include <stdlib.h>
#include <string.h>

#include "conv2d_narrow.h"
#include "conv2d_weights.h"
#include "require.h"

#define PIXELS 256   /* of dy at a time: whole steps of a tile */
#define CHANNELS 256 /* taps x input channels of a chunk, about */
#define COLUMNS (NARROW_GROUP * NARROW_BLOCK) /* output channels of a chunk */

/* A block of pixels, which begins at a multiple of PIXELS: so many pairs of them, in whole steps. */
typedef struct {
  int64_t first, count, pairs;
} run;

/* Chunks are parts of the pixels of dy x some taps x blocks of input channels x groups of output channels. */
typedef struct {
  const uint16_t *x, *dy;
  int64_t x_stride, dy_stride, channels, out_channels;
  int64_t size[2], grid[2]; /* rows and columns of x and dy */
  scion_window window;
  uint32_t *columns; /* of dy: of each run [tile][pair][NARROW_TILE], PIXELS / 2 pairs apart */
  float *dw; /* [parts][taps][channels][out_channels] */
  int64_t pixels, parts, part_pixels, taps, group_taps, tap_groups, blocks, block_channels, groups;
  const conv2d_unit *unit;
} gradient_job;

typedef struct {
  uint32_t pairs[PIXELS / 2 * CHANNELS]; /* of x: [pair][channel] */
  float turned[CHANNELS * PIXELS / 2];   /* [channel][pair] */
  float sums[NARROW_BLOCK * NARROW_BLOCK];
  const uint16_t *rows[PIXELS];
} chunk_scratch;
_Static_assert(sizeof(chunk_scratch) <= SCION_SCRATCH_BYTES, "a chunk fits into a thread's scratch");

static const uint16_t zeros[COLUMNS];

/* What a chunk has of both images and of the gradient. */
typedef struct {
  int64_t first_channel, channels, first_column, columns, first_tap, end_tap;
  float *dw;
} share;

static run run_at(const gradient_job *g, int64_t first) {
  run p = {.first = first, .count = g->pixels - first < PIXELS ? g->pixels - first : PIXELS};
  p.pairs = scion_divide_up(p.count * 2, NARROW_STEP) * NARROW_STEP / NARROW_QUAD;
  return p;
}

static int64_t padded_columns(const gradient_job *g) { return scion_divide_up(g->out_channels, NARROW_TILE) * NARROW_TILE; }

static uint32_t *columns_of(const gradient_job *g, const run *p) { return g->columns + p->first / 2 * padded_columns(g); }

/* What fills up columns and pairs is zero, as the memory comes. */
static void gather_dy_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const gradient_job *g = data;
  __auto_type pair = SIMD_CHOOSE(conv2d_pair_part);
  const run p = run_at(g, chunk * PIXELS);
  const uint16_t *dy = g->dy + p.first * g->dy_stride;
  uint32_t *out = columns_of(g, &p);
  for (int64_t k = 0; 2 * k < p.count; k++) {
    const uint16_t *a = dy + 2 * k * g->dy_stride, *b = a + g->dy_stride;
    if (2 * k + 1 < p.count) pair(a, b, g->out_channels, out + k * NARROW_TILE, NARROW_TILE, p.pairs * NARROW_TILE);
    else
      for (int64_t c = 0; c < g->out_channels; c++) out[k * NARROW_TILE + c / NARROW_TILE * NARROW_TILE * p.pairs + c % NARROW_TILE] = a[c];
  }
}

/* The pixels of x under a tap. */
static void point(const gradient_job *g, const share *s, const run *p, int64_t tap, const uint16_t **rows) {
  const scion_window *w = &g->window;
  const int64_t r = tap / w->kernel[1] * w->dilation[0] - w->before[0], c = tap % w->kernel[1] * w->dilation[1] - w->before[1];
  int64_t j = p->first % g->grid[1], i = p->first / g->grid[1] % g->grid[0], n = p->first / g->grid[1] / g->grid[0];
  for (int64_t k = 0; k < p->count; k++) {
    const int64_t h = i * w->stride[0] + r, v = j * w->stride[1] + c;
    const bool inside = h >= 0 && h < g->size[0] && v >= 0 && v < g->size[1];
    rows[k] = inside ? g->x + ((n * g->size[0] + h) * g->size[1] + v) * g->x_stride + s->first_channel : zeros;
    if (++j == g->grid[1]) {
      j = 0;
      if (++i == g->grid[0]) i = 0, n++;
    }
  }
  for (int64_t k = p->count; k < 2 * p->pairs; k++) rows[k] = zeros;
}

static void gather_x(const gradient_job *g, const share *s, const run *p, int64_t tap, chunk_scratch *scratch) {
  __auto_type pair = SIMD_CHOOSE(conv2d_pair_part);
  point(g, s, p, tap, scratch->rows);
  for (int64_t k = 0; k < p->pairs; k++)
    pair(scratch->rows[2 * k], scratch->rows[2 * k + 1], s->channels, scratch->pairs + k * s->channels, s->channels, 0);
  SIMD_CHOOSE(conv2d_turn_part)((const float *)scratch->pairs, s->channels, p->pairs, s->channels, NULL, scratch->turned);
}

/* The sums of a block of the product, stored or added. */
static void put(const gradient_job *g, const conv2d_block *block, float *dw, bool add) {
  for (int r = 0; r < block->rows; r++, dw += g->out_channels) {
    const float *sums = (const float *)block->sums + r * NARROW_BLOCK;
    if (!add) memcpy(dw, sums, (size_t)block->columns * sizeof *dw);
    for (int c = 0; add && c < block->columns; c++) dw[c] += sums[c];
  }
}

static void multiply_tap(const gradient_job *g, const share *s, const run *p, float *dw, bool add, chunk_scratch *scratch) {
  const int64_t pitch = p->pairs * NARROW_QUAD;
  for (int64_t row = 0; row < s->channels; row += NARROW_BLOCK)
    for (int64_t column = 0; column < s->columns; column += NARROW_BLOCK) {
      const int64_t rows = s->channels - row, columns = s->columns - column;
      conv2d_block block = {.a = (const uint8_t *)(scratch->turned + row * p->pairs), .b = (const uint8_t *)(columns_of(g, p) + (s->first_column + column) * p->pairs),
                            .pitch = pitch, .next = NARROW_TILE * pitch, .depth = pitch, .rows = rows < NARROW_BLOCK ? (int)rows : NARROW_BLOCK,
                            .columns = columns < NARROW_BLOCK ? (int)columns : NARROW_BLOCK, .sums = scratch->sums};
      g->unit->multiply(&block);
      put(g, &block, dw + row * g->out_channels + column, add);
    }
}

static share share_of(const gradient_job *g, int64_t chunk, int64_t *part) {
  const int64_t group = chunk % g->groups, block = chunk / g->groups % g->blocks, taps = chunk / g->groups / g->blocks % g->tap_groups;
  *part = chunk / g->groups / g->blocks / g->tap_groups;
  share s = {.first_channel = block * g->block_channels, .first_column = group * COLUMNS, .first_tap = taps * g->group_taps,
             .dw = g->dw + *part * g->taps * g->channels * g->out_channels};
  s.channels = g->channels - s.first_channel < g->block_channels ? g->channels - s.first_channel : g->block_channels;
  s.columns = g->out_channels - s.first_column < COLUMNS ? g->out_channels - s.first_column : COLUMNS;
  s.end_tap = s.first_tap + g->group_taps < g->taps ? s.first_tap + g->group_taps : g->taps;
  return s;
}

static void gradient_chunk(void *data, int64_t chunk, void *memory) {
  const gradient_job *g = data;
  chunk_scratch *scratch = memory;
  int64_t part;
  const share s = share_of(g, chunk, &part);
  const int64_t begin = part * g->part_pixels, end = begin + g->part_pixels < g->pixels ? begin + g->part_pixels : g->pixels;
  if (g->unit->begin) g->unit->begin();
  for (int64_t first = begin; first < end; first += PIXELS) {
    const run p = run_at(g, first);
    for (int64_t tap = s.first_tap; tap < s.end_tap; tap++) {
      gather_x(g, &s, &p, tap, scratch);
      multiply_tap(g, &s, &p, s.dw + (tap * g->channels + s.first_channel) * g->out_channels + s.first_column, first > begin, scratch);
    }
  }
  if (g->unit->end) g->unit->end();
}

/* Taps and channels first; what is still too few chunks is cut by pixels, each part of which has sums of its own. */
static void cut(gradient_job *g) {
  g->blocks = scion_divide_up(g->channels, CHANNELS);
  g->block_channels = scion_divide_up(scion_divide_up(g->channels, g->blocks), NARROW_BLOCK) * NARROW_BLOCK;
  g->blocks = scion_divide_up(g->channels, g->block_channels);
  g->group_taps = CHANNELS / g->block_channels < g->taps ? CHANNELS / g->block_channels : g->taps;
  g->tap_groups = scion_divide_up(g->taps, g->group_taps);
  g->groups = scion_divide_up(g->out_channels, COLUMNS);
  const int64_t chunks = g->blocks * g->groups, parts = g->tap_groups < CONV2D_CHUNKS / chunks ? CONV2D_CHUNKS / chunks / g->tap_groups : 1;
  g->part_pixels = scion_divide_up(scion_divide_up(g->pixels, PIXELS), parts) * PIXELS;
  g->parts = scion_divide_up(g->pixels, g->part_pixels);
}

scion_status conv2d_bf16_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw, const scion_window *window,
                                          const conv2d_unit *unit) {
  const char *kernel = "conv2d_bf16_backward_weights";
  SCION_TRY(scion_require_dtype(kernel, "x", x, SCION_BF16));
  SCION_TRY(scion_require_dtype(kernel, "dy", dy, SCION_BF16));
  SCION_TRY(conv2d_check_window(window));
  SCION_TRY(scion_require_window(kernel, window, "x", x, "dy", dy, scion_tensor_channels(dy)));
  SCION_TRY(conv2d_narrow_require_depth(kernel, window, x, dy));
  SCION_TRY(conv2d_check_dw(x, dy, dw, window));
  gradient_job g = {.x = x->data, .dy = dy->data, .x_stride = x->row_stride, .dy_stride = dy->row_stride, .channels = x->shape[3],
                    .out_channels = dy->shape[3], .size = {x->shape[1], x->shape[2]}, .grid = {dy->shape[1], dy->shape[2]}, .window = *window,
                    .pixels = scion_tensor_rows(dy), .taps = (int64_t)window->kernel[0] * window->kernel[1], .unit = unit};
  if (g.pixels == 0) return scion_tensor_fill(dw, 0);
  cut(&g);
  const int64_t runs = scion_divide_up(g.pixels, PIXELS);
  g.columns = scion_kernel_memory(kernel, runs * (PIXELS / 2) * padded_columns(&g), sizeof *g.columns);
  if (!g.columns) return SCION_NO_MEMORY;
  float *parts = NULL;
  scion_status status = conv2d_new_parts(g.parts, dw, &parts);
  g.dw = parts ? parts : dw->data;
  if (status == SCION_OK) status = scion_parallel_for(runs, gather_dy_chunk, &g);
  if (status == SCION_OK) status = scion_parallel_for(g.parts * g.tap_groups * g.blocks * g.groups, gradient_chunk, &g);
  free(g.columns);
  return conv2d_sum_parts(status, parts, g.parts, dw);
}

scion_status scion_conv2d_bf16_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw, const scion_window *window) {
  conv2d_unit unit = conv2d_bf16_unit();
  return conv2d_bf16_backward_weights(x, dy, dw, window, &unit);
}
