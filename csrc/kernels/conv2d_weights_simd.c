/* A chunk of the gradient to the weights. */
#include "conv2d_weights.h"

#include "conv2d_gather.h"

#if SIMD_WIDTH == 16
#define TILE_CHANNELS 14 /* 28 sums, two vectors of dy, one broadcast: 31 of 32 registers */
#elif SIMD_WIDTH == 8
#define TILE_CHANNELS 6 /* 15 of 16 */
#else
#define TILE_CHANNELS 4 /* 11 of SSE2's 16 */
#endif
#define PANEL (2 * SIMD_WIDTH)
#define FAR 320   /* floats from pixel to pixel */
#define X_AHEAD 20 /* pixels: x may come from memory */
#define AHEAD 8   /* pixels: dy comes from the second-level cache */

/* Where a row of pixels begins: in x, and in the panel of dy. */
typedef struct {
  int64_t x, pixel;
} line;

/* Some input channels x some output channels of one tap: out[c][o] (+)= sum over lines and columns of x * dy. */
typedef struct {
  const line *lines;
  int64_t count, from, columns, x_step;
  const float *x, *panel;
  float *out;
  int64_t out_stride;
  bool accumulate;
} product;

#define TILE_EACH(statement)                                   \
  _Pragma("GCC unroll 16") for (int c = 0; c < channels; c++)  \
    _Pragma("GCC unroll 2") for (int v = 0; v < vectors; v++) statement

/* channels and vectors are constants where this is inlined, so that the sums live in registers. */
static inline __attribute__((always_inline)) void multiply(const product *p, const int channels, const int vectors) {
  simd_float sum[TILE_CHANNELS][2];
  TILE_EACH(__builtin_prefetch(p->out + c * p->out_stride + v * SIMD_WIDTH, 1);) /* last touched a whole block ago */
  TILE_EACH(sum[c][v] = (simd_float){0};)
  for (int64_t l = 0; l < p->count; l++) {
    const float *x = p->x + p->lines[l].x, *dy = p->panel + (p->lines[l].pixel + p->from) * vectors * SIMD_WIDTH;
    const float *ahead = p->columns > X_AHEAD || l + 1 == p->count ? x + X_AHEAD * p->x_step : p->x + p->lines[l + 1].x;
    for (int64_t j = p->columns; j > 0; j--, x += p->x_step, ahead += p->x_step, dy += vectors * SIMD_WIDTH) {
      __builtin_prefetch(ahead);
      __builtin_prefetch(ahead + channels - 1);
      simd_float right[2];
      for (int v = 0; v < vectors; v++) {
        right[v] = simd_load(dy + v * SIMD_WIDTH);
        __builtin_prefetch(dy + (AHEAD * vectors + v) * SIMD_WIDTH);
      }
      TILE_EACH(sum[c][v] += simd_set(x[c]) * right[v];)
    }
  }
  if (p->accumulate) TILE_EACH(sum[c][v] += simd_load(p->out + c * p->out_stride + v * SIMD_WIDTH);)
  TILE_EACH(simd_store(p->out + c * p->out_stride + v * SIMD_WIDTH, sum[c][v]);)
}

#define TILE_CASE(count) \
  case count: multiply(p, count, vectors); return;
static inline __attribute__((always_inline)) void choose_channels(const product *p, int64_t channels, const int vectors) {
  switch (channels) {
    TILE_CASE(1) TILE_CASE(2) TILE_CASE(3) TILE_CASE(4)
#if TILE_CHANNELS > 4
    TILE_CASE(5) TILE_CASE(6)
#endif
#if TILE_CHANNELS > 6
    TILE_CASE(7) TILE_CASE(8) TILE_CASE(9) TILE_CASE(10) TILE_CASE(11) TILE_CASE(12) TILE_CASE(13) TILE_CASE(14)
#endif
  }
}
static __attribute__((noinline)) void wide_tile(const product *p, int64_t channels) { choose_channels(p, channels, 2); }
static __attribute__((noinline)) void narrow_tile(const product *p, int64_t channels) { choose_channels(p, channels, 1); }

/* The first of `outputs` columns that are left; those that do not fill their vectors go through a copy that does. */
static void run_tile(const product *p, int64_t channels, int64_t outputs) {
  float out[TILE_CHANNELS][PANEL];
  product tile = *p;
  bool edge = outputs < PANEL && outputs != SIMD_WIDTH;
  if (edge) {
    tile.out = out[0], tile.out_stride = PANEL, tile.accumulate = false;
  }
  if (outputs <= SIMD_WIDTH)
    narrow_tile(&tile, channels);
  else
    wide_tile(&tile, channels);
  for (int64_t c = 0; edge && c < channels; c++)
    for (int64_t o = 0; o < outputs; o++) {
      float *sum = p->out + c * p->out_stride + o;
      *sum = p->accumulate ? *sum + out[c][o] : out[c][o];
    }
}

typedef struct {
  line lines[GRADIENT_PIXELS];
  float near[GRADIENT_NEAR];
  float panels[GRADIENT_PIXELS * CONV2D_GROUP * PANEL];
} chunk_scratch;
_Static_assert(sizeof(chunk_scratch) <= SCION_SCRATCH_BYTES, "a block fits into a thread's scratch");

/* Pixels of x: from that row of all images and that column on, `columns` a row, `stride` floats apart. */
typedef struct {
  const float *data;
  int64_t stride, row, column, columns;
} view;

/* What a chunk computes: input and output channels [begin, end) of all taps, into its part's sums. */
typedef struct {
  int64_t in_begin, in_end, out_begin, out_end;
  float *dw;
} share;

/* A block: rows first .. first+rows-1 of dy, each its columns column .. column+columns-1. */
typedef struct {
  int64_t first, rows, column, columns;
} block;

static inline int64_t panel_width(int64_t columns) { return columns <= SIMD_WIDTH ? SIMD_WIDTH : PANEL; }

/* Columns begin .. end-1 of dy as panels [pixels][width], zeros behind the last column; pixel by pixel, as they lie in memory. */
static void gather_panels(const conv2d_gradient *g, const block *k, int64_t begin, int64_t end, float *b) {
  int64_t pixels = k->rows * k->columns, p = 0;
  for (int64_t row = 0; row < k->rows; row++) {
    const float *dy = g->dy + ((k->first + row) / g->pieces * g->source.grid[1] + k->column) * g->dy_stride;
    for (int64_t j = 0; j < k->columns; j++, p++, dy += g->dy_stride)
      for (int64_t column = begin; column < end; column += PANEL) {
        int64_t columns = end - column < PANEL ? end - column : PANEL, width = panel_width(columns);
        float *out = b + (column - begin) * pixels + p * width;
        conv2d_copy(out, dy + column, columns);
        for (int64_t c = columns; c < width; c++) out[c] = 0;
      }
  }
}

/* The row of x, counted through all images, that a row of dy meets under the taps of row r; -1 in the padding. */
static int64_t source_row(const conv2d_gradient *g, int64_t row, int64_t r) {
  const conv2d_source *x = &g->source;
  int64_t image = row / g->pieces / x->grid[0], i = row / g->pieces % x->grid[0];
  int64_t h = i * x->step[0] + x->first[0] + r * x->tap_step[0];
  return h < 0 || h >= x->size[0] ? -1 : image * x->size[0] + h;
}

/* The rows of the block that meet rows of x under the taps of row r. */
static int64_t find_lines(const conv2d_gradient *g, const block *b, const view *v, int64_t r, line *lines) {
  int64_t count = 0;
  for (int64_t k = 0; k < b->rows; k++) {
    int64_t row = source_row(g, b->first + k, r);
    if (row >= 0) lines[count++] = (line){(row - v->row) * v->columns * v->stride, k * b->columns};
  }
  return count;
}

/* The chunk's input channels of x: where they are, or, if pixels lie so far apart that they would share few sets of the caches,
 * what the block needs of them close together. */
static view view_block(const conv2d_gradient *g, const share *s, const block *b, float *near) {
  const conv2d_source *x = &g->source;
  view v = {x->data + s->in_begin, x->stride, 0, 0, x->size[1]};
  if (x->stride < FAR) return v;
  int64_t first = INT64_MAX, last = -1, column = b->column * x->step[1] + x->first[1], channels = s->in_end - s->in_begin;
  int64_t end = column + (b->columns - 1) * x->step[1] + (x->taps[1] - 1) * x->tap_step[1] + 1;
  for (int64_t k = 0; k < b->rows * x->taps[0]; k++) {
    int64_t row = source_row(g, b->first + k / x->taps[0], k % x->taps[0]);
    if (row > last) last = row;
    if (row >= 0 && row < first) first = row;
  }
  if (column < 0) column = 0;
  if (end > x->size[1]) end = x->size[1];
  if (column >= end || last < 0 || (last - first + 1) * (end - column) * channels > GRADIENT_NEAR) return v;
  float *to = near;
  for (int64_t row = first; row <= last; row++)
    for (int64_t j = column; j < end; j++, to += channels) conv2d_copy(to, v.data + (row * x->size[1] + j) * x->stride, channels);
  return (view){near, channels, first, column, end - column};
}

/* All tiles of one tap: a tile's pixels of x stay in the first-level cache while the panels of dy come by. */
static void run_tap(const conv2d_gradient *g, const share *s, const block *b, const float *panels, product p, float *dw) {
  int64_t channels = s->in_end - s->in_begin;
  p.out_stride = g->out_channels;
  for (int64_t c = 0, height; c < channels; c += height) {
    int64_t tiles = (channels - c + TILE_CHANNELS - 1) / TILE_CHANNELS;
    height = (channels - c + tiles - 1) / tiles;
    for (int64_t o = s->out_begin; o < s->out_end; o += PANEL) {
      p.out = dw + (s->in_begin + c) * g->out_channels + o;
      p.panel = panels + (o - s->out_begin) * b->rows * b->columns;
      run_tile(&p, height, s->out_end - o);
    }
    p.x += height;
  }
}

static void run_block(const conv2d_gradient *g, const share *s, const block *b, bool accumulate, chunk_scratch *scratch) {
  const conv2d_source *x = &g->source;
  view v = view_block(g, s, b, scratch->near);
  gather_panels(g, b, s->out_begin, s->out_end, scratch->panels);
  for (int64_t r = 0; r < x->taps[0]; r++) {
    product p = {.lines = scratch->lines, .count = find_lines(g, b, &v, r, scratch->lines), .x_step = x->step[1] * v.stride,
                 .accumulate = accumulate};
    for (int64_t t = 0; t < x->taps[1]; t++) {
      int64_t first = b->column * x->step[1] + x->first[1] + t * x->tap_step[1]; /* in x, of the block's first column */
      int64_t to = first < x->size[1] ? (x->size[1] - 1 - first) / x->step[1] + 1 : 0;
      p.from = first < 0 ? (-first + x->step[1] - 1) / x->step[1] : 0;
      p.columns = (to < b->columns ? to : b->columns) - p.from;
      p.x = v.data + (first + p.from * x->step[1] - v.column) * v.stride;
      if (accumulate && (p.count == 0 || p.columns <= 0)) continue; /* but the first block stores zeros, too */
      run_tap(g, s, b, scratch->panels, p, s->dw + (r * x->taps[1] + t) * x->channels * g->out_channels);
    }
  }
}

void SIMD(conv2d_gradient_chunk)(void *data, int64_t chunk, void *memory) {
  const conv2d_gradient *g = data;
  int64_t group = chunk % g->groups, in = chunk / g->groups % g->blocks, part = chunk / g->groups / g->blocks;
  int64_t taps = g->source.taps[0] * g->source.taps[1], channels = g->source.channels;
  share s = {.in_begin = in * g->block_channels, .in_end = (in + 1) * g->block_channels,
             .out_begin = group * g->group_panels * PANEL, .out_end = (group + 1) * g->group_panels * PANEL,
             .dw = g->dw + part * taps * channels * g->out_channels};
  if (s.in_end > channels) s.in_end = channels;
  if (s.out_end > g->out_channels) s.out_end = g->out_channels;
  int64_t end = (part + 1) * g->part_rows < g->rows ? (part + 1) * g->part_rows : g->rows;
  for (int64_t row = part * g->part_rows; row < end; row += g->block_rows) {
    block b = {.first = row, .rows = end - row < g->block_rows ? end - row : g->block_rows, .column = row % g->pieces * g->piece};
    b.columns = g->source.grid[1] - b.column < g->piece ? g->source.grid[1] - b.column : g->piece;
    run_block(g, &s, &b, g->accumulate || row > part * g->part_rows, memory);
  }
}
