#include "vectors.h"

#include <string.h>

#define CHUNK ((int64_t)1 << 15) /* elements: a thread's piece, small enough to remain in its caches */

static parallel_for *threads;

void vectors_use(parallel_for *f) { threads = f; }

typedef struct {
  float *to;
  const float *x;
  const uint16_t *halves;
  int64_t count;
  float factor;
} job;

static bool over_chunks(job j, scion_chunk_function *fn) {
  int64_t chunks = (j.count + CHUNK - 1) / CHUNK;
  if (threads && chunks > 1) return threads(chunks, fn, &j) == SCION_OK;
  for (int64_t i = 0; i < chunks; i++) fn(&j, i, NULL);
  return true;
}

static int64_t end_of(const job *j, int64_t chunk) { return j->count < (chunk + 1) * CHUNK ? j->count : (chunk + 1) * CHUNK; }

static void set_chunk(void *data, int64_t chunk, void *scratch) {
  const job *j = data;
  float *restrict to = j->to;
  (void)scratch;
  for (int64_t i = chunk * CHUNK, end = end_of(j, chunk); i < end; i++) to[i] = j->x[i] * j->factor;
}

static void add_chunk(void *data, int64_t chunk, void *scratch) {
  const job *j = data;
  float *restrict to = j->to;
  (void)scratch;
  for (int64_t i = chunk * CHUNK, end = end_of(j, chunk); i < end; i++) to[i] += j->x[i] * j->factor;
}

static inline float widened(uint16_t x) {
  union { uint32_t bits; float x; } u = {(uint32_t)x << 16};
  return u.x;
}

static void halves_chunk(void *data, int64_t chunk, void *scratch) {
  const job *j = data;
  float *restrict to = j->to;
  (void)scratch;
  for (int64_t i = chunk * CHUNK, end = end_of(j, chunk); i < end; i++) to[i] = widened(j->halves[i]) * j->factor;
}

bool vectors_scale(float *to, const float *x, int64_t count, float factor, bool add) {
  return over_chunks((job){.to = to, .x = x, .count = count, .factor = factor}, add ? add_chunk : set_chunk);
}

bool vectors_scale_halves(float *to, const uint16_t *x, int64_t count, float factor) {
  return over_chunks((job){.to = to, .halves = x, .count = count, .factor = factor}, halves_chunk);
}

void vectors_to_halves(uint16_t *restrict to, const float *restrict x, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    to[i] = (uint16_t)(bits >> 16);
  }
}

void vectors_from_halves(float *restrict to, const uint16_t *restrict x, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] = widened(x[i]);
}
