/* Convolution in groups of channels. The groups are computed as convolutions side by side, by the functions of conv2d.c: those whose
 * outputs fill a vector one by one, and as many of the narrower ones as a vector holds as a bundle, which is one convolution whose kernel
 * is zero from each group to the others. That wastes products, but no more than a vector that is not full would. */
#include <stdlib.h>
#include <string.h>

#include "conv2d_weights.h"
#include "require.h"

/* How a kernel [kh,kw,Ci/groups,Co] is bundled. */
typedef struct {
  int64_t groups, count;      /* in a bundle; bundles */
  int64_t in, out;            /* channels of a group */
  int64_t bundle_in, bundle_out;
  int64_t taps, dense, width; /* elements of a bundle's dense kernel; Co */
} bundling;

static bundling bundle_of(const scion_tensor *w, int groups) {
  bundling b = {.groups = 1, .in = w->shape[2], .out = w->shape[3] / groups, .taps = w->shape[0] * w->shape[1], .width = w->shape[3]};
  int64_t wide = b.in > b.out ? b.in : b.out;
  for (int64_t n = 2; n <= groups && n * wide <= conv2d_vector(); n++)
    if (groups % n == 0) b.groups = n;
  b.count = groups / b.groups;
  b.bundle_in = b.groups * b.in;
  b.bundle_out = b.groups * b.out;
  b.dense = b.taps * b.bundle_in * b.bundle_out;
  return b;
}

/* w is a kernel in so many groups. */
static scion_status require_kernel(const char *kernel, const char *name, const scion_tensor *w, int groups) {
  char text[SCION_SHAPE_TEXT];
  SCION_TRY(scion_require_f32(kernel, name, w));
  if (w->dims != 4 || scion_tensor_elements(w) == 0 || !scion_tensor_contiguous(w) || groups < 1 || w->shape[3] % groups != 0)
    return scion_fail(SCION_MISUSE, "%s: %s of %s is not a kernel [kh, kw, Ci / groups, Co] in %d groups", kernel, name,
                      scion_shape_text(w, text, sizeof text), groups);
  return SCION_OK;
}

/* x and y have the channels of so many groups. */
static scion_status require_groups(const char *kernel, const scion_tensor *x, const scion_tensor *y, int groups) {
  char a[SCION_SHAPE_TEXT], b[SCION_SHAPE_TEXT];
  if (x->dims != 4 || y->dims != 4 || groups < 1 || x->shape[3] % groups != 0 || y->shape[3] % groups != 0)
    return scion_fail(SCION_MISUSE, "%s: the channels of %s and %s are not in %d groups", kernel, scion_shape_text(x, a, sizeof a),
                      scion_shape_text(y, b, sizeof b), groups);
  return SCION_OK;
}

/* ---- packing */

int64_t scion_grouped_conv2d_packed_elements(const scion_tensor *w, int groups, int transposed) {
  if (w->dims != 4 || groups < 1 || w->shape[3] % groups != 0) return 0;
  bundling b = bundle_of(w, groups);
  scion_tensor dense = *w;
  dense.shape[2] = b.bundle_in, dense.shape[3] = b.bundle_out;
  return b.count * scion_conv2d_packed_elements(&dense, transposed);
}

/* A bundle's kernel [kh,kw,bundle_in,bundle_out]; what is between groups stays as it is. */
static void spread(const bundling *b, const scion_tensor *w, int64_t bundle, float *dense) {
  const float *from = (const float *)w->data + bundle * b->bundle_out;
  for (int64_t tap = 0; tap < b->taps; tap++)
    for (int64_t g = 0; g < b->groups; g++)
      for (int64_t c = 0; c < b->in; c++)
        memcpy(dense + ((tap * b->groups + g) * b->in + c) * b->bundle_out + g * b->out,
               from + (tap * b->in + c) * b->width + g * b->out, (size_t)b->out * sizeof(float));
}

static scion_tensor slice_of(const scion_tensor *vector, int64_t first, int64_t length) {
  return (scion_tensor){.data = (float *)vector->data + first, .dtype = SCION_F32, .dims = 1, .shape = {length}, .row_stride = length};
}

/* Packs each bundle by conv2d's function, into its part of `packed`. window: that of the transposed form, or NULL. */
static scion_status pack(const char *kernel, const scion_tensor *w, const scion_tensor *scale, const scion_window *window, int groups,
                         scion_tensor *packed) {
  SCION_TRY(require_kernel(kernel, "kernel", w, groups));
  SCION_TRY(scion_require_f32(kernel, "packed", packed));
  SCION_TRY(scion_require_vector(kernel, "packed", packed, scion_grouped_conv2d_packed_elements(w, groups, window != NULL)));
  SCION_TRY(scion_require_vector(kernel, "scale", scale, w->shape[3]));
  bundling b = bundle_of(w, groups);
  float *memory = scion_kernel_memory(kernel, b.dense, sizeof(float));
  if (!memory) return SCION_NO_MEMORY;
  scion_tensor dense = {.data = memory, .dtype = SCION_F32, .dims = 4, .row_stride = b.bundle_out,
                        .shape = {w->shape[0], w->shape[1], b.bundle_in, b.bundle_out}};
  scion_status status = SCION_OK;
  int64_t each = scion_tensor_elements(packed) / b.count;
  for (int64_t i = 0; i < b.count && status == SCION_OK; i++) {
    scion_tensor part = slice_of(packed, i * each, each), scales;
    if (scale) scales = slice_of(scale, i * b.bundle_out, b.bundle_out);
    spread(&b, w, i, memory);
    status = window ? scion_conv2d_pack_transposed(&dense, scale ? &scales : NULL, window, &part)
                    : scion_conv2d_pack(&dense, scale ? &scales : NULL, &part);
  }
  free(memory);
  return status;
}

scion_status scion_grouped_conv2d_pack(const scion_tensor *w, const scion_tensor *scale, int groups, scion_tensor *packed) {
  return pack("grouped_conv2d_pack", w, scale, NULL, groups, packed);
}

scion_status scion_grouped_conv2d_pack_transposed(const scion_tensor *w, const scion_tensor *scale, const scion_window *window, int groups,
                                                  scion_tensor *packed) {
  return pack("grouped_conv2d_pack_transposed", w, scale, window, groups, packed);
}

/* ---- forward, and the gradient to the input */

/* The bundles between images of so many channels. */
static int64_t bundles_between(const scion_tensor *x, const scion_tensor *y, int groups) {
  const scion_tensor kernel = {.dims = 4, .shape = {1, 1, x->shape[3] / groups, y->shape[3]}};
  return bundle_of(&kernel, groups).count;
}

scion_status scion_grouped_conv2d_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                          const scion_tensor *addend, scion_tensor *y, const scion_window *window, int groups,
                                          scion_activation activation) {
  SCION_TRY(require_groups("grouped_conv2d_forward", x, y, groups));
  return conv2d_forward_bundles(x, packed, bias, addend, y, window, activation, bundles_between(x, y, groups));
}

scion_status scion_grouped_conv2d_backward_input(const scion_tensor *dy, const scion_tensor *packed, scion_tensor *dx,
                                                 const scion_window *window, int groups, int accumulate) {
  SCION_TRY(require_groups("grouped_conv2d_backward_input", dx, dy, groups));
  return conv2d_backward_input_bundles(dy, packed, dx, window, accumulate, bundles_between(dx, dy, groups));
}

/* ---- the gradient to the weights: that of each bundle's dense kernel, of which the products within groups are taken */

typedef struct {
  conv2d_gradient first; /* of the first bundle; its dw is [bundles][parts][dense] */
  bundling b;
  float *dw;
} gradient_job;

/* Chunks that follow one another are the same pixels of all bundles, which lie together. */
static void gradient_chunk(void *data, int64_t chunk, void *scratch) {
  const gradient_job *job = data;
  conv2d_gradient g = job->first;
  int64_t bundle = chunk % job->b.count;
  g.source.data += bundle * job->b.bundle_in;
  g.dy += bundle * job->b.bundle_out;
  g.dw += bundle * g.parts * job->b.dense;
  SIMD_CHOOSE(conv2d_gradient_chunk)(&g, chunk / job->b.count, scratch);
}

/* Sums the parts of a bundle, within groups, into its columns of dw. */
static void collect_chunk(void *data, int64_t bundle, void *scratch) {
  (void)scratch;
  const gradient_job *job = data;
  const bundling *b = &job->b;
  const float *parts = job->first.dw + bundle * job->first.parts * b->dense;
  for (int64_t row = 0; row < b->taps * b->in; row++)
    for (int64_t g = 0; g < b->groups; g++) {
      float *dw = job->dw + row * b->width + bundle * b->bundle_out + g * b->out;
      const float *from = parts + ((row / b->in * b->groups + g) * b->in + row % b->in) * b->bundle_out + g * b->out;
      memcpy(dw, from, (size_t)b->out * sizeof(float));
      for (int64_t part = 1; part < job->first.parts; part++)
        for (int64_t o = 0; o < b->out; o++) dw[o] += from[part * b->dense + o];
    }
}

scion_status scion_grouped_conv2d_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw,
                                                   const scion_window *window, int groups) {
  const char *kernel = "grouped_conv2d_backward_weights";
  SCION_TRY(require_groups(kernel, x, dy, groups));
  SCION_TRY(require_kernel(kernel, "dw", dw, groups));
  SCION_TRY(conv2d_check_images(x, dy, window));
  if (dw->shape[0] != window->kernel[0] || dw->shape[1] != window->kernel[1] || dw->shape[2] != x->shape[3] / groups ||
      dw->shape[3] != dy->shape[3]) {
    char a[SCION_SHAPE_TEXT], b[SCION_SHAPE_TEXT], c[SCION_SHAPE_TEXT];
    return scion_fail(SCION_MISUSE, "%s: %s is not the gradient of a %dx%d kernel in %d groups between input %s and output %s", kernel,
                      scion_shape_text(dw, a, sizeof a), window->kernel[0], window->kernel[1], groups, scion_shape_text(x, b, sizeof b),
                      scion_shape_text(dy, c, sizeof c));
  }
  if (scion_tensor_rows(dy) == 0) {
    memset(dw->data, 0, (size_t)scion_tensor_elements(dw) * sizeof(float));
    return SCION_OK;
  }
  gradient_job job = {.b = bundle_of(dw, groups), .dw = dw->data};
  job.first = (conv2d_gradient){.source = conv2d_forward_source(x, dy, window), .dy = dy->data, .dy_stride = dy->row_stride,
                                .out_channels = job.b.bundle_out, .taps = job.b.taps};
  job.first.source.channels = job.b.bundle_in;
  conv2d_cut_gradient(&job.first, dy->shape[0]);
  int64_t elements;
  if (__builtin_mul_overflow(job.b.count * job.first.parts, job.b.dense, &elements)) elements = INT64_MAX;
  job.first.dw = scion_kernel_memory(kernel, elements, sizeof(float));
  if (!job.first.dw) return SCION_NO_MEMORY;
  scion_status status = scion_parallel_for(job.first.parts * job.first.blocks * job.first.groups * job.b.count, gradient_chunk, &job);
  if (status == SCION_OK) status = scion_parallel_for(job.b.count, collect_chunk, &job);
  free(job.first.dw);
  return status;
}
