/* A chunk of the gradient to the weights: a part of the pixels x a block of taps x channels x a group of panels. */
#define A_ROW 1
#define A_DEPTH CONV2D_PITCH
#include "conv2d_tile.h"

#include "conv2d_gather.h"

typedef struct {
  float a[CONV2D_PIXELS * CONV2D_PITCH];
  float b[CONV2D_PIXELS * CONV2D_GROUP * PANEL];
  float *out[CONV2D_DEPTH];
} chunk_scratch;
_Static_assert(sizeof(chunk_scratch) <= SCION_SCRATCH_BYTES, "a block fits into a thread's scratch");

/* Columns begin .. end-1 of dy as panels [count][width], zeros behind the last column; pixel by pixel, as they lie in memory. */
static void gather_panels(const conv2d_gradient *g, int64_t first, int64_t count, int64_t begin, int64_t end, float *b) {
  for (int64_t p = 0; p < count; p++) {
    const float *row = g->dy + (first + p) * g->dy_stride;
    for (int64_t column = begin; column < end; column += PANEL) {
      int64_t columns = end - column < PANEL ? end - column : PANEL, width = conv2d_panel_width(columns);
      float *out = b + (column - begin) * count + p * width;
      conv2d_copy(out, row + column, columns);
      for (int64_t c = columns; c < width; c++) out[c] = 0;
    }
  }
}

/* All tiles of one gathered block: the left side of a tile stays in the first-level cache while the panels of dy come by. */
static void run_block(chunk_scratch *scratch, conv2d_tile tile, int64_t rows, int64_t begin, int64_t end) {
  for (int64_t at = 0, height; at < rows; at += height) {
    int64_t tiles = (rows - at + TILE_ROWS - 1) / TILE_ROWS;
    height = (rows - at + tiles - 1) / tiles;
    tile.a = scratch->a + at;
    tile.out = scratch->out + at;
    for (tile.column = begin; tile.column < end; tile.column += PANEL) {
      tile.b = scratch->b + (tile.column - begin) * tile.depth;
      conv2d_run_tile(&tile, (int)height, end - tile.column);
    }
  }
}

void SIMD(conv2d_gradient_chunk)(void *data, int64_t chunk, void *memory) {
  const conv2d_gradient *g = data;
  chunk_scratch *scratch = memory;
  int64_t group = chunk % g->groups, block = chunk / g->groups % g->depth_blocks, part = chunk / g->groups / g->depth_blocks;
  int64_t k = block * g->depth_block, rows = g->depth - k < g->depth_block ? g->depth - k : g->depth_block;
  int64_t begin = group * g->group_panels * PANEL, end = begin + g->group_panels * PANEL;
  if (end > g->out_channels) end = g->out_channels;
  for (int64_t r = 0; r < rows; r++) scratch->out[r] = g->dw + ((part * g->depth) + k + r) * g->out_channels;
  int64_t from = part * g->part_pixels, to = from + g->part_pixels < g->pixels ? from + g->part_pixels : g->pixels;
  for (int64_t first = from; first < to; first += CONV2D_PIXELS) {
    int64_t count = to - first < CONV2D_PIXELS ? to - first : CONV2D_PIXELS;
    conv2d_gather(&g->source, first, count, k, k + rows, scratch->a);
    gather_panels(g, first, count, begin, end, scratch->b);
    run_block(scratch, (conv2d_tile){.depth = count, .accumulate = first > from}, rows, begin, end);
  }
}
