/* A block of the product in bf16 by AVX-512's vdpbf16ps: a pair of the left side, in every lane, times a row of pairs of the
 * right side. */
#include <string.h>

#include "conv2d_bf16.h"

typedef float lanes __attribute__((vector_size(64)));
typedef int32_t pairs __attribute__((vector_size(64)));

/* A test brings a dot product of its own, in software. */
#ifndef BF16_DOT
#if defined(__x86_64__)
#include <immintrin.h>
#define BF16_FUNCTION __attribute__((target("avx512f,avx512bf16")))
#define BF16_DOT(sum, a, b) ((lanes)_mm512_dpbf16_ps((__m512)(sum), (__m512bh)(a), (__m512bh)(b)))
#endif
#endif

#ifdef BF16_DOT

#define ROWS 8 /* x two vectors: 16 sums, more than the latency of the instruction, and each row of b is used 8 times */

BF16_FUNCTION static inline __attribute__((always_inline)) void multiply_rows(const conv2d_bf16_block *k, int first,
                                                                              const int vectors) {
  float *out = k->sums + first * BF16_BLOCK;
  const uint16_t *a = k->a + first * k->pitch;
  lanes sum[ROWS][2];
  for (int r = 0; r < ROWS; r++)
    for (int v = 0; v < vectors; v++) sum[r][v] = k->accumulate ? *(const lanes *)(out + r * BF16_BLOCK + v * 16) : (lanes){0};
  for (int64_t i = 0; i < k->depth; i += 2) {
    pairs b[2];
    for (int v = 0; v < vectors; v++) memcpy(&b[v], k->b + v * k->next + i * BF16_TILE, sizeof b[v]);
    _Pragma("GCC unroll 8") for (int r = 0; r < ROWS; r++) {
      int32_t pair;
      memcpy(&pair, a + r * k->pitch + i, sizeof pair);
      pairs same = pair - (pairs){0};
      for (int v = 0; v < vectors; v++) sum[r][v] = BF16_DOT(sum[r][v], same, b[v]);
    }
  }
  for (int r = 0; r < ROWS; r++)
    for (int v = 0; v < vectors; v++) *(lanes *)(out + r * BF16_BLOCK + v * 16) = sum[r][v];
}

BF16_FUNCTION static void avx512_multiply(const conv2d_bf16_block *block) {
  for (int first = 0; first < block->rows; first += ROWS) {
    if (block->columns > BF16_TILE) {
      multiply_rows(block, first, 2);
    } else {
      multiply_rows(block, first, 1);
    }
  }
}

const conv2d_bf16_unit conv2d_bf16_avx512 = {NULL, avx512_multiply, NULL};

#endif
