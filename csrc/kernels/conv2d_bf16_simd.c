/* The product of a block of bf16 in f32 arithmetic, for machines that have none for bf16: a bf16 is the upper half of an f32, so that a
 * pair is two of them after a mask and a shift. */
#include <string.h>

#include "conv2d_narrow.h"
#include "loops.h"
#include "turn.h"

#define VECTORS (NARROW_TILE / SIMD_WIDTH)
#define ROWS (SIMD_WIDTH == 16 ? 8 : 4)

static inline simd_float upper(simd_bits pair) { return (simd_float)(pair & 0xffff0000u); }
static inline simd_float lower(simd_bits pair) { return (simd_float)(pair << 16); }

static void multiply_rows(const conv2d_block *k, const uint8_t *a, const uint8_t *b, float *out) {
  simd_float sum[ROWS][VECTORS];
  for (int r = 0; r < ROWS; r++)
    for (int v = 0; v < VECTORS; v++)
      sum[r][v] = k->accumulate ? simd_load(out + r * k->sums_pitch + v * SIMD_WIDTH) : (simd_float){0};
  for (int64_t i = 0; i < k->depth; i += NARROW_QUAD, b += NARROW_QUAD * NARROW_TILE) {
    simd_bits pairs[VECTORS];
    for (int v = 0; v < VECTORS; v++) pairs[v] = (simd_bits)simd_load((const float *)(const void *)b + v * SIMD_WIDTH); /* not memcpy, by way of the stack */
    _Pragma("GCC unroll 8") for (int r = 0; r < ROWS; r++) {
      uint32_t pair;
      memcpy(&pair, a + r * k->pitch + i, sizeof pair);
      simd_bits same = pair - (simd_bits){0};
      for (int v = 0; v < VECTORS; v++) {
        sum[r][v] += lower(same) * lower(pairs[v]);
        sum[r][v] += upper(same) * upper(pairs[v]);
      }
    }
  }
  for (int r = 0; r < ROWS; r++)
    for (int v = 0; v < VECTORS; v++) simd_store(out + r * k->sums_pitch + v * SIMD_WIDTH, sum[r][v]);
}

void SIMD(conv2d_bf16_multiply)(const conv2d_block *k) {
  for (int column = 0; column < k->columns; column += NARROW_TILE)
    for (int row = 0; row < k->rows; row += ROWS)
      multiply_rows(k, k->a + row * k->pitch, k->b + column / NARROW_TILE * k->next, (float *)k->sums + row * k->sums_pitch + column);
}

static inline simd_bits halves(const uint16_t *p) { return __builtin_convertvector(*(const simd_half_unaligned *)p, simd_bits); }

void SIMD(conv2d_pair_part)(const uint16_t *a, const uint16_t *b, int64_t n, uint32_t *out, int64_t piece, int64_t apart) {
  for (int64_t from = 0; from < n; from += piece, out += apart) {
    const int64_t count = n - from < piece ? n - from : piece;
    int64_t c = 0;
    for (; c + SIMD_WIDTH <= count; c += SIMD_WIDTH)
      simd_store((float *)(void *)(out + c), (simd_float)(halves(a + from + c) | halves(b + from + c) << 16));
    for (; c < count; c++) out[c] = a[from + c] | (uint32_t)b[from + c] << 16;
  }
}

void SIMD(conv2d_turn_pairs)(const uint16_t *const *rows, int64_t channels, int64_t pairs, uint32_t *out, int64_t pitch) {
  for (int64_t k = 0; k + SIMD_WIDTH <= pairs; k += SIMD_WIDTH) {
    const uint16_t *const *from = rows + 2 * k;
    int64_t c = 0;
    for (; c + SIMD_WIDTH <= channels; c += SIMD_WIDTH) {
      simd_float square[SIMD_WIDTH];
      _Pragma("GCC unroll 16") for (int i = 0; i < SIMD_WIDTH; i++) square[i] = (simd_float)(halves(from[2 * i] + c) | halves(from[2 * i + 1] + c) << 16);
      simd_turn(square);
      _Pragma("GCC unroll 16") for (int i = 0; i < SIMD_WIDTH; i++) simd_store((float *)(void *)(out + (c + i) * pitch + k), square[i]);
    }
    for (; c < channels; c++)
      for (int i = 0; i < SIMD_WIDTH; i++) out[c * pitch + k + i] = from[2 * i][c] | (uint32_t)from[2 * i + 1][c] << 16;
  }
}

void SIMD(conv2d_bf16_pack_part)(const float *in, int64_t stride, int64_t columns, int64_t depth, const float *scale, uint32_t *out) {
  for (int64_t k = 0; k < depth; k += 2, in += 2 * stride, out += NARROW_TILE)
    for (int64_t c = 0; c < NARROW_TILE; c += SIMD_WIDTH) {
      const int64_t n = columns - c < SIMD_WIDTH ? columns - c : SIMD_WIDTH;
      simd_float a = {0}, b = {0};
      if (n > 0) a = simd_load_some(in + c, n);
      if (n > 0 && k + 1 < depth) b = simd_load_some(in + stride + c, n);
      if (n > 0 && scale) a *= simd_load_some(scale + c, n), b *= simd_load_some(scale + c, n);
      simd_store((float *)(void *)(out + c), (simd_float)((simd_round_bf16(a) >> 16) | (simd_round_bf16(b) & 0xffff0000u)));
    }
}
