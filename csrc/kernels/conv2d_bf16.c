/* Convolution in bf16: packing, and which unit multiplies. */
#include "conv2d_narrow.h"

#include "require.h"
#include "tensor/element.h"

/* ---- packing: [output channels / 16][depth / 2][16][2], padded with zeros to whole tiles */

int64_t scion_conv2d_bf16_packed_elements(const scion_tensor *w) {
  return w->dims == 4 ? conv2d_narrow_packed(scion_tensor_rows(w) * 2, w->shape[3]) / 2 : 0;
}

typedef struct {
  const scion_tensor *w;
  const float *scale;
  uint16_t *packed;
  int64_t depth, padded;
} pack_job;

static void pack_tile_column(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const pack_job *job = data;
  int64_t first = chunk * NARROW_TILE, left = job->w->shape[3] - first, count = left < NARROW_TILE ? left : NARROW_TILE;
  uint16_t *out = job->packed + first * job->padded;
  memset(out, 0, (size_t)(job->padded * NARROW_TILE) * sizeof *out);
  for (int64_t k = 0; k < job->depth; k++) {
    const float *in = (const float *)job->w->data + k * job->w->row_stride + first;
    for (int64_t c = 0; c < count; c++)
      out[(k / 2 * NARROW_TILE + c) * 2 + k % 2] = float_to_bf16(job->scale ? in[c] * job->scale[first + c] : in[c]);
  }
}

scion_status scion_conv2d_bf16_pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed) {
  SCION_TRY(conv2d_narrow_require_pack("conv2d_bf16", w, scale, packed, SCION_BF16));
  pack_job job = {.w = w, .scale = scale ? scale->data : NULL, .packed = packed->data, .depth = scion_tensor_rows(w)};
  job.padded = scion_divide_up(job.depth * 2, NARROW_STEP) * NARROW_STEP / 2;
  return scion_parallel_for(scion_divide_up(w->shape[3], NARROW_TILE), pack_tile_column, &job);
}

/* ---- forward */

scion_status conv2d_bf16_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                 const scion_tensor *addend, scion_tensor *y, const scion_window *window,
                                 scion_activation activation, const conv2d_unit *unit) {
  const char *kernel = "conv2d_bf16";
  conv2d_narrow_job job = {.unit = unit};
  SCION_TRY(scion_require_dtype(kernel, "x", x, SCION_BF16));
  SCION_TRY(scion_require_dtype(kernel, "packed", packed, SCION_BF16));
  SCION_TRY(scion_require_number(kernel, "y", y));
  if (addend) SCION_TRY(scion_require_number(kernel, "addend", addend));
  return conv2d_narrow_run(kernel, &job, x, packed, bias, addend, y, window, activation);
}

static conv2d_unit unit_in_use(void) {
#if defined(__x86_64__)
  if (scion_bf16_in_use() == SCION_BF16_AMX) return conv2d_bf16_amx;
  if (scion_bf16_in_use() == SCION_BF16_AVX512) return conv2d_bf16_avx512;
#endif
  return (conv2d_unit){.multiply = SIMD_CHOOSE(conv2d_bf16_multiply), .step = NARROW_STEP};
}

scion_status scion_conv2d_bf16_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                       const scion_tensor *addend, scion_tensor *y, const scion_window *window,
                                       scion_activation activation) {
  conv2d_unit unit = unit_in_use();
  return conv2d_bf16_forward(x, packed, bias, addend, y, window, activation, &unit);
}
