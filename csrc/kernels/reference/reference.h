/* The kernels once more, straight from their formulas: plain loops on arrays without gaps, in `real`. Tests compare the fast ones
 * with these, and these with finite differences. Shapes are {N, H, W, C}; arguments that may be NULL are the fast ones'. */
#ifndef SCION_REFERENCE_H
#define SCION_REFERENCE_H

#include "scion.h"

/* ---- elementwise.c */
real reference_activate(real x, scion_activation activation);
/* v: y = act(x), or x where scion_activation_from_input. */
void reference_activation_backward(const real *v, const real *dy, real *dx, int64_t n, scion_activation activation);
void reference_softmax(const real *x, real *y, int64_t rows, int64_t width);
void reference_softmax_backward(const real *y, const real *dy, real *dx, int64_t rows, int64_t width);
void reference_scale_shift(const real *x, const real *scale, const real *shift, real *y, int64_t rows, int64_t width,
                           scion_activation activation);

/* ---- scale.c */
void reference_moving_average(const real *x, real *y, int64_t n, real share);
void reference_scale_channels(const real *x, const real *s, real *y, int64_t images, int64_t pixels, int64_t channels);
void reference_scale_channels_backward(const real *x, const real *dy, real *ds, int64_t images, int64_t pixels, int64_t channels);

/* ---- resample.c: added to what `to` holds; backward: from the gradient by y to that by x */
void reference_adaptive_average_pool(const real *from, const int64_t *x_shape, real *to, const int64_t *y_shape, int backward);
void reference_upsample(const real *from, const int64_t *x_shape, real *to, const int64_t *y_shape, int bilinear, int backward);

/* ---- response_norm.c */
void reference_response_norm(const real *x, real *y, int64_t rows, int64_t width, int size, double alpha, double beta, double k);
void reference_response_norm_backward(const real *x, const real *dy, real *dx, int64_t rows, int64_t width, int size, double alpha,
                                      double beta, double k);

/* ---- layer_norm.c: `slopes` of PReLU are as many as follow each other before they repeat */
void reference_layer_norm(const real *x, const real *gamma, const real *beta, real *y, int64_t rows, int64_t width, double epsilon);
void reference_layer_norm_backward(const real *x, const real *dy, const real *gamma, real *dx, real *dgamma, real *dbeta, int64_t rows,
                                   int64_t width, double epsilon);
void reference_prelu(const real *x, const real *slope, real *y, int64_t n, int64_t slopes);
void reference_prelu_backward(const real *x, const real *dy, const real *slope, real *dx, real *dslope, int64_t n, int64_t slopes);

/* ---- dense.c */
void reference_matmul(const real *a, int transpose_a, const real *b, int transpose_b, real *c, int64_t m, int64_t n, int64_t k);

/* ---- depthwise.c: w {kh, kw, C, multiplier} */
void reference_depthwise(const real *x, const int64_t *x_shape, const real *w, int64_t multiplier, const real *scale,
                         const real *bias, real *y, const int64_t *y_shape, const scion_window *window,
                         scion_activation activation);
void reference_depthwise_backward_input(const real *dy, const int64_t *y_shape, const real *w, int64_t multiplier,
                                        const real *scale, real *dx, const int64_t *x_shape, const scion_window *window);
void reference_depthwise_backward_weights(const real *x, const int64_t *x_shape, const real *dy, const int64_t *y_shape, real *dw,
                                          int64_t multiplier, const scion_window *window);

/* ---- pool.c */
void reference_max_pool(const real *x, const int64_t *x_shape, real *y, const int64_t *y_shape, const scion_window *window);
void reference_max_pool_backward(const real *x, const real *dy, const int64_t *y_shape, real *dx, const int64_t *x_shape,
                                 const scion_window *window);
void reference_average_pool(const real *x, const int64_t *x_shape, real *y, const int64_t *y_shape, const scion_window *window,
                            int include_padding);
void reference_average_pool_backward(const real *dy, const int64_t *y_shape, real *dx, const int64_t *x_shape,
                                     const scion_window *window, int include_padding);

/* ---- batch_norm.c */
void reference_moments(const real *x, int64_t rows, int64_t width, real *mean, real *variance);
void reference_batch_norm(const real *x, const real *gamma, const real *beta, const real *mean, const real *variance, real *y,
                          int64_t rows, int64_t width, double epsilon);
/* The gradients by gamma and beta are the same on stored and on batch statistics; dx is not. */
void reference_batch_norm_parameters(const real *x, const real *dy, const real *mean, const real *variance, real *dgamma,
                                     real *dbeta, int64_t rows, int64_t width, double epsilon);
void reference_batch_norm_batch_backward(const real *x, const real *dy, const real *gamma, real *dx, int64_t rows, int64_t width,
                                         double epsilon);

/* ---- loss.c */
void reference_softmax_cross_entropy_soft(const real *x, const real *targets, const real *weights, real smoothing, real *losses,
                                          real *dx, int64_t rows, int64_t width);
void reference_sigmoid_cross_entropy(const real *x, const real *targets, const real *weights, real smoothing, real *losses, real *dx,
                                     int64_t rows, int64_t width);
void reference_softmax_focal_soft(const real *x, const real *targets, const real *weights, real gamma, real alpha, real *losses, real *dx,
                                  int64_t rows, int64_t width);
void reference_sigmoid_focal(const real *x, const real *targets, const real *weights, real gamma, real alpha, real beta, real *losses,
                             real *dx, int64_t rows, int64_t width);
void reference_distance(const real *x, const real *targets, const real *weights, real delta, real *losses, real *dx, int64_t rows,
                        int64_t width);

/* ---- metrics.c: counts and confidences from 0; one of labels and targets is NULL */
void reference_ranks(const real *x, const int32_t *labels, int32_t *counts, int64_t rows, int64_t width);
void reference_calibration(const real *x, const int32_t *labels, int32_t *counts, real *confidence, int64_t rows, int64_t width,
                           int64_t bins);
void reference_areas(const real *x, const int32_t *labels, const real *targets, real *roc, real *precision, int64_t rows, int64_t width);

/* ---- optimizer.c */
void reference_sgd(real *w, const real *g, real *m, int64_t n, double lr, double momentum, int nesterov, double decay);
void reference_rmsprop(real *w, const real *g, real *v, real *m, int64_t n, double lr, double rho, double momentum,
                       double epsilon, double decay);
void reference_adam(real *w, const real *g, real *m, real *v, int64_t n, double lr, double beta1, double beta2, double epsilon,
                    int64_t step, double decay);
void reference_adagrad(real *w, const real *g, real *v, int64_t n, double lr, double epsilon, double decay);
void reference_lion(real *w, const real *g, real *m, int64_t n, double lr, double beta1, double beta2, double decay);
void reference_lamb(real *w, const real *g, real *m, real *v, int64_t n, double lr, double beta1, double beta2, double epsilon,
                    int64_t step, double decay);

#endif
