/* How often which numbers occur: from it the range is chosen in which they are kept as bytes. */
#include <stdlib.h>
#include <string.h>

#include "require.h"

#define PARTS 16 /* of the rows, each with counts of its own */
#define SHIFT 19 /* bits of an f32 that a bin leaves out: 32 less the 13 of SCION_BINS */

typedef struct {
  const scion_tensor *x;
  int64_t (*counts)[SCION_BINS];
} histogram_job;

static void count_part(void *data, int64_t part, void *scratch) {
  (void)scratch;
  const histogram_job *job = data;
  int64_t rows = scion_tensor_rows(job->x), width = scion_tensor_channels(job->x), *counts = job->counts[part];
  for (int64_t r = rows * part / PARTS; r < rows * (part + 1) / PARTS; r++) {
    const float *x = (const float *)job->x->data + r * job->x->row_stride;
    for (int64_t i = 0; i < width; i++) {
      uint32_t bits;
      memcpy(&bits, x + i, sizeof bits);
      counts[bits >> SHIFT]++;
    }
  }
}

scion_status scion_histogram(const scion_tensor *x, scion_tensor *counts) {
  SCION_TRY(scion_require_f32("histogram", "x", x));
  SCION_TRY(scion_require_f32("histogram", "counts", counts));
  SCION_TRY(scion_require_vector("histogram", "counts", counts, SCION_BINS));
  histogram_job job = {x, scion_kernel_memory("histogram", PARTS, sizeof *job.counts)};
  if (!job.counts) return SCION_NO_MEMORY;
  scion_status status = scion_parallel_for(PARTS, count_part, &job);
  float *sums = counts->data;
  for (int part = 0; status == SCION_OK && part < PARTS; part++)
    for (int bin = 0; bin < SCION_BINS; bin++) sums[bin] += (float)job.counts[part][bin];
  free(job.counts);
  return status;
}
