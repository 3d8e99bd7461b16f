/* Convolution forward and its gradient to the input: what fits what, and how the work is cut. */
#include <stdlib.h>

#include "conv2d_internal.h"
#include "require.h"

/* ---- checks */

bool conv2d_is_vector(const scion_tensor *t, int64_t elements) {
  return t->dtype == SCION_F32 && scion_tensor_contiguous(t) && scion_tensor_elements(t) == elements;
}

scion_status conv2d_check_window(const scion_window *window) {
  const int largest = 1024; /* stride: the gradient to the input has stride x stride grids, one for each remainder of a pixel's position */
  for (int axis = 0; axis < 2; axis++)
    if (window->kernel[axis] < 1 || window->stride[axis] < 1 || window->stride[axis] > largest ||
        window->dilation[axis] < 1 || window->before[axis] < 0 || window->after[axis] < 0)
      return scion_fail(SCION_MISUSE, "conv2d: kernel %d, stride %d, dilation %d, padding %d and %d along axis %d are no window",
                        window->kernel[axis], window->stride[axis], window->dilation[axis], window->before[axis],
                        window->after[axis], axis);
  return SCION_OK;
}

scion_status conv2d_check_images(const scion_tensor *x, const scion_tensor *y, const scion_window *window) {
  char a[SCION_SHAPE_TEXT], b[SCION_SHAPE_TEXT];
  scion_shape_text(x, a, sizeof a);
  scion_shape_text(y, b, sizeof b);
  if (x->dtype != SCION_F32 || y->dtype != SCION_F32)
    return scion_fail(SCION_MISUSE, "conv2d: images are f32, not %s of %s and %s of %s", scion_dtype_name(x->dtype), a,
                      scion_dtype_name(y->dtype), b);
  if (x->dims != 4 || y->dims != 4 || x->shape[0] != y->shape[0] || x->shape[3] < 1 || y->shape[3] < 1)
    return scion_fail(SCION_MISUSE, "conv2d: input %s and output %s are not [N, H, W, Ci] and [N, OH, OW, Co]", a, b);
  scion_status status = conv2d_check_window(window);
  if (status != SCION_OK) return status;
  int64_t rows = scion_window_output(window, 0, x->shape[1]), columns = scion_window_output(window, 1, x->shape[2]);
  if (rows < 1 || columns < 1 || rows != y->shape[1] || columns != y->shape[2])
    return scion_fail(SCION_MISUSE, "conv2d: a window of %dx%d over input %s gives %lldx%lld pixels, but the output is %s",
                      window->kernel[0], window->kernel[1], a, (long long)rows, (long long)columns, b);
  return SCION_OK;
}

/* Of each bundle's input channels, and so of all of them, to those of its outputs, padded. */
static scion_status check_packed(const scion_tensor *packed, const scion_window *window, int64_t in, int64_t out, int64_t bundles) {
  char text[SCION_SHAPE_TEXT];
  int64_t elements;
  if (__builtin_mul_overflow((int64_t)window->kernel[0] * window->kernel[1], in, &elements) ||
      __builtin_mul_overflow(elements, conv2d_padded(out / bundles), &elements) || !conv2d_is_vector(packed, elements))
    return scion_fail(SCION_MISUSE, "conv2d: packed weights of %s are not those of a %dx%d kernel from %lld to %lld channels",
                      scion_shape_text(packed, text, sizeof text), window->kernel[0], window->kernel[1], (long long)in,
                      (long long)out);
  return SCION_OK;
}

scion_status conv2d_check_epilogue(const scion_tensor *bias, const scion_tensor *addend, const scion_tensor *y,
                                   scion_activation activation) {
  char a[SCION_SHAPE_TEXT], b[SCION_SHAPE_TEXT];
  scion_shape_text(y, b, sizeof b);
  if (bias && !conv2d_is_vector(bias, y->shape[3]))
    return scion_fail(SCION_MISUSE, "conv2d: a bias of %s does not fit the channels of an output of %s",
                      scion_shape_text(bias, a, sizeof a), b);
  if (addend && (addend->dtype != SCION_F32 || !scion_tensor_same_shape(addend, y)))
    return scion_fail(SCION_MISUSE, "conv2d: %s of %s cannot be added to an output of %s", scion_dtype_name(addend->dtype),
                      scion_shape_text(addend, a, sizeof a), b);
  if ((int)activation < 0 || activation >= SCION_ACTIVATIONS)
    return scion_fail(SCION_MISUSE, "conv2d: there is no activation number %d", (int)activation);
  return SCION_OK;
}

/* ---- work */

#define STREAM_BYTES ((size_t)32 << 20)

bool conv2d_streams(const scion_tensor *y) {
  return (size_t)conv2d_vector() * sizeof(float) == CACHE_LINE && (size_t)scion_tensor_elements(y) * sizeof(float) >= STREAM_BYTES &&
         (size_t)y->row_stride * sizeof(float) % CACHE_LINE == 0 && (uintptr_t)y->data % CACHE_LINE == 0;
}

/* How many chunks for weights that are read unpacked, row by row from memory. Five panels of a row a chunk: shorter pieces of rows are
 * read at less than the memory's speed. */
static int64_t loose_chunks(int64_t panels) {
  int64_t chunks = panels / 5;
  return chunks < 4 ? 4 : chunks < CONV2D_CHUNKS ? chunks : CONV2D_CHUNKS;
}

/* Cuts the work into chunks of a block of pixels x a group of panels. Every block of pixels reads all weights once, and every group of
 * panels reads all images once. Of the cuts with enough chunks for the threads, this takes the one that reads least. */
static void cut(conv2d_grid *g, int64_t images) {
  int64_t panels = g->bundles * conv2d_panels(g->out_channels), weights = g->bundles * g->depth * conv2d_padded(g->out_channels);
  int64_t wanted = g->panels ? CONV2D_CHUNKS : loose_chunks(panels);
  int64_t values = images * g->source.size[0] * g->source.size[1] * g->source.channels * g->bundles, most_chunks = 0;
  double least = 0;
  for (int64_t block = CONV2D_BLOCK; block >= CONV2D_BLOCK / 4; block /= 2) {
    int64_t blocks = scion_divide_up(g->pixels, block), groups = scion_divide_up(wanted, blocks);
    int64_t group_panels = scion_divide_up(panels, groups < panels ? groups : panels);
    if (group_panels > CONV2D_GROUP) group_panels = CONV2D_GROUP;
    groups = scion_divide_up(panels, group_panels);
    int64_t chunks = blocks * groups < CONV2D_CHUNKS ? blocks * groups : CONV2D_CHUNKS;
    double reads = (double)blocks * (double)weights + (double)groups * (double)values;
    if (chunks < most_chunks || (chunks == most_chunks && reads >= least)) continue;
    g->block = block, g->groups = groups, g->group_panels = group_panels;
    least = reads, most_chunks = chunks;
  }
}

scion_status conv2d_run_grid(conv2d_grid *g) {
  int64_t images = g->pixels;
  g->pixels *= g->source.grid[0] * g->source.grid[1];
  if (g->pixels == 0) return SCION_OK;
  g->depth = g->source.taps[0] * g->source.taps[1] * g->source.channels;
  float *zeros = NULL;
  if (g->bundles > 1) {
    g->source.zeros = zeros = scion_kernel_memory("conv2d", g->bundles * g->source.channels, sizeof *zeros);
    if (!zeros) return SCION_NO_MEMORY;
  } else {
    g->bundles = 1;
  }
  cut(g, images);
  scion_status status = scion_parallel_for(scion_divide_up(g->pixels, g->block) * g->groups, SIMD_CHOOSE(conv2d_grid_chunk), g);
  free(zeros);
  return status;
}

conv2d_source conv2d_forward_source(const scion_tensor *x, const scion_tensor *y, const scion_window *window) {
  conv2d_source source = {.data = x->data, .stride = x->row_stride, .channels = x->shape[3]};
  for (int axis = 0; axis < 2; axis++) {
    source.size[axis] = x->shape[axis + 1];
    source.grid[axis] = y->shape[axis + 1];
    source.taps[axis] = window->kernel[axis];
    source.step[axis] = window->stride[axis];
    source.first[axis] = -window->before[axis];
    source.tap_step[axis] = window->dilation[axis];
  }
  return source;
}

static void set_bundles(conv2d_grid *g, const scion_tensor *packed, int64_t bundles) {
  if (bundles == 1) return;
  g->source.channels /= bundles;
  g->out_channels /= bundles;
  g->bundles = bundles;
  g->bundle_panels = scion_tensor_elements(packed) / bundles;
  g->stream = false; /* a bundle's channels may begin within a cache line */
}

scion_status conv2d_forward_bundles(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias, const scion_tensor *addend,
                                    scion_tensor *y, const scion_window *window, scion_activation activation, int64_t bundles) {
  scion_status status = conv2d_check_images(x, y, window);
  if (status == SCION_OK) status = check_packed(packed, window, x->shape[3], y->shape[3], bundles);
  if (status == SCION_OK) status = conv2d_check_epilogue(bias, addend, y, activation);
  if (status != SCION_OK) return status;
  conv2d_grid grid = {.source = conv2d_forward_source(x, y, window), .panels = packed->data, .bias = bias ? bias->data : NULL,
                      .addend = addend ? addend->data : NULL, .addend_stride = addend ? addend->row_stride : 0, .out = y->data,
                      .out_stride = y->row_stride, .out_channels = y->shape[3], .out_size = {y->shape[1], y->shape[2]},
                      .out_step = {1, 1}, .stream = conv2d_streams(y) && !scion_activation_bends(activation), .activation = activation,
                      .pixels = y->shape[0]};
  set_bundles(&grid, packed, bundles);
  return conv2d_run_grid(&grid);
}

scion_status scion_conv2d_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                  const scion_tensor *addend, scion_tensor *y, const scion_window *window,
                                  scion_activation activation) {
  return conv2d_forward_bundles(x, packed, bias, addend, y, window, activation, 1);
}

/* Input pixels whose index is `phase` modulo the stride are a grid of their own, with a part of the taps. */
static void set_phase(conv2d_grid *g, const scion_window *window, int axis, int64_t phase) {
  conv2d_phase found = conv2d_find_phase(window, axis, phase);
  int64_t stride = window->stride[axis], size = g->out_size[axis];
  g->source.grid[axis] = size > phase ? (size - phase - 1) / stride + 1 : 0;
  g->source.taps[axis] = found.count;
  g->source.first[axis] = found.first;
  g->source.tap_step[axis] = found.dy_step;
  g->out_first[axis] = phase;
}

scion_status conv2d_backward_input_bundles(const scion_tensor *dy, const scion_tensor *packed, scion_tensor *dx, const scion_window *window,
                                           int accumulate, int64_t bundles) {
  scion_status status = conv2d_check_images(dx, dy, window);
  if (status == SCION_OK) status = check_packed(packed, window, dy->shape[3], dx->shape[3], bundles);
  const float *panels = packed->data;
  for (int64_t i = 0; status == SCION_OK && i < window->stride[0]; i++)
    for (int64_t j = 0; status == SCION_OK && j < window->stride[1]; j++) {
      conv2d_grid grid = {.source = {.data = dy->data, .stride = dy->row_stride, .channels = dy->shape[3],
                                     .size = {dy->shape[1], dy->shape[2]}, .step = {1, 1}},
                          .panels = panels, .out = dx->data, .out_stride = dx->row_stride, .out_channels = dx->shape[3],
                          .out_size = {dx->shape[1], dx->shape[2]}, .out_step = {window->stride[0], window->stride[1]},
                          .accumulate = accumulate, .stream = conv2d_streams(dx) && !accumulate, .pixels = dx->shape[0]};
      set_phase(&grid, window, 0, i);
      set_phase(&grid, window, 1, j);
      set_bundles(&grid, packed, bundles);
      int64_t taps = grid.source.taps[0] * grid.source.taps[1];
      panels += taps * grid.source.channels * conv2d_padded(grid.out_channels);
      if (taps > 0 || !accumulate) status = conv2d_run_grid(&grid);
    }
  return status;
}

scion_status scion_conv2d_backward_input(const scion_tensor *dy, const scion_tensor *packed, scion_tensor *dx,
                                         const scion_window *window, int accumulate) {
  return conv2d_backward_input_bundles(dy, packed, dx, window, accumulate, 1);
}
