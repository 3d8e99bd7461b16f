/* The rows of stages.def. */
#ifndef SCION_STAGES_H
#define SCION_STAGES_H

#include "pipeline.h"

typedef enum { STAGE_GEOMETRY, STAGE_CROP, STAGE_COLOUR, STAGE_PIXELS, STAGE_MEMBERS } image_stage_kind;

typedef struct {
  const char *name;
  image_stage_kind kind;
  struct {
    const char *name;
    double low, high;
  } numbers[SCION_STAGE_NUMBERS + 1];
  scion_status (*run)(image_canvas *canvas, const double *numbers, image_draw *draw);
} image_stage_row;

extern const image_stage_row image_stage_rows[]; /* one for each op; the last has no name */

scion_status image_stages_check(const scion_stage *stages, int count);
/* Whether one of them makes images as large as the result. */
bool image_stages_crop(const scion_stage *stages, int count);

#endif
