/* Rows slanted to a side, columns up or down, about the first corner, as torchvision's RandAugment does, with Pillow's
 * interpolation, which takes 2x2 pixels however steep it is. */
#include "../pipeline.h"

scion_status image_stage_slant(image_canvas *canvas, const double *n, image_draw *draw) {
  double x = image_draw_between(draw, n[0], n[1]), y = image_draw_between(draw, n[2], n[3]);
  scion_status status = image_canvas_settle(canvas);
  if (status != SCION_OK) return status;
  canvas->antialias = false;
  double m[6] = {1, x, x / 2, y, 1, y / 2}; /* the corner is half a pixel before the first pixel's centre */
  image_canvas_move(canvas, m, canvas->height, canvas->width);
  return SCION_OK;
}
