/* Rows slanted to a side, columns up or down, about the centre. */
#include "../pipeline.h"

scion_status image_stage_slant(image_canvas *canvas, const double *n, image_draw *draw) {
  double x = image_draw_between(draw, n[0], n[1]), y = image_draw_between(draw, n[2], n[3]);
  double middle_x = (canvas->width - 1) / 2.0, middle_y = (canvas->height - 1) / 2.0;
  double m[6] = {1, x, -x * middle_y, y, 1, -y * middle_x};
  image_canvas_move(canvas, m, canvas->height, canvas->width);
  return SCION_OK;
}
