/* Stages of pixels: the operations of ops.h with amounts that are drawn. */
#include "../pipeline.h"
#include "ops.h"

#include <math.h>

#define ON pixels, canvas->height, canvas->width
/* What every one of them begins with: the pixels, and an amount between the first two numbers. */
#define BEGIN                                                  \
  unsigned char *pixels = image_canvas_pixels(canvas);         \
  if (!pixels) return SCION_NO_MEMORY /* its message is set */

static double amount(image_draw *draw, const double *n) { return image_draw_between(draw, n[0], n[1]); }
/* Whole, each as likely as the others. */
static int whole_amount(image_draw *draw, const double *n) { return (int)floor(image_draw_between(draw, n[0], n[1] + 1)); }

scion_status image_stage_hue(image_canvas *canvas, const double *n, image_draw *draw) {
  BEGIN;
  return image_op_hue(ON, amount(draw, n)), SCION_OK;
}

scion_status image_stage_sharpness(image_canvas *canvas, const double *n, image_draw *draw) {
  BEGIN;
  return image_op_sharpness(ON, amount(draw, n), &canvas->work);
}

scion_status image_stage_blur(image_canvas *canvas, const double *n, image_draw *draw) {
  BEGIN;
  double sigma = amount(draw, n);
  return image_op_gaussian_blur(ON, 2 * (int)ceil(3 * sigma) + 1, sigma, &canvas->work);
}

scion_status image_stage_posterize(image_canvas *canvas, const double *n, image_draw *draw) {
  BEGIN;
  return image_op_posterize(ON, whole_amount(draw, n)), SCION_OK;
}

scion_status image_stage_channel_shift(image_canvas *canvas, const double *n, image_draw *draw) {
  BEGIN;
  return image_op_channel_shift(ON, amount(draw, n)), SCION_OK;
}

scion_status image_stage_solarize(image_canvas *canvas, const double *n, image_draw *draw) {
  BEGIN;
  return image_op_solarize(ON, amount(draw, n)), SCION_OK;
}

scion_status image_stage_jpeg(image_canvas *canvas, const double *n, image_draw *draw) {
  BEGIN;
  return image_op_jpeg(ON, whole_amount(draw, n), &canvas->work);
}

scion_status image_stage_invert(image_canvas *canvas, const double *n, image_draw *draw) {
  BEGIN;
  (void)n, (void)draw;
  return image_op_invert(ON), SCION_OK;
}

scion_status image_stage_equalize(image_canvas *canvas, const double *n, image_draw *draw) {
  BEGIN;
  (void)n, (void)draw;
  return image_op_equalize(ON), SCION_OK;
}

scion_status image_stage_autocontrast(image_canvas *canvas, const double *n, image_draw *draw) {
  BEGIN;
  (void)n, (void)draw;
  return image_op_autocontrast(ON), SCION_OK;
}

scion_status image_stage_erase(image_canvas *canvas, const double *n, image_draw *draw) {
  BEGIN;
  image_part part;
  if (!image_part_drawn(draw, canvas->height, canvas->width, n, true, &part)) return SCION_OK;
  unsigned char colour[3];
  for (int c = 0; c < 3; c++) colour[c] = (unsigned char)(n[4 + c] + 0.5);
  uint64_t seed = (uint64_t)image_draw_word(draw) << 32 | image_draw_word(draw);
  image_op_erase(ON, (image_box){part.top, part.left, part.height, part.width}, n[7] != 0 ? NULL : colour, seed);
  return SCION_OK;
}
