/* The singular value decomposition, by LAPACK's divide and conquer. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../kernels/require.h"
#include "openblas.h"

/* LAPACK's own interface: Fortran, all arguments by reference, matrices column by column. */
typedef void gesdd(const char *job, const int *m, const int *n, float *a, const int *lda, float *s, float *u, const int *ldu, float *vt,
                   const int *ldvt, float *work, const int *lwork, int *iwork, int *info);

/* A row-major matrix is the transposed one column by column: LAPACK is given the transpose of a, a' = V S U', and so its first factor,
 * column by column, is vt row by row, and its second one u. */
static scion_status decompose(gesdd *run, const scion_tensor *a, scion_tensor *u, scion_tensor *s, scion_tensor *vt) {
  int rows = (int)a->shape[0], columns = (int)a->shape[1], k = rows < columns ? rows : columns, info = 0, ask = -1;
  size_t bytes = (size_t)rows * (size_t)columns * sizeof(float);
  float *copy = malloc(bytes), *work = NULL, wanted = 0;
  int *integers = malloc((size_t)k * 8 * sizeof *integers);
  scion_status status = SCION_OK;
  if (copy && integers) {
    for (int64_t r = 0; r < rows; r++)
      memcpy(copy + r * columns, (const float *)a->data + r * a->row_stride, (size_t)columns * sizeof(float));
    run("S", &columns, &rows, copy, &columns, s->data, vt->data, &columns, u->data, &k, &wanted, &ask, integers, &info);
    /* the size is told as a float, which may have been rounded down */
    int64_t size = (int64_t)((double)wanted * 1.0001) + 64;
    if (info == 0 && size <= INT_MAX && (work = malloc((size_t)size * sizeof *work)))
      run("S", &columns, &rows, copy, &columns, s->data, vt->data, &columns, u->data, &k, work, &(int){(int)size}, integers, &info);
  }
  if (!work) status = scion_fail(SCION_NO_MEMORY, "out of memory: the singular values of a %dx%d matrix", rows, columns);
  else if (info != 0) status = scion_fail(SCION_WORLD, "svd: the singular values of this %dx%d matrix were not found", rows, columns);
  free(copy);
  free(integers);
  free(work);
  return status;
}

scion_status scion_svd(const scion_tensor *a, scion_tensor *u, scion_tensor *s, scion_tensor *vt) {
  char text[SCION_SHAPE_TEXT];
  SCION_TRY(scion_require_f32("svd", "a", a));
  if (a->dims != 2 || a->shape[0] < 1 || a->shape[1] < 1 || a->shape[0] > INT_MAX || a->shape[1] > INT_MAX)
    return scion_fail(SCION_MISUSE, "svd: a matrix with rows and columns is decomposed, not %s", scion_shape_text(a, text, sizeof text));
  int64_t rows = a->shape[0], columns = a->shape[1], k = rows < columns ? rows : columns;
  if (u->dtype != SCION_F32 || s->dtype != SCION_F32 || vt->dtype != SCION_F32 || !scion_tensor_contiguous(u) ||
      !scion_tensor_contiguous(s) || !scion_tensor_contiguous(vt) || u->dims != 2 || u->shape[0] != rows || u->shape[1] != k ||
      s->dims != 1 || s->shape[0] != k || vt->dims != 2 || vt->shape[0] != k || vt->shape[1] != columns)
    return scion_fail(SCION_MISUSE, "svd: the results have other shapes than %lldx%lld, %lld and %lldx%lld", (long long)rows, (long long)k,
                      (long long)k, (long long)k, (long long)columns);
  bool finite;
  SCION_TRY(scion_all_finite(a, &finite));
  if (!finite) return scion_fail(SCION_MISUSE, "svd: the matrix has an element that is NaN or infinite");
  gesdd *run;
  SCION_TRY(openblas_find("svd", "sgesdd_", (void **)&run));
  return decompose(run, a, u, s, vt);
}
