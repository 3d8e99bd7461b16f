/* Plain loops straight from the formulas of scion.h, on contiguous arrays: what the fast kernels are tested against. Built
 * with `real` as double. */
#ifndef SCION_REFERENCE_CONV2D_H
#define SCION_REFERENCE_CONV2D_H

#include "scion.h"

/* x [n,h,w,ci], kernel [window.kernel][ci][co], y [n,oh,ow,co] */
typedef struct {
  int64_t n, h, w, ci, oh, ow, co;
  scion_window window;
} reference_conv2d;

/* bias and addend may be NULL. */
void reference_conv2d_forward(const reference_conv2d *d, const real *x, const real *w, const real *bias, const real *addend,
                              real *y, scion_activation activation);
void reference_conv2d_backward_input(const reference_conv2d *d, const real *dy, const real *w, real *dx, int accumulate);
void reference_conv2d_backward_weights(const reference_conv2d *d, const real *x, const real *dy, real *dw);
void reference_bias_backward(int64_t rows, int64_t channels, const real *dy, real *db);

#endif
