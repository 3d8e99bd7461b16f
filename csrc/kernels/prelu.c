/* PReLU: below 0 a slope that is trained. */
#include <stdlib.h>

#include "blocks.h"
#include "require.h"

#define PARTS 32
#define LEAST_REPEATS 64

typedef struct {
  const scion_tensor *x, *dy, *slope;
  int64_t period; /* rows with slopes of their own: 1, or all of an example */
  int accumulate;
  double *sums; /* [parts][period][C] */
  int64_t repeats, part_repeats;
} prelu_job;

static void prelu_block(const scion_block *block, void *data, float *scratch) {
  const prelu_job *job = data;
  const float *slope = job->slope->data;
  int64_t channels = scion_tensor_channels(job->x), first = block->element / channels;
  bool shared = scion_tensor_elements(job->slope) == 1;
  for (int64_t c = 0; shared && c < block->width; c++) scratch[c] = slope[0];
  for (int64_t r = 0; r < block->rows; r++) {
    scion_block row = {.rows = 1, .width = block->width, .a = block->a + r * block->a_stride, .y = block->y + r * block->y_stride};
    const float *slopes = shared ? scratch : slope + (first + r) % job->period * channels + block->column;
    if (block->b) row.b = block->b + r * block->b_stride;
    SIMD_CHOOSE(scion_loop_prelu)(&row, slopes, job->accumulate);
  }
}

/* The sums of the rows that share their slopes with row `chunk % period`, as many as a part has. */
static void slope_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const prelu_job *job = data;
  int64_t part = chunk / job->period, first = part * job->part_repeats, left = job->repeats - first;
  int64_t row = first * job->period + chunk % job->period, width = scion_tensor_channels(job->x);
  scion_block block = {.rows = left < job->part_repeats ? left : job->part_repeats, .width = width,
                       .a = (const float *)job->x->data + row * job->x->row_stride, .a_stride = job->period * job->x->row_stride,
                       .b = (const float *)job->dy->data + row * job->dy->row_stride, .b_stride = job->period * job->dy->row_stride};
  SIMD_CHOOSE(scion_loop_prelu_sums)(&block, job->sums + chunk * width);
}

static scion_status require_prelu(const char *kernel, const scion_tensor *x, const scion_tensor *slope, int64_t *period) {
  SCION_TRY(scion_require_f32(kernel, "x", x));
  SCION_TRY(scion_require_f32(kernel, "slope", slope));
  int64_t examples = x->dims > 1 ? x->shape[0] : 1, count = scion_tensor_elements(slope), channels = scion_tensor_channels(x);
  int64_t rows = examples > 0 ? scion_tensor_rows(x) / examples : 0;
  *period = count > 1 && count != channels ? rows : 1;
  char text[SCION_SHAPE_TEXT], shape[SCION_SHAPE_TEXT];
  if (!scion_tensor_contiguous(slope) || (count != 1 && count != channels && count != rows * channels))
    return scion_fail(SCION_MISUSE, "%s: slope is %s, but x is %s: it should have one number, one for each channel, or one for each element of an example",
                      kernel, scion_shape_text(slope, text, sizeof text), scion_shape_text(x, shape, sizeof shape));
  return SCION_OK;
}

scion_status scion_prelu_forward(const scion_tensor *x, const scion_tensor *slope, scion_tensor *y) {
  prelu_job job = {.x = x, .slope = slope};
  SCION_TRY(require_prelu("prelu", x, slope, &job.period));
  SCION_TRY(scion_require_like("prelu", "y", y, "x", x));
  return scion_for_blocks(x, NULL, y, false, true, prelu_block, &job);
}

static scion_status slope_gradient(const char *kernel, prelu_job *job, scion_tensor *dslope) {
  int64_t rows = scion_tensor_rows(job->x), width = scion_tensor_channels(job->x) * job->period;
  job->repeats = rows / job->period;
  job->part_repeats = scion_divide_up(job->repeats, job->period > 1 ? 1 : PARTS); /* many positions are parts enough */
  if (job->part_repeats < LEAST_REPEATS) job->part_repeats = LEAST_REPEATS;
  int64_t parts = scion_divide_up(job->repeats, job->part_repeats), count = scion_tensor_elements(dslope);
  job->sums = scion_kernel_memory(kernel, (parts + 1) * width, sizeof *job->sums);
  if (!job->sums) return SCION_NO_MEMORY;
  scion_status status = scion_parallel_for(parts * job->period, slope_chunk, job);
  float *to = dslope->data;
  double all = 0;
  for (int64_t i = 0; status == SCION_OK && i < width; i++) {
    double sum = 0;
    for (int64_t part = 0; part < parts; part++) sum += job->sums[part * width + i];
    all += sum;
    to[count == 1 ? 0 : i] = (float)(count == 1 ? all : sum);
  }
  free(job->sums);
  return status;
}

scion_status scion_prelu_backward(const scion_tensor *x, const scion_tensor *dy, const scion_tensor *slope, scion_tensor *dx,
                                  scion_tensor *dslope, int accumulate) {
  const char *kernel = "prelu_backward";
  prelu_job job = {.x = x, .dy = dy, .slope = slope, .accumulate = accumulate};
  SCION_TRY(require_prelu(kernel, x, slope, &job.period));
  SCION_TRY(scion_require_like(kernel, "dy", dy, "x", x));
  SCION_TRY(dx ? scion_require_like(kernel, "dx", dx, "x", x) : SCION_OK);
  SCION_TRY(scion_require_vector(kernel, "dslope", dslope, scion_tensor_elements(slope)));
  if (scion_tensor_elements(x) == 0) return dslope ? scion_tensor_fill(dslope, 0) : SCION_OK;
  if (dx) SCION_TRY(scion_for_blocks(x, dy, dx, accumulate, true, prelu_block, &job));
  return dslope ? slope_gradient(kernel, &job, dslope) : SCION_OK;
}
