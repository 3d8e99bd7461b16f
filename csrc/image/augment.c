/* Random changes of training images: what is drawn, and one affine warp that applies all of it. */
#include "image.h"
#include "warp.h"

#include <math.h>
#include <string.h>

/* ---- drawing */

/* M = M * [a b c; d e f; 0 0 1], both as their upper two rows. */
static void multiply(double m[6], double a, double b, double c, double d, double e, double f) {
  double left[6];
  memcpy(left, m, sizeof left);
  for (int row = 0; row < 6; row += 3) {
    m[row] = left[row] * a + left[row + 1] * d;
    m[row + 1] = left[row] * b + left[row + 1] * e;
    m[row + 2] = left[row] * c + left[row + 1] * f + left[row + 2];
  }
}

static double between(double low, double high, uint32_t word) { return low + (high - low) * (double)scion_unit(word); }

void scion_augment_draw(const scion_augment *augment, uint64_t seed, uint32_t epoch, uint32_t index, int height, int width,
                        scion_warp *warp) {
  uint32_t words[12];
  for (uint32_t block = 0; block < 3; block++) scion_random4(seed, epoch, index, block, SCION_DRAW_AUGMENT, words + 4 * block);
  const double radians = 3.14159265358979323846 / 180;
  double turn = between(-augment->rotation, augment->rotation, words[0]) * radians;
  double right = between(-augment->width_shift, augment->width_shift, words[1]) * width;
  double down = between(-augment->height_shift, augment->height_shift, words[2]) * height;
  double shear = between(-augment->shear, augment->shear, words[3]) * radians;
  double zoom_x = between(augment->zoom[0], augment->zoom[1], words[4]), zoom_y = between(augment->zoom[0], augment->zoom[1], words[5]);
  bool mirror = augment->flip_horizontal && words[6] >> 31, upset = augment->flip_vertical && words[7] >> 31;
  double middle_x = (width - 1) / 2.0, middle_y = (height - 1) / 2.0;
  double *m = warp->matrix;
  memcpy(m, (double[]){1, 0, middle_x, 0, 1, middle_y}, 6 * sizeof *m);
  multiply(m, cos(turn), -sin(turn), 0, sin(turn), cos(turn), 0);
  multiply(m, 1, 0, right, 0, 1, down);
  multiply(m, 1, -sin(shear), 0, 0, cos(shear), 0);
  multiply(m, mirror ? -zoom_x : zoom_x, 0, 0, 0, upset ? -zoom_y : zoom_y, 0);
  multiply(m, 1, 0, -middle_x, 0, 1, -middle_y);
  warp->gain = (float)between(augment->brightness[0], augment->brightness[1], words[8]);
  for (int c = 0; c < 3; c++) warp->shift[c] = (float)between(-augment->channel_shift, augment->channel_shift, words[9 + c]);
}

/* ---- warping */

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

void image_warp(const unsigned char *x, unsigned char *y, int height, int width, const scion_warp *warp, scion_fill fill,
                unsigned char value) {
  if (keeps(warp)) {
    memcpy(y, x, (size_t)height * (size_t)width * 3);
    return;
  }
  const double *m = warp->matrix;
  warp_row job = {.x = x, .height = height, .width = width, .step_x = (float)m[0], .step_y = (float)m[3], .fill = fill, .value = value,
                  .gain = warp->gain};
  for (int c = 0; c < 3; c++) job.shift[c] = warp->shift[c] + 0.5f;
  for (int row = 0; row < height; row++) {
    job.source_x = (float)(m[1] * row + m[2]);
    job.source_y = (float)(m[4] * row + m[5]);
    SIMD_CHOOSE(warp_pixels)(&job, y + (size_t)row * (size_t)width * 3);
  }
}

scion_status scion_image_warp(const scion_tensor *x, scion_tensor *y, const scion_warp *warp, scion_fill fill, unsigned char value) {
  char a[SCION_SHAPE_TEXT], b[SCION_SHAPE_TEXT];
  if (x->dtype != SCION_U8 || y->dtype != SCION_U8 || x->dims != 3 || x->shape[2] != 3 || !scion_tensor_same_shape(x, y) ||
      !scion_tensor_contiguous(x) || !scion_tensor_contiguous(y) || scion_tensor_rows(x) > SCION_MAX_PIXELS || x->data == y->data)
    return scion_fail(SCION_MISUSE, "warp: wants two contiguous u8 tensors HxWx3, not %s into %s", scion_shape_text(x, a, sizeof a),
                      scion_shape_text(y, b, sizeof b));
  image_warp(x->data, y->data, (int)x->shape[0], (int)x->shape[1], warp, fill, value);
  return SCION_OK;
}
