/* Parts of panels from weights as they lie in memory. */
#include "conv2d_gather.h"

#if SIMD_WIDTH == 16
#define LOWER 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define UPPER 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif SIMD_WIDTH == 8
#define LOWER 0, 8, 1, 9, 2, 10, 3, 11
#define UPPER 4, 12, 5, 13, 6, 14, 7, 15
#else
#define LOWER 0, 4, 1, 5
#define UPPER 2, 6, 3, 7
#endif

void SIMD(conv2d_pack_part)(const float *in, int64_t stride, int64_t columns, int64_t length, const float *scale, float *out) {
  int64_t width = conv2d_padded(columns);
  for (int64_t k = 0; k < length; k++, in += stride, out += width) {
    if (scale)
      for (int64_t c = 0; c < columns; c++) out[c] = in[c] * scale[c];
    else
      conv2d_copy(out, in, columns);
    for (int64_t c = columns; c < width; c++) out[c] = 0;
  }
}

/* out[j * pitch + i] = in[i * stride + j], a vector's width of both. Each of the rounds, as many as the width has bits, moves the
 * upper bit of a row's number to the lowest place of the number within the row. */
static void turn_square(const float *in, int64_t stride, const float *scale, float *out, int64_t pitch) {
  simd_float rows[2][SIMD_WIDTH];
  int now = 0;
  _Pragma("GCC unroll 16") for (int i = 0; i < SIMD_WIDTH; i++) rows[0][i] = simd_load(in + i * stride);
  _Pragma("GCC unroll 4") for (int bit = 1; bit < SIMD_WIDTH; bit *= 2, now = !now)
    _Pragma("GCC unroll 8") for (int i = 0; i < SIMD_WIDTH / 2; i++) {
      simd_float a = rows[now][i], b = rows[now][i + SIMD_WIDTH / 2];
      rows[!now][2 * i] = __builtin_shufflevector(a, b, LOWER);
      rows[!now][2 * i + 1] = __builtin_shufflevector(a, b, UPPER);
    }
  _Pragma("GCC unroll 16") for (int i = 0; i < SIMD_WIDTH; i++)
    simd_store(out + i * pitch, scale ? rows[now][i] * scale[i] : rows[now][i]);
}

void SIMD(conv2d_turn_part)(const float *in, int64_t stride, int64_t columns, int64_t length, const float *scale, float *out) {
  int64_t width = conv2d_padded(columns), c = 0;
  for (; c + SIMD_WIDTH <= columns; c += SIMD_WIDTH) {
    int64_t k = 0;
    for (; k + SIMD_WIDTH <= length; k += SIMD_WIDTH)
      turn_square(in + c * stride + k, stride, scale ? scale + k : NULL, out + k * width + c, width);
    for (; k < length; k++)
      for (int64_t i = c; i < c + SIMD_WIDTH; i++) out[k * width + i] = scale ? in[i * stride + k] * scale[k] : in[i * stride + k];
  }
  for (; c < width; c++)
    for (int64_t k = 0; k < length; k++) out[k * width + c] = c >= columns ? 0 : scale ? in[c * stride + k] * scale[k] : in[c * stride + k];
}
