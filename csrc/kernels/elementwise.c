/* Activations, sums and products of tensors, elementwise. */
#include <stdatomic.h>

#include "blocks.h"
#include "require.h"

typedef struct {
  scion_activation activation;
  int accumulate;
} elementwise_job;

/* ---- activations */

static void activation_block(const scion_block *block, void *data, float *scratch) {
  (void)scratch;
  const elementwise_job *job = data;
  SIMD_CHOOSE(scion_loop_activation)(block, job->activation);
}

scion_status scion_activation_forward(const scion_tensor *x, scion_tensor *y, scion_activation activation) {
  SCION_TRY(scion_require_activation("activation", activation));
  SCION_TRY(scion_require_number("activation", "x", x));
  SCION_TRY(scion_require_number_like("activation", "y", y, "x", x));
  return scion_for_blocks(x, NULL, y, false, false, activation_block, &(elementwise_job){.activation = activation});
}

static void activation_backward_block(const scion_block *block, void *data, float *scratch) {
  (void)scratch;
  const elementwise_job *job = data;
  SIMD_CHOOSE(scion_loop_activation_backward)(block, job->activation, job->accumulate);
}

scion_status scion_activation_backward(const scion_tensor *v, const scion_tensor *dy, scion_tensor *dx, scion_activation activation,
                                       int accumulate) {
  const char *kernel = "activation_backward";
  SCION_TRY(scion_require_activation(kernel, activation));
  SCION_TRY(scion_require_number(kernel, "v", v));
  SCION_TRY(scion_require_number_like(kernel, "dy", dy, "v", v));
  SCION_TRY(scion_require_number_like(kernel, "dx", dx, "v", v));
  return scion_for_blocks(v, dy, dx, accumulate, false, activation_backward_block, &(elementwise_job){activation, accumulate});
}

/* ---- sums and products */

static void add_block(const scion_block *block, void *data, float *scratch) {
  (void)scratch;
  const elementwise_job *job = data;
  SIMD_CHOOSE(scion_loop_add)(block, job->activation);
}

scion_status scion_add_forward(const scion_tensor *a, const scion_tensor *b, scion_tensor *y, scion_activation activation) {
  SCION_TRY(scion_require_activation("add", activation));
  SCION_TRY(scion_require_number("add", "a", a));
  SCION_TRY(scion_require_number_like("add", "b", b, "a", a));
  SCION_TRY(scion_require_number_like("add", "y", y, "a", a));
  return scion_for_blocks(a, b, y, false, false, add_block, &(elementwise_job){.activation = activation});
}

static void multiply_block(const scion_block *block, void *data, float *scratch) {
  (void)scratch;
  const elementwise_job *job = data;
  SIMD_CHOOSE(scion_loop_multiply)(block, job->accumulate);
}

scion_status scion_multiply_forward(const scion_tensor *a, const scion_tensor *b, scion_tensor *y) {
  SCION_TRY(scion_require_number("multiply", "a", a));
  SCION_TRY(scion_require_number_like("multiply", "b", b, "a", a));
  SCION_TRY(scion_require_number_like("multiply", "y", y, "a", a));
  return scion_for_blocks(a, b, y, false, false, multiply_block, &(elementwise_job){0});
}

scion_status scion_multiply_backward(const scion_tensor *dy, const scion_tensor *b, scion_tensor *da, int accumulate) {
  const char *kernel = "multiply_backward";
  SCION_TRY(scion_require_number(kernel, "dy", dy));
  SCION_TRY(scion_require_number_like(kernel, "b", b, "dy", dy));
  SCION_TRY(scion_require_number_like(kernel, "da", da, "dy", dy));
  return scion_for_blocks(dy, b, da, accumulate, false, multiply_block, &(elementwise_job){.accumulate = accumulate});
}

/* ---- what is not finite */

static void finite_block(const scion_block *block, void *data, float *scratch) {
  (void)scratch;
  atomic_bool *finite = data;
  if (!SIMD_CHOOSE(scion_loop_finite)(block)) atomic_store(finite, false);
}

scion_status scion_all_finite(const scion_tensor *x, bool *finite) {
  SCION_TRY(scion_require_f32("all_finite", "x", x));
  atomic_bool all = true;
  SCION_TRY(scion_for_blocks(x, NULL, NULL, false, false, finite_block, &all));
  *finite = atomic_load(&all);
  return SCION_OK;
}
