/* Swish, hard swish and hard sigmoid: their gradients need the input, so that they stand apart from the other activations. */
#include <math.h>

#include "blocks.h"
#include "require.h"

static inline float clamp_unit(float v) { return v < 0 ? 0 : v > 1 ? 1 : v; } /* a NaN stays one */

static inline float value(float x, scion_input_activation activation) {
  if (activation == SCION_SWISH) return x / (1 + expf(-x));
  float open = clamp_unit(x / 6 + 0.5f);
  return activation == SCION_HARD_SWISH ? x * open : open;
}

static inline float slope(float x, scion_input_activation activation) {
  if (activation == SCION_SWISH) {
    float open = 1 / (1 + expf(-x));
    return open * (1 + x * (1 - open));
  }
  bool bent = x > -3 && x < 3; /* between the bends */
  if (activation == SCION_HARD_SWISH) return clamp_unit(x / 6 + 0.5f) + (bent ? x / 6 : 0);
  return bent ? 1.0f / 6 : 0;
}

typedef struct {
  scion_input_activation activation;
  int accumulate;
} activation_job;

static void forward_block(const scion_block *k, void *data, float *scratch) {
  (void)scratch;
  const activation_job *job = data;
  for (int64_t r = 0; r < k->rows; r++)
    for (int64_t c = 0; c < k->width; c++) k->y[r * k->y_stride + c] = value(k->a[r * k->a_stride + c], job->activation);
}

static void backward_block(const scion_block *k, void *data, float *scratch) {
  (void)scratch;
  const activation_job *job = data;
  for (int64_t r = 0; r < k->rows; r++)
    for (int64_t c = 0; c < k->width; c++) {
      float *dx = k->y + r * k->y_stride + c;
      *dx = (job->accumulate ? *dx : 0) + k->b[r * k->b_stride + c] * slope(k->a[r * k->a_stride + c], job->activation);
    }
}

static scion_status require_activation(const char *kernel, scion_input_activation activation) {
  if ((int)activation >= 0 && activation < SCION_INPUT_ACTIVATIONS) return SCION_OK;
  return scion_fail(SCION_MISUSE, "%s: there is no activation number %d", kernel, (int)activation);
}

scion_status scion_input_activation_forward(const scion_tensor *x, scion_tensor *y, scion_input_activation activation) {
  SCION_TRY(require_activation("input_activation", activation));
  SCION_TRY(scion_require_f32("input_activation", "x", x));
  SCION_TRY(scion_require_like("input_activation", "y", y, "x", x));
  return scion_for_blocks(x, NULL, y, false, forward_block, &(activation_job){.activation = activation});
}

scion_status scion_input_activation_backward(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dx,
                                             scion_input_activation activation, int accumulate) {
  const char *kernel = "input_activation_backward";
  SCION_TRY(require_activation(kernel, activation));
  SCION_TRY(scion_require_f32(kernel, "x", x));
  SCION_TRY(scion_require_like(kernel, "dy", dy, "x", x));
  SCION_TRY(scion_require_like(kernel, "dx", dx, "x", x));
  return scion_for_blocks(x, dy, dx, false, backward_block, &(activation_job){activation, accumulate});
}
