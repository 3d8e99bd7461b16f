/* The random number generator Philox 4x32-10, distributions and permutations. */
#include "scion.h"

#include <math.h>

void scion_random4(uint64_t seed, uint32_t a, uint32_t b, uint32_t c, scion_purpose purpose, uint32_t out[4]) {
  uint32_t x0 = a, x1 = b, x2 = c, x3 = (uint32_t)purpose, k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * x0, p1 = (uint64_t)0xCD9E8D57u * x2;
    x0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0;
    x1 = (uint32_t)p1;
    x2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;
    x3 = (uint32_t)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = x0, out[1] = x1, out[2] = x2, out[3] = x3;
}

typedef struct {
  scion_tensor *t;
  uint64_t seed;
  uint32_t stream;
  scion_purpose purpose;
  float first, second; /* low and high, or mean and deviation */
  bool normal;
} fill_job;

#define FILL_CHUNK 16384 /* elements of a chunk, a multiple of 4 since draws come in fours */

static void draw(const fill_job *job, uint64_t block, float out[4]) {
  uint32_t words[4];
  scion_random4(job->seed, (uint32_t)block, (uint32_t)(block >> 32), job->stream, job->purpose, words);
  if (!job->normal) {
    for (int i = 0; i < 4; i++) out[i] = job->first + (job->second - job->first) * scion_unit(words[i]);
    return;
  }
  for (int i = 0; i < 4; i += 2) { /* Box-Muller; 1 - u lies in (0, 1], so its logarithm is finite */
    float radius = sqrtf(-2.0f * logf(1.0f - scion_unit(words[i]))), angle = 6.28318530718f * scion_unit(words[i + 1]);
    out[i] = job->first + job->second * radius * cosf(angle);
    out[i + 1] = job->first + job->second * radius * sinf(angle);
  }
}

static void fill_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const fill_job *job = data;
  int64_t width = scion_tensor_channels(job->t), total = scion_tensor_elements(job->t);
  int64_t end = (chunk + 1) * FILL_CHUNK < total ? (chunk + 1) * FILL_CHUNK : total;
  for (int64_t i = chunk * FILL_CHUNK; i < end; i += 4) {
    float values[4];
    draw(job, (uint64_t)i / 4, values);
    for (int64_t j = i; j < i + 4 && j < end; j++) ((float *)job->t->data)[j / width * job->t->row_stride + j % width] = values[j - i];
  }
}

static scion_status fill(fill_job *job) {
  if (job->t->dtype != SCION_F32) return scion_fail(SCION_MISUSE, "random numbers fill f32 tensors, not %s", scion_dtype_name(job->t->dtype));
  return scion_parallel_for(scion_divide_up(scion_tensor_elements(job->t), FILL_CHUNK), fill_chunk, job);
}

scion_status scion_random_uniform(scion_tensor *t, uint64_t seed, uint32_t stream, scion_purpose purpose, float low, float high) {
  if (!isfinite(high - low)) return scion_fail(SCION_MISUSE, "uniform: from %g to %g is no range that f32 holds", (double)low, (double)high);
  return fill(&(fill_job){t, seed, stream, purpose, low, high, false});
}

scion_status scion_random_normal(scion_tensor *t, uint64_t seed, uint32_t stream, scion_purpose purpose, float mean, float deviation) {
  return fill(&(fill_job){t, seed, stream, purpose, mean, deviation, true});
}

scion_status scion_random_permutation(scion_tensor *t, uint64_t seed, uint32_t stream) {
  int64_t n = scion_tensor_elements(t);
  if (t->dtype != SCION_I32 || !scion_tensor_contiguous(t) || n > INT32_MAX)
    return scion_fail(SCION_MISUSE, "a permutation fills a contiguous i32 tensor");
  int32_t *order = t->data;
  for (int64_t i = 0; i < n; i++) order[i] = (int32_t)i;
  for (int64_t i = n - 1; i > 0; i--) {
    uint32_t words[4];
    scion_random4(seed, (uint32_t)i, 0, stream, SCION_DRAW_ORDER, words);
    /* a number in 0 .. i: 64 random bits times (i + 1), divided by 2^64; the bias is negligible */
    int64_t j = (int64_t)(((unsigned __int128)((uint64_t)words[0] << 32 | words[1]) * (uint64_t)(i + 1)) >> 64);
    int32_t swap = order[i];
    order[i] = order[j];
    order[j] = swap;
  }
  return SCION_OK;
}
