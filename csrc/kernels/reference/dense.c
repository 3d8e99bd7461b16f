/* The product of matrices. */
#include "kernels/reference/reference.h"

void reference_matmul(const real *a, int transpose_a, const real *b, int transpose_b, real *c, int64_t m, int64_t n, int64_t k) {
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      real sum = 0;
      for (int64_t l = 0; l < k; l++)
        sum += (transpose_a ? a[l * m + i] : a[i * k + l]) * (transpose_b ? b[j * k + l] : b[l * n + j]);
      c[i * n + j] = sum;
    }
}
