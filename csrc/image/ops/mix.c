/* Examples of a batch that are mixed with each other. */
#include "kernels.h"
#include "ops.h"

#include <math.h>
#include <string.h>

typedef struct {
  const unsigned char *x;
  unsigned char *y;
  const int32_t *partner;
  size_t bytes;     /* of an example */
  float own, other; /* mixup */
  bool floats;
  size_t from, row_bytes, row_count, rows; /* cutmix: `row_count` bytes of each of `rows` rows of row_bytes, `from` on */
} mix_job;

static void mix_chunk(void *data, int64_t i, void *scratch) {
  (void)scratch;
  const mix_job *job = data;
  const unsigned char *x = job->x + (size_t)i * job->bytes, *other = job->x + (size_t)job->partner[i] * job->bytes;
  unsigned char *y = job->y + (size_t)i * job->bytes;
  if (job->floats)
    SIMD_CHOOSE(ops_mix_floats)((const float *)(const void *)x, (const float *)(const void *)other, (float *)(void *)y,
                                (ptrdiff_t)(job->bytes / sizeof(float)), job->own, job->other);
  else
    SIMD_CHOOSE(ops_mix_bytes)(x, other, y, (ptrdiff_t)job->bytes, job->own, job->other);
}

static void paste_chunk(void *data, int64_t i, void *scratch) {
  (void)scratch;
  const mix_job *job = data;
  const unsigned char *other = job->x + (size_t)job->partner[i] * job->bytes + job->from;
  unsigned char *y = job->y + (size_t)i * job->bytes;
  memcpy(y, job->x + (size_t)i * job->bytes, job->bytes);
  y += job->from;
  for (size_t row = 0; row < job->rows; row++) memcpy(y + row * job->row_bytes, other + row * job->row_bytes, job->row_count);
}

static scion_status check_mix(const char *name, const scion_tensor *x, const scion_tensor *partner, double share, const scion_tensor *y,
                              mix_job *job) {
  if (x->dims < 1 || (x->dtype != SCION_U8 && x->dtype != SCION_F32) || x->dtype != y->dtype || !scion_tensor_same_shape(x, y) ||
      !scion_tensor_contiguous(x) || !scion_tensor_contiguous(y) || x->data == y->data)
    return scion_fail(SCION_MISUSE, "%s: wants two contiguous tensors of one shape, u8 or f32", name);
  if (partner->dtype != SCION_I32 || partner->dims != 1 || partner->shape[0] != x->shape[0] || !scion_tensor_contiguous(partner))
    return scion_fail(SCION_MISUSE, "%s: wants a partner for each of the %lld examples, as i32", name, (long long)x->shape[0]);
  if (!(share >= 0 && share <= 1)) return scion_fail(SCION_MISUSE, "%s: a share is from 0 to 1, not %g", name, share);
  const int32_t *index = partner->data;
  for (int64_t i = 0; i < x->shape[0]; i++)
    if (index[i] < 0 || index[i] >= x->shape[0])
      return scion_fail(SCION_MISUSE, "%s: partner %d of a batch of %lld", name, index[i], (long long)x->shape[0]);
  size_t bytes = scion_dtype_size(x->dtype);
  for (int d = 1; d < x->dims; d++) bytes *= (size_t)x->shape[d];
  *job = (mix_job){.x = x->data, .y = y->data, .partner = index, .bytes = bytes, .own = (float)share, .other = (float)(1 - share),
                   .floats = x->dtype == SCION_F32};
  return SCION_OK;
}

scion_status scion_mixup(const scion_tensor *x, const scion_tensor *partner, double share, scion_tensor *y) {
  mix_job job;
  scion_status status = check_mix("mixup", x, partner, share, y, &job);
  return status == SCION_OK ? scion_parallel_for(x->shape[0], mix_chunk, &job) : status;
}

/* Where the box around `centre` begins and ends along a side. */
static void box_along(int64_t centre, int64_t size, double share, int64_t *first, int64_t *end) {
  int64_t half = (int64_t)(0.5 * sqrt(1 - share) * (double)size);
  *first = centre > half ? centre - half : 0;
  *end = centre + half < size ? centre + half : size;
}

scion_status scion_cutmix(const scion_tensor *x, const scion_tensor *partner, double share, int64_t row, int64_t column, scion_tensor *y,
                          double *kept) {
  mix_job job;
  scion_status status = check_mix("cutmix", x, partner, share, y, &job);
  if (status != SCION_OK) return status;
  if (x->dims != 4 || row < 0 || row >= x->shape[1] || column < 0 || column >= x->shape[2])
    return scion_fail(SCION_MISUSE, "cutmix: wants images NxHxWxC and a box around one of their pixels");
  int64_t top, bottom, left, right;
  box_along(row, x->shape[1], share, &top, &bottom);
  box_along(column, x->shape[2], share, &left, &right);
  size_t pixel = (size_t)x->shape[3] * scion_dtype_size(x->dtype);
  job.row_bytes = (size_t)x->shape[2] * pixel;
  job.from = (size_t)top * job.row_bytes + (size_t)left * pixel;
  job.row_count = (size_t)(right - left) * pixel;
  job.rows = (size_t)(bottom - top);
  *kept = 1 - (double)((bottom - top) * (right - left)) / (double)(x->shape[1] * x->shape[2]);
  return scion_parallel_for(x->shape[0], paste_chunk, &job);
}
