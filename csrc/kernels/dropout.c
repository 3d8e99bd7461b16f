/* Dropout. Philox gives four draws a counter: element i has word i % 4 of counter i / 4, in whatever memory it lies. */
#include "blocks.h"
#include "require.h"

typedef struct {
  float rate, scale;
  uint64_t seed;
  uint32_t step, stream;
  int accumulate;
  int64_t example; /* elements of an example */
} dropout_job;

static void dropout_row(const dropout_job *job, const float *x, float *y, int64_t count, int64_t element) {
  uint32_t words[4] = {0};
  for (int64_t i = 0; i < count; i++) {
    if (i == 0 || (element + i) % 4 == 0)
      scion_random4(job->seed, (uint32_t)((element + i) / 4), job->step, job->stream, SCION_DRAW_DROPOUT, words);
    float kept = scion_unit(words[(element + i) % 4]) >= job->rate ? x[i] * job->scale : 0;
    y[i] = (job->accumulate ? y[i] : 0) + kept;
  }
}

static void dropout_block(const scion_block *block, void *data, float *scratch) {
  (void)scratch;
  for (int64_t r = 0; r < block->rows; r++)
    dropout_row(data, block->a + r * block->a_stride, block->y + r * block->y_stride, block->width,
                block->element + r * block->width);
}

/* The same of whole examples: example i has the draw that element i has above. */
static void examples_block(const scion_block *block, void *data, float *scratch) {
  (void)scratch;
  const dropout_job *job = data;
  for (int64_t r = 0; r < block->rows; r++) {
    const float *x = block->a + r * block->a_stride;
    float *y = block->y + r * block->y_stride;
    int64_t element = block->element + r * block->width;
    for (int64_t i = 0, end; i < block->width; i = end) {
      int64_t example = (element + i) / job->example;
      end = (example + 1) * job->example - element < block->width ? (example + 1) * job->example - element : block->width;
      uint32_t words[4];
      scion_random4(job->seed, (uint32_t)(example / 4), job->step, job->stream, SCION_DRAW_DROPOUT, words);
      bool kept = scion_unit(words[example % 4]) >= job->rate;
      for (int64_t j = i; j < end; j++) y[j] = (job->accumulate ? y[j] : 0) + (kept ? x[j] * job->scale : 0);
    }
  }
}

scion_status scion_dropout(const scion_tensor *x, scion_tensor *y, double rate, int examples, uint64_t seed, uint32_t step,
                           uint32_t stream, int accumulate) {
  SCION_TRY(scion_require_number("dropout", "x", x));
  SCION_TRY(scion_require_number_like("dropout", "y", y, "x", x));
  if (!(rate >= 0 && rate < 1)) return scion_fail(SCION_MISUSE, "dropout: a rate of %g is not in 0 .. 1, 1 excluded", rate);
  if (scion_tensor_elements(x) / 4 > UINT32_MAX)
    return scion_fail(SCION_MISUSE, "dropout: x has %lld elements, more than there are draws",
                      (long long)scion_tensor_elements(x));
  int64_t count = x->dims > 0 ? x->shape[0] : 1;
  dropout_job job = {(float)rate, (float)(1 / (1 - rate)), seed, step, stream, accumulate, count ? scion_tensor_elements(x) / count : 1};
  return scion_for_blocks(x, NULL, y, accumulate, false, examples ? examples_block : dropout_block, &job);
}
