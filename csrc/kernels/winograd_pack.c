/* Kernels transformed for minimal filtering and packed: [position][panels as conv2d_pack.c lays them]. */
#include "winograd.h"

#include <string.h>

/* What becomes of the taps of an axis at each position: w(p) / (product of p - q over the other points q), and the last tap at
 * infinity. */
void winograd_find_weights(int taps, double out[WINOGRAD_MOST][WINOGRAD_MOST]) {
  int pairs = winograd_pairs(taps), last = winograd_along(taps) - 1;
  const double *p = winograd_points[pairs];
  memset(out, 0, sizeof(double[WINOGRAD_MOST][WINOGRAD_MOST]));
  out[last][taps - 1] = 1;
  if (pairs == 0) return;
  double zero = 1;
  for (int k = 0; k < pairs; k++) {
    double divisor = 2 * p[k] * p[k], power = 1;
    zero *= -p[k] * p[k];
    for (int j = 0; j < pairs; j++)
      if (j != k) divisor *= p[k] * p[k] - p[j] * p[j];
    for (int r = 0; r < taps; r++, power *= p[k]) {
      out[2 * k + 1][r] = power / divisor;
      out[2 * k + 2][r] = (r % 2 ? -power : power) / divisor;
    }
  }
  out[0][0] = 1 / zero;
}

/* Whether w is [kh, kw, Ci, Co] of a window that fits. */
static bool is_kernel(const scion_tensor *w) {
  if (w->dtype != SCION_F32 || w->dims != 4 || w->shape[0] > WINOGRAD_TAPS || w->shape[1] > WINOGRAD_TAPS || scion_tensor_elements(w) == 0) return false;
  return scion_winograd_fits(&(scion_window){{(int)w->shape[0], (int)w->shape[1]}, {1, 1}, {1, 1}, {0, 0}, {0, 0}});
}

int64_t scion_winograd_packed_elements(const scion_tensor *w, int transposed) {
  if (!is_kernel(w)) return 0;
  int64_t positions = (int64_t)winograd_along((int)w->shape[0]) * winograd_along((int)w->shape[1]);
  return positions * w->shape[transposed ? 3 : 2] * conv2d_padded(w->shape[transposed ? 2 : 3]);
}

static scion_status pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed, bool transposed) {
  char a[SCION_SHAPE_TEXT];
  if (!is_kernel(w))
    return scion_fail(SCION_MISUSE, "winograd: %s of %s is no kernel of 3x3, 1x3, 3x1, 1x7 or 7x1", scion_dtype_name(w->dtype),
                      scion_shape_text(w, a, sizeof a));
  scion_status status = conv2d_check_packing(w, scale, packed, scion_winograd_packed_elements(w, transposed));
  if (status != SCION_OK) return status;
  winograd_pack_job job = {.w = w, .scale = scale ? scale->data : NULL, .packed = packed->data, .in = w->shape[transposed ? 3 : 2],
                           .out = w->shape[transposed ? 2 : 3], .transposed = transposed};
  for (int axis = 0; axis < 2; axis++) {
    double weights[WINOGRAD_MOST][WINOGRAD_MOST];
    winograd_find_weights((int)w->shape[axis], weights);
    for (int i = 0; i < WINOGRAD_MOST; i++)
      for (int r = 0; r < WINOGRAD_TAPS; r++) job.weights[axis][i][r] = (float)weights[i][r];
  }
  return scion_parallel_for(conv2d_panels(job.out), SIMD_CHOOSE(winograd_pack_panel), &job);
}

scion_status scion_winograd_pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed) {
  return pack(w, scale, packed, false);
}

scion_status scion_winograd_pack_transposed(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed) {
  return pack(w, scale, packed, true);
}

