/* All gradients of a model, which lie in one vector: its norm, and limits of its elements. */
#include "loops.h"
#include "require.h"

#include <math.h>
#include <stdlib.h>

#define CHUNK 16384 /* elements */

typedef struct {
  float *x;
  int64_t elements;
  float limit;
  double *squares; /* of each chunk: the sum */
} gradients_job;

/* The chunk's elements; *count = how many. */
static float *part(const gradients_job *job, int64_t chunk, int64_t *count) {
  int64_t first = chunk * CHUNK;
  *count = job->elements - first < CHUNK ? job->elements - first : CHUNK;
  return job->x + first;
}

static scion_status run(const char *kernel, const scion_tensor *x, gradients_job job, scion_chunk_function *fn) {
  SCION_TRY(scion_require_f32(kernel, "x", x));
  SCION_TRY(scion_require_vector(kernel, "x", x, scion_tensor_elements(x)));
  job.x = x->data, job.elements = scion_tensor_elements(x);
  return scion_parallel_for(scion_divide_up(job.elements, CHUNK), fn, &job);
}

/* In double, in chunks that depend on the size alone: the same for any number of threads, and no square overflows. */
static void norm_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  gradients_job *job = data;
  int64_t n;
  const float *x = part(job, chunk, &n);
  double sums[4] = {0};
  for (int64_t i = 0; i < n; i++) sums[i & 3] += (double)x[i] * (double)x[i];
  job->squares[chunk] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

scion_status scion_norm(const scion_tensor *x, double *norm) {
  int64_t chunks = scion_divide_up(scion_tensor_elements(x), CHUNK);
  double *squares = malloc((size_t)(chunks ? chunks : 1) * sizeof *squares), sum = 0;
  if (!squares) return scion_fail(SCION_NO_MEMORY, "out of memory: a norm of %lld elements", (long long)scion_tensor_elements(x));
  scion_status status = run("norm", x, (gradients_job){.squares = squares}, norm_chunk);
  for (int64_t i = 0; status == SCION_OK && i < chunks; i++) sum += squares[i];
  free(squares);
  *norm = sqrt(sum);
  return status;
}

static void clip_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  gradients_job *job = data;
  int64_t n;
  float *x = part(job, chunk, &n), limit = job->limit;
  for (int64_t i = 0; i < n; i++) x[i] = x[i] > limit ? limit : x[i] < -limit ? -limit : x[i];
}

scion_status scion_clip(scion_tensor *x, double limit) {
  if (!(limit >= 0)) return scion_fail(SCION_MISUSE, "clip: a limit of %g should not be negative", limit);
  return run("clip", x, (gradients_job){.limit = (float)limit}, clip_chunk);
}
