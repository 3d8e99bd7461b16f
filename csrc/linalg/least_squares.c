/* Least squares with a penalty (ridge regression), by Cholesky's decomposition in double precision. */
#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../kernels/require.h"
#include "doubles.h"
#include "openblas.h"

/* LAPACK's own interface: Fortran, all arguments by reference, matrices column by column. */
typedef void potrf(const char *half, const int *n, double *a, const int *lda, int *info);
typedef void potrs(const char *half, const int *n, const int *columns, const double *a, const int *lda, double *b, const int *ldb, int *info);

typedef struct {
  __typeof__(cblas_dsyrk) *syrk;
  __typeof__(cblas_dgemm) *gemm;
  potrf *factor;
  potrs *solve;
} library;

static scion_status find(library *lapack) {
  const char *what = "least_squares";
  SCION_TRY(openblas_find(what, "cblas_dsyrk", (void **)&lapack->syrk));
  SCION_TRY(openblas_find(what, "cblas_dgemm", (void **)&lapack->gemm));
  SCION_TRY(openblas_find(what, "dpotrf_", (void **)&lapack->factor));
  return openblas_find(what, "dpotrs_", (void **)&lapack->solve);
}

/* x [n,d] and y [n,k] row by row. With at least as many rows as columns, w solves (x'x + p) w = x'y, a system of d equations; with fewer,
 * w = x' a, where (xx' + p) a = y, one of n. */
typedef struct {
  int n, d, k, size; /* size: of the system */
  bool wide;         /* fewer rows than columns */
  double *x, *y, *products, *factors, *right, *solved, *w;
} problem;

static bool allocate(problem *p) {
  return (p->x = doubles_room(p->n, p->d)) && (p->y = doubles_room(p->n, p->k)) && (p->products = doubles_room(p->size, p->size)) &&
         (p->factors = doubles_room(p->size, p->size)) && (p->right = doubles_room(p->size, p->k)) && (p->solved = doubles_room(p->size, p->k)) &&
         (p->w = doubles_room(p->d, p->k));
}

static void release(problem *p) {
  double *all[] = {p->x, p->y, p->products, p->factors, p->right, p->solved, p->w};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* The products of all pairs of columns, or of rows, in the lower half (column by column), and the right side, column by column. */
static void prepare(const library *lapack, problem *p) {
  lapack->syrk(CblasColMajor, CblasLower, p->wide ? CblasTrans : CblasNoTrans, p->size, p->wide ? p->d : p->n, 1, p->x, p->d, 0, p->products,
               p->size);
  if (!p->wide) { /* x'y: x is [d,n] column by column, y [k,n] */
    lapack->gemm(CblasColMajor, CblasNoTrans, CblasTrans, p->d, p->k, p->n, 1, p->x, p->d, p->y, p->k, 0, p->right, p->d);
    return;
  }
  for (int r = 0; r < p->n; r++)
    for (int c = 0; c < p->k; c++) p->right[(int64_t)c * p->n + r] = p->y[(int64_t)r * p->k + c];
}

/* w for one penalty. Returns false if the system has no Cholesky decomposition. */
static bool solve(const library *lapack, problem *p, double penalty, float *w) {
  int info = 0;
  int64_t size = p->size;
  memcpy(p->factors, p->products, (size_t)(size * size) * sizeof(double));
  memcpy(p->solved, p->right, (size_t)(size * p->k) * sizeof(double));
  double largest = 0;
  for (int64_t i = 0; i < size; i++) largest = fmax(largest, p->factors[i * size + i]), p->factors[i * size + i] += penalty;
  lapack->factor("L", &p->size, p->factors, &p->size, &info);
  if (info != 0) return false;
  /* without a penalty, columns that depend on each other leave a pivot of rounding errors */
  for (int64_t i = 0; i < size; i++)
    if (p->factors[i * size + i] * p->factors[i * size + i] <= largest * (double)size * 2.3e-16) return false;
  lapack->solve("L", &p->size, &p->k, p->factors, &p->size, p->solved, &p->size, &info);
  const double *found = p->solved;
  if (p->wide) { /* x' a */
    lapack->gemm(CblasColMajor, CblasNoTrans, CblasNoTrans, p->d, p->k, p->n, 1, p->x, p->d, p->solved, p->n, 0, p->w, p->d);
    found = p->w;
  }
  for (int64_t r = 0; r < p->d; r++)
    for (int64_t c = 0; c < p->k; c++) w[r * p->k + c] = (float)found[c * p->d + r];
  return info == 0;
}

static scion_status require_fit(const scion_tensor *x, const scion_tensor *y, const double *penalties, int64_t count, const scion_tensor *w) {
  char x_text[SCION_SHAPE_TEXT], y_text[SCION_SHAPE_TEXT];
  SCION_TRY(scion_require_f32("least_squares", "x", x));
  SCION_TRY(scion_require_f32("least_squares", "y", y));
  SCION_TRY(scion_require_f32("least_squares", "w", w));
  if (x->dims != 2 || y->dims != 2 || x->shape[0] != y->shape[0] || x->shape[0] < 1 || x->shape[1] < 1 || y->shape[1] < 1 ||
      x->shape[0] > INT_MAX || x->shape[1] > INT_MAX || y->shape[1] > INT_MAX)
    return scion_fail(SCION_MISUSE, "least_squares: x is %s and y is %s: matrices with as many rows as each other are needed",
                      scion_shape_text(x, x_text, sizeof x_text), scion_shape_text(y, y_text, sizeof y_text));
  if (w->dims != 3 || !scion_tensor_contiguous(w) || w->shape[0] != count || w->shape[1] != x->shape[1] || w->shape[2] != y->shape[1])
    return scion_fail(SCION_MISUSE, "least_squares: the results have another shape than %lldx%lldx%lld", (long long)count,
                      (long long)x->shape[1], (long long)y->shape[1]);
  for (int64_t i = 0; i < count; i++)
    if (!(penalties[i] >= 0) || isinf(penalties[i]))
      return scion_fail(SCION_MISUSE, "least_squares: a penalty is a number from 0 up, not %g", penalties[i]);
  bool x_finite, y_finite;
  SCION_TRY(scion_all_finite(x, &x_finite));
  SCION_TRY(scion_all_finite(y, &y_finite));
  if (!x_finite || !y_finite) return scion_fail(SCION_MISUSE, "least_squares: %s has an element that is NaN or infinite", x_finite ? "y" : "x");
  return SCION_OK;
}

scion_status scion_least_squares(const scion_tensor *x, const scion_tensor *y, const double *penalties, int64_t count, scion_tensor *w) {
  SCION_TRY(require_fit(x, y, penalties, count, w));
  library lapack;
  SCION_TRY(find(&lapack));
  problem p = {.n = (int)x->shape[0], .d = (int)x->shape[1], .k = (int)y->shape[1], .wide = x->shape[0] < x->shape[1]};
  p.size = p.wide ? p.n : p.d;
  scion_status status = SCION_OK;
  if (!allocate(&p)) {
    status = scion_fail(SCION_NO_MEMORY, "out of memory: least squares of a %dx%d matrix", p.n, p.d);
  } else {
    doubles_widen(x, p.x);
    doubles_widen(y, p.y);
    prepare(&lapack, &p);
    for (int64_t i = 0; status == SCION_OK && i < count; i++)
      if (!solve(&lapack, &p, penalties[i], (float *)w->data + i * p.d * p.k))
        status = scion_fail(SCION_MISUSE, "least_squares: the columns of x depend on each other, so that many solutions fit: give a penalty%s",
                            penalties[i] > 0 ? " that is larger" : "");
  }
  release(&p);
  return status;
}
