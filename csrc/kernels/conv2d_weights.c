/* The gradient to the weights: what fits what, and how the work is cut. */
#include <stdlib.h>
#include <string.h>

#include "conv2d_weights.h"

/* Rows of at most GRADIENT_PIXELS columns; where no pixel meets another one's neighbours all images are one long row. */
static void cut_rows(conv2d_gradient *g, int64_t images) {
  conv2d_source *s = &g->source;
  bool pointwise = true;
  for (int axis = 0; axis < 2; axis++)
    pointwise = pointwise && s->taps[axis] == 1 && s->step[axis] == 1 && s->first[axis] == 0 && s->size[axis] == s->grid[axis];
  if (pointwise) {
    s->size[1] = s->grid[1] = images * s->grid[0] * s->grid[1];
    s->size[0] = s->grid[0] = images = 1;
  }
  g->pieces = scion_divide_up(s->grid[1], GRADIENT_PIXELS);
  g->piece = scion_divide_up(s->grid[1], g->pieces);
  g->rows = images * s->grid[0] * g->pieces;
  g->block_rows = GRADIENT_PIXELS / g->piece;
  if (g->pieces > 1) g->block_rows = 1;
}

void conv2d_cut_channels(conv2d_gradient *g) {
  int64_t channels = g->source.channels, most = GRADIENT_DEPTH / g->taps;
  g->blocks = scion_divide_up(channels, most < GRADIENT_CHANNELS ? GRADIENT_CHANNELS : most);
  g->block_channels = scion_divide_up(scion_divide_up(channels, g->blocks), GRADIENT_CHANNELS) * GRADIENT_CHANNELS;
  g->blocks = scion_divide_up(channels, g->block_channels);
}

void conv2d_cut_gradient(conv2d_gradient *g, int64_t images) {
  cut_rows(g, images);
  int64_t panels = conv2d_panels(g->out_channels);
  conv2d_cut_channels(g);
  int64_t row_blocks = scion_divide_up(g->rows, g->block_rows);
  int64_t parts = CONV2D_CHUNKS / g->blocks; /* rounded down: if chunks are still too few, groups of panels give more, and need no memory */
  g->part_rows = scion_divide_up(row_blocks, parts > 1 ? parts : 1) * g->block_rows;
  g->parts = scion_divide_up(g->rows, g->part_rows);
  int64_t chunks = g->parts * g->blocks;
  g->group_panels = chunks < CONV2D_CHUNKS ? scion_divide_up(panels * chunks, CONV2D_CHUNKS) : panels;
  if (g->group_panels > conv2d_gradient_panels()) g->group_panels = conv2d_gradient_panels();
  g->groups = scion_divide_up(panels, g->group_panels);
}

typedef struct {
  const float *parts;
  float *out;
  int64_t count, elements;
} sum_job;

#define SUM_CHUNK 8192

static void sum_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const sum_job *job = data;
  int64_t first = chunk * SUM_CHUNK, n = job->elements - first < SUM_CHUNK ? job->elements - first : SUM_CHUNK;
  float *out = job->out + first;
  memcpy(out, job->parts + first, (size_t)n * sizeof(float));
  for (int64_t part = 1; part < job->count; part++) {
    const float *in = job->parts + part * job->elements + first;
    for (int64_t i = 0; i < n; i++) out[i] += in[i];
  }
}

scion_status conv2d_new_parts(int64_t count, const scion_tensor *dw, float **parts) {
  size_t bytes = 0;
  *parts = NULL;
  if (count < 2) return SCION_OK;
  if (scion_multiply_sizes((size_t)count * sizeof(float), (size_t)scion_tensor_elements(dw), &bytes) && bytes < PTRDIFF_MAX - SCION_ALIGNMENT)
    *parts = aligned_alloc(SCION_ALIGNMENT, scion_divide_up((int64_t)bytes, SCION_ALIGNMENT) * SCION_ALIGNMENT);
  if (!*parts) return scion_fail(SCION_NO_MEMORY, "out of memory: no %zu bytes for the parts of a gradient to weights", bytes);
  return SCION_OK;
}

scion_status conv2d_sum_parts(scion_status status, float *parts, int64_t count, scion_tensor *dw) {
  const int64_t elements = scion_tensor_elements(dw);
  if (status == SCION_OK && parts)
    status = scion_parallel_for(scion_divide_up(elements, SUM_CHUNK), sum_chunk, &(sum_job){parts, dw->data, count, elements});
  free(parts);
  return status;
}

scion_status conv2d_check_dw(const scion_tensor *x, const scion_tensor *dy, const scion_tensor *dw, const scion_window *window) {
  char a[SCION_SHAPE_TEXT], b[SCION_SHAPE_TEXT], c[SCION_SHAPE_TEXT];
  if (dw->dtype != SCION_F32 || !scion_tensor_contiguous(dw) || dw->dims != 4 || dw->shape[0] != window->kernel[0] ||
      dw->shape[1] != window->kernel[1] || dw->shape[2] != x->shape[3] || dw->shape[3] != dy->shape[3])
    return scion_fail(SCION_MISUSE, "conv2d: %s of %s is not the gradient of a %dx%d kernel between input %s and output %s",
                      scion_dtype_name(dw->dtype), scion_shape_text(dw, a, sizeof a), window->kernel[0], window->kernel[1],
                      scion_shape_text(x, b, sizeof b), scion_shape_text(dy, c, sizeof c));
  return SCION_OK;
}

scion_status conv2d_check_gradient(const scion_tensor *x, const scion_tensor *dy, const scion_tensor *dw, const scion_window *window) {
  scion_status status = conv2d_check_images(x, dy, window);
  return status == SCION_OK ? conv2d_check_dw(x, dy, dw, window) : status;
}

scion_status scion_conv2d_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw,
                                           const scion_window *window) {
  scion_status status = conv2d_check_gradient(x, dy, dw, window);
  if (status != SCION_OK) return status;
  conv2d_gradient g = {.source = conv2d_forward_source(x, dy, window), .dy = dy->data, .dy_stride = dy->row_stride,
                       .out_channels = dy->shape[3], .taps = (int64_t)window->kernel[0] * window->kernel[1],
                       .dw = dw->data};
  if (scion_tensor_rows(dy) == 0) {
    memset(dw->data, 0, (size_t)scion_tensor_elements(dw) * sizeof(float));
    return SCION_OK;
  }
  conv2d_cut_gradient(&g, dy->shape[0]);
  float *parts;
  status = conv2d_new_parts(g.parts, dw, &parts);
  if (status != SCION_OK) return status;
  if (parts) g.dw = parts;
  status = scion_parallel_for(g.parts * g.blocks * g.groups, SIMD_CHOOSE(conv2d_gradient_chunk), &g);
  return conv2d_sum_parts(status, parts, g.parts, dw);
}
