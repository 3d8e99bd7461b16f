/* The canvas, and how stages run on it. What stages of geometry and colour ask for waits on the canvas, and is done at once when pixels
 * are wanted. */
#include "pipeline.h"

#include "ops/ops.h"
#include "stages.h"

#include <math.h>
#include <string.h>

/* ---- draws */

image_draw image_draw_from(uint64_t seed, uint32_t epoch, uint32_t index, uint32_t counter) {
  return (image_draw){.seed = seed, .epoch = epoch, .index = index, .counter = counter, .used = 4};
}

uint32_t image_draw_word(image_draw *draw) {
  if (draw->used == 4) {
    scion_random4(draw->seed, draw->epoch, draw->index, draw->counter++, SCION_DRAW_AUGMENT, draw->words);
    draw->used = 0;
  }
  return draw->words[draw->used++];
}

double image_draw_between(image_draw *draw, double low, double high) {
  return low + (high - low) * (double)scion_unit(image_draw_word(draw));
}

/* ---- the canvas */

static const double still[6] = {1, 0, 0, 0, 1, 0};

static void forget_move(image_canvas *canvas) {
  memcpy(canvas->matrix, still, sizeof still);
  canvas->fills = canvas->apart = false;
  canvas->antialias = true;
  canvas->fill = SCION_FILL_NEAREST;
}

static void forget_colour(image_canvas *canvas) {
  image_colour_identity(canvas->colour);
  canvas->coloured = false;
}

void image_canvas_set(image_canvas *canvas, const unsigned char *pixels, int height, int width) {
  canvas->pixels = pixels;
  canvas->own = false;
  canvas->height = canvas->rows = height;
  canvas->width = canvas->columns = width;
  canvas->settled = false;
  forget_move(canvas);
  forget_colour(canvas);
}

void image_canvas_set_decoded(image_canvas *canvas, const image_pixels *pixels, int height, int width) {
  image_canvas_set(canvas, pixels->memory.data, height, width);
  canvas->rows = pixels->height;
  canvas->columns = pixels->width;
  const scion_box *box = &pixels->box;
  double across = (box->right - box->left) / width, down = (box->bottom - box->top) / height;
  memcpy(canvas->matrix, (double[]){across, 0, across / 2 - 0.5 + box->left, 0, down, down / 2 - 0.5 + box->top}, sizeof canvas->matrix);
}

void image_canvas_free(image_canvas *canvas) {
  for (int i = 0; i < 2; i++) image_buffer_free(&canvas->memory[i]);
  image_buffer_free(&canvas->cut);
  image_buffer_free(&canvas->work);
  image_buffer_free(&canvas->small.memory);
}

void image_canvas_move(image_canvas *canvas, const double m[6], int height, int width) {
  double left[6];
  memcpy(left, canvas->matrix, sizeof left);
  for (int row = 0; row < 6 && !canvas->settled; row += 3) {
    canvas->matrix[row] = left[row] * m[0] + left[row + 1] * m[3];
    canvas->matrix[row + 1] = left[row] * m[1] + left[row + 1] * m[4];
    canvas->matrix[row + 2] = left[row] * m[2] + left[row + 1] * m[5] + left[row + 2];
  }
  canvas->height = height;
  canvas->width = width;
}

/* Memory for height x width pixels beside those that lie there: the target, where they fit it. */
static unsigned char *room(image_canvas *canvas, int height, int width) {
  if (height == canvas->target_height && width == canvas->target_width && canvas->pixels != canvas->target) return canvas->target;
  image_buffer *free = &canvas->memory[canvas->pixels == canvas->memory[0].data];
  return image_buffer_reserve(free, (size_t)height * (size_t)width * 3) == SCION_OK ? free->data : NULL;
}

static void lay(image_canvas *canvas, const unsigned char *pixels) {
  canvas->pixels = pixels;
  canvas->own = true;
  canvas->rows = canvas->height;
  canvas->columns = canvas->width;
  forget_move(canvas);
}

static size_t bytes(const image_canvas *canvas) { return (size_t)canvas->height * (size_t)canvas->width * 3; }

static scion_status no_memory(const image_canvas *canvas) {
  return scion_fail(SCION_NO_MEMORY, "out of memory: an image of %dx%d", canvas->height, canvas->width);
}

/* ---- geometry */

static void mirror_rows(unsigned char *pixels, int height, int width) {
  for (int r = 0; r < height; r++) {
    unsigned char *row = pixels + (size_t)r * (size_t)width * 3;
    for (int a = 0, b = width - 1; a < b; a++, b--) {
      unsigned char left[3];
      memcpy(left, row + 3 * a, 3);
      memcpy(row + 3 * a, row + 3 * b, 3);
      memcpy(row + 3 * b, left, 3);
    }
  }
}

static void swap_rows(unsigned char *pixels, int height, int width) {
  for (int a = 0, b = height - 1; a < b; a++, b--)
    for (int i = 0; i < 3 * width; i++) {
      unsigned char *above = pixels + (size_t)a * (size_t)width * 3 + i, *below = pixels + (size_t)b * (size_t)width * 3 + i;
      unsigned char byte = *above;
      *above = *below;
      *below = byte;
    }
}

static const double hair = 1e-6; /* of a pixel: what rounding may move an edge by */

/* The part of `size` pixels that `new_size` pixels, i at scale * i + offset, cover. Whether it lies inside. */
static bool part(double scale, double offset, int size, int new_size, double *low, double *high) {
  double a = offset + 0.5 - scale / 2, b = a + scale * new_size;
  *low = fmin(a, b);
  *high = fmax(a, b);
  if (*low < -hair || *high > size + hair || *high - *low < hair) return false;
  if (fabs(*low - rint(*low)) < hair) *low = rint(*low);
  if (fabs(*high - rint(*high)) < hair) *high = rint(*high);
  return true;
}

/* Resizes a part of what lies there. Where it was cut out, the whole pixels that it touches are cut out before. */
static scion_status resize_part(image_canvas *canvas, scion_box box, unsigned char *y, int height, int width) {
  int left = (int)floor(box.left), top = (int)floor(box.top), columns = (int)ceil(box.right) - left, rows = (int)ceil(box.bottom) - top;
  const unsigned char *x = canvas->pixels;
  if (!canvas->apart) return image_resize(x, canvas->rows, canvas->columns, &box, canvas->filter, y, height, width, &canvas->work);
  if (rows < canvas->rows || columns < canvas->columns) {
    scion_status status = image_buffer_reserve(&canvas->cut, (size_t)rows * (size_t)columns * 3);
    if (status != SCION_OK) return status;
    for (int r = 0; r < rows; r++)
      memcpy(canvas->cut.data + (size_t)r * (size_t)columns * 3, x + ((size_t)(top + r) * (size_t)canvas->columns + (size_t)left) * 3, (size_t)columns * 3);
    x = canvas->cut.data;
  }
  box = (scion_box){box.left - left, box.top - top, box.right - left, box.bottom - top};
  return image_resize(x, rows, columns, &box, canvas->filter, y, height, width, &canvas->work);
}

/* Whether the image is a part of what lies there with sides along its sides, perhaps flipped: a resize, and no warp. */
static bool is_part(const image_canvas *canvas, scion_box *box) {
  const double *m = canvas->matrix;
  return canvas->antialias && fabs(m[1]) * canvas->height < hair && fabs(m[3]) * canvas->width < hair &&
         part(m[0], m[2], canvas->columns, canvas->width, &box->left, &box->right) &&
         part(m[4], m[5], canvas->rows, canvas->height, &box->top, &box->bottom);
}

/* One axis of what lies there, of which `size` pixels are read from `low` to `high`, at `steps` of them a pixel of the image: shrunk to one
 * a pixel, which pixels, and to how many. */
static void shrink_axis(double low, double high, double steps, int size, bool whole, int *first, int *end, int *count) {
  *first = whole ? 0 : (int)fmin(fmax(floor(low) - 1, 0), size - 1);
  *end = whole ? size : (int)fmax(fmin(ceil(high) + 2, size), *first + 1);
  *count = steps > 1 + hair ? (int)fmax(1, ceil((*end - *first) / steps)) : *end - *first;
}

/* Where less than one pixel of the image falls upon a pixel of what lies there, the part that is read is first resized so that none does:
 * bilinear interpolation of 2x2 pixels then sees all of them. It becomes what lies there. */
static scion_status shrink(image_canvas *canvas, image_pixels *small, double m[6], int *rows, int *columns, const unsigned char **x) {
  *rows = canvas->rows, *columns = canvas->columns, *x = canvas->pixels;
  double across = hypot(m[0], m[1]), down = hypot(m[3], m[4]);
  if (across <= 1 + hair && down <= 1 + hair) return SCION_OK;
  double low_x = m[2], high_x = m[2], low_y = m[5], high_y = m[5];
  for (int corner = 1; corner < 4; corner++) {
    double i = corner & 1 ? canvas->width - 1 : 0, j = corner & 2 ? canvas->height - 1 : 0;
    double at_x = m[0] * i + m[1] * j + m[2], at_y = m[3] * i + m[4] * j + m[5];
    low_x = fmin(low_x, at_x), high_x = fmax(high_x, at_x), low_y = fmin(low_y, at_y), high_y = fmax(high_y, at_y);
  }
  bool whole = canvas->fill == SCION_FILL_REFLECT || canvas->fill == SCION_FILL_WRAP;
  int left, right, top, bottom, width, height;
  shrink_axis(low_x, high_x, across, canvas->columns, whole, &left, &right, &width);
  shrink_axis(low_y, high_y, down, canvas->rows, whole, &top, &bottom, &height);
  scion_status status = image_pixels_reserve(small, height, width, 3);
  if (status == SCION_OK) status = resize_part(canvas, (scion_box){left, top, right, bottom}, small->memory.data, height, width);
  double step_x = (double)(right - left) / width, step_y = (double)(bottom - top) / height;
  for (int i = 0; i < 3; i++) m[i] /= step_x, m[3 + i] /= step_y;
  m[2] += (0.5 - left) / step_x - 0.5;
  m[5] += (0.5 - top) / step_y - 0.5;
  *rows = height, *columns = width, *x = small->memory.data;
  return status;
}

/* Whether the colours are those that a warp gives without further work. */
static bool one_gain(const float m[12]) {
  return m[0] == m[5] && m[0] == m[10] && m[1] == 0 && m[2] == 0 && m[4] == 0 && m[6] == 0 && m[8] == 0 && m[9] == 0;
}

static scion_status warp(image_canvas *canvas, unsigned char *y) {
  scion_warp w = {.gain = 1};
  memcpy(w.matrix, canvas->matrix, sizeof w.matrix);
  if (canvas->coloured && one_gain(canvas->colour)) {
    w.gain = canvas->colour[0];
    for (int c = 0; c < 3; c++) w.shift[c] = canvas->colour[4 * c + 3];
    forget_colour(canvas);
  }
  int rows = canvas->rows, columns = canvas->columns;
  const unsigned char *x = canvas->pixels;
  scion_status status = canvas->antialias ? shrink(canvas, &canvas->small, w.matrix, &rows, &columns, &x) : SCION_OK;
  if (status == SCION_OK) image_warp(x, rows, columns, y, canvas->height, canvas->width, &w, canvas->fill, canvas->value);
  return status;
}

static bool moves(const image_canvas *canvas) {
  return canvas->height != canvas->rows || canvas->width != canvas->columns || memcmp(canvas->matrix, still, sizeof still) != 0;
}

static scion_status settle_move(image_canvas *canvas) {
  canvas->settled = !canvas->pixels;
  if (canvas->settled) return SCION_OK;
  if (!moves(canvas)) {
    forget_move(canvas);
    return SCION_OK;
  }
  scion_box box;
  unsigned char *y = room(canvas, canvas->height, canvas->width);
  if (!y) return no_memory(canvas);
  scion_status status;
  if (is_part(canvas, &box)) {
    status = resize_part(canvas, box, y, canvas->height, canvas->width);
    if (status == SCION_OK && canvas->matrix[0] < 0) mirror_rows(y, canvas->height, canvas->width);
    if (status == SCION_OK && canvas->matrix[4] < 0) swap_rows(y, canvas->height, canvas->width);
  } else {
    status = warp(canvas, y);
  }
  if (status == SCION_OK) lay(canvas, y);
  return status;
}

/* ---- pixels */

static unsigned char *owned(image_canvas *canvas) {
  if (!canvas->own) {
    unsigned char *copy = room(canvas, canvas->height, canvas->width);
    if (!copy) return NULL;
    memcpy(copy, canvas->pixels, bytes(canvas));
    lay(canvas, copy);
  }
  return (unsigned char *)canvas->pixels; /* its own */
}

scion_status image_canvas_settle(image_canvas *canvas) {
  scion_status status = settle_move(canvas);
  if (status != SCION_OK || !canvas->coloured) return status;
  unsigned char *pixels = owned(canvas);
  if (!pixels) return no_memory(canvas);
  image_colour_apply(pixels, canvas->height, canvas->width, canvas->colour);
  forget_colour(canvas);
  return SCION_OK;
}

unsigned char *image_canvas_pixels(image_canvas *canvas) {
  return image_canvas_settle(canvas) == SCION_OK ? owned(canvas) : NULL;
}

scion_status image_canvas_mean(image_canvas *canvas, double *mean) {
  scion_status status = settle_move(canvas);
  if (status == SCION_OK) *mean = image_colour_mean(canvas->pixels, canvas->height, canvas->width, canvas->colour);
  return status;
}

/* ---- as large as the target */

scion_status image_canvas_fit(image_canvas *canvas) {
  const int height = canvas->target_height, width = canvas->target_width;
  if (canvas->height == height && canvas->width == width) return SCION_OK;
  double across = (double)canvas->width / width, down = (double)canvas->height / height;
  if (canvas->fit == SCION_FIT_SQUASH) {
    image_canvas_move(canvas, (double[]){across, 0, across / 2 - 0.5, 0, down, down / 2 - 0.5}, height, width);
    return SCION_OK;
  }
  if (canvas->fit == SCION_FIT_CROP) return image_stage_centre(canvas, (double[]){1}, NULL);
  /* as Pillow's ImageOps.pad: the shorter side is rounded, and so is where it begins */
  int inner_height = across > down ? (int)fmax(1, rint(canvas->height / across)) : height;
  int inner_width = across > down ? width : (int)fmax(1, rint(canvas->width / down));
  int top = (int)rint((height - inner_height) * 0.5), left = (int)rint((width - inner_width) * 0.5);
  image_canvas_move(canvas, (double[]){(double)canvas->width / inner_width, 0, (double)canvas->width / inner_width / 2 - 0.5, 0,
                                       (double)canvas->height / inner_height, (double)canvas->height / inner_height / 2 - 0.5},
                    inner_height, inner_width);
  scion_status status = image_canvas_settle(canvas);
  if (status != SCION_OK) return status;
  image_canvas_move(canvas, (double[]){1, 0, -left, 0, 1, -top}, height, width);
  canvas->fills = true, canvas->fill = SCION_FILL_CONSTANT, canvas->value = canvas->fit_value;
  return image_canvas_settle(canvas);
}

/* ---- stages */

#define OWN_DRAWS 255 /* of the 256 counters of a stage the last one is that of p */

static bool happens(const image_canvas *canvas, const scion_stage *stage) {
  if (stage->p >= 1) return true;
  image_draw draw = image_draw_from(canvas->seed, canvas->epoch, canvas->index, stage->counter + OWN_DRAWS);
  return image_draw_between(&draw, 0, 1) < stage->p;
}

static bool moves_places(const scion_stage *stage) {
  image_stage_kind kind = image_stage_rows[stage->op].kind;
  return kind == STAGE_GEOMETRY || kind == STAGE_CROP;
}

scion_status image_canvas_run(image_canvas *canvas, const scion_stage *stage) {
  if (!happens(canvas, stage)) return SCION_OK;
  const image_stage_row *row = &image_stage_rows[stage->op];
  image_draw draw = image_draw_from(canvas->seed, canvas->epoch, canvas->index, stage->counter);
  canvas->members = stage + 1;
  canvas->member_count = stage->members;
  if (!moves_places(stage)) return row->run(canvas, stage->numbers, &draw);
  bool fills = stage->fill != SCION_FILLS;
  bool other = fills && canvas->fills && (canvas->fill != stage->fill || canvas->value != stage->fill_value);
  scion_status status = canvas->coloured || other ? image_canvas_settle(canvas) : SCION_OK;
  if (status == SCION_OK) status = row->run(canvas, stage->numbers, &draw);
  if (fills) canvas->fills = true, canvas->fill = stage->fill, canvas->value = stage->fill_value; /* after a stage that settles */
  return status;
}

scion_status image_pipeline_run(image_canvas *canvas, const scion_stage *stages, int count) {
  scion_status status = SCION_OK;
  for (int i = 0; i < count && status == SCION_OK; i += 1 + stages[i].members) status = image_canvas_run(canvas, &stages[i]);
  if (status == SCION_OK) status = image_canvas_fit(canvas);
  if (status == SCION_OK) status = image_canvas_settle(canvas);
  if (status == SCION_OK && canvas->pixels != canvas->target) memcpy(canvas->target, canvas->pixels, bytes(canvas));
  return status;
}

image_enough image_pipeline_enough(image_canvas *canvas, const scion_stage *stages, int count, double gap, int height, int width) {
  image_canvas_set(canvas, NULL, height, width);
  int i = 0;
  for (; i < count && !canvas->settled && moves_places(&stages[i]); i++) image_canvas_run(canvas, &stages[i]);
  if (i == count) image_canvas_fit(canvas);
  const double *m = canvas->matrix;
  const double just = 1 - 1e-9; /* so that rounding does not ask for more than the half that is enough */
  return (image_enough){.height = just * gap * height / hypot(m[3], m[4]), .width = just * gap * width / hypot(m[0], m[1])};
}
