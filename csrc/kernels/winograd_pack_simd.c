/* A panel of a transformed kernel. */
#include "loops.h"
#include "winograd.h"

/* A tap's weights from one input channel to n output channels; transposed, of the kernel turned around. */
static simd_float fetch_tap(const winograd_pack_job *job, int64_t tap, int64_t in, int64_t first, int64_t n) {
  const scion_tensor *w = job->w;
  int64_t taps = w->shape[0] * w->shape[1], channels = w->shape[2];
  const float *data = w->data;
  if (!job->transposed) {
    simd_float values = simd_load_some(data + (tap * channels + in) * w->row_stride + first, n);
    return job->scale ? values * simd_load_some(job->scale + first, n) : values;
  }
  float values[SIMD_WIDTH] = {0};
  data += ((taps - 1 - tap) * channels + first) * w->row_stride + in;
  for (int64_t c = 0; c < n; c++) values[c] = data[c * w->row_stride];
  return job->scale ? simd_load(values) * job->scale[in] : simd_load(values);
}

/* One input channel and n output channels, to all positions, `pitch` floats apart; zeros in what is left of the vector. */
static void pack_vector(const winograd_pack_job *job, int64_t in, int64_t first, int64_t n, float *out, int64_t pitch) {
  int rows = (int)job->w->shape[0], columns = (int)job->w->shape[1];
  simd_float taps[WINOGRAD_TAPS][WINOGRAD_TAPS], half[WINOGRAD_TAPS];
  for (int r = 0; r < rows; r++)
    for (int s = 0; s < columns; s++) taps[r][s] = fetch_tap(job, r * columns + s, in, first, n);
  for (int i = 0; i < winograd_along(rows); i++) {
    for (int s = 0; s < columns; s++) {
      half[s] = (simd_float){0};
      for (int r = 0; r < rows; r++) half[s] += job->weights[0][i][r] * taps[r][s];
    }
    for (int j = 0; j < winograd_along(columns); j++, out += pitch) {
      simd_float sum = {0};
      for (int s = 0; s < columns; s++) sum += job->weights[1][j][s] * half[s];
      simd_store(out, sum);
    }
  }
}

void SIMD(winograd_pack_panel)(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const winograd_pack_job *job = data;
  int64_t begin = conv2d_panel_begin(chunk, job->out), end = conv2d_panel_begin(chunk + 1, job->out);
  int64_t pitch = job->in * conv2d_padded(job->out);
  float *out = job->packed + begin * job->in;
  for (int64_t in = 0; in < job->in; in++)
    for (int64_t c = begin; c < end; c += SIMD_WIDTH, out += SIMD_WIDTH)
      pack_vector(job, in, c, end - c < SIMD_WIDTH ? end - c : SIMD_WIDTH, out, pitch);
}
