/* What the rows of a matrix have in common, by which labels given as rows are told apart; and rows with numbers that are none. */
#include "scion.h"

#include <math.h>

scion_status scion_row_facts(const scion_tensor *x, double tolerance, scion_rows_are *are) {
  if (x->dtype != SCION_F32 || x->dims != 2 || !scion_tensor_contiguous(x)) return scion_fail(SCION_MISUSE, "row_facts: wants contiguous f32 rows");
  *are = (scion_rows_are){.whole = true, .outside = -1, .odd = -1};
  const float *value = x->data;
  for (int64_t i = 0; i < x->shape[0]; i++, value += x->shape[1]) {
    double sum = 0;
    for (int64_t j = 0; j < x->shape[1]; j++) {
      sum += (double)value[j];
      if (!(value[j] >= 0 && value[j] <= 1) && are->outside < 0) are->outside = i;
      if (value[j] != 0 && value[j] != 1) are->whole = false;
    }
    if (!(fabs(sum - 1) <= tolerance) && are->odd < 0) are->odd = i, are->sum = sum;
  }
  return SCION_OK;
}

scion_status scion_rows_not_finite(const scion_tensor *x, int32_t *rows, int64_t *count) {
  if (x->dtype != SCION_F32 || x->dims < 1 || !scion_tensor_contiguous(x)) return scion_fail(SCION_MISUSE, "broken_rows: wants contiguous f32 rows");
  int64_t n = x->shape[0], width = n > 0 ? scion_tensor_elements(x) / n : 0;
  const float *value = x->data;
  *count = 0;
  for (int64_t i = 0; i < n; i++, value += width) {
    bool finite = true;
    for (int64_t j = 0; j < width; j++) finite &= isfinite(value[j]) != 0;
    if (!finite) rows[(*count)++] = (int32_t)i;
  }
  return SCION_OK;
}
