/* Stages of colour: each puts a change behind those that wait on the canvas. */
#include "../pipeline.h"
#include "ops.h"

scion_status image_stage_brightness(image_canvas *canvas, const double *n, image_draw *draw) {
  image_colour_brightness(canvas->colour, image_draw_between(draw, n[0], n[1]));
  canvas->coloured = true;
  return SCION_OK;
}

scion_status image_stage_contrast(image_canvas *canvas, const double *n, image_draw *draw) {
  double mean;
  scion_status status = image_canvas_mean(canvas, &mean);
  if (status != SCION_OK) return status;
  image_colour_contrast(canvas->colour, image_draw_between(draw, n[0], n[1]), mean);
  canvas->coloured = true;
  return SCION_OK;
}

scion_status image_stage_saturation(image_canvas *canvas, const double *n, image_draw *draw) {
  image_colour_saturation(canvas->colour, image_draw_between(draw, n[0], n[1]));
  canvas->coloured = true;
  return SCION_OK;
}
