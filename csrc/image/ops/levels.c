/* Brightness, and a shift of each channel: value * gain + shift. */
#include "../pipeline.h"
#include "ops.h"

scion_status image_stage_levels(image_canvas *canvas, const double *n, image_draw *draw) {
  float gain = (float)image_draw_between(draw, n[0], n[1]), shift[3];
  for (int c = 0; c < 3; c++) shift[c] = (float)image_draw_between(draw, n[2], n[3]);
  image_colour_brightness(canvas->colour, (double)gain);
  image_colour_shift(canvas->colour, shift);
  canvas->coloured = true;
  return SCION_OK;
}
