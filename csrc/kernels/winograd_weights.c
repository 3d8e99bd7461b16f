/* The gradient to the weights by minimal filtering: how the work is cut, and from the products' sums back to taps.
 *
 * The outputs are y = A'[(G w G') * (B' x B)]A, where * multiplies element by element, so that the gradient to w is
 * G'[(B' x B) * (A dy A')]G, summed over tiles, which is done first. */
#include <stdlib.h>
#include <string.h>

#include "winograd.h"

#define STRETCH_FLOATS ((int64_t)512 << 10) /* of v and z together: they are read again right after */

/* The products of one position as the gradient of a 1x1 convolution over an image of one row: the tiles. */
static void cut(winograd_gradient *g) {
  conv2d_gradient *p = &g->product;
  int64_t in = g->job.x.channels, out = g->job.out;
  p->source = (conv2d_source){.stride = conv2d_padded(in), .channels = in, .taps = {1, 1}, .step = {1, 1}, .tap_step = {1, 1}};
  p->dy_stride = conv2d_padded(out), p->out_channels = out, p->taps = p->pieces = p->parts = 1;
  conv2d_cut_channels(p);
  int64_t panels = conv2d_panels(out);
  p->groups = conv2d_divide_up(panels, conv2d_gradient_panels());
  p->group_panels = conv2d_divide_up(panels, p->groups);
}

/* Rows of GRADIENT_PIXELS tiles, of which the last may have fewer. */
static void set_stretch(winograd_gradient *g, int64_t first) {
  conv2d_gradient *p = &g->product;
  g->first = first;
  g->count = g->job.count - first < g->job.block ? g->job.count - first : g->job.block;
  p->pieces = conv2d_divide_up(g->count, GRADIENT_PIXELS);
  p->piece = conv2d_divide_up(g->count, p->pieces);
  p->rows = p->part_rows = p->pieces;
  p->block_rows = 1;
  p->source.size[0] = p->source.grid[0] = 1;
  p->source.size[1] = p->source.grid[1] = g->count;
  p->accumulate = first > 0;
}

typedef struct {
  const winograd_gradient *gradient;
  float *dw;
  double weights[2][WINOGRAD_MOST][WINOGRAD_MOST];
  int taps[2];
} restore_job;

/* The taps of one input channel: G' sums G. */
static void restore_channel(void *data, int64_t in, void *scratch) {
  (void)scratch;
  const restore_job *job = data;
  const winograd_job *w = &job->gradient->job;
  int rows = w->axis[0].positions, columns = w->axis[1].positions;
  int64_t channels = w->x.channels, out = w->out;
  for (int r = 0; r < job->taps[0]; r++)
    for (int s = 0; s < job->taps[1]; s++) {
      float *dw = job->dw + ((r * job->taps[1] + s) * channels + in) * out;
      memset(dw, 0, (size_t)out * sizeof(float));
      for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
          float by = (float)(job->weights[0][i][r] * job->weights[1][j][s]);
          const float *sums = job->gradient->sums + ((i * columns + j) * channels + in) * out;
          if (by == 0) continue;
          for (int64_t o = 0; o < out; o++) dw[o] += by * sums[o];
        }
    }
}

/* All stretches: their transforms, then their products. */
static scion_status run(winograd_gradient *g, const scion_window *window, scion_tensor *dw) {
  const winograd_job *w = &g->job;
  restore_job job = {.gradient = g, .dw = dw->data, .taps = {window->kernel[0], window->kernel[1]}};
  scion_status status = SCION_OK;
  for (int64_t first = 0; status == SCION_OK && first < w->count; first += w->block) {
    set_stretch(g, first);
    status = scion_parallel_for(conv2d_divide_up(g->count, WINOGRAD_STRETCH), SIMD_CHOOSE(winograd_spread_chunk), g);
    if (status == SCION_OK)
      status = scion_parallel_for(winograd_positions(w) * g->product.blocks * g->product.groups, SIMD_CHOOSE(winograd_gradient_chunk), g);
  }
  for (int axis = 0; axis < 2; axis++) winograd_find_weights(job.taps[axis], job.weights[axis]);
  return status == SCION_OK ? scion_parallel_for(w->x.channels, restore_channel, &job) : status;
}

scion_status scion_winograd_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw,
                                             const scion_window *window) {
  scion_status status = conv2d_check_gradient(x, dy, dw, window);
  if (status == SCION_OK) status = winograd_check_window(window);
  if (status != SCION_OK) return status;
  winograd_gradient g = {.dy = {dy->data, dy->row_stride, dy->shape[3], {dy->shape[1], dy->shape[2]}}};
  winograd_job *w = &g.job;
  winograd_find_tiles(w, x, dy, window);
  if (w->count == 0) {
    memset(dw->data, 0, (size_t)scion_tensor_elements(dw) * sizeof(float));
    return SCION_OK;
  }
  int64_t in = conv2d_padded(w->x.channels), out = conv2d_padded(w->out), positions = winograd_positions(w);
  if (positions * (in > out ? in : out) > (int64_t)(SCION_SCRATCH_BYTES / sizeof(float)))
    return scion_fail(SCION_MISUSE, "winograd: %lld and %lld channels are too many for a tile of %lld positions", (long long)in,
                      (long long)out, (long long)positions);
  w->block = STRETCH_FLOATS / (positions * (in + out));
  if (w->block < WINOGRAD_TILES) w->block = WINOGRAD_TILES;
  w->block = conv2d_divide_up(w->count, conv2d_divide_up(w->count, w->block));
  cut(&g);
  int64_t v = positions * winograd_pitch(w->block, in), z = positions * winograd_pitch(w->block, out);
  size_t bytes = 0;
  void *memory = NULL;
  if (scion_multiply_sizes((size_t)(v + z + positions * w->x.channels * w->out), sizeof(float), &bytes))
    memory = bytes <= SIZE_MAX - SCION_ALIGNMENT ? malloc(bytes + SCION_ALIGNMENT) : NULL; /* as tensor.c does, and why it says */
  if (!memory) return scion_fail(SCION_NO_MEMORY, "out of memory: no %zu bytes for a gradient to weights", bytes);
  g.v = (float *)(((uintptr_t)memory + SCION_ALIGNMENT - 1) / SCION_ALIGNMENT * SCION_ALIGNMENT);
  g.z = g.v + v, g.sums = g.z + z;
  status = run(&g, window, dw);
  free(memory);
  return status;
}
