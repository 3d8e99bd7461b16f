/* A chunk of the gradient to the weights: a part of the pixels x a block of taps x channels x a group of panels. */
#define A_ROW 1
#define A_DEPTH CONV2D_PITCH
#include "conv2d_tile.h"

#include "conv2d_gather.h"

typedef struct {
  float a[CONV2D_PIXELS * CONV2D_PITCH];
  float b[CONV2D_PIXELS * PANEL];
  float *out[CONV2D_DEPTH];
} chunk_scratch;
_Static_assert(sizeof(chunk_scratch) <= SCION_SCRATCH_BYTES, "a block fits into a thread's scratch");

/* A panel of dy, as wide as `columns` asks for, zeros behind them. */
static void gather_panel(const conv2d_gradient *g, int64_t first, int64_t count, int64_t column, int64_t columns, float *b) {
  int64_t width = conv2d_panel_width(columns);
  for (int64_t p = 0; p < count; p++, b += width) {
    conv2d_copy(b, g->dy + (first + p) * g->dy_stride + column, columns);
    for (int64_t c = columns; c < width; c++) b[c] = 0;
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
    for (int64_t column = begin; column < end; column += PANEL) {
      int64_t columns = end - column < PANEL ? end - column : PANEL;
      gather_panel(g, first, count, column, columns, scratch->b);
      conv2d_run_panel((conv2d_tile){.a = scratch->a, .b = scratch->b, .depth = count, .out = scratch->out, .column = column,
                                     .accumulate = first > from}, rows, columns);
    }
  }
}
