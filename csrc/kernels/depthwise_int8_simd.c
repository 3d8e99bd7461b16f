/* A run of pixels of the depthwise convolution of bytes. Two taps of a channel are multiplied and summed at a time, which is one instruction. */
#include <string.h>

#include "activation.h"
#include "depthwise_int8.h"

#define STEP 16 /* channels */
#define VECTORS (STEP / SIMD_WIDTH)

/* sum += a * the lower halves of w + b * the upper halves, of 16 channels. */
#if SIMD_WIDTH > 4
SIMD_INLINE void multiply(const uint8_t *a, const uint8_t *b, const int32_t *w, simd_int *sum) {
  __m128i first = _mm_loadu_si128((const __m128i *)a), second = _mm_loadu_si128((const __m128i *)b);
  __m128i low = _mm_unpacklo_epi8(first, second), high = _mm_unpackhi_epi8(first, second); /* pairs of 8 channels each */
#if SIMD_WIDTH == 16
  __m512i x = _mm512_cvtepu8_epi16(_mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1));
  sum[0] += (simd_int)_mm512_madd_epi16(x, _mm512_loadu_si512(w));
#else
  sum[0] += (simd_int)_mm256_madd_epi16(_mm256_cvtepu8_epi16(low), _mm256_loadu_si256((const __m256i *)w));
  sum[1] += (simd_int)_mm256_madd_epi16(_mm256_cvtepu8_epi16(high), _mm256_loadu_si256((const __m256i *)(w + SIMD_WIDTH)));
#endif
}
#else
SIMD_INLINE void multiply(const uint8_t *a, const uint8_t *b, const int32_t *w, simd_int *sum) {
  for (int c = 0; c < STEP; c++) sum[c / SIMD_WIDTH][c % SIMD_WIDTH] += a[c] * (int16_t)w[c] + b[c] * (w[c] >> 16);
}
#endif

/* What is more than a clamp. Out of line, lest it be in every loop. */
static __attribute__((noinline)) simd_float bend(simd_float v, scion_activation activation) { return simd_activate(v, activation); }

/* From the sums of codes times weights to y, from channel c on. Products and sums are rounded one by one, on every machine. */
SIMD_INLINE void finish(const depthwise_int8_kernel *k, simd_int sum, void *y, int64_t at, int64_t c, int64_t n) {
  simd_float v = __builtin_convertvector(sum, simd_float) * (simd_load_some(k->scales + c, n) * k->x.scale);
  if (k->bias) v += simd_load_some(k->bias + c, n);
  if (scion_activation_bends(k->activation)) {
    v = bend(v, k->activation);
  } else if (k->activation != SCION_LINEAR) {
    v = simd_max(simd_set(0), v);
    if (k->activation == SCION_RELU6) v = simd_min(simd_set(6), v);
  }
  if (k->y_dtype == SCION_U8) {
    simd_store_of(SCION_U8, y, at, v * (1 / k->y.scale) + (float)k->y.zero, n);
  } else {
    simd_store_of(SCION_F32, y, at, v, n);
  }
}

/* Sums of codes times weights are those of what the codes stand for, but for this. */
SIMD_INLINE simd_int start_at(const depthwise_int8_kernel *k, int64_t c, int64_t n) {
  simd_bits sums = {0};
  memcpy(&sums, k->sums + c, (size_t)n * sizeof *k->sums);
  return (simd_int)(sums * (0 - (uint32_t)k->x.zero));
}

SIMD_INLINE void many_channels(const depthwise_int8_kernel *k, const depthwise_int8_run *run, int64_t c, const int steps) {
  simd_int start[2 * VECTORS], sum[2 * VECTORS];
  for (int v = 0; v < steps * VECTORS; v++) start[v] = start_at(k, c + v * SIMD_WIDTH, SIMD_WIDTH);
  for (int64_t j = 0; j < run->count; j++) {
    for (int v = 0; v < steps * VECTORS; v++) sum[v] = start[v];
    for (int64_t p = 0; p < k->pairs; p++) {
      const uint8_t *a = run->tap[2 * p] + j * run->step[2 * p] + c, *b = run->tap[2 * p + 1] + j * run->step[2 * p + 1] + c;
      const int32_t *w = k->packed + p * k->width + c;
      for (int s = 0; s < steps; s++) multiply(a + s * STEP, b + s * STEP, w + s * STEP, sum + s * VECTORS);
    }
    for (int v = 0; v < steps * VECTORS; v++) finish(k, sum[v], run->y, j * run->y_step + c + v * SIMD_WIDTH, c + v * SIMD_WIDTH, SIMD_WIDTH);
  }
}

/* Fewer than 16 channels at the end. */
static void few_channels(const depthwise_int8_kernel *k, const depthwise_int8_run *run, int64_t c) {
  for (int64_t j = 0; j < run->count; j++)
    for (int64_t from = c; from < k->width; from += SIMD_WIDTH) {
      const int64_t n = k->width - from < SIMD_WIDTH ? k->width - from : SIMD_WIDTH;
      simd_int sum = start_at(k, from, n);
      for (int64_t t = 0; t < 2 * k->pairs; t++) {
        const uint8_t *x = run->tap[t] + j * run->step[t] + from;
        for (int64_t i = 0; i < n; i++) {
          int32_t w = k->packed[t / 2 * k->width + from + i];
          sum[i] += x[i] * (t % 2 ? w >> 16 : (int16_t)w);
        }
      }
      finish(k, sum, run->y, j * run->y_step + from, from, n);
    }
}

void SIMD(scion_depthwise_int8_run)(const depthwise_int8_kernel *k, const depthwise_int8_run *run) {
  int64_t c = 0;
  for (; c + 2 * STEP <= k->width; c += 2 * STEP) many_channels(k, run, c, 2);
  for (; c + STEP <= k->width; c += STEP) many_channels(k, run, c, 1);
  if (c < k->width) few_channels(k, run, c);
}
