/* An affine warp with bilinear interpolation, and the levels after it. */
#include "image.h"
#include "warp.h"

#include <math.h>
#include <string.h>

/* Where a coordinate outside 0 .. size-1 is read; NAN: nowhere. Reflection shows the edge twice, wrapping takes the first
 * and the last pixel for one (its period is size - 1): both as SciPy and Keras do it. */
static float inside(float x, int size, scion_fill fill) {
  float last = (float)(size - 1);
  if (x >= 0 && x <= last) return x;
  if (fill == SCION_FILL_CONSTANT || x != x) return NAN;
  if (fill == SCION_FILL_REFLECT) {
    float period = 2 * (float)size;
    x = x + 0.5f - period * floorf((x + 0.5f) / period); /* 0 .. period: pixel k covers k .. k+1 */
    x = (x > (float)size ? period - x : x) - 0.5f;
  } else if (fill == SCION_FILL_WRAP && size > 1) {
    x -= last * floorf(x / last);
  }
  return x > 0 ? (x < last ? x : last) : 0;
}

void warp_pixel(const warp_row *job, float x, float y, unsigned char *out) {
  x = inside(x, job->width, job->fill);
  y = inside(y, job->height, job->fill);
  bool nowhere = x != x || y != y;
  int left = nowhere ? 0 : (int)x, top = nowhere ? 0 : (int)y;
  int right = left + 1 < job->width ? left + 1 : left, bottom = top + 1 < job->height ? top + 1 : top;
  float fx = x - (float)left, fy = y - (float)top;
  const unsigned char *upper = job->x + (size_t)top * (size_t)job->width * 3, *lower = job->x + (size_t)bottom * (size_t)job->width * 3;
  for (int c = 0; c < 3; c++) {
    float a = upper[3 * left + c], b = lower[3 * left + c];
    a += fx * ((float)upper[3 * right + c] - a);
    b += fx * ((float)lower[3 * right + c] - b);
    float value = (nowhere ? job->value : a + fy * (b - a)) * job->gain + job->shift[c];
    out[c] = (unsigned char)(value > 0 ? value < 255 ? value : 255 : 0);
  }
}

static bool keeps(const scion_warp *warp) {
  static const double still[6] = {1, 0, 0, 0, 1, 0};
  for (int i = 0; i < 6; i++)
    if (warp->matrix[i] != still[i]) return false;
  return warp->gain == 1 && warp->shift[0] == 0 && warp->shift[1] == 0 && warp->shift[2] == 0;
}

void image_warp(const unsigned char *x, int height, int width, unsigned char *y, int new_height, int new_width, const scion_warp *warp,
                scion_fill fill, unsigned char value) {
  if (height == new_height && width == new_width && keeps(warp)) {
    memcpy(y, x, (size_t)height * (size_t)width * 3);
    return;
  }
  const double *m = warp->matrix;
  warp_row job = {.x = x, .height = height, .width = width, .count = new_width, .step_x = (float)m[0], .step_y = (float)m[3],
                  .fill = fill, .value = value, .gain = warp->gain};
  for (int c = 0; c < 3; c++) job.shift[c] = warp->shift[c] + 0.5f;
  for (int row = 0; row < new_height; row++) {
    job.source_x = (float)(m[1] * row + m[2]);
    job.source_y = (float)(m[4] * row + m[5]);
    SIMD_CHOOSE(warp_pixels)(&job, y + (size_t)row * (size_t)new_width * 3);
  }
}

scion_status scion_image_warp(const scion_tensor *x, scion_tensor *y, const scion_warp *warp, scion_fill fill, unsigned char value) {
  char a[SCION_SHAPE_TEXT], b[SCION_SHAPE_TEXT];
  if (x->dtype != SCION_U8 || y->dtype != SCION_U8 || x->dims != 3 || x->shape[2] != 3 || !scion_tensor_same_shape(x, y) ||
      !scion_tensor_contiguous(x) || !scion_tensor_contiguous(y) || scion_tensor_rows(x) > SCION_MAX_PIXELS || x->data == y->data)
    return scion_fail(SCION_MISUSE, "warp: wants two contiguous u8 tensors HxWx3, not %s into %s", scion_shape_text(x, a, sizeof a),
                      scion_shape_text(y, b, sizeof b));
  int height = (int)x->shape[0], width = (int)x->shape[1];
  image_warp(x->data, height, width, y->data, height, width, warp, fill, value);
  return SCION_OK;
}
