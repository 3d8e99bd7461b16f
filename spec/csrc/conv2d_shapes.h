/* Shapes that tests of convolutions share. */
#ifndef CONV2D_SHAPES_H
#define CONV2D_SHAPES_H

#include "kernels/reference/conv2d.h"
#include "test.h"

static inline scion_window window(int kh, int kw, int stride, int before, int after) {
  return (scion_window){{kh, kw}, {stride, stride}, {1, 1}, {before, before}, {after, after}};
}

/* One whose window fits, of at most so many images, pixels a side and input channels. Half of them are as most networks have them: windows a
 * pixel apart, and less padding than they are wide. */
static inline reference_conv2d random_conv2d(int kernel, int images, int side, int channels) {
  for (;;) {
    scion_window k;
    const bool near = test_integer(0, 1);
    for (int axis = 0; axis < 2; axis++) {
      k.kernel[axis] = test_integer(1, kernel), k.stride[axis] = near ? 1 : test_integer(1, 4), k.dilation[axis] = near ? 1 : test_integer(1, 3);
      const int most = near ? k.kernel[axis] - 1 : 4;
      k.before[axis] = test_integer(0, most), k.after[axis] = test_integer(0, most);
    }
    reference_conv2d d = {.n = test_integer(1, images), .h = test_integer(1, side), .w = test_integer(1, side), .ci = test_integer(1, channels),
                          .co = test_integer(1, 70), .window = k};
    if (scion_window_output(&k, 0, d.h) > 0 && scion_window_output(&k, 1, d.w) > 0) return d;
  }
}

/* None, or a few elements from one row to the next. */
static inline int random_gap(void) { return test_integer(0, 1) * test_integer(1, 9); }

#endif
