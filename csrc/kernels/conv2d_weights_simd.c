/* A chunk of the gradient to the weights. */
#include "conv2d_weights.h"

#include "conv2d_gather.h"
#include "conv2d_tile.h"

#define PANEL (MOST_VECTORS * SIMD_WIDTH)
#define FAR 320   /* floats: pixels of x that lie further apart are copied close together first */
#define X_AHEAD 20 /* pixels that x is prefetched ahead: it may come from memory */
#define FEW 64    /* pixels of a block for which the order of writing the gradient matters most */
#define AHEAD 8   /* pixels that dy is prefetched ahead: it comes from the second-level cache */

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

/* A row of a tile is an input channel. rows and vectors are constants where this is inlined, so that the sums live in registers. */
static inline __attribute__((always_inline)) void multiply(const product *t, const int rows, const int vectors) {
  simd_float sum[MOST_ROWS][MOST_VECTORS];
  TILE_EACH(__builtin_prefetch(t->out + r * t->out_stride + v * SIMD_WIDTH, 1);) /* it was used a whole block of pixels ago, and may have left the cache */
  TILE_EACH(sum[r][v] = (simd_float){0};)
  for (int64_t l = 0; l < t->count; l++) {
    const float *x = t->x + t->lines[l].x, *dy = t->panel + (t->lines[l].pixel + t->from) * vectors * SIMD_WIDTH;
    const float *ahead = t->columns > X_AHEAD || l + 1 == t->count ? x + X_AHEAD * t->x_step : t->x + t->lines[l + 1].x;
    for (int64_t j = t->columns; j > 0; j--, x += t->x_step, ahead += t->x_step, dy += vectors * SIMD_WIDTH) {
      __builtin_prefetch(ahead);
      __builtin_prefetch(ahead + rows - 1);
      simd_float right[MOST_VECTORS];
      _Pragma("GCC unroll 8") for (int v = 0; v < vectors; v++) {
        right[v] = simd_load(dy + v * SIMD_WIDTH);
        __builtin_prefetch(dy + (AHEAD * vectors + v) * SIMD_WIDTH);
      }
      TILE_EACH(sum[r][v] += simd_set(x[r]) * right[v];)
    }
  }
  if (t->accumulate) TILE_EACH(sum[r][v] += simd_load(t->out + r * t->out_stride + v * SIMD_WIDTH);)
  TILE_EACH(simd_store(t->out + r * t->out_stride + v * SIMD_WIDTH, sum[r][v]);)
}

TILES(run_whole_tile, product, multiply)

/* Those of a panel's outputs; those that do not fill their vectors go through a copy that does. */
static void run_tile(const product *p, int64_t channels, int64_t outputs) {
  float out[MOST_ROWS][PANEL];
  product tile = *p;
  bool edge = outputs % SIMD_WIDTH != 0;
  if (edge) {
    tile.out = out[0], tile.out_stride = PANEL, tile.accumulate = false;
  }
  run_whole_tile(&tile, (int)channels, conv2d_vectors(outputs));
  for (int64_t c = 0; edge && c < channels; c++)
    for (int64_t o = 0; o < outputs; o++) {
      float *sum = p->out + c * p->out_stride + o;
      *sum = p->accumulate ? *sum + out[c][o] : out[c][o];
    }
}

typedef struct {
  line lines[GRADIENT_PIXELS];
  float near[GRADIENT_NEAR];
  float panels[GRADIENT_PIXELS * GRADIENT_COLUMNS];
} chunk_scratch;
_Static_assert(sizeof(chunk_scratch) <= GRADIENT_SCRATCH, "a block fits into its part of a thread's scratch");

/* Pixels of x: from that row of all images and that column on, `columns` a row, `stride` floats apart. */
typedef struct {
  const float *data;
  int64_t stride, row, column, columns;
} view;

/* What a chunk computes: input channels and panels of output channels [begin, end) of all taps, into its part's sums. */
typedef struct {
  int64_t in_begin, in_end, panel_begin, panel_end;
  float *dw;
} share;

/* A block: rows first .. first+rows-1 of dy, each its columns column .. column+columns-1. */
typedef struct {
  int64_t first, rows, column, columns;
} block;

/* The panels of dy as [pixels][vectors], zeros behind the last column; pixel by pixel, as they lie in memory. */
static void gather_panels(const conv2d_gradient *g, const share *s, const block *k, float *b) {
  int64_t pixels = k->rows * k->columns, p = 0, first = conv2d_panel_begin(s->panel_begin, g->out_channels);
  for (int64_t row = 0; row < k->rows; row++) {
    const float *dy = g->dy + ((k->first + row) / g->pieces * g->source.grid[1] + k->column) * g->dy_stride;
    for (int64_t j = 0; j < k->columns; j++, p++, dy += g->dy_stride)
      for (int64_t panel = s->panel_begin, begin = first, end; panel < s->panel_end; panel++, begin = end) {
        end = conv2d_panel_begin(panel + 1, g->out_channels);
        int64_t columns = end - begin, width = conv2d_vectors(columns) * SIMD_WIDTH;
        float *out = b + (begin - first) * pixels + p * width;
        conv2d_copy(out, dy + begin, columns);
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

/* All tiles of one tap, panel after panel. Where a block has few pixels, most of the memory that is touched is the gradient itself: then
 * a strip of input channels is finished for all panels before the next, so that the gradient is written row by row. */
static void run_tap(const conv2d_gradient *g, const share *s, const block *b, const float *panels, product p, float *dw) {
  int64_t channels = s->in_end - s->in_begin, first = conv2d_panel_begin(s->panel_begin, g->out_channels);
  int64_t strip = b->rows * b->columns <= FEW ? GRADIENT_CHANNELS : channels;
  const float *x = p.x;
  p.out_stride = g->out_channels;
  for (int64_t from = 0; from < channels; from += strip)
    for (int64_t panel = s->panel_begin, begin = first, end; panel < s->panel_end; panel++, begin = end) {
      end = conv2d_panel_begin(panel + 1, g->out_channels);
      int64_t to = from + strip < channels ? from + strip : channels;
      int64_t tiles = scion_divide_up(to - from, conv2d_tile_rows(conv2d_vectors(end - begin)));
      p.panel = panels + (begin - first) * b->rows * b->columns;
      for (int64_t c = from, height; tiles > 0; tiles--, c += height) {
        height = scion_divide_up(to - c, tiles);
        p.x = x + c;
        p.out = dw + (s->in_begin + c) * g->out_channels + begin;
        run_tile(&p, height, end - begin);
      }
    }
}

static void run_block(const conv2d_gradient *g, const share *s, const block *b, bool accumulate, chunk_scratch *scratch) {
  const conv2d_source *x = &g->source;
  view v = view_block(g, s, b, scratch->near);
  const float *panels = scratch->panels;
  if (g->gathered)
    panels = g->dy + conv2d_panel_begin(s->panel_begin, g->out_channels) * b->rows * b->columns;
  else
    gather_panels(g, s, b, scratch->panels);
  for (int64_t r = 0; r < x->taps[0]; r++) {
    product p = {.lines = scratch->lines, .count = find_lines(g, b, &v, r, scratch->lines), .x_step = x->step[1] * v.stride,
                 .accumulate = accumulate};
    for (int64_t t = 0; t < x->taps[1]; t++) {
      int64_t first = b->column * x->step[1] + x->first[1] + t * x->tap_step[1]; /* in x, of the block's first column */
      int64_t to = first < x->size[1] ? (x->size[1] - 1 - first) / x->step[1] + 1 : 0;
      p.from = first < 0 ? (-first + x->step[1] - 1) / x->step[1] : 0;
      p.columns = (to < b->columns ? to : b->columns) - p.from;
      p.x = v.data + (first + p.from * x->step[1] - v.column) * v.stride;
      if (accumulate && (p.count == 0 || p.columns <= 0)) continue; /* nothing to add; the first block still has to store zeros */
      run_tap(g, s, b, panels, p, s->dw + (r * x->taps[1] + t) * x->channels * g->out_channels);
    }
  }
}

void SIMD(conv2d_gradient_chunk)(void *data, int64_t chunk, void *memory) {
  const conv2d_gradient *g = data;
  int64_t group = chunk % g->groups, in = chunk / g->groups % g->blocks, part = chunk / g->groups / g->blocks;
  int64_t taps = g->source.taps[0] * g->source.taps[1], channels = g->source.channels;
  share s = {.in_begin = in * g->block_channels, .in_end = (in + 1) * g->block_channels,
             .panel_begin = group * g->group_panels, .panel_end = (group + 1) * g->group_panels,
             .dw = g->dw + part * taps * channels * g->out_channels};
  if (s.in_end > channels) s.in_end = channels;
  if (s.panel_end > conv2d_panels(g->out_channels)) s.panel_end = conv2d_panels(g->out_channels);
  int64_t end = (part + 1) * g->part_rows < g->rows ? (part + 1) * g->part_rows : g->rows;
  for (int64_t row = part * g->part_rows; row < end; row += g->block_rows) {
    block b = {.first = row, .rows = end - row < g->block_rows ? end - row : g->block_rows, .column = row % g->pieces * g->piece};
    b.columns = g->source.grid[1] - b.column < g->piece ? g->source.grid[1] - b.column : g->piece;
    run_block(g, &s, &b, g->accumulate || row > part * g->part_rows, memory);
  }
}
