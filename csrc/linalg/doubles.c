#include "doubles.h"

#include <stdlib.h>

double *doubles_room(int64_t rows, int64_t columns) {
  size_t count;
  if (__builtin_mul_overflow((size_t)rows, (size_t)columns, &count) || count > SIZE_MAX / sizeof(double)) return NULL;
  return malloc(count ? count * sizeof(double) : sizeof(double));
}

void doubles_widen(const scion_tensor *t, double *to) {
  int64_t rows = t->shape[0], columns = t->shape[1];
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < columns; c++) to[r * columns + c] = (double)((const float *)t->data)[r * t->row_stride + c];
}
