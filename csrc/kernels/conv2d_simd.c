/* A chunk of a convolution's grid: a block of pixels x a group of panels. */
#define A_ROW CONV2D_PITCH
#define A_DEPTH 1
#include "conv2d_tile.h"

#include <math.h>

#include "conv2d_gather.h"

typedef struct {
  float a[TILE_ROWS * CONV2D_PITCH];
  float *out[CONV2D_PIXELS];
} chunk_scratch;
_Static_assert(sizeof(chunk_scratch) <= SCION_SCRATCH_BYTES, "a block fits into a thread's scratch");

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
}

/* The activations that are no clamp, on what the tiles have left. */
static void finish(const conv2d_grid *g, float *const *out, int64_t count, int64_t begin, int64_t end) {
  if (g->activation != SCION_SIGMOID && g->activation != SCION_TANH) return;
  for (int64_t p = 0; p < count; p++)
    for (int64_t c = begin; c < end; c++)
      out[p][c] = g->activation == SCION_TANH ? tanhf(out[p][c]) : 1.0f / (1.0f + expf(-out[p][c]));
}

/* One tile of pixels, depth k .. k+length-1: gathered into the first-level cache, where it stays while panels come by. */
static void run_tile(const conv2d_grid *g, chunk_scratch *scratch, int64_t first, int64_t at, int rows, int64_t k, int64_t length,
                     int64_t begin, int64_t end) {
  bool last = k + length == g->depth;
  conv2d_tile tile = {.a = scratch->a, .depth = length, .out = scratch->out + at, .accumulate = k > 0 || g->accumulate};
  if (last) {
    tile.bias = g->bias;
    tile.addend = g->addend ? g->addend + (first + at) * g->addend_stride : NULL;
    tile.addend_stride = g->addend_stride;
    tile.clamp = g->activation == SCION_RELU || g->activation == SCION_RELU6;
    tile.high = g->activation == SCION_RELU6 ? 6.0f : INFINITY;
  }
  conv2d_gather(&g->source, first + at, rows, k, k + length, scratch->a);
  for (tile.column = begin; tile.column < end; tile.column += PANEL) {
    tile.b = g->panels + tile.column * g->depth + k * conv2d_panel_width(end - tile.column);
    conv2d_run_tile(&tile, rows, end - tile.column);
  }
  if (last) finish(g, tile.out, rows, begin, end);
}

void SIMD(conv2d_grid_chunk)(void *data, int64_t chunk, void *memory) {
  const conv2d_grid *g = data;
  chunk_scratch *scratch = memory;
  int64_t first = chunk / g->groups * g->block, count = g->pixels - first < g->block ? g->pixels - first : g->block;
  int64_t begin = chunk % g->groups * g->group_panels * PANEL, end = begin + g->group_panels * PANEL;
  if (end > g->out_channels) end = g->out_channels;
  find_outputs(g, first, count, scratch->out);
  if (g->depth == 0) /* a phase that no tap reaches */
    for (int64_t p = 0; p < count; p++) memset(scratch->out[p] + begin, 0, (size_t)(end - begin) * sizeof(float));
  for (int64_t k = 0, length; k < g->depth; k += length) {
    int64_t left = g->depth - k, parts = (left + CONV2D_DEPTH - 1) / CONV2D_DEPTH;
    length = ((left + parts - 1) / parts + 15) / 16 * 16; /* nearly equal parts */
    if (length > left) length = left;
    for (int64_t at = 0, rows; at < count; at += rows) {
      int64_t tiles = (count - at + TILE_ROWS - 1) / TILE_ROWS;
      rows = (count - at + tiles - 1) / tiles;
      run_tile(g, scratch, first, at, (int)rows, k, length, begin, end);
    }
  }
}
