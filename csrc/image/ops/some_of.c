/* Draws which of its members are applied, and in which order. */
#include "../pipeline.h"

#define MOST_APART 16

scion_status image_stage_some_of(image_canvas *canvas, const double *n, image_draw *draw) {
  const scion_stage *members = canvas->members;
  const int of = canvas->member_count, count = (int)n[0];
  const bool again = n[1] != 0;
  int left[MOST_APART];
  if (!again && (of > MOST_APART || count > of)) return scion_fail(SCION_MISUSE, "%d of %d members cannot be drawn apart", count, of);
  for (int i = 0; !again && i < of; i++) left[i] = i;
  scion_status status = SCION_OK;
  for (int i = 0; i < count && status == SCION_OK; i++) {
    int remain = again ? of : of - i, k = (int)image_draw_between(draw, 0, remain);
    status = image_canvas_run(canvas, &members[again ? k : left[k]]);
    if (!again) left[k] = left[remain - 1];
  }
  return status;
}
