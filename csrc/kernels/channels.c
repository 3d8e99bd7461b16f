/* Channels put among zeros, and channels in another order. */
#include <string.h>

#include "loops.h"
#include "require.h"
#include "tensor/element.h"

typedef struct {
  const scion_tensor *x;
  scion_tensor *y;
  int64_t rows, rows_per_chunk;
  int64_t before; /* pad */
  int groups, accumulate; /* shuffle */
} channels_job;

#define CHANNELS_CHUNK 65536 /* elements of y in a chunk, some ten microseconds */

static const void *row_of(const scion_tensor *t, int64_t row) {
  return (const char *)t->data + (size_t)(row * t->row_stride) * scion_dtype_size(t->dtype);
}

static scion_status run(channels_job *job, void (*chunk)(void *, int64_t, void *)) {
  int64_t width = scion_tensor_channels(job->y);
  job->rows = scion_tensor_rows(job->y);
  if (width == 0) return SCION_OK;
  job->rows_per_chunk = CHANNELS_CHUNK / width > 1 ? CHANNELS_CHUNK / width : 1;
  return scion_parallel_for(scion_divide_up(job->rows, job->rows_per_chunk), chunk, job);
}

/* ---- zeros before and after */

static void pad_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const channels_job *job = data;
  size_t size = scion_dtype_size(job->y->dtype);
  size_t before = (size_t)job->before * size, kept = (size_t)scion_tensor_channels(job->x) * size;
  size_t after = (size_t)scion_tensor_channels(job->y) * size - before - kept;
  for (int64_t r = chunk * job->rows_per_chunk; r < (chunk + 1) * job->rows_per_chunk && r < job->rows; r++) {
    char *y = (char *)job->y->data + (size_t)(r * job->y->row_stride) * size;
    memset(y, 0, before);
    memmove(y + before, row_of(job->x, r), kept); /* also where both share memory */
    memset(y + before + kept, 0, after);
  }
}

scion_status scion_pad_channels(const scion_tensor *x, scion_tensor *y, int before) {
  SCION_TRY(scion_require_number("pad_channels", "x", x));
  SCION_TRY(scion_require_dtype("pad_channels", "y", y, x->dtype));
  char first[SCION_SHAPE_TEXT], second[SCION_SHAPE_TEXT];
  if (before < 0 || scion_tensor_rows(y) != scion_tensor_rows(x) || scion_tensor_channels(y) < before + scion_tensor_channels(x))
    return scion_fail(SCION_MISUSE, "pad_channels: x is %s, which does not fit into y of %s behind %d channels",
                      scion_shape_text(x, first, sizeof first), scion_shape_text(y, second, sizeof second), before);
  return run(&(channels_job){.x = x, .y = y, .before = before}, pad_chunk);
}

/* ---- y[c * groups + g] = x[g * size + c] */

/* A row. The compiler vectorises what is inlined with constants: two groups, or groups of two. */
#define SHUFFLE(type)                                                                                                    \
  SIMD_INLINE void shuffle_##type(const type *restrict x, type *restrict y, int64_t groups, int64_t size, int accumulate) { \
    if (size < groups) {                                                                                                 \
      for (int64_t g = 0; g < groups; g++)                                                                               \
        for (int64_t c = 0; c < size; c++) y[c * groups + g] = (accumulate ? y[c * groups + g] : 0) + x[g * size + c];   \
    } else {                                                                                                             \
      for (int64_t c = 0; c < size; c++)                                                                                 \
        for (int64_t g = 0; g < groups; g++) y[c * groups + g] = (accumulate ? y[c * groups + g] : 0) + x[g * size + c]; \
    }                                                                                                                    \
  }                                                                                                                      \
  static void shuffle_row_##type(const type *x, type *y, int64_t groups, int64_t size, int accumulate) {                 \
    if (groups == 2 && !accumulate) {                                                                                    \
      shuffle_##type(x, y, 2, size, 0);                                                                                  \
    } else if (size == 2) {                                                                                              \
      shuffle_##type(x, y, groups, 2, accumulate);                                                                       \
    } else {                                                                                                             \
      shuffle_##type(x, y, groups, size, accumulate);                                                                    \
    }                                                                                                                    \
  }
SHUFFLE(float)
SHUFFLE(uint16_t)

/* Sums of bf16, which have to be widened: where two branches read what was shuffled, which is rare. */
static void add_shuffled(const uint16_t *x, uint16_t *y, int64_t groups, int64_t size) {
  for (int64_t c = 0; c < size; c++)
    for (int64_t g = 0; g < groups; g++) {
      uint16_t *to = y + c * groups + g;
      *to = float_to_bf16(bf16_to_float(*to) + bf16_to_float(x[g * size + c]));
    }
}

static void shuffle_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const channels_job *job = data;
  int64_t groups = job->groups, size = scion_tensor_channels(job->x) / groups;
  for (int64_t r = chunk * job->rows_per_chunk; r < (chunk + 1) * job->rows_per_chunk && r < job->rows; r++) {
    if (job->y->dtype == SCION_BF16 && job->accumulate) {
      add_shuffled(row_of(job->x, r), (uint16_t *)job->y->data + r * job->y->row_stride, groups, size);
    } else if (job->y->dtype == SCION_BF16) {
      shuffle_row_uint16_t(row_of(job->x, r), (uint16_t *)job->y->data + r * job->y->row_stride, groups, size, 0);
    } else {
      shuffle_row_float(row_of(job->x, r), (float *)job->y->data + r * job->y->row_stride, groups, size, job->accumulate);
    }
  }
}

scion_status scion_channel_shuffle(const scion_tensor *x, scion_tensor *y, int groups, int accumulate) {
  SCION_TRY(scion_require_number("channel_shuffle", "x", x));
  SCION_TRY(scion_require_number_like("channel_shuffle", "y", y, "x", x));
  SCION_TRY(scion_require_dtype("channel_shuffle", "y", y, x->dtype));
  if (groups < 1 || scion_tensor_channels(x) % groups != 0)
    return scion_fail(SCION_MISUSE, "channel_shuffle: %lld channels are not %d groups of one size", (long long)scion_tensor_channels(x), groups);
  return run(&(channels_job){.x = x, .y = y, .groups = groups, .accumulate = accumulate}, shuffle_chunk);
}
