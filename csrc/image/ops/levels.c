/* Brightness, and a shift of each channel: value * gain + shift. */
#include "image/pipeline.h"

scion_status image_stage_levels(image_canvas *canvas, const double *n, image_draw *draw) {
  float gain = (float)image_draw_between(draw, n[0], n[1]);
  float m[12] = {0};
  for (int c = 0; c < 3; c++) {
    m[4 * c + c] = gain;
    m[4 * c + 3] = (float)image_draw_between(draw, n[2], n[3]);
  }
  image_canvas_colour(canvas, m);
  return SCION_OK;
}
