/* Kernels packed into panels: [output channels / panel][taps x input channels][panel], padded with zeros to whole vectors. */
#include "conv2d_internal.h"

int64_t scion_conv2d_packed_elements(const scion_tensor *w, int transposed) {
  if (w->dims != 4) return 0;
  int64_t out = w->shape[transposed ? 2 : 3], in = w->shape[transposed ? 3 : 2];
  return w->shape[0] * w->shape[1] * in * conv2d_padded(out);
}

conv2d_phase conv2d_find_phase(const scion_window *window, int axis, int64_t phase) {
  int64_t stride = window->stride[axis], dilation = window->dilation[axis], before = window->before[axis];
  int64_t a = stride, b = dilation;
  while (b) { /* the greatest common divisor of stride and dilation */
    int64_t rest = a % b;
    a = b, b = rest;
  }
  conv2d_phase found = {.tap_step = stride / a, .dy_step = dilation / a};
  for (int64_t tap = 0; tap < window->kernel[axis] && tap < found.tap_step; tap++)
    if ((phase + before - tap * dilation) % stride == 0) {
      found.count = (window->kernel[axis] - 1 - tap) / found.tap_step + 1;
      found.last = tap + (found.count - 1) * found.tap_step;
      found.first = (phase + before - found.last * dilation) / stride;
      break;
    }
  return found;
}

/* A chunk packs one panel. Of the transposed kernel the panels of one grid (see conv2d_find_phase) are packed at a time. */
typedef struct {
  const scion_tensor *w;
  const float *scale;
  float *packed;
  int64_t depth;
  conv2d_phase phase[2];
} pack_job;

static void pack_panel(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const pack_job *job = data;
  int64_t channels = job->w->shape[3], first = conv2d_panel_begin(chunk, channels);
  SIMD_CHOOSE(conv2d_pack_part)((const float *)job->w->data + first, job->w->row_stride, conv2d_panel_begin(chunk + 1, channels) - first,
                                job->depth, job->scale ? job->scale + first : NULL, job->packed + first * job->depth);
}

static void pack_transposed_panel(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const pack_job *job = data;
  const scion_tensor *w = job->w;
  int64_t channels = w->shape[2], depth = w->shape[3], first = conv2d_panel_begin(chunk, channels);
  int64_t count = conv2d_panel_begin(chunk + 1, channels) - first;
  float *out = job->packed + first * job->depth;
  const conv2d_phase *p = job->phase;
  for (int64_t r = 0; r < p[0].count; r++)
    for (int64_t s = 0; s < p[1].count; s++, out += depth * conv2d_padded(count)) {
      int64_t tap = (p[0].last - r * p[0].tap_step) * w->shape[1] + p[1].last - s * p[1].tap_step;
      const float *in = (const float *)w->data + (tap * channels + first) * w->row_stride;
      SIMD_CHOOSE(conv2d_turn_part)(in, w->row_stride, count, depth, job->scale, out);
    }
}

scion_status conv2d_check_packing(const scion_tensor *w, const scion_tensor *scale, const scion_tensor *packed, int64_t elements) {
  char a[SCION_SHAPE_TEXT], b[SCION_SHAPE_TEXT];
  if (scale && !conv2d_is_vector(scale, w->shape[3]))
    return scion_fail(SCION_MISUSE, "conv2d: a scale of %s does not fit the output channels of a kernel of %s",
                      scion_shape_text(scale, a, sizeof a), scion_shape_text(w, b, sizeof b));
  if (!conv2d_is_vector(packed, elements))
    return scion_fail(SCION_MISUSE, "conv2d: a kernel of %s is packed into %lld elements of f32, not into %s",
                      scion_shape_text(w, a, sizeof a), (long long)elements, scion_shape_text(packed, b, sizeof b));
  return SCION_OK;
}

static scion_status check_pack(const scion_tensor *w, const scion_tensor *scale, const scion_tensor *packed, int transposed) {
  char a[SCION_SHAPE_TEXT];
  if (w->dtype != SCION_F32 || w->dims != 4 || scion_tensor_elements(w) == 0)
    return scion_fail(SCION_MISUSE, "conv2d: a kernel is an f32 tensor [kh, kw, Ci, Co] without empty dimensions, not %s of %s",
                      scion_dtype_name(w->dtype), scion_shape_text(w, a, sizeof a));
  return conv2d_check_packing(w, scale, packed, scion_conv2d_packed_elements(w, transposed));
}

scion_status scion_conv2d_pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed) {
  scion_status status = check_pack(w, scale, packed, 0);
  if (status != SCION_OK) return status;
  pack_job job = {.w = w, .scale = scale ? scale->data : NULL, .packed = packed->data, .depth = scion_tensor_rows(w)};
  return scion_parallel_for(conv2d_panels(w->shape[3]), pack_panel, &job);
}

scion_status scion_conv2d_pack_transposed(const scion_tensor *w, const scion_tensor *scale, const scion_window *window,
                                          scion_tensor *packed) {
  char text[SCION_SHAPE_TEXT];
  scion_status status = check_pack(w, scale, packed, 1);
  if (status == SCION_OK) status = conv2d_check_window(window);
  if (status != SCION_OK) return status;
  if (w->shape[0] != window->kernel[0] || w->shape[1] != window->kernel[1])
    return scion_fail(SCION_MISUSE, "conv2d: a window of %dx%d is not that of a kernel of %s", window->kernel[0], window->kernel[1],
                      scion_shape_text(w, text, sizeof text));
  pack_job job = {.w = w, .scale = scale ? scale->data : NULL, .packed = packed->data};
  for (int64_t i = 0; i < window->stride[0]; i++)
    for (int64_t j = 0; j < window->stride[1]; j++) {
      job.phase[0] = conv2d_find_phase(window, 0, i);
      job.phase[1] = conv2d_find_phase(window, 1, j);
      job.depth = job.phase[0].count * job.phase[1].count * w->shape[3];
      if (job.depth == 0) continue;
      status = scion_parallel_for(conv2d_panels(w->shape[2]), pack_transposed_panel, &job);
      if (status != SCION_OK) return status;
      job.packed += job.depth * conv2d_padded(w->shape[2]);
    }
  return SCION_OK;
}
