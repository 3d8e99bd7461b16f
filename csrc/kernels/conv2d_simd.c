/* A chunk of a convolution's grid: a block of pixels x a group of panels. */
#include "activation.h"
#include "conv2d_panel.h"

#define LOOSE_DEPTH 64  /* rows of unpacked weights at a time: rows lie a matrix width apart, so that more of them would evict each other */
#define LOOSE_PIXELS 64 /* above so many pixels packing pays; sums are cut alike both ways, so that results do not depend on the batch */

typedef struct {
  conv2d_rows rows;
  float *out[CONV2D_BLOCK + 1]; /* one more than a block: a tile prefetches as many rows of the next tile as it has, and that one may have one row less */
  float panel[CONV2D_DEPTH * MOST_VECTORS * SIMD_WIDTH]; /* where unpacked weights are packed */
} chunk_scratch;
_Static_assert(sizeof(chunk_scratch) <= SCION_SCRATCH_BYTES, "a chunk fits into a thread's scratch");

static void find_outputs(const conv2d_grid *g, int64_t first, int64_t count, float **out) {
  const int64_t *grid = g->source.grid;
  int64_t j = first % grid[1], i = first / grid[1] % grid[0], n = first / grid[1] / grid[0];
  for (int64_t p = 0; p < count; p++) {
    int64_t row = (n * g->out_size[0] + i * g->out_step[0] + g->out_first[0]) * g->out_size[1];
    out[p] = g->out + (row + j * g->out_step[1] + g->out_first[1]) * g->out_stride;
    if (++j == grid[1]) {
      j = 0;
      if (++i == grid[0]) i = 0, n++;
    }
  }
  out[count] = out[count - 1];
}

/* The activations that are no clamp, on what the tiles have left. */
static void finish(const conv2d_grid *g, float *const *out, int64_t count, int64_t begin, int64_t end) {
  if (!scion_activation_bends(g->activation)) return;
  for (int64_t p = 0; p < count; p++)
    SIMD(scion_loop_activation)(&(scion_block){.rows = 1, .width = end - begin, .a = out[p] + begin, .y = out[p] + begin}, g->activation);
}

/* Panels are counted through all bundles. This one's: its bundle, its first output channel there, and the end of these. */
typedef struct {
  int64_t bundle, begin, end;
} panel_place;

static panel_place place_of(const conv2d_grid *g, int64_t panel) {
  int64_t each = conv2d_panels(g->out_channels), at = panel % each;
  return (panel_place){panel / each, conv2d_panel_begin(at, g->out_channels), conv2d_panel_begin(at + 1, g->out_channels)};
}

/* The weights of a panel from depth k on. */
static const float *panel_part(const conv2d_grid *g, int64_t panel, int64_t k) {
  panel_place p = place_of(g, panel);
  if (!g->panels) return g->loose_turned ? g->loose + p.begin * g->loose_stride + k : g->loose + k * g->loose_stride + p.begin;
  return g->panels + p.bundle * g->bundle_panels + p.begin * g->depth + k * conv2d_padded(p.end - p.begin);
}

/* Whether weights are multiplied where they are: those of whole vectors that lie along the rows of the matrix, for a few pixels. */
static bool in_place(const conv2d_grid *g, int64_t columns, int64_t count) {
  return g->panels || (!g->loose_turned && columns % SIMD_WIDTH == 0 && count <= LOOSE_PIXELS);
}

/* A panel, depth k .. k+length-1, over the block. */
static void run_panel(const conv2d_grid *g, chunk_scratch *scratch, int64_t first, int64_t count, int64_t k, int64_t length,
                      int64_t panel, bool fetch, const float *following) {
  bool last = k + length == g->depth;
  panel_place place = place_of(g, panel);
  conv2d_tile tile = {.rows = &scratch->rows, .shift = place.bundle * g->source.channels, .column = place.bundle * g->out_channels + place.begin};
  int64_t columns = place.end - place.begin;
  tile.b = panel_part(g, panel, k);
  tile.b_stride = g->panels ? conv2d_padded(columns) : g->loose_stride;
  if (!in_place(g, columns, count)) {
    (g->loose_turned ? SIMD(conv2d_turn_part) : SIMD(conv2d_pack_part))(tile.b, g->loose_stride, columns, length, NULL, scratch->panel);
    tile.b = following = scratch->panel;
    tile.b_stride = conv2d_padded(columns);
  }
  tile.accumulate = k > 0 || g->accumulate;
  tile.addend_stride = g->addend_stride;
  tile.stream = g->stream && length == g->depth; /* partial sums, which the next part of the depth reads again, stay in the caches */
  if (last) {
    tile.bias = g->bias;
    tile.clamp = g->activation == SCION_RELU || g->activation == SCION_RELU6;
    tile.high = g->activation == SCION_RELU6 ? 6.0f : INFINITY;
    if (g->addend) tile.addend = g->addend + first * g->addend_stride;
  }
  conv2d_run_block(tile, scratch->out, count, columns, fetch, following);
  if (last) finish(g, scratch->out, count, tile.column, tile.column + columns);
}

void SIMD(conv2d_grid_chunk)(void *data, int64_t chunk, void *memory) {
  const conv2d_grid *g = data;
  chunk_scratch *scratch = memory;
  int64_t first = chunk / g->groups * g->block, count = g->pixels - first < g->block ? g->pixels - first : g->block;
  int64_t begin = chunk % g->groups * g->group_panels, end = begin + g->group_panels, panels = g->bundles * conv2d_panels(g->out_channels);
  if (end > panels) end = panels;
  int64_t most = g->panels || g->loose_turned ? CONV2D_DEPTH : LOOSE_DEPTH;
  if (g->bundles > 1 && most > CONV2D_SHORT_PIECES * g->source.channels) most = CONV2D_SHORT_PIECES * g->source.channels / 16 * 16;
  find_outputs(g, first, count, scratch->out);
  if (g->depth == 0) { /* a grid of the gradient to the input that no tap reaches: its gradient is zero */
    panel_place from = place_of(g, begin), to = place_of(g, end - 1);
    int64_t column = from.bundle * g->out_channels + from.begin, columns = to.bundle * g->out_channels + to.end - column;
    for (int64_t p = 0; p < count; p++) memset(scratch->out[p] + column, 0, (size_t)columns * sizeof(float));
  }
  for (int64_t k = 0, length; k < g->depth; k += length) {
    length = conv2d_depth_part(g->depth - k, most);
    conv2d_find_rows(&g->source, first, count, k, k + length, g->bundles > 1, &scratch->rows);
    for (int64_t panel = begin; panel < end; panel++) {
      bool turn = panel + 1 == end, done = k + length == g->depth;
      const float *following = turn ? panel_part(g, begin, done ? 0 : k + length) : panel_part(g, panel + 1, k);
      run_panel(g, scratch, first, count, k, length, panel, panel == begin && scratch->rows.count == 1, following);
    }
  }
  if (g->stream) simd_fence();
}
