/* Convolution of bytes: packing, and which unit multiplies.
 *
 * On a CPU without vpdpbusd the fastest way to multiply bytes is vpmaddubsw, which sums two products in 16 bits, where two of a byte and
 * a signed byte may overflow. Sums of four products in 16 bits are faster still. So a kernel's weights are rounded to steps that are large
 * enough for none of these sums to leave 16 bits: 255 times the weights above zero among four, or times those below, is at most
 * 255 * 128. Other libraries leave out a bit of each weight for the same end; four weights of a kernel are hardly ever largest at once, so
 * this takes less precision. Then all instructions give the same sums, on every machine. */
#include "conv2d_narrow.h"

#include <math.h>
#include <string.h>

#include "require.h"

#define MOST_SUM 128 /* of four weights of one sign: 255 * 128 < 2^15 */
#define ROUNDING 2   /* what rounding may add to the sum of four weights */
#define MOST_DEPTH 65536 /* products of a sum: 65536 * 255 * 128 < 2^31 */

static conv2d_unit unit_in_use(void) {
#if defined(__x86_64__)
  switch (scion_int8_in_use()) {
    case SCION_INT8_AMX: return conv2d_int8_amx;
    case SCION_INT8_VNNI: return conv2d_int8_vnni;
    case SCION_INT8_AVXVNNI: return conv2d_int8_avxvnni;
    default: break;
  }
#endif
  return (conv2d_unit){.multiply = SIMD_CHOOSE(conv2d_int8_multiply), .step = INT8_STEP};
}

/* ---- packing */

int64_t conv2d_int8_packed_elements(const scion_tensor *w, const conv2d_unit *unit) {
  if (w->dims != 4) return 0;
  const narrow_depth depth = conv2d_narrow_depth(w->shape[0], w->shape[1] * w->shape[2], unit);
  return conv2d_narrow_packed(&depth, w->shape[3]);
}

int64_t scion_conv2d_int8_packed_elements(const scion_tensor *w) {
  conv2d_unit unit = unit_in_use();
  return conv2d_int8_packed_elements(w, &unit);
}

typedef struct {
  const scion_tensor *w;
  const float *scale, *bias, *mean; /* may be NULL */
  uint8_t *packed;
  float *scales, *shift;
  int32_t *sums;
  narrow_depth depth;
  int64_t weights; /* of a column */
} pack_job;

static float weight_at(const pack_job *job, int64_t k, int64_t column) {
  if (k >= job->weights) return 0;
  float w = ((const float *)job->w->data)[k * job->w->row_stride + column];
  return job->scale ? w * job->scale[column] : w;
}

/* The largest sum of weights of one sign among four whose products conv2d_int8_multiply sums in 16 bits: two neighbours, and the two that
 * lie a quad further on. Infinite where a weight is no number. */
static float largest_sum(const pack_job *job, int64_t column) {
  float most = 0;
  for (int64_t k = 0; k < job->weights; k++) {
    if (k % NARROW_QUAD % 2 || k % INT8_STEP >= NARROW_QUAD) continue; /* the first of four */
    const int64_t four[] = {k, k + 1, k + NARROW_QUAD, k + NARROW_QUAD + 1};
    float above = 0, below = 0;
    for (int i = 0; i < 4; i++) {
      float w = weight_at(job, four[i], column);
      if (!isfinite(w)) return INFINITY;
      if (w > 0) above += w;
      if (w < 0) below -= w;
    }
    most = fmaxf(most, fmaxf(above, below));
  }
  return most;
}

static void pack_column(void *data, int64_t column, void *scratch) {
  (void)scratch;
  const pack_job *job = data;
  uint8_t *out = job->packed + column / NARROW_TILE * NARROW_TILE * job->depth.padded + column % NARROW_TILE * NARROW_QUAD;
  float step = largest_sum(job, column) / (MOST_SUM - ROUNDING), factor = step > 0 && isfinite(step) ? 1 / step : 0;
  double lost = 0;
  int32_t sum = 0;
  for (int64_t k = 0; k < job->weights; k++) {
    const int32_t weight = factor > 0 ? (int32_t)lrintf(weight_at(job, k, column) * factor) : 0;
    const int64_t at = narrow_place(&job->depth, k);
    out[at / NARROW_QUAD * NARROW_QUAD * NARROW_TILE + at % NARROW_QUAD] = (uint8_t)(int8_t)weight;
    sum += weight;
    if (job->mean) lost += job->mean[k % job->w->shape[2]] * (double)(weight_at(job, k, column) - (float)weight * step);
  }
  job->shift[column] = (job->bias ? job->bias[column] : 0) + (float)lost;
  job->scales[column] = isfinite(step) ? step : NAN;
  job->sums[column] = sum;
}

static scion_status require_depth(int64_t depth) {
  if (depth <= MOST_DEPTH) return SCION_OK;
  return scion_fail(SCION_MISUSE, "conv2d_int8: a kernel of %lld weights for each output channel is too large, more than %d", (long long)depth,
                    MOST_DEPTH);
}

scion_status conv2d_int8_pack(const scion_tensor *w, const scion_tensor *scale, const scion_tensor *bias, const scion_tensor *mean,
                              scion_tensor *packed, scion_tensor *scales, scion_tensor *sums, scion_tensor *shift, const conv2d_unit *unit) {
  const char *kernel = "conv2d_int8";
  narrow_depth depth;
  SCION_TRY(conv2d_narrow_require_pack(kernel, w, scale, packed, SCION_U8, unit, &depth));
  SCION_TRY(require_depth(scion_tensor_rows(w)));
  SCION_TRY(scion_require_vector(kernel, "scales", scales, w->shape[3]));
  SCION_TRY(scion_require_vector(kernel, "shift", shift, w->shape[3]));
  SCION_TRY(scion_require_vector(kernel, "bias", bias, w->shape[3]));
  SCION_TRY(scion_require_vector(kernel, "mean", mean, w->shape[2]));
  SCION_TRY(scion_require_integers(kernel, "sums", sums, w->shape[3]));
  pack_job job = {.w = w, .scale = scale ? scale->data : NULL, .bias = bias ? bias->data : NULL, .mean = mean ? mean->data : NULL,
                  .packed = packed->data, .scales = scales->data, .shift = shift->data, .sums = sums->data, .depth = depth, .weights = scion_tensor_rows(w)};
  memset(packed->data, 0, (size_t)scion_tensor_elements(packed)); /* what fills up rows, depth and columns */
  return scion_parallel_for(w->shape[3], pack_column, &job);
}

scion_status scion_conv2d_int8_pack(const scion_tensor *w, const scion_tensor *scale, const scion_tensor *bias, const scion_tensor *mean,
                                    scion_tensor *packed, scion_tensor *scales, scion_tensor *sums, scion_tensor *shift) {
  conv2d_unit unit = unit_in_use();
  return conv2d_int8_pack(w, scale, bias, mean, packed, scales, sums, shift, &unit);
}

/* ---- forward */

/* f32 or bytes; NULL is fine. */
static scion_status require_wide_or_bytes(const char *name, const scion_tensor *t, scion_quantization q) {
  if (!t) return SCION_OK;
  if (t->dtype != SCION_U8) SCION_TRY(scion_require_f32("conv2d_int8", name, t));
  return scion_require_codes("conv2d_int8", name, t, q);
}

scion_status conv2d_int8_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *scales,
                                 const scion_tensor *weights, const scion_tensor *bias, const scion_tensor *addend, scion_tensor *y,
                                 const scion_window *window, scion_activation activation, const scion_quantization quantized[3],
                                 const conv2d_unit *unit) {
  const char *kernel = "conv2d_int8";
  SCION_TRY(scion_require_dtype(kernel, "x", x, SCION_U8));
  SCION_TRY(scion_require_codes(kernel, "x", x, quantized[0]));
  SCION_TRY(scion_require_dtype(kernel, "packed", packed, SCION_U8));
  SCION_TRY(require_wide_or_bytes("addend", addend, quantized[1]));
  SCION_TRY(require_wide_or_bytes("y", y, quantized[2]));
  SCION_TRY(scion_require_f32(kernel, "scales", scales));
  SCION_TRY(scion_require_vector(kernel, "scales", scales, scion_tensor_channels(y)));
  SCION_TRY(scion_require_integers(kernel, "sums", weights, scion_tensor_channels(y)));
  if (x->dims == 4) SCION_TRY(require_depth((int64_t)window->kernel[0] * window->kernel[1] * x->shape[3]));
  conv2d_narrow_job job = {.unit = unit, .quantized = quantized, .outside = (uint8_t)quantized[0].zero, .scales = scales->data,
                           .weights = weights->data, .out_factor = y->dtype == SCION_U8 ? 1 / quantized[2].scale : 1};
  return conv2d_narrow_run(kernel, &job, x, packed, bias, addend, y, window, activation);
}

scion_status scion_conv2d_int8_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *scales,
                                       const scion_tensor *sums, const scion_tensor *bias, const scion_tensor *addend, scion_tensor *y,
                                       const scion_window *window, scion_activation activation, const scion_quantization quantized[3]) {
  conv2d_unit unit = unit_in_use();
  return conv2d_int8_forward(x, packed, scales, sums, bias, addend, y, window, activation, quantized, &unit);
}
