/* Antialiased bilinear resizing, to the byte what Pillow's Image.resize(BILINEAR) gives: the triangle is as wide as the ratio
 * of sizes, weights are rounded to 22 bits, and the image passes first across, then down, with 8 bits a value in between. */
#include "image.h"
#include "resize.h"

#include <math.h>
#include <string.h>

/* The memory of one resize, cut from one piece. */
typedef struct {
  resize_taps across, down;
  double *row;           /* weights of one result before rounding */
  uint32_t *columns;     /* scratch of resize_across */
  unsigned char *middle; /* height x new_width pixels */
} workspace;

static int most_taps(int size, int new_size) {
  double scale = (double)size / new_size;
  return (int)ceil(scale < 1 ? 1 : scale) * 2 + 1;
}

static void fill_taps(resize_taps *taps, int size, int new_size, double *row) {
  double scale = (double)size / new_size, support = scale < 1 ? 1 : scale;
  for (int i = 0; i < new_size; i++) {
    double center = (i + 0.5) * scale, sum = 0;
    int first = (int)(center - support + 0.5), end = (int)(center + support + 0.5);
    if (first < 0) first = 0;
    if (end > size) end = size;
    for (int t = 0; t < end - first; t++) {
      double distance = fabs((t + first - center + 0.5) * (1.0 / support));
      row[t] = distance < 1 ? 1 - distance : 0;
      sum += row[t];
    }
    taps->first[i] = first;
    taps->count[i] = end - first;
    for (int t = 0; t < end - first; t++)
      taps->weights[(size_t)i * (size_t)taps->most + (size_t)t] = (int32_t)(0.5 + (sum != 0 ? row[t] / sum : row[t]) * (1 << RESIZE_BITS));
  }
}

static unsigned char *cut(unsigned char **from, size_t bytes) {
  unsigned char *piece = *from;
  *from += scion_divide_up(bytes, SCION_ALIGNMENT) * SCION_ALIGNMENT;
  return piece;
}

static void cut_taps(resize_taps *taps, unsigned char **from, int size, int new_size) {
  taps->most = most_taps(size, new_size);
  taps->first = (int32_t *)(void *)cut(from, (size_t)new_size * sizeof *taps->first);
  taps->count = (int32_t *)(void *)cut(from, (size_t)new_size * sizeof *taps->count);
  taps->weights = (int32_t *)(void *)cut(from, (size_t)new_size * (size_t)taps->most * sizeof *taps->weights);
}

/* Called once without memory, to learn how much is needed. Sizes are at most 2^28, so that no product overflows 64 bits. */
static size_t lay_out(workspace *w, unsigned char *memory, int height, int width, int new_height, int new_width) {
  unsigned char *from = memory;
  cut_taps(&w->across, &from, width, new_width);
  cut_taps(&w->down, &from, height, new_height);
  int most = w->across.most > w->down.most ? w->across.most : w->down.most;
  w->row = (double *)(void *)cut(&from, (size_t)most * sizeof *w->row);
  w->columns = (uint32_t *)(void *)cut(&from, ((size_t)width + (size_t)new_width) * RESIZE_MAX_LANES * sizeof *w->columns);
  w->middle = cut(&from, (size_t)height * (size_t)new_width * 3);
  return (size_t)((uintptr_t)from - (uintptr_t)memory);
}

static void pass_across(const unsigned char *x, int height, int width, unsigned char *y, int new_width, workspace *w) {
  fill_taps(&w->across, width, new_width, w->row);
  int lanes = SIMD_CHOOSE(resize_lanes)();
  for (int r = 0; r < height; r += lanes)
    SIMD_CHOOSE(resize_across)(x + (size_t)r * (size_t)width * 3, height - r < lanes ? height - r : lanes, width,
                               y + (size_t)r * (size_t)new_width * 3, new_width, &w->across, w->columns);
}

static void pass_down(const unsigned char *x, int height, int width, unsigned char *y, int new_height, workspace *w) {
  fill_taps(&w->down, height, new_height, w->row);
  ptrdiff_t bytes = (ptrdiff_t)width * 3;
  for (int r = 0; r < new_height; r++)
    SIMD_CHOOSE(resize_down)(x + w->down.first[r] * bytes, bytes, y + r * bytes,
                             w->down.weights + (size_t)r * (size_t)w->down.most, w->down.count[r]);
}

scion_status image_resize(const unsigned char *x, int height, int width, unsigned char *y, int new_height, int new_width,
                          image_buffer *work) {
  workspace w;
  scion_status status = image_buffer_reserve(work, lay_out(&w, NULL, height, width, new_height, new_width) + SCION_ALIGNMENT);
  if (status != SCION_OK) return status;
  unsigned char *aligned = work->data + (SCION_ALIGNMENT - (uintptr_t)work->data % SCION_ALIGNMENT) % SCION_ALIGNMENT;
  lay_out(&w, aligned, height, width, new_height, new_width);
  bool across = width != new_width, down = height != new_height;
  if (across) pass_across(x, height, width, down ? w.middle : y, new_width, &w);
  if (down) pass_down(across ? w.middle : x, height, new_width, y, new_height, &w);
  if (!across && !down) memcpy(y, x, (size_t)height * (size_t)width * 3);
  return SCION_OK;
}

scion_status scion_image_resize(const scion_tensor *x, scion_tensor *y) {
  char a[SCION_SHAPE_TEXT], b[SCION_SHAPE_TEXT];
  const scion_tensor *both[] = {x, y};
  for (int i = 0; i < 2; i++) {
    const scion_tensor *t = both[i];
    if (t->dtype != SCION_U8 || t->dims != 3 || t->shape[2] != 3 || !scion_tensor_contiguous(t) || scion_tensor_rows(t) < 1 ||
        scion_tensor_rows(t) > SCION_MAX_PIXELS)
      return scion_fail(SCION_MISUSE, "resize: wants contiguous u8 tensors HxWx3, not %s into %s", scion_shape_text(x, a, sizeof a),
                        scion_shape_text(y, b, sizeof b));
  }
  image_buffer work = {0};
  scion_status status = image_resize(x->data, (int)x->shape[0], (int)x->shape[1], y->data, (int)y->shape[0], (int)y->shape[1], &work);
  image_buffer_free(&work);
  return status;
}
