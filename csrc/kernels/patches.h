/* Walking a window over images, for the kernels that work pixel by pixel: bands of rows for the threads, and at each pixel the
 * part of the window that meets the other image. */
#ifndef SCION_PATCHES_H
#define SCION_PATCHES_H

#include "loops.h"

/* Images cut into bands of rows by their shape alone; each (image, band) is a chunk for scion_parallel_for. */
typedef struct {
  int64_t images, height, rows, bands;
} scion_bands;

typedef struct {
  int64_t image, from, to; /* rows from .. to-1 */
} scion_band;

/* For an image [N,H,W,C] whose elements cost `taps` operations each. */
scion_bands scion_bands_of(const scion_tensor *t, int64_t taps);
scion_band scion_band_at(const scion_bands *bands, int64_t chunk);

/* Along one axis, the taps of a window that meet pixels: tap, tap + tap_step, .. meet pixels at, at + at_step, ... */
typedef struct {
  int64_t count, tap, tap_step, at, at_step;
} scion_taps;

/* Which input pixels the window at that output position covers. */
scion_taps scion_taps_of_output(const scion_window *window, int axis, int64_t output, int64_t input_size);
/* At which output positions the window covers that input pixel. */
scion_taps scion_taps_of_input(const scion_window *window, int axis, int64_t input, int64_t output_size);

/* The first channel of a pixel. */
static inline void *scion_pixel(const scion_tensor *t, int64_t image, int64_t row, int64_t column) {
  int64_t at = ((image * t->shape[1] + row) * t->shape[2] + column) * t->row_stride;
  return (char *)t->data + (size_t)at * scion_dtype_size(t->dtype);
}

/* The pixels of t that vertical and horizontal taps meet; at least one of each. */
static inline scion_patch scion_patch_of(const scion_tensor *t, int64_t image, const scion_taps *v, const scion_taps *h) {
  return (scion_patch){scion_pixel(t, image, v->at, h->at), v->count, h->count, v->at_step * t->shape[2] * t->row_stride,
                       h->at_step * t->row_stride, t->dtype};
}

#endif
