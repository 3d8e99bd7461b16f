/* Convolution by minimal filtering: which windows have it, its weights, and how the work is cut. */
#include "winograd.h"

#include <string.h>

const double winograd_points[WINOGRAD_PAIRS + 1][WINOGRAD_PAIRS] = {[2] = {0.75, 1.5}, [4] = {0.4375, 0.78125, 1.25, 2.125}};

int scion_winograd_fits(const scion_window *window) {
  for (int axis = 0; axis < 2; axis++)
    if (window->stride[axis] != 1 || window->dilation[axis] != 1 || window->before[axis] >= window->kernel[axis] ||
        window->after[axis] >= window->kernel[axis])
      return 0;
  int rows = window->kernel[0], columns = window->kernel[1];
  return (rows == 3 && columns == 3) || (rows == 1 && (columns == 3 || columns == 7)) || (columns == 1 && (rows == 3 || rows == 7));
}

scion_status winograd_check_window(const scion_window *window) {
  if (scion_winograd_fits(window)) return SCION_OK;
  return scion_fail(SCION_MISUSE, "winograd: a window of %dx%d, stride %dx%d, dilation %dx%d is none it can do", window->kernel[0],
                    window->kernel[1], window->stride[0], window->stride[1], window->dilation[0], window->dilation[1]);
}

/* The product of x^2 - p^2 over all pairs but one, as coefficients from the lowest power of x^2 on. */
static void multiply_out(const double *p, int pairs, int but, double *out) {
  int degree = 0;
  out[0] = 1;
  for (int k = 0; k < pairs; k++) {
    if (k == but) continue;
    out[++degree] = 1;
    for (int i = degree - 1; i >= 0; i--) out[i] = (i > 0 ? out[i - 1] : 0) - p[k] * p[k] * out[i];
  }
}

static winograd_axis find_axis(int taps) {
  winograd_axis a = {.pairs = winograd_pairs(taps), .positions = winograd_along(taps), .outputs = taps == 1 ? 1 : WINOGRAD_OUTPUTS};
  const double *p = winograd_points[a.pairs];
  double product[WINOGRAD_PAIRS + 1];
  for (int k = 0; k < a.pairs; k++) {
    a.p[k] = (float)p[k];
    multiply_out(p, a.pairs, k, product);
    for (int j = 0; j < a.pairs; j++) a.each[k][j] = (float)product[j];
  }
  multiply_out(p, a.pairs, -1, product);
  for (int j = 0; j <= a.pairs; j++) a.all[j] = (float)product[j];
  return a;
}

/* ---- work */

/* A chunk is a block of tiles, as many as fit into a thread's scratch with the products of a panel, times all panels. Where that gives
 * too few chunks, the panels are cut into groups, and each group transforms the tiles again. */
static scion_status cut(winograd_job *w) {
  int64_t positions = winograd_positions(w), in = conv2d_padded(w->x.channels), panels = conv2d_panels(w->out);
  int64_t floats = (int64_t)((SCION_SCRATCH_BYTES - WINOGRAD_PRODUCT_SCRATCH) / sizeof(float)), widest = 5 * conv2d_vector();
  int64_t row = floats / positions - in - 32; /* of a position: what its tiles and products may take */
  if (row < in + widest)
    return scion_fail(SCION_MISUSE, "winograd: %lld channels are too many for a tile of %lld positions", (long long)w->x.channels,
                      (long long)positions);
  w->block = row / (in + widest);
  if (w->block > WINOGRAD_TILES) w->block = WINOGRAD_TILES;
  int64_t blocks = scion_divide_up(w->count, w->block), groups = scion_divide_up(CONV2D_CHUNKS, blocks);
  w->block = scion_divide_up(w->count, blocks);
  w->group_panels = scion_divide_up(panels, groups < panels ? groups : panels);
  w->groups = scion_divide_up(panels, w->group_panels);
  return SCION_OK;
}

static scion_status check(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias, const scion_tensor *addend,
                          const scion_tensor *y, const scion_window *window, scion_activation activation) {
  char a[SCION_SHAPE_TEXT];
  scion_status status = conv2d_check_images(x, y, window);
  if (status != SCION_OK) return status;
  status = winograd_check_window(window);
  if (status != SCION_OK) return status;
  int64_t elements = (int64_t)winograd_along(window->kernel[0]) * winograd_along(window->kernel[1]);
  if (__builtin_mul_overflow(elements, x->shape[3], &elements) ||
      __builtin_mul_overflow(elements, conv2d_padded(y->shape[3]), &elements) || !conv2d_is_vector(packed, elements))
    return scion_fail(SCION_MISUSE, "winograd: packed weights of %s are not those of a %dx%d kernel from %lld to %lld channels",
                      scion_shape_text(packed, a, sizeof a), window->kernel[0], window->kernel[1], (long long)x->shape[3],
                      (long long)y->shape[3]);
  return conv2d_check_epilogue(bias, addend, y, activation);
}

void winograd_find_tiles(winograd_job *w, const scion_tensor *x, const scion_tensor *y, const scion_window *window) {
  w->x = (winograd_image){x->data, x->row_stride, x->shape[3], {x->shape[1], x->shape[2]}};
  w->out = y->shape[3];
  w->count = x->shape[0];
  for (int axis = 0; axis < 2; axis++) {
    w->axis[axis] = find_axis(window->kernel[axis]);
    w->y_size[axis] = y->shape[axis + 1], w->before[axis] = window->before[axis];
    w->tiles[axis] = scion_divide_up(w->y_size[axis], w->axis[axis].outputs);
    w->count *= w->tiles[axis];
  }
}

static scion_status run(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias, const scion_tensor *addend,
                        scion_tensor *y, const scion_window *window, scion_activation activation) {
  winograd_job w = {.panels = packed->data, .bias = bias ? bias->data : NULL, .addend = addend ? addend->data : NULL, .y = y->data,
                    .y_stride = y->row_stride, .addend_stride = addend ? addend->row_stride : 0, .activation = activation,
                    .stream = conv2d_streams(y) && addend != y && !scion_activation_bends(activation)};
  winograd_find_tiles(&w, x, y, window);
  if (w.count == 0) return SCION_OK;
  scion_status status = cut(&w);
  if (status != SCION_OK) return status;
  return scion_parallel_for(scion_divide_up(w.count, w.block) * w.groups, SIMD_CHOOSE(winograd_chunk), &w);
}

scion_status scion_winograd_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                    const scion_tensor *addend, scion_tensor *y, const scion_window *window,
                                    scion_activation activation) {
  scion_status status = check(x, packed, bias, addend, y, window, activation);
  return status == SCION_OK ? run(x, packed, bias, addend, y, window, activation) : status;
}

/* The gradient to the input is a convolution, too: of dy, padded to the size of the input, with the kernel turned around. */
scion_status scion_winograd_backward_input(const scion_tensor *dy, const scion_tensor *packed, scion_tensor *dx,
                                           const scion_window *window, int accumulate) {
  scion_window turned = *window;
  for (int axis = 0; axis < 2; axis++) {
    turned.before[axis] = window->kernel[axis] - 1 - window->before[axis];
    turned.after[axis] = window->kernel[axis] - 1 - window->after[axis];
  }
  scion_status status = check(dy, packed, NULL, NULL, dx, &turned, SCION_LINEAR);
  return status == SCION_OK ? run(dy, packed, NULL, accumulate ? dx : NULL, dx, &turned, SCION_LINEAR) : status;
}
