/* The operations by name, with the numbers that each takes. */
#include "ops.h"

#include <math.h>
#include <string.h>

typedef struct {
  unsigned char *pixels;
  int height, width;
  const double *amounts;
  image_buffer *work;
} op_call;

#define MOST_AMOUNTS 12

typedef struct {
  const char *name; /* NULL: there are no more */
  double low, high;
  bool whole;
} op_amount;

typedef struct {
  const char *name;
  scion_status (*run)(const op_call *call);
  op_amount amounts[MOST_AMOUNTS + 1];
} op_row;

#define FACTOR {"factor", 0, 1000, false}
#define SIDE(name, low) {name, low, SCION_MAX_PIXELS, true}
#define PLACE(name) SIDE(name, -(double)SCION_MAX_PIXELS)
#define BYTE(name) {name, 0, 255, true}
#define ENTRY(name) {name, -1e6, 1e6, false}

/* ---- from numbers to arguments */

#define ON c->pixels, c->height, c->width
#define NUMBER(i) c->amounts[i]
#define WHOLE(i) (int)c->amounts[i]

static scion_status run_brightness(const op_call *c) { return image_op_brightness(ON, NUMBER(0)), SCION_OK; }
static scion_status run_contrast(const op_call *c) { return image_op_contrast(ON, NUMBER(0)), SCION_OK; }
static scion_status run_saturation(const op_call *c) { return image_op_saturation(ON, NUMBER(0)), SCION_OK; }
static scion_status run_sharpness(const op_call *c) { return image_op_sharpness(ON, NUMBER(0), c->work); }
static scion_status run_hue(const op_call *c) { return image_op_hue(ON, NUMBER(0)), SCION_OK; }
static scion_status run_gray(const op_call *c) { return image_op_gray(ON), SCION_OK; }
static scion_status run_invert(const op_call *c) { return image_op_invert(ON), SCION_OK; }
static scion_status run_posterize(const op_call *c) { return image_op_posterize(ON, WHOLE(0)), SCION_OK; }
static scion_status run_solarize(const op_call *c) { return image_op_solarize(ON, NUMBER(0)), SCION_OK; }
static scion_status run_equalize(const op_call *c) { return image_op_equalize(ON), SCION_OK; }
static scion_status run_autocontrast(const op_call *c) { return image_op_autocontrast(ON), SCION_OK; }
static scion_status run_jpeg(const op_call *c) { return image_op_jpeg(ON, WHOLE(0), c->work); }

static scion_status run_gaussian_blur(const op_call *c) {
  if (WHOLE(0) % 2 == 0) return scion_fail(SCION_MISUSE, "gaussian_blur: the size is odd, not %d", WHOLE(0));
  return image_op_gaussian_blur(ON, WHOLE(0), NUMBER(1), c->work);
}

static scion_status run_channel_shift(const op_call *c) { return image_op_channel_shift(ON, NUMBER(0)), SCION_OK; }

static scion_status run_matrix(const op_call *c) {
  float m[12];
  for (int i = 0; i < 12; i++) m[i] = (float)NUMBER(i);
  return image_colour_apply(ON, m), SCION_OK;
}

static image_box box_of(const op_call *c) { return (image_box){WHOLE(0), WHOLE(1), WHOLE(2), WHOLE(3)}; }

static scion_status run_erase(const op_call *c) {
  unsigned char colour[3];
  for (int i = 0; i < 3; i++) colour[i] = (unsigned char)NUMBER(4 + i);
  return image_op_erase(ON, box_of(c), colour, 0), SCION_OK;
}

static scion_status run_erase_noise(const op_call *c) { return image_op_erase(ON, box_of(c), NULL, (uint64_t)NUMBER(4)), SCION_OK; }

#define BOX PLACE("top"), PLACE("left"), SIDE("height", 0), SIDE("width", 0)

static const op_row rows[] = {
    {"brightness", run_brightness, {FACTOR}},
    {"contrast", run_contrast, {FACTOR}},
    {"saturation", run_saturation, {FACTOR}},
    {"sharpness", run_sharpness, {FACTOR}},
    {"hue", run_hue, {{"fraction", -0.5, 0.5, false}}},
    {"gray", run_gray, {{NULL, 0, 0, false}}},
    {"invert", run_invert, {{NULL, 0, 0, false}}},
    {"posterize", run_posterize, {{"bits", 1, 8, true}}},
    {"solarize", run_solarize, {{"threshold", 0, 256, false}}},
    {"equalize", run_equalize, {{NULL, 0, 0, false}}},
    {"autocontrast", run_autocontrast, {{NULL, 0, 0, false}}},
    {"gaussian_blur", run_gaussian_blur, {{"size", 1, 1023, true}, {"sigma", 1e-3, 1e3, false}}},
    {"jpeg", run_jpeg, {{"quality", 1, 100, true}}},
    {"channel_shift", run_channel_shift, {{"levels", -255, 255, false}}},
    {"matrix", run_matrix, {ENTRY("rr"), ENTRY("rg"), ENTRY("rb"), ENTRY("r"), ENTRY("gr"), ENTRY("gg"), ENTRY("gb"), ENTRY("g"),
                            ENTRY("br"), ENTRY("bg"), ENTRY("bb"), ENTRY("b")}},
    {"erase", run_erase, {BOX, BYTE("red"), BYTE("green"), BYTE("blue")}},
    {"erase_noise", run_erase_noise, {BOX, {"seed", 0, 9007199254740992.0, true}}},
};

static scion_status check_amounts(const op_row *row, const double *amounts, int count) {
  int wanted = 0;
  while (row->amounts[wanted].name) wanted++;
  if (count != wanted) return scion_fail(SCION_MISUSE, "%s: wants %d number%s, not %d", row->name, wanted, wanted == 1 ? "" : "s", count);
  for (int i = 0; i < wanted; i++) {
    const op_amount *a = &row->amounts[i];
    if (!(amounts[i] >= a->low && amounts[i] <= a->high) || (a->whole && amounts[i] != floor(amounts[i])))
      return scion_fail(SCION_MISUSE, "%s: %s is a %snumber from %g to %g, not %g", row->name, a->name, a->whole ? "whole " : "", a->low,
                        a->high, amounts[i]);
  }
  return SCION_OK;
}

scion_status scion_image_op(scion_tensor *image, const char *name, const double *amounts, int count) {
  const op_row *row = rows, *end = rows + sizeof rows / sizeof rows[0];
  while (row < end && strcmp(row->name, name) != 0) row++;
  if (row == end) return scion_fail(SCION_MISUSE, "there is no image operation '%s'", name);
  char shape[SCION_SHAPE_TEXT];
  if (image->dtype != SCION_U8 || image->dims != 3 || image->shape[2] != 3 || !scion_tensor_contiguous(image) ||
      scion_tensor_rows(image) < 1 || scion_tensor_rows(image) > SCION_MAX_PIXELS)
    return scion_fail(SCION_MISUSE, "%s: wants a contiguous u8 tensor HxWx3, not %s %s", name, scion_dtype_name(image->dtype),
                      scion_shape_text(image, shape, sizeof shape));
  scion_status status = check_amounts(row, amounts, count);
  if (status != SCION_OK) return status;
  image_buffer work = {0};
  status = row->run(&(op_call){image->data, (int)image->shape[0], (int)image->shape[1], amounts, &work});
  image_buffer_free(&work);
  return status;
}
