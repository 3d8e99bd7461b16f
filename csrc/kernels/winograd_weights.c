/* The gradient to the weights by minimal filtering: how the work is cut.
 *
 * The outputs are y = A'[(G w G') * (B' x B)]A, where * multiplies element by element, so that the gradient to w is
 * G'[(B' x B) * (A dy A')]G, summed over tiles, which is done first. */
#include <stdlib.h>
#include <string.h>

#include "winograd.h"

/* How many floats of v and z (the transformed x and dy) a stretch of tiles may have, since they are read again right after they are
 * written: by the same thread, from its second-level cache, or by all threads, from the cache that they share. */
#define OWN_STRETCH ((int64_t)256 << 10)
#define SHARED_STRETCH ((int64_t)1024 << 10)
#define MOST_SUMS ((int64_t)2 << 20) /* floats of all parts */

/* Where the sums are small, each part of the tiles has sums of its own, and one thread transforms and multiplies all of its stretches.
 * Else all threads work on the same stretch, one after the other. */
static void cut_tiles(winograd_gradient *g) {
  winograd_job *w = &g->job;
  int64_t positions = winograd_positions(w), channels = conv2d_padded(w->x.channels) + conv2d_padded(w->out);
  int64_t own = OWN_STRETCH / (positions * channels), shared = SHARED_STRETCH / (positions * channels);
  bool small = CONV2D_CHUNKS * positions * w->x.channels * w->out <= MOST_SUMS && own >= WINOGRAD_STRETCH &&
               w->count >= CONV2D_CHUNKS * WINOGRAD_TILES;
  g->part = small ? scion_divide_up(w->count, CONV2D_CHUNKS) : w->count;
  g->parts = scion_divide_up(w->count, g->part);
  w->block = g->parts > 1 ? own : shared > WINOGRAD_TILES ? shared : WINOGRAD_TILES;
  if (w->block > GRADIENT_PIXELS) w->block = GRADIENT_PIXELS;
  w->block = scion_divide_up(g->part, scion_divide_up(g->part, w->block));
}

/* The products of one position as the gradient of a 1x1 convolution over an image of one row: the tiles. */
static void cut_products(winograd_gradient *g) {
  conv2d_gradient *p = &g->product;
  int64_t in = g->job.x.channels, out = g->job.out;
  p->source = (conv2d_source){.stride = conv2d_padded(in), .channels = in, .taps = {1, 1}, .step = {1, 1}, .tap_step = {1, 1},
                              .size = {1}, .grid = {1}};
  p->out_channels = out;
  p->gathered = true;
  p->taps = p->pieces = p->parts = p->groups = p->rows = p->part_rows = p->block_rows = 1;
  p->group_panels = conv2d_panels(out);
  conv2d_cut_channels(p);
}

void winograd_set_stretch(winograd_gradient *g, int64_t begin, int64_t first) {
  int64_t end = begin + g->part < g->job.count ? begin + g->part : g->job.count;
  g->first = first;
  g->count = end - first < g->job.block ? end - first : g->job.block;
  g->product.piece = g->product.source.size[1] = g->product.source.grid[1] = g->count;
  g->product.accumulate = first > begin;
}

/* Stretches that all threads share: their transforms, then their products. */
static scion_status run_shared(winograd_gradient *g) {
  const winograd_job *w = &g->job;
  scion_status status = SCION_OK;
  for (int64_t first = 0; status == SCION_OK && first < w->count; first += w->block) {
    winograd_set_stretch(g, 0, first);
    status = scion_parallel_for(scion_divide_up(g->count, WINOGRAD_STRETCH), SIMD_CHOOSE(winograd_spread_chunk), g);
    if (status == SCION_OK)
      status = scion_parallel_for(winograd_positions(w) * g->product.blocks, SIMD_CHOOSE(winograd_gradient_chunk), g);
  }
  return status;
}

static scion_status run(winograd_gradient *g) {
  scion_status status = g->parts == 1 ? run_shared(g) : scion_parallel_for(g->parts, SIMD_CHOOSE(winograd_part_chunk), g);
  return status == SCION_OK ? scion_parallel_for(g->job.x.channels, SIMD_CHOOSE(winograd_taps_chunk), g) : status;
}

scion_status scion_winograd_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw,
                                             const scion_window *window) {
  scion_status status = conv2d_check_gradient(x, dy, dw, window);
  if (status == SCION_OK) status = winograd_check_window(window);
  if (status != SCION_OK) return status;
  winograd_gradient g = {.dy = {dy->data, dy->row_stride, dy->shape[3], {dy->shape[1], dy->shape[2]}}, .dw = dw->data};
  winograd_job *w = &g.job;
  winograd_find_tiles(w, x, dy, window);
  for (int axis = 0; axis < 2; axis++) g.taps[axis] = window->kernel[axis], winograd_find_weights(g.taps[axis], g.weights[axis]);
  if (w->count == 0) {
    memset(dw->data, 0, (size_t)scion_tensor_elements(dw) * sizeof(float));
    return SCION_OK;
  }
  int64_t in = conv2d_padded(w->x.channels), out = conv2d_padded(w->out), positions = winograd_positions(w);
  if (positions * (in > out ? in : out) > (int64_t)(SCION_SCRATCH_BYTES / sizeof(float)))
    return scion_fail(SCION_MISUSE, "winograd: %lld and %lld channels are too many for a tile of %lld positions", (long long)in,
                      (long long)out, (long long)positions);
  cut_tiles(&g);
  cut_products(&g);
  bool shared = g.parts == 1; /* v and z of parts lie in the scratch of the thread that computes them */
  int64_t v = shared ? positions * winograd_pitch(w->block, in) : 0, z = shared ? positions * winograd_pitch(w->block, out) : 0;
  size_t bytes = 0;
  void *memory = NULL;
  if (scion_multiply_sizes((size_t)(v + z + g.parts * positions * w->x.channels * w->out), sizeof(float), &bytes))
    memory = bytes <= SIZE_MAX - SCION_ALIGNMENT ? malloc(bytes + SCION_ALIGNMENT) : NULL; /* aligned by hand: see allocate in tensor.c */
  if (!memory) return scion_fail(SCION_NO_MEMORY, "out of memory: no %zu bytes for a gradient to weights", bytes);
  g.v = (float *)(((uintptr_t)memory + SCION_ALIGNMENT - 1) / SCION_ALIGNMENT * SCION_ALIGNMENT);
  g.z = g.v + v, g.sums = g.z + z;
  status = run(&g);
  free(memory);
  return status;
}
