/* Numbers as bytes, and back. */
#include <math.h>

#include "require.h"
#include "tensor/convert.h"

#define QUANTIZE_CHUNK 16384 /* elements, about */

typedef struct {
  const scion_tensor *x;
  scion_tensor *y;
  scion_quantization q;
  int64_t rows, width, chunk; /* chunk: rows */
} quantize_job;

static void quantize_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const quantize_job *job = data;
  int64_t end = (chunk + 1) * job->chunk < job->rows ? (chunk + 1) * job->chunk : job->rows;
  for (int64_t r = chunk * job->chunk; r < end; r++) {
    int64_t x = r * job->x->row_stride, y = r * job->y->row_stride;
    if (job->y->dtype == SCION_U8) {
      SIMD_CHOOSE(scion_loop_quantize)((const float *)job->x->data + x, (uint8_t *)job->y->data + y, job->width, job->q);
    } else {
      SIMD_CHOOSE(scion_loop_dequantize)((const uint8_t *)job->x->data + x, (float *)job->y->data + y, job->width, job->q);
    }
  }
}

/* Tensors without gaps are rows of some whole number of their rows. */
static scion_status run(const char *kernel, const scion_tensor *x, scion_tensor *y, scion_quantization q) {
  char a[SCION_SHAPE_TEXT], b[SCION_SHAPE_TEXT];
  if (!scion_tensor_same_shape(x, y))
    return scion_fail(SCION_MISUSE, "%s: x is %s, but y is %s, and they should have one shape", kernel, scion_shape_text(x, a, sizeof a),
                      scion_shape_text(y, b, sizeof b));
  if (!(q.scale > 0) || !isfinite(q.scale) || !isfinite(1 / q.scale) || q.zero < 0 || q.zero > 255)
    return scion_fail(SCION_MISUSE, "%s: a scale of %g and a zero point of %d should be a scale above 0 and a byte", kernel, (double)q.scale, q.zero);
  quantize_job job = {x, y, q, scion_tensor_rows(x), scion_tensor_channels(x), 1};
  if (job.rows == 0 || job.width == 0) return SCION_OK;
  scion_tensor flat_x = *x, flat_y = *y;
  if (scion_tensor_contiguous(x) && scion_tensor_contiguous(y) && job.rows % 64 == 0) { /* few long rows in place of many short ones */
    job.rows /= 64, job.width *= 64;
    flat_x.row_stride = flat_y.row_stride = job.width;
    job.x = &flat_x, job.y = &flat_y;
  }
  job.chunk = QUANTIZE_CHUNK / job.width > 1 ? QUANTIZE_CHUNK / job.width : 1;
  return scion_parallel_for(scion_divide_up(job.rows, job.chunk), quantize_chunk, &job);
}

scion_status scion_quantize(const scion_tensor *x, scion_tensor *y, scion_quantization q) {
  SCION_TRY(scion_require_f32("quantize", "x", x));
  SCION_TRY(scion_require_dtype("quantize", "y", y, SCION_U8));
  return run("quantize", x, y, q);
}

scion_status scion_dequantize(const scion_tensor *x, scion_tensor *y, scion_quantization q) {
  SCION_TRY(scion_require_dtype("dequantize", "x", x, SCION_U8));
  SCION_TRY(scion_require_f32("dequantize", "y", y));
  return run("dequantize", x, y, q);
}
