/* Convolutions of codes in whole numbers, and what follows them in f32, one rounding after the other: plain loops, on arrays without gaps. What
 * the fast ones give is the same to the bit, where the activation is none or a clamp. */
#ifndef SCION_REFERENCE_INT8_H
#define SCION_REFERENCE_INT8_H

#include "kernels/reference/conv2d.h"

/* Sums of (code - zero) * weight; codes outside of x are zero. w [kh,kw,ci,co]. */
void reference_conv2d_int8(const reference_conv2d *d, const uint8_t *x, int zero, const int32_t *w, int64_t *sums);
/* The same of each channel by itself: ci is co, and w [kh,kw,ci]. */
void reference_depthwise_int8(const reference_conv2d *d, const uint8_t *x, int zero, const int32_t *w, int64_t *sums);
/* act(sum * (scales[c] * x_scale) + bias[c] + addend); bias and addend may be NULL. activation: linear, relu or relu6. */
float reference_int8_number(int64_t sum, float scale, float x_scale, const float *bias, const float *addend, scion_activation activation);
uint8_t reference_code(float number, scion_quantization q);
float reference_number(uint8_t code, scion_quantization q);

#endif
