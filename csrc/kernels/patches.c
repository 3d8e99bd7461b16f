/* Bands and taps. */
#include "patches.h"

#define BAND_OPERATIONS 65536 /* some ten microseconds */

scion_bands scion_bands_of(const scion_tensor *t, int64_t taps) {
  int64_t row = t->shape[2] * t->shape[3] * taps;
  scion_bands bands = {t->shape[0], t->shape[1], BAND_OPERATIONS / (row > 0 ? row : 1), 0};
  if (bands.rows < 1) bands.rows = 1;
  bands.bands = scion_divide_up(bands.height, bands.rows);
  return bands;
}

scion_band scion_band_at(const scion_bands *bands, int64_t chunk) {
  scion_band band = {.image = chunk / bands->bands, .from = chunk % bands->bands * bands->rows};
  band.to = band.from + bands->rows < bands->height ? band.from + bands->rows : bands->height;
  return band;
}

scion_taps scion_taps_of_output(const scion_window *window, int axis, int64_t output, int64_t input_size) {
  int64_t dilation = window->dilation[axis], origin = output * window->stride[axis] - window->before[axis];
  int64_t first = origin < 0 ? scion_divide_up(-origin, dilation) : 0;
  int64_t end = origin < input_size ? (input_size - origin - 1) / dilation + 1 : 0;
  if (end > window->kernel[axis]) end = window->kernel[axis];
  return (scion_taps){end > first ? end - first : 0, first, 1, origin + first * dilation, dilation};
}

static int64_t common_divisor(int64_t a, int64_t b) {
  while (b > 1) {
    int64_t rest = a % b;
    a = b, b = rest;
  }
  return b == 1 ? 1 : a;
}

scion_taps scion_taps_of_input(const scion_window *window, int axis, int64_t input, int64_t output_size) {
  int64_t stride = window->stride[axis], dilation = window->dilation[axis], kernel = window->kernel[axis];
  int64_t divisor = common_divisor(stride, dilation), tap_step = stride / divisor, at_step = dilation / divisor;
  int64_t distance = input + window->before[axis], tap = 0; /* from the window's first position to this pixel */
  while (tap < tap_step && tap < kernel && (distance - tap * dilation) % stride != 0) tap++;
  int64_t at = (distance - tap * dilation) / stride;
  if (tap == tap_step || tap == kernel || distance < tap * dilation) return (scion_taps){0, 0, 0, 0, 0};
  if (at >= output_size) { /* positions beyond the last: later taps meet earlier ones */
    int64_t skip = (at - output_size) / at_step + 1;
    tap += skip * tap_step, at -= skip * at_step;
  }
  if (tap >= kernel || at < 0) return (scion_taps){0, 0, 0, 0, 0};
  int64_t by_kernel = (kernel - 1 - tap) / tap_step + 1, by_place = at / at_step + 1;
  return (scion_taps){by_kernel < by_place ? by_kernel : by_place, tap, tap_step, at, -at_step};
}
