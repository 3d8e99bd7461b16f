/* The optimizers: arguments, and the split of the parameters among threads. */
#include "loops.h"
#include "require.h"

#include <math.h>
#include <stdatomic.h>

typedef struct {
  float *w, *m, *v;
  const float *g;
  int64_t elements;
  float lr, momentum, rho, rest, rest2, epsilon, decay;
  int nesterov;
  int dry; /* nothing is written */
  scion_lamb lamb;
  double *norms;            /* LAMB's sums of squares, two for each chunk from `first` on */
  int64_t first;
  _Atomic int64_t *refused; /* how many weights stayed as they were */
} update_job;

#define UPDATE_CHUNK 16384 /* elements */

/* The gradient or a state: f32 in the shape of w, without gaps. */
static scion_status require_state(const char *kernel, const scion_tensor *w, const char *name, const scion_tensor *state) {
  SCION_TRY(scion_require_like(kernel, name, state, "w", w));
  return scion_require_vector(kernel, name, state, scion_tensor_elements(w));
}

static scion_status require_update(const char *kernel, const scion_tensor *w, const scion_tensor *g, double lr, double decay) {
  SCION_TRY(require_state(kernel, w, "w", w));
  SCION_TRY(require_state(kernel, w, "the gradient", g));
  if (!isfinite(lr) || !isfinite(decay))
    return scion_fail(SCION_MISUSE, "%s: a learning rate of %g and a decay of %g should be finite", kernel, lr, decay);
  return SCION_OK;
}

static float *numbers(const scion_tensor *t) { return t ? t->data : NULL; }

static scion_status run(const char *kernel, const update_job *update, const scion_tensor *w, scion_chunk_function *fn) {
  _Atomic int64_t refused = 0;
  update_job job = *update;
  job.elements = scion_tensor_elements(w);
  job.refused = &refused;
  SCION_TRY(scion_parallel_for(scion_divide_up(job.elements, UPDATE_CHUNK), fn, &job));
  if (refused == 0) return SCION_OK;
  return scion_fail(SCION_WORLD, "%s would have made %lld of %lld weights infinite or NaN", kernel, (long long)refused, (long long)job.elements);
}

/* The chunk's part of the job: pointers moved to its first element. */
static update_job part(const update_job *job, int64_t chunk) {
  update_job mine = *job;
  int64_t first = chunk * UPDATE_CHUNK;
  mine.w += first, mine.g += first;
  if (mine.m) mine.m += first;
  if (mine.v) mine.v += first;
  mine.elements = job->elements - first < UPDATE_CHUNK ? job->elements - first : UPDATE_CHUNK;
  return mine;
}

static void count(const update_job *job, int64_t refused) {
  if (refused) atomic_fetch_add(job->refused, refused);
}

static void sgd_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  update_job j = part(data, chunk);
  count(&j, SIMD_CHOOSE(scion_loop_sgd)(j.w, j.g, j.m, j.elements, j.lr, j.momentum, j.nesterov, j.decay, j.dry));
}

scion_status scion_sgd_update(scion_tensor *w, const scion_tensor *g, scion_tensor *m, double lr, double momentum, int nesterov,
                              double decay, int dry) {
  SCION_TRY(require_update("sgd", w, g, lr, decay));
  if (m) SCION_TRY(require_state("sgd", w, "m", m));
  if (momentum != 0 && !m) return scion_fail(SCION_MISUSE, "sgd: momentum %g needs a state m", momentum);
  update_job job = {.dry = dry, .w = numbers(w), .g = numbers(g), .m = numbers(m), .lr = (float)lr, .momentum = (float)momentum,
                    .nesterov = nesterov, .decay = (float)(lr * decay)};
  return run("sgd", &job, w, sgd_chunk);
}

static void rmsprop_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  update_job j = part(data, chunk);
  count(&j, SIMD_CHOOSE(scion_loop_rmsprop)(j.w, j.g, j.v, j.m, j.elements, j.lr, j.rho, j.rest, j.momentum, j.epsilon, j.decay, j.dry));
}

scion_status scion_rmsprop_update(scion_tensor *w, const scion_tensor *g, scion_tensor *v, scion_tensor *m, double lr, double rho,
                                  double momentum, double epsilon, double decay, int dry) {
  SCION_TRY(require_update("rmsprop", w, g, lr, decay));
  SCION_TRY(require_state("rmsprop", w, "v", v));
  if (m) SCION_TRY(require_state("rmsprop", w, "m", m));
  if (momentum != 0 && !m) return scion_fail(SCION_MISUSE, "rmsprop: momentum %g needs a state m", momentum);
  update_job job = {.dry = dry,
                    .w = numbers(w),
                    .g = numbers(g),
                    .v = numbers(v),
                    .m = numbers(m),
                    .lr = (float)lr,
                    .rho = (float)rho,
                    .rest = (float)(1 - rho),
                    .momentum = (float)momentum,
                    .epsilon = (float)epsilon,
                    .decay = (float)(lr * decay)};
  return run("rmsprop", &job, w, rmsprop_chunk);
}

static void adam_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  update_job j = part(data, chunk);
  count(&j, SIMD_CHOOSE(scion_loop_adam)(j.w, j.g, j.m, j.v, j.elements, j.lr, j.rest, j.rest2, j.epsilon, j.decay, j.dry));
}

scion_status scion_adam_update(scion_tensor *w, const scion_tensor *g, scion_tensor *m, scion_tensor *v, double lr, double beta1,
                               double beta2, double epsilon, int64_t step, double decay, int dry) {
  SCION_TRY(require_update("adam", w, g, lr, decay));
  SCION_TRY(require_state("adam", w, "m", m));
  SCION_TRY(require_state("adam", w, "v", v));
  if (step < 1) return scion_fail(SCION_MISUSE, "adam: steps count from 1, not %lld", (long long)step);
  double rate = lr * sqrt(1 - pow(beta2, (double)step)) / (1 - pow(beta1, (double)step));
  update_job job = {.dry = dry,
                    .w = numbers(w),
                    .g = numbers(g),
                    .m = numbers(m),
                    .v = numbers(v),
                    .lr = (float)rate,
                    .rest = (float)(1 - beta1),
                    .rest2 = (float)(1 - beta2),
                    .epsilon = (float)epsilon,
                    .decay = (float)(lr * decay)};
  return run("adam", &job, w, adam_chunk);
}

static void adagrad_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  update_job j = part(data, chunk);
  count(&j, SIMD_CHOOSE(scion_loop_adagrad)(j.w, j.g, j.v, j.elements, j.lr, j.epsilon, j.decay, j.dry));
}

scion_status scion_adagrad_update(scion_tensor *w, const scion_tensor *g, scion_tensor *v, double lr, double epsilon, double decay, int dry) {
  SCION_TRY(require_update("adagrad", w, g, lr, decay));
  SCION_TRY(require_state("adagrad", w, "v", v));
  update_job job = {.dry = dry, .w = numbers(w), .g = numbers(g), .v = numbers(v), .lr = (float)lr, .epsilon = (float)epsilon,
                    .decay = (float)(lr * decay)};
  return run("adagrad", &job, w, adagrad_chunk);
}

static void lion_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  update_job j = part(data, chunk);
  count(&j, SIMD_CHOOSE(scion_loop_lion)(j.w, j.g, j.m, j.elements, j.lr, j.rest, j.rest2, j.decay, j.dry));
}

scion_status scion_lion_update(scion_tensor *w, const scion_tensor *g, scion_tensor *m, double lr, double beta1, double beta2,
                               double decay, int dry) {
  SCION_TRY(require_update("lion", w, g, lr, decay));
  SCION_TRY(require_state("lion", w, "m", m));
  update_job job = {.dry = dry, .w = numbers(w), .g = numbers(g), .m = numbers(m), .lr = (float)lr, .rest = (float)(1 - beta1),
                    .rest2 = (float)(1 - beta2), .decay = (float)(lr * decay)};
  return run("lion", &job, w, lion_chunk);
}

static void lamb_norms_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const update_job *all = data;
  update_job j = part(data, all->first + chunk);
  SIMD_CHOOSE(scion_loop_lamb_norms)(&j.lamb, j.w, j.g, j.m, j.v, j.elements, j.norms + 2 * chunk);
}

#define NORMS_AT_ONCE 64 /* chunks */

/* *ratio = |w| / |u|, or 1 where one of them is 0. The chunks' sums are added in their order, whatever thread each came from. They lie on the
 * stack: an update that wanted memory could fail when other weights have changed already. */
static scion_status trust_ratio(update_job *job, const scion_tensor *w, double *ratio) {
  job->elements = scion_tensor_elements(w);
  int64_t chunks = scion_divide_up(job->elements, UPDATE_CHUNK);
  double weights = 0, updates = 0, norms[2 * NORMS_AT_ONCE];
  for (job->norms = norms; job->first < chunks; job->first += NORMS_AT_ONCE) {
    int64_t these = chunks - job->first < NORMS_AT_ONCE ? chunks - job->first : NORMS_AT_ONCE;
    for (int64_t i = 0; i < 2 * these; i++) norms[i] = 0;
    SCION_TRY(scion_parallel_for(these, lamb_norms_chunk, job));
    for (int64_t i = 0; i < these; i++) weights += norms[2 * i], updates += norms[2 * i + 1];
  }
  job->norms = NULL;
  *ratio = weights > 0 && updates > 0 ? sqrt(weights) / sqrt(updates) : 1;
  return SCION_OK;
}

static void lamb_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  update_job j = part(data, chunk);
  count(&j, SIMD_CHOOSE(scion_loop_lamb)(&j.lamb, j.w, j.g, j.m, j.v, j.elements, j.lr, j.dry));
}

scion_status scion_lamb_update(scion_tensor *w, const scion_tensor *g, scion_tensor *m, scion_tensor *v, double lr, double beta1,
                               double beta2, double epsilon, int64_t step, double decay, int dry) {
  SCION_TRY(require_update("lamb", w, g, lr, decay));
  SCION_TRY(require_state("lamb", w, "m", m));
  SCION_TRY(require_state("lamb", w, "v", v));
  if (step < 1) return scion_fail(SCION_MISUSE, "lamb: steps count from 1, not %lld", (long long)step);
  update_job job = {.dry = dry, .w = numbers(w), .g = numbers(g), .m = numbers(m), .v = numbers(v),
                    .lamb = {.rest1 = (float)(1 - beta1),
                             .rest2 = (float)(1 - beta2),
                             .scale1 = (float)(1 / (1 - pow(beta1, (double)step))),
                             .scale2 = (float)(1 / (1 - pow(beta2, (double)step))),
                             .epsilon = (float)epsilon,
                             .decay = (float)decay}};
  double ratio;
  SCION_TRY(trust_ratio(&job, w, &ratio));
  job.lr = (float)(lr * ratio);
  return run("lamb", &job, w, lamb_chunk);
}
