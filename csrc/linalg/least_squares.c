/* Least squares with a penalty (ridge regression), by Cholesky's decomposition in double precision. */
#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../kernels/require.h"
#include "doubles.h"
#include "openblas.h"
#include "products.h"

/* LAPACK's own interface: Fortran, all arguments by reference, matrices column by column. */
typedef void potrf(const char *half, const int *n, double *a, const int *lda, int *info);
typedef void potrs(const char *half, const int *n, const int *columns, const double *a, const int *lda, double *b, const int *ldb, int *info);

typedef struct {
  __typeof__(cblas_dgemm) *gemm;
  potrf *factor;
  potrs *solve;
} library;

static scion_status find(library *lapack) {
  const char *what = "least_squares";
  SCION_TRY(openblas_find(what, "cblas_dgemm", (void **)&lapack->gemm));
  SCION_TRY(openblas_find(what, "dpotrf_", (void **)&lapack->factor));
  return openblas_find(what, "dpotrs_", (void **)&lapack->solve);
}

/* x [n,d] and y [n,k] row by row. With at least as many rows as columns, w solves (x'x + p) w = x'y, a system of d equations; with fewer,
 * w = x' a, where (xx' + p) a = y, one of n. */
typedef struct {
  int n, d, k, size; /* size: of the system */
  bool wide;         /* fewer rows than columns */
  double *x, *y, *products, *right;
} problem;

/* Where one thread solves the system: for one penalty after the other. */
typedef struct {
  double *factors, *solved, *w;
} room;

static bool allocate(problem *p) {
  return (p->x = doubles_room(p->n, p->d)) && (p->y = doubles_room(p->n, p->k)) && (p->products = doubles_room(p->size, p->size)) &&
         (p->right = doubles_room(p->size, p->k));
}

static void release(problem *p) {
  double *all[] = {p->x, p->y, p->products, p->right};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void release_room(room *r) { free(r->factors), free(r->solved), free(r->w); }

static bool allocate_room(const problem *p, room *r) {
  *r = (room){doubles_room(p->size, p->size), doubles_room(p->size, p->k), doubles_room(p->d, p->k)};
  if (r->factors && r->solved && r->w) return true;
  release_room(r);
  return false;
}

/* The system's left side, and the right one, column by column. */
static scion_status prepare(const library *lapack, problem *p) {
  SCION_TRY(products_of_pairs("least_squares", p->x, p->n, p->d, p->wide, p->products));
  if (!p->wide) { /* x'y: x is [d,n] column by column, y [k,n] */
    lapack->gemm(CblasColMajor, CblasNoTrans, CblasTrans, p->d, p->k, p->n, 1, p->x, p->d, p->y, p->k, 0, p->right, p->d);
    return SCION_OK;
  }
  for (int r = 0; r < p->n; r++)
    for (int c = 0; c < p->k; c++) p->right[(int64_t)c * p->n + r] = p->y[(int64_t)r * p->k + c];
  return SCION_OK;
}

/* w for one penalty. Returns false if the system has no Cholesky decomposition. */
static bool solve(const library *lapack, const problem *p, const room *r, double penalty, float *w) {
  int info = 0;
  int64_t size = p->size;
  memcpy(r->factors, p->products, (size_t)(size * size) * sizeof(double));
  memcpy(r->solved, p->right, (size_t)(size * p->k) * sizeof(double));
  double largest = 0;
  for (int64_t i = 0; i < size; i++) largest = fmax(largest, r->factors[i * size + i]), r->factors[i * size + i] += penalty;
  lapack->factor("L", &p->size, r->factors, &p->size, &info);
  if (info != 0) return false;
  /* without a penalty, columns that depend on each other leave a pivot of rounding errors */
  for (int64_t i = 0; i < size; i++)
    if (r->factors[i * size + i] * r->factors[i * size + i] <= largest * (double)size * 2.3e-16) return false;
  lapack->solve("L", &p->size, &p->k, r->factors, &p->size, r->solved, &p->size, &info);
  const double *found = r->solved;
  if (p->wide) { /* x' a */
    lapack->gemm(CblasColMajor, CblasNoTrans, CblasNoTrans, p->d, p->k, p->n, 1, p->x, p->d, r->solved, p->n, 0, r->w, p->d);
    found = r->w;
  }
  for (int64_t i = 0; i < p->d; i++)
    for (int64_t c = 0; c < p->k; c++) w[i * p->k + c] = (float)found[c * p->d + i];
  return info == 0;
}

/* Penalties are shared out among as many rooms as there are threads: which thread solves for one changes nothing. */
typedef struct {
  const library *lapack;
  const problem *p;
  const double *penalties;
  int64_t count;
  float *w;
  room rooms[SCION_MAX_THREADS];
  int64_t lanes;
  _Atomic int64_t failed; /* the first penalty for which there is no solution, or `count` */
} penalty_job;

static void solve_lane(void *data, int64_t lane, void *scratch) {
  (void)scratch;
  penalty_job *job = data;
  for (int64_t i = lane; i < job->count; i += job->lanes) {
    if (solve(job->lapack, job->p, &job->rooms[lane], job->penalties[i], job->w + i * job->p->d * job->p->k)) continue;
    int64_t first = job->failed;
    while (i < first && !atomic_compare_exchange_weak(&job->failed, &first, i)) continue;
  }
}

static scion_status solve_all(penalty_job *job) {
  int64_t most = job->count < scion_threads() ? job->count : scion_threads();
  while (job->lanes < most && allocate_room(job->p, &job->rooms[job->lanes])) job->lanes++; /* with little memory fewer at a time */
  if (job->count > 0 && job->lanes == 0) return scion_fail(SCION_NO_MEMORY, "out of memory: least squares of a %dx%d matrix", job->p->n, job->p->d);
  job->failed = job->count;
  scion_status status = scion_parallel_for(job->lanes, solve_lane, job);
  for (int64_t i = 0; i < job->lanes; i++) release_room(&job->rooms[i]);
  if (status == SCION_OK && job->failed < job->count)
    status = scion_fail(SCION_MISUSE, "least_squares: the columns of x depend on each other, so that many solutions fit: give a penalty%s",
                        job->penalties[job->failed] > 0 ? " that is larger" : "");
  return status;
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
    penalty_job job = {.lapack = &lapack, .p = &p, .penalties = penalties, .count = count, .w = w->data};
    status = prepare(&lapack, &p);
    if (status == SCION_OK) status = solve_all(&job);
  }
  release(&p);
  return status;
}
