/* Parts of panels from weights as they lie in memory. */
#include "conv2d_gather.h"
#include "turn.h"

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

/* out[j * pitch + i] = in[i * stride + j], a vector's width of both. */
static void turn_square(const float *in, int64_t stride, const float *scale, float *out, int64_t pitch) {
  simd_float rows[SIMD_WIDTH];
  _Pragma("GCC unroll 16") for (int i = 0; i < SIMD_WIDTH; i++) rows[i] = simd_load(in + i * stride);
  simd_turn(rows);
  _Pragma("GCC unroll 16") for (int i = 0; i < SIMD_WIDTH; i++) simd_store(out + i * pitch, scale ? rows[i] * scale[i] : rows[i]);
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
