/* Windows that slide over an image. */
#include "scion.h"

int64_t scion_window_output(const scion_window *window, int axis, int64_t size) {
  int64_t span = (int64_t)window->dilation[axis] * (window->kernel[axis] - 1) + 1;
  int64_t last = size + window->before[axis] + window->after[axis] - span;
  return last < 0 || window->stride[axis] < 1 ? 0 : last / window->stride[axis] + 1;
}
