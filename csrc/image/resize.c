/* Resizing, to the byte what Pillow's Image.resize gives. All filters but the nearest pixel are antialiased: they are as wide as the ratio
 * of sizes, weights are rounded to 22 bits, and the image is resized along one axis after the other, with 8 bits a value in between. */
#include "image.h"
#include "resize.h"

#include <math.h>
#include <string.h>

/* ---- filters: the weight at a distance from the centre, in pixels of the smaller of the two images */

static double bilinear(double x) { return fabs(x) < 1 ? 1 - fabs(x) : 0; }

static double area(double x) { return x > -0.5 && x <= 0.5 ? 1 : 0; }

/* Catmull and Rom's spline: Keys's cubic with a = -1/2. */
static double bicubic(double x) {
  x = fabs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

typedef struct {
  double (*weight)(double distance);
  double support; /* where it ends, to either side */
} filter_shape;

static const filter_shape shapes[SCION_FILTERS] = {
  [SCION_FILTER_BILINEAR] = {bilinear, 1}, [SCION_FILTER_BICUBIC] = {bicubic, 2}, [SCION_FILTER_AREA] = {area, 0.5}};

/* ---- weights */

/* One axis: the part from `from` to `upto` of `size` pixels becomes new_size pixels. Pillow's boxes are of floats. */
typedef struct {
  int size, new_size;
  float from, upto;
} axis;

static double scale_of(const axis *a) { return (double)(a->upto - a->from) / a->new_size; }

static double support_of(const axis *a, const filter_shape *shape) { return shape->support * fmax(scale_of(a), 1); }

static void fill_taps(resize_taps *taps, const axis *a, const filter_shape *shape, double *row) {
  double scale = scale_of(a), support = support_of(a, shape), narrow = 1.0 / fmax(scale, 1);
  for (int i = 0; i < a->new_size; i++) {
    double center = a->from + (i + 0.5) * scale, sum = 0;
    int first = (int)(center - support + 0.5), end = (int)(center + support + 0.5);
    if (first < 0) first = 0;
    if (end > a->size) end = a->size;
    for (int t = 0; t < end - first; t++) sum += row[t] = shape->weight((t + first - center + 0.5) * narrow);
    taps->first[i] = first;
    taps->count[i] = end - first;
    for (int t = 0; t < end - first; t++) {
      double weight = (sum != 0 ? row[t] / sum : row[t]) * (1 << RESIZE_BITS);
      taps->weights[(size_t)i * (size_t)taps->most + (size_t)t] = (int32_t)(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
  }
}

/* Lets the first input that is used count as number 0; returns which it was, and how many are used. */
static int from_first_used(resize_taps *taps, int new_size, int *used) {
  int first = taps->first[0];
  *used = taps->first[new_size - 1] + taps->count[new_size - 1] - first;
  for (int i = 0; i < new_size; i++) taps->first[i] -= first;
  return first;
}

/* Pillow 13's rule: the rows are made fewer first where the height shrinks by more than twice as many pixels as the width does. The two orders
 * round the values in between otherwise. */
static bool goes_down_first(const axis *across, const axis *down) {
  int shorter = down->size - down->new_size;
  return shorter > 0 && shorter > 2 * (int64_t)(across->size - across->new_size);
}

/* ---- memory */

/* The memory of one resize, cut from one piece. */
typedef struct {
  resize_taps across, down;
  double *row;           /* weights of one result before rounding */
  uint32_t *columns;     /* scratch of resize_across */
  unsigned char *middle; /* what the first of two passes makes */
} workspace;

static unsigned char *cut(unsigned char **from, size_t bytes) {
  unsigned char *piece = *from;
  *from += scion_divide_up(bytes, SCION_ALIGNMENT) * SCION_ALIGNMENT;
  return piece;
}

static void cut_taps(resize_taps *taps, unsigned char **from, const axis *a, const filter_shape *shape) {
  taps->most = (int)ceil(support_of(a, shape)) * 2 + 1;
  taps->first = (int32_t *)(void *)cut(from, (size_t)a->new_size * sizeof *taps->first);
  taps->count = (int32_t *)(void *)cut(from, (size_t)a->new_size * sizeof *taps->count);
  taps->weights = (int32_t *)(void *)cut(from, (size_t)a->new_size * (size_t)taps->most * sizeof *taps->weights);
}

/* Called once without memory, to learn how much is needed. Sizes are at most 2^28, so that no product overflows 64 bits. */
static size_t lay_out(workspace *w, unsigned char *memory, const axis *across, const axis *down, const filter_shape *shape) {
  unsigned char *from = memory;
  cut_taps(&w->across, &from, across, shape);
  cut_taps(&w->down, &from, down, shape);
  int most = w->across.most > w->down.most ? w->across.most : w->down.most;
  w->row = (double *)(void *)cut(&from, (size_t)most * sizeof *w->row);
  w->columns = (uint32_t *)(void *)cut(&from, ((size_t)across->size + (size_t)across->new_size) * RESIZE_MAX_LANES * sizeof *w->columns);
  w->middle = cut(&from, (goes_down_first(across, down) ? (size_t)down->new_size * (size_t)across->size : (size_t)down->size * (size_t)across->new_size) * 3);
  return (size_t)((uintptr_t)from - (uintptr_t)memory);
}

/* ---- passes */

static void pass_across(const unsigned char *x, ptrdiff_t stride, int height, int used, unsigned char *y, int new_width, const workspace *w) {
  int lanes = SIMD_CHOOSE(resize_lanes)();
  for (int r = 0; r < height; r += lanes)
    SIMD_CHOOSE(resize_across)(x + r * stride, stride, height - r < lanes ? height - r : lanes, used, y + (size_t)r * (size_t)new_width * 3,
                               new_width, &w->across, w->columns);
}

static void pass_down(const unsigned char *x, ptrdiff_t stride, ptrdiff_t bytes, unsigned char *y, int new_height, const workspace *w) {
  for (int r = 0; r < new_height; r++)
    SIMD_CHOOSE(resize_down)(x + w->down.first[r] * stride, stride, bytes, y + r * bytes,
                             w->down.weights + (size_t)r * (size_t)w->down.most, w->down.count[r]);
}

static scion_status resample(const unsigned char *x, unsigned char *y, const axis *across, const axis *down, const filter_shape *shape,
                             image_buffer *work) {
  workspace w;
  scion_status status = image_buffer_reserve(work, lay_out(&w, NULL, across, down, shape) + SCION_ALIGNMENT);
  if (status != SCION_OK) return status;
  unsigned char *aligned = work->data + (SCION_ALIGNMENT - (uintptr_t)work->data % SCION_ALIGNMENT) % SCION_ALIGNMENT;
  lay_out(&w, aligned, across, down, shape);
  fill_taps(&w.across, across, shape, w.row);
  fill_taps(&w.down, down, shape, w.row);
  int rows, columns;
  ptrdiff_t stride = (ptrdiff_t)across->size * 3, new_stride = (ptrdiff_t)across->new_size * 3;
  x += from_first_used(&w.down, down->new_size, &rows) * stride;
  x += from_first_used(&w.across, across->new_size, &columns) * 3;
  bool goes_across = across->from != 0 || across->upto != (float)across->new_size || across->size != across->new_size;
  bool goes_down = down->from != 0 || down->upto != (float)down->new_size || down->size != down->new_size;
  if (!goes_down) {
    pass_across(x, stride, rows, columns, y, across->new_size, &w);
  } else if (!goes_across) {
    pass_down(x, stride, new_stride, y, down->new_size, &w);
  } else if (goes_down_first(across, down)) {
    pass_down(x, stride, (ptrdiff_t)columns * 3, w.middle, down->new_size, &w);
    pass_across(w.middle, (ptrdiff_t)columns * 3, down->new_size, columns, y, across->new_size, &w);
  } else {
    pass_across(x, stride, rows, columns, w.middle, across->new_size, &w);
    pass_down(w.middle, new_stride, new_stride, y, down->new_size, &w);
  }
  return SCION_OK;
}

/* ---- the nearest pixel. Positions are added up as Pillow does it, rounding included. */

static double nearest_first(const axis *a) { return a->from + scale_of(a) * 0.5; }

static int nearest_at(const axis *a, double position) { return position < a->size - 1 ? (int)position : a->size - 1; }

static void take_nearest(const unsigned char *x, unsigned char *y, const axis *across, const axis *down) {
  double position = nearest_first(down);
  for (int r = 0; r < down->new_size; r++, position += scale_of(down)) {
    const unsigned char *row = x + (size_t)nearest_at(down, position) * (size_t)across->size * 3;
    double along = nearest_first(across);
    for (int i = 0; i < across->new_size; i++, along += scale_of(across), y += 3) memcpy(y, row + 3 * (size_t)nearest_at(across, along), 3);
  }
}

/* ---- all of it */

/* Whether pixels need only be copied along an axis. */
static bool keeps(const axis *a) { return a->from == floorf(a->from) && a->upto - a->from == (float)a->new_size; }

scion_status image_resize(const unsigned char *x, int height, int width, const scion_box *box, scion_filter filter, unsigned char *y,
                          int new_height, int new_width, image_buffer *work) {
  axis across = {width, new_width, 0, (float)width}, down = {height, new_height, 0, (float)height};
  if (box) {
    across.from = (float)box->left, across.upto = (float)box->right;
    down.from = (float)box->top, down.upto = (float)box->bottom;
    if (!(across.from >= 0 && across.from < across.upto && across.upto <= (float)width && down.from >= 0 && down.from < down.upto &&
          down.upto <= (float)height))
      return scion_fail(SCION_MISUSE, "resize: the box from %g, %g to %g, %g is empty or reaches beyond the image, which is %d wide and %d high",
                        box->left, box->top, box->right, box->bottom, width, height);
  }
  if (keeps(&across) && keeps(&down)) {
    x += ((size_t)down.from * (size_t)width + (size_t)across.from) * 3;
    for (int r = 0; r < new_height; r++) memcpy(y + (size_t)r * (size_t)new_width * 3, x + (size_t)r * (size_t)width * 3, (size_t)new_width * 3);
    return SCION_OK;
  }
  if (filter != SCION_FILTER_NEAREST) return resample(x, y, &across, &down, &shapes[filter], work);
  take_nearest(x, y, &across, &down);
  return SCION_OK;
}

/* Whether a tensor is one image or several. */
static bool holds_images(const scion_tensor *t) {
  if (t->dtype != SCION_U8 || (t->dims != 3 && t->dims != 4) || !scion_tensor_contiguous(t)) return false;
  const int64_t *size = t->shape + t->dims - 3;
  return size[0] >= 1 && size[1] >= 1 && size[0] * size[1] <= SCION_MAX_PIXELS && size[2] == 3;
}

scion_status scion_image_resize(const scion_tensor *x, scion_tensor *y, const scion_box *box, scion_filter filter) {
  char a[SCION_SHAPE_TEXT], b[SCION_SHAPE_TEXT];
  if (!holds_images(x) || !holds_images(y) || x->dims != y->dims || (x->dims == 4 && x->shape[0] != y->shape[0]))
    return scion_fail(SCION_MISUSE, "resize: wants contiguous u8 tensors HxWx3 or NxHxWx3, not %s into %s", scion_shape_text(x, a, sizeof a),
                      scion_shape_text(y, b, sizeof b));
  const int64_t *size = x->shape + x->dims - 3, *new_size = y->shape + y->dims - 3, n = x->dims == 4 ? x->shape[0] : 1;
  image_buffer work = {0};
  scion_status status = SCION_OK;
  for (int64_t i = 0; i < n && status == SCION_OK; i++)
    status = image_resize((const unsigned char *)x->data + i * size[0] * size[1] * 3, (int)size[0], (int)size[1], box, filter,
                          (unsigned char *)y->data + i * new_size[0] * new_size[1] * 3, (int)new_size[0], (int)new_size[1], &work);
  image_buffer_free(&work);
  return status;
}
