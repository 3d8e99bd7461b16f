/* Parts of an image that become as large as the result. */
#include "../pipeline.h"

#include <math.h>

bool image_part_fits(int height, int width, double area, double ratio, bool smaller, image_part *part) {
  double target = (double)height * (double)width * area;
  double w = rint(sqrt(target * ratio)), h = rint(sqrt(target / ratio));
  if (w < 1 || h < 1 || w > width - smaller || h > height - smaller) return false;
  part->height = (int)h;
  part->width = (int)w;
  return true;
}

image_part image_part_middle(int height, int width, const double ratio[2]) {
  double own = (double)width / height;
  image_part part = {0, 0, height, width};
  if (own < ratio[0]) part.height = (int)rint(width / ratio[0]);
  if (own > ratio[1]) part.width = (int)rint(height * ratio[1]);
  if (part.height < 1) part.height = 1; /* a ratio that no whole number of pixels has */
  if (part.width < 1) part.width = 1;
  part.top = (height - part.height) / 2;
  part.left = (width - part.width) / 2;
  return part;
}

/* 0 .. count - 1 */
static int draw_place(image_draw *draw, int count) { return (int)image_draw_between(draw, 0, count); }

bool image_part_drawn(image_draw *draw, int height, int width, const double n[4], bool smaller, image_part *part) {
  for (int attempt = 0; attempt < 10; attempt++) {
    double area = image_draw_between(draw, n[0], n[1]), ratio = exp(image_draw_between(draw, log(n[2]), log(n[3])));
    if (!image_part_fits(height, width, area, ratio, smaller, part)) continue;
    part->top = draw_place(draw, height - part->height + 1);
    part->left = draw_place(draw, width - part->width + 1);
    return true;
  }
  return false;
}

/* The box, in pixels from the left and the top, becomes the image, as large as the result. */
static void move_to(image_canvas *canvas, double left, double top, double width, double height) {
  double x = width / canvas->target_width, y = height / canvas->target_height;
  double m[6] = {x, 0, left + x / 2 - 0.5, 0, y, top + y / 2 - 0.5};
  image_canvas_move(canvas, m, canvas->target_height, canvas->target_width);
}

scion_status image_stage_crop(image_canvas *canvas, const double *n, image_draw *draw) {
  image_part part;
  if (!image_part_drawn(draw, canvas->height, canvas->width, n, false, &part)) part = image_part_middle(canvas->height, canvas->width, n + 2);
  move_to(canvas, part.left, part.top, part.width, part.height);
  canvas->apart = true;
  return SCION_OK;
}

scion_status image_stage_centre(image_canvas *canvas, const double *n, image_draw *draw) {
  (void)draw;
  double scale = fmin((double)canvas->width / canvas->target_width, (double)canvas->height / canvas->target_height);
  double width = n[0] * scale * canvas->target_width, height = n[0] * scale * canvas->target_height;
  move_to(canvas, (canvas->width - width) / 2, (canvas->height - height) / 2, width, height);
  return SCION_OK;
}
