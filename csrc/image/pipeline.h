/* An image on its way through the stages of an augmentation: what lies in memory, and the changes that wait to be done to it together. */
#ifndef SCION_PIPELINE_H
#define SCION_PIPELINE_H

#include "image.h"

/* Random numbers of one stage for one image: they depend on (seed, epoch, image, counter) alone. */
typedef struct {
  uint64_t seed;
  uint32_t epoch, index, counter;
  uint32_t words[4];
  int used; /* of words */
} image_draw;

image_draw image_draw_from(uint64_t seed, uint32_t epoch, uint32_t index, uint32_t counter);
uint32_t image_draw_word(image_draw *draw);
double image_draw_between(image_draw *draw, double low, double high); /* high is left out, unless it is low */

typedef struct {
  /* what lies there */
  const unsigned char *pixels;
  int rows, columns;
  bool own; /* whether it is the canvas' to change */
  /* what it stands for: pixel (x, y) of an image of height x width is at column m0*x + m1*y + m2, row m3*x + m4*y + m5 of it */
  int height, width;
  double matrix[6];
  bool settled;   /* without pixels: they were asked for, and the matrix stays that of this first picture */
  bool antialias; /* shrinking takes all pixels, and not 2x2 */
  bool apart;     /* what lies beside the part that is shown has no weight in it: it was cut out */
  bool fills;     /* a stage reaches outside, by this fill: */
  scion_fill fill;
  unsigned char value;
  /* and then its colours change by this matrix, see ops/ops.h */
  float colour[12];
  bool coloured;
  /* whose changes these are, and the members of the stage that runs */
  uint64_t seed;
  uint32_t epoch, index;
  const scion_stage *members;
  int member_count;
  /* for all images */
  unsigned char *target; /* where the result goes, target_height x target_width pixels */
  int target_height, target_width;
  scion_filter filter;          /* of a resize */
  scion_fit fit;                /* of an image of another shape, */
  unsigned char fit_value;      /* and with what it is padded */
  image_buffer memory[2];       /* pixels in between */
  image_buffer cut, work;       /* scratch of a resize, */
  image_pixels small;           /* and of a warp */
} image_canvas;

/* Puts an image onto the canvas; pixels stay the caller's and are not changed. Without pixels (NULL) nothing is done to any. */
void image_canvas_set(image_canvas *canvas, const unsigned char *pixels, int height, int width);
/* The pixels of an image that was decoded at a fraction of its size; see image_pixels. */
void image_canvas_set_decoded(image_canvas *canvas, const image_pixels *pixels, int height, int width);
void image_canvas_free(image_canvas *canvas);
/* The image shall be height x width and its pixel (x, y) be that at column m0*x + m1*y + m2, row m3*x + m4*y + m5 of what it was. */
void image_canvas_move(image_canvas *canvas, const double m[6], int height, int width);
/* The mean of its gray image, if nothing of what waits is cut off. */
scion_status image_canvas_mean(image_canvas *canvas, double *mean);
/* Does what waits, so that the pixels are those of the image. */
scion_status image_canvas_settle(image_canvas *canvas);
/* The same, and returns the pixels for the caller to change; NULL if there is no memory. */
unsigned char *image_canvas_pixels(image_canvas *canvas);

/* Runs a stage; for those that have members. */
scion_status image_canvas_run(image_canvas *canvas, const scion_stage *stage);
/* Runs stages on what lies on the canvas. The result, target_height x target_width pixels, is put into canvas->target. */
scion_status image_pipeline_run(image_canvas *canvas, const scion_stage *stages, int count);
/* How large an image of height x width must be decoded for them, `gap` pixels for each one of the first picture that they make. */
image_enough image_pipeline_enough(image_canvas *canvas, const scion_stage *stages, int count, double gap, int height, int width);
/* Makes it as large as the target. */
scion_status image_canvas_fit(image_canvas *canvas);

/* ---- ops/crop.c: boxes of pixels as torchvision's RandomResizedCrop.get_params finds them */
typedef struct {
  int top, left, height, width;
} image_part;
/* Whether a part of that share of the area, with that width as one of its height, fits into height x width pixels, and its size;
 * smaller: it must be smaller in both. */
bool image_part_fits(int height, int width, double area, double ratio, bool smaller, image_part *part);
/* The largest part in the middle with a ratio from ratio[0] to ratio[1]. */
image_part image_part_middle(int height, int width, const double ratio[2]);
/* The first of ten drawn parts that fits, with n = {least area, most area, least ratio, most ratio}; false: none of them did. */
bool image_part_drawn(image_draw *draw, int height, int width, const double n[4], bool smaller, image_part *part);

/* ---- ops/: n are the stage's numbers, in the order of its row */
#define STAGE(name, kind, numbers) scion_status image_stage_##name(image_canvas *canvas, const double *n, image_draw *draw);
#define NUMBER(...)
#include "stages.def"

#endif
