/* Turned, shifted, sheared, zoomed and flipped about the centre, as Keras's ImageDataGenerator does it: the matrix is centre * rotation *
 * shift * shear * zoom * flip * centre^-1. */
#include "../pipeline.h"

#include <math.h>
#include <string.h>

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

static bool flips(image_draw *draw, double probability) { return image_draw_between(draw, 0, 1) >= 1 - probability; }

scion_status image_stage_affine(image_canvas *canvas, const double *n, image_draw *draw) {
  const double radians = 3.14159265358979323846 / 180;
  const int height = canvas->height, width = canvas->width;
  const bool whole = n[12] != 0, even = n[13] != 0, antialias = n[14] != 0;
  if (!antialias) { /* as Keras, which warps what is there */
    scion_status status = image_canvas_settle(canvas);
    if (status != SCION_OK) return status;
    canvas->antialias = false;
  }
  double turn = image_draw_between(draw, n[0], n[1]) * radians;
  double right = image_draw_between(draw, n[2], n[3]) * width, down = image_draw_between(draw, n[4], n[5]) * height;
  double shear = image_draw_between(draw, n[6], n[7]) * radians;
  double zoom_x = image_draw_between(draw, n[8], n[9]), zoom_y = image_draw_between(draw, n[8], n[9]);
  bool mirror = flips(draw, n[10]), upset = flips(draw, n[11]);
  if (whole) right = rint(right), down = rint(down);
  if (even) zoom_y = zoom_x;
  double middle_x = (width - 1) / 2.0, middle_y = (height - 1) / 2.0;
  double m[6] = {1, 0, middle_x, 0, 1, middle_y};
  multiply(m, cos(turn), -sin(turn), 0, sin(turn), cos(turn), 0);
  multiply(m, 1, 0, right, 0, 1, down);
  multiply(m, 1, -sin(shear), 0, 0, cos(shear), 0);
  multiply(m, mirror ? -zoom_x : zoom_x, 0, 0, 0, upset ? -zoom_y : zoom_y, 0);
  multiply(m, 1, 0, -middle_x, 0, 1, -middle_y);
  image_canvas_move(canvas, m, height, width);
  return SCION_OK;
}
