/* The highest evidence of Bayesian linear regression: how well the rows of a matrix explain numbers, without a fit that has to be tested. */
#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../kernels/require.h"
#include "doubles.h"
#include "openblas.h"
#include "products.h"

/* LAPACK's own interface: Fortran, all arguments by reference, matrices column by column. */
typedef void syevd(const char *job, const char *half, const int *n, double *a, const int *lda, double *w, double *work, const int *lwork, int *iwork,
                   const int *liwork, int *info);

typedef struct {
  __typeof__(cblas_dgemm) *gemm;
  syevd *eigen;
} library;

/* x [n,d] and y [n,k] row by row. The squares of x's singular values are the eigenvalues of x'x or, with fewer rows than columns, of xx'.
 * `onto`, [size,k] column by column: y on x's left singular vectors. */
typedef struct {
  int n, d, k, size;
  bool wide; /* fewer rows than columns */
  double *x, *y, *vectors, *values, *right, *onto, *work;
  int *integers;
} problem;

static bool allocate(problem *p) {
  int64_t size = p->size;
  return (p->x = doubles_room(p->n, p->d)) && (p->y = doubles_room(p->n, p->k)) && (p->vectors = doubles_room(size, size)) &&
         (p->values = doubles_room(size, 1)) && (p->right = doubles_room(size, p->k)) && (p->onto = doubles_room(size, p->k));
}

static void release(problem *p) {
  double *all[] = {p->x, p->y, p->vectors, p->values, p->right, p->onto, p->work};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
  free(p->integers);
}

/* Eigenvalues, ascending, and eigenvectors, in place of the products of all pairs of columns, or of rows, in `vectors`. Returns LAPACK's info, or -1 if
 * memory is short. */
static int decompose(const library *lapack, problem *p) {
  int info = 0, ask = -1, integers = 0, room;
  double wanted = 0;
  lapack->eigen("V", "L", &p->size, p->vectors, &p->size, p->values, &wanted, &ask, &integers, &ask, &info);
  if (info != 0) return info;
  if (wanted > INT_MAX || !(p->work = doubles_room((int64_t)wanted, 1)) || !(p->integers = malloc((size_t)integers * sizeof *p->integers))) return -1;
  room = (int)wanted;
  lapack->eigen("V", "L", &p->size, p->vectors, &p->size, p->values, p->work, &room, p->integers, &integers, &info);
  return info;
}

/* y on the left singular vectors: u'y, where u are the eigenvectors of xx', or x v / s for those of x'x. Values that are rounding errors are
 * set to 0: nothing lies in their directions. */
static void project(const library *lapack, problem *p) {
  const double *right = p->right, least = p->values[p->size - 1] * p->size * 2.3e-16;
  if (p->wide) { /* y' is [k,n] column by column */
    lapack->gemm(CblasColMajor, CblasTrans, CblasTrans, p->size, p->k, p->n, 1, p->vectors, p->size, p->y, p->k, 0, p->onto, p->size);
  } else { /* x'y: x is [d,n] column by column */
    lapack->gemm(CblasColMajor, CblasNoTrans, CblasTrans, p->d, p->k, p->n, 1, p->x, p->d, p->y, p->k, 0, p->right, p->d);
    lapack->gemm(CblasColMajor, CblasTrans, CblasNoTrans, p->size, p->k, p->size, 1, p->vectors, p->size, right, p->size, 0, p->onto, p->size);
  }
  for (int64_t i = 0; i < p->size; i++) {
    if (!(p->values[i] > least)) p->values[i] = 0;
    double scale = p->wide ? 1 : 1 / sqrt(p->values[i]);
    for (int64_t c = 0; c < p->k; c++) p->onto[c * p->size + i] = p->values[i] > 0 ? p->onto[c * p->size + i] * scale : 0;
  }
}

#define MOST_ROUNDS 100

/* The evidence of one column: `onto` of it, and the square of its length. The authors' `least` keeps weights and residuals of 0 apart from 0. */
static double evidence_of(const problem *p, const double *onto, double square) {
  const double least = 1e-5, pi = 3.14159265358979323846;
  double a = 1, b = 1, outside = square, weights = 0, residual = 0;
  for (int i = 0; i < p->size; i++) outside -= onto[i] * onto[i];
  outside = fmax(outside, 0);
  for (int round = 0; round < MOST_ROUNDS; round++) {
    double ratio = a / b, parameters = 0; /* as many as the numbers decide on */
    weights = 0, residual = outside;
    for (int i = 0; i < p->size; i++) {
      double s = p->values[i], square_onto = onto[i] * onto[i];
      if (s == 0) continue;
      parameters += s / (s + ratio);
      weights += s * square_onto / ((s + ratio) * (s + ratio));
      residual += square_onto * (ratio / (s + ratio)) * (ratio / (s + ratio));
    }
    a = parameters / (weights + least);
    b = (p->n - parameters) / (residual + least);
    if (!(fabs(a / b - ratio) > 1e-6 * ratio)) break;
  }
  double volume = 0; /* of log |a + b x'x| what a alone does not give */
  for (int i = 0; i < p->size; i++)
    if (p->values[i] > 0) volume += log1p(p->values[i] * b / a);
  return (p->n * log(b) - volume - b * residual - a * weights - p->n * log(2 * pi)) / 2 / p->n;
}

static scion_status require_fit(const scion_tensor *x, const scion_tensor *y) {
  char x_text[SCION_SHAPE_TEXT], y_text[SCION_SHAPE_TEXT];
  SCION_TRY(scion_require_f32("log_evidence", "x", x));
  SCION_TRY(scion_require_f32("log_evidence", "y", y));
  if (x->dims != 2 || y->dims != 2 || x->shape[0] != y->shape[0] || x->shape[0] < 1 || x->shape[1] < 1 || y->shape[1] < 1 ||
      x->shape[0] > INT_MAX || x->shape[1] > INT_MAX || y->shape[1] > INT_MAX)
    return scion_fail(SCION_MISUSE, "log_evidence: x is %s and y is %s: matrices with as many rows as each other are needed",
                      scion_shape_text(x, x_text, sizeof x_text), scion_shape_text(y, y_text, sizeof y_text));
  bool x_finite, y_finite;
  SCION_TRY(scion_all_finite(x, &x_finite));
  SCION_TRY(scion_all_finite(y, &y_finite));
  if (!x_finite || !y_finite) return scion_fail(SCION_MISUSE, "log_evidence: %s has an element that is NaN or infinite", x_finite ? "y" : "x");
  return SCION_OK;
}

scion_status scion_log_evidence(const scion_tensor *x, const scion_tensor *y, double *evidence) {
  SCION_TRY(require_fit(x, y));
  library lapack;
  SCION_TRY(openblas_find("log_evidence", "cblas_dgemm", (void **)&lapack.gemm));
  SCION_TRY(openblas_find("log_evidence", "dsyevd_", (void **)&lapack.eigen));
  problem p = {.n = (int)x->shape[0], .d = (int)x->shape[1], .k = (int)y->shape[1], .wide = x->shape[0] < x->shape[1]};
  p.size = p.wide ? p.n : p.d;
  int info = -1;
  scion_status status = SCION_OK;
  if (allocate(&p)) {
    doubles_widen(x, p.x);
    doubles_widen(y, p.y);
    status = products_of_pairs("log_evidence", p.x, p.n, p.d, p.wide, p.vectors);
    if (status == SCION_OK) info = decompose(&lapack, &p);
  }
  if (info == 0) {
    project(&lapack, &p);
    for (int c = 0; c < p.k; c++) {
      double square = 0;
      for (int64_t r = 0; r < p.n; r++) square += p.y[r * p.k + c] * p.y[r * p.k + c];
      evidence[c] = evidence_of(&p, p.onto + (int64_t)c * p.size, square);
    }
  }
  release(&p);
  if (status != SCION_OK) return status;
  if (info < 0) return scion_fail(SCION_NO_MEMORY, "out of memory: the evidence of a %dx%d matrix", p.n, p.d);
  if (info > 0) return scion_fail(SCION_WORLD, "log_evidence: the eigenvalues of this %dx%d matrix were not found", p.n, p.d);
  return SCION_OK;
}
