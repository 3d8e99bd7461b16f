#include "products.h"

#include <cblas.h>

#include "../kernels/require.h"
#include "openblas.h"

#define PANEL 128 /* columns of the products that a chunk makes: not by the number of threads, on which bits must not depend */

typedef struct {
  __typeof__(cblas_dsyrk) *syrk;
  __typeof__(cblas_dgemm) *gemm;
  const double *x;
  int n, d, size; /* size: of the products */
  bool of_rows;
  double *products;
} pairs;

/* Columns first .. first + count - 1 from the diagonal on: a triangle at the top, and what lies below. To BLAS x is [d,n] column by column. */
static void make_panel(void *data, int64_t panel, void *scratch) {
  (void)scratch;
  const pairs *p = data;
  int first = (int)panel * PANEL, count = p->size - first < PANEL ? p->size - first : PANEL, below = p->size - first - count;
  int64_t step = p->of_rows ? p->d : 1; /* in x, from what one product is of to the next */
  const double *x = p->x + first * step;
  double *to = p->products + first * (int64_t)p->size + first;
  CBLAS_TRANSPOSE left = p->of_rows ? CblasTrans : CblasNoTrans, right = p->of_rows ? CblasNoTrans : CblasTrans;
  int length = p->of_rows ? p->d : p->n;
  p->syrk(CblasColMajor, CblasLower, left, count, length, 1, x, p->d, 0, to, p->size);
  if (below > 0) p->gemm(CblasColMajor, left, right, below, count, length, 1, x + count * step, p->d, x, p->d, 0, to + count, p->size);
}

scion_status products_of_pairs(const char *what, const double *x, int n, int d, bool of_rows, double *products) {
  pairs p = {.x = x, .n = n, .d = d, .size = of_rows ? n : d, .of_rows = of_rows, .products = products};
  SCION_TRY(openblas_find(what, "cblas_dsyrk", (void **)&p.syrk));
  SCION_TRY(openblas_find(what, "cblas_dgemm", (void **)&p.gemm));
  return scion_parallel_for((p.size + PANEL - 1) / PANEL, make_panel, &p);
}
