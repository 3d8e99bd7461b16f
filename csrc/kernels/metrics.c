/* What metrics count of a pass, and the areas under curves, for which scores are sorted. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "require.h"

/* ---- confusion */

static const float *row_of(const scion_tensor *t, int64_t r) { return (const float *)t->data + r * t->row_stride; }

static bool all_finite(const float *x, int64_t width) {
  for (int64_t c = 0; c < width; c++)
    if (!isfinite(x[c])) return false;
  return true;
}

/* The predicted class of a row, or -1 when it holds what is not finite. */
static int64_t prediction(const float *x, int64_t width, double threshold) {
  int64_t best = 0;
  for (int64_t c = 0; c < width; c++) {
    if (!isfinite(x[c])) return -1;
    if (x[c] > x[best]) best = c;
  }
  return width == 1 ? (double)x[0] > threshold : best;
}

static void count_one(int32_t *count) {
  if (*count < INT32_MAX) ++*count;
}

scion_status scion_confusion(const scion_tensor *x, const scion_tensor *labels, scion_tensor *counts, scion_tensor *support,
                             double threshold) {
  const char *kernel = "confusion";
  SCION_TRY(scion_require_f32(kernel, "x", x));
  int64_t rows = scion_tensor_rows(x), width = scion_tensor_channels(x), classes = width > 2 ? width : 2;
  char text[SCION_SHAPE_TEXT];
  if (width == 0)
    return scion_fail(SCION_MISUSE, "%s: x is %s, without a column", kernel, scion_shape_text(x, text, sizeof text));
  SCION_TRY(scion_require_dtype(kernel, "counts", counts, SCION_I32));
  if (scion_tensor_rows(counts) != classes || scion_tensor_channels(counts) != classes)
    return scion_fail(SCION_MISUSE, "%s: counts is %s, but should be %lldx%lld", kernel,
                      scion_shape_text(counts, text, sizeof text), (long long)classes, (long long)classes);
  if (support) SCION_TRY(scion_require_integers(kernel, "support", support, classes));
  SCION_TRY(scion_require_labels(kernel, labels, rows, classes));
  for (int64_t r = 0; r < rows; r++) {
    int64_t predicted = prediction(row_of(x, r), width, threshold);
    int64_t label = scion_label_at(labels, r, classes);
    if (predicted >= 0) count_one((int32_t *)counts->data + label * counts->row_stride + predicted);
    if (support) count_one((int32_t *)support->data + label);
  }
  return SCION_OK;
}

/* ---- several labels an example */

scion_status scion_label_confusion(const scion_tensor *x, const scion_tensor *targets, scion_tensor *counts, scion_tensor *support,
                                   scion_tensor *exact, double threshold) {
  const char *kernel = "label_confusion";
  SCION_TRY(scion_require_f32(kernel, "x", x));
  SCION_TRY(scion_require_like(kernel, "targets", targets, "x", x));
  int64_t rows = scion_tensor_rows(x), width = scion_tensor_channels(x);
  char text[SCION_SHAPE_TEXT];
  SCION_TRY(scion_require_dtype(kernel, "counts", counts, SCION_I32));
  if (scion_tensor_rows(counts) != width || scion_tensor_channels(counts) != 4)
    return scion_fail(SCION_MISUSE, "%s: counts is %s, but should be %lldx4", kernel, scion_shape_text(counts, text, sizeof text),
                      (long long)width);
  SCION_TRY(scion_require_integers(kernel, "support", support, width));
  SCION_TRY(scion_require_integers(kernel, "exact", exact, 1));
  for (int64_t r = 0; r < rows; r++) {
    const float *p = row_of(x, r), *t = row_of(targets, r);
    bool finite = all_finite(p, width), same = finite;
    for (int64_t c = 0; c < width; c++) {
      int truth = t[c] > 0.5f, predicted = (double)p[c] > threshold;
      if (truth) count_one((int32_t *)support->data + c);
      if (finite) count_one((int32_t *)counts->data + c * counts->row_stride + 2 * truth + predicted);
      same = same && truth == predicted;
    }
    if (same) count_one(exact->data);
  }
  return SCION_OK;
}

/* ---- ranks */

/* How many classes come before `label`: those with a larger value and, of equal ones, those with a lower number. */
static int64_t rank_of(const float *x, int64_t width, int64_t label) {
  int64_t before = 0;
  for (int64_t c = 0; c < width; c++) before += x[c] > x[label] || (x[c] == x[label] && c < label);
  return before;
}

scion_status scion_ranks(const scion_tensor *x, const scion_tensor *labels, scion_tensor *counts) {
  const char *kernel = "ranks";
  SCION_TRY(scion_require_f32(kernel, "x", x));
  int64_t rows = scion_tensor_rows(x), width = scion_tensor_channels(x);
  SCION_TRY(scion_require_integers(kernel, "counts", counts, width));
  SCION_TRY(scion_require_labels(kernel, labels, rows, width));
  for (int64_t r = 0; r < rows; r++) {
    const float *p = row_of(x, r);
    if (all_finite(p, width)) count_one((int32_t *)counts->data + rank_of(p, width, scion_label_at(labels, r, width)));
  }
  return SCION_OK;
}

/* ---- calibration */

/* The bin of a confidence: bin b holds what is over b / bins, up to (b + 1) / bins. */
static int64_t bin_of(double confidence, int64_t bins) {
  double b = ceil(confidence * (double)bins) - 1;
  return b <= 0 ? 0 : b < (double)bins ? (int64_t)b : bins - 1;
}

scion_status scion_calibration(const scion_tensor *x, const scion_tensor *labels, scion_tensor *counts, scion_tensor *confidence) {
  const char *kernel = "calibration";
  SCION_TRY(scion_require_f32(kernel, "x", x));
  int64_t rows = scion_tensor_rows(x), width = scion_tensor_channels(x);
  char text[SCION_SHAPE_TEXT];
  if (width == 0) return scion_fail(SCION_MISUSE, "%s: x is %s, without a column", kernel, scion_shape_text(x, text, sizeof text));
  SCION_TRY(scion_require_dtype(kernel, "counts", counts, SCION_I32));
  int64_t bins = scion_tensor_rows(counts);
  if (counts->dims != 2 || scion_tensor_channels(counts) != 2 || bins < 1)
    return scion_fail(SCION_MISUSE, "%s: counts is %s, but should be bins x 2", kernel, scion_shape_text(counts, text, sizeof text));
  SCION_TRY(scion_require_dtype(kernel, "confidence", confidence, SCION_F32));
  SCION_TRY(scion_require_vector(kernel, "confidence", confidence, bins));
  SCION_TRY(scion_require_labels(kernel, labels, rows, width > 2 ? width : 2));
  double *sums = scion_kernel_memory(kernel, bins, sizeof(double));
  if (!sums) return SCION_NO_MEMORY;
  for (int64_t r = 0; r < rows; r++) {
    const float *p = row_of(x, r);
    int64_t predicted = prediction(p, width, 0.5);
    if (predicted < 0) continue;
    double value = width > 1 ? (double)p[predicted] : predicted ? (double)p[0] : 1 - (double)p[0];
    int64_t bin = bin_of(value, bins);
    int32_t *count = (int32_t *)counts->data + bin * counts->row_stride;
    count_one(&count[0]);
    if (predicted == scion_label_at(labels, r, width > 2 ? width : 2)) count_one(&count[1]);
    sums[bin] += value;
  }
  for (int64_t b = 0; b < bins; b++) ((float *)confidence->data)[b] += (float)sums[b];
  free(sums);
  return SCION_OK;
}

/* ---- areas under curves */

typedef struct {
  const scion_tensor *x, *labels;
  float *roc, *precision;
  float *scores;  /* rows for each chunk: of the positives of a column, the largest first */
  int64_t *below; /* rows + 1 for each chunk: how many others have so many positives with larger scores */
  int64_t rows, width, chunks;
} area_job;

static int from_the_top(const void *a, const void *b) {
  float one = *(const float *)a, other = *(const float *)b;
  return (one < other) - (one > other);
}

/* Whether row r is an example of column c. */
static bool is_positive(const area_job *job, int64_t r, int64_t c) {
  if (job->labels->dtype == SCION_F32) return row_of(job->labels, r)[c] > 0.5f;
  return ((const int32_t *)job->labels->data)[r] == (job->width == 1 ? 1 : c);
}

/* How many of the scores, the largest first, are over `score`, or equal to it as well. */
static int64_t count_over(const float *scores, int64_t count, float score, bool or_equal) {
  int64_t low = 0;
  while (low < count) {
    int64_t middle = low + (count - low) / 2;
    if (scores[middle] > score || (or_equal && scores[middle] == score))
      low = middle + 1;
    else
      count = middle;
  }
  return low;
}

/* Both areas of a column. Only the positives are sorted, which are few where classes are many, and each of the others is looked up among
 * them. Examples with equal scores are one step of the curves. */
static void areas(const area_job *job, int64_t c, float *scores, int64_t *below) {
  int64_t positives = 0, misses = 0;
  double pairs = 0, under_roc = 0, under_precision = 0;
  for (int64_t r = 0; r < job->rows; r++)
    if (is_positive(job, r, c)) scores[positives++] = row_of(job->x, r)[c];
  qsort(scores, (size_t)positives, sizeof *scores, from_the_top);
  memset(below, 0, (size_t)(positives + 1) * sizeof *below);
  for (int64_t r = 0; r < job->rows; r++) {
    if (is_positive(job, r, c)) continue;
    float score = row_of(job->x, r)[c];
    int64_t over = count_over(scores, positives, score, false);
    bool equal = over < positives && scores[over] == score;
    under_roc += ((double)over + (double)(equal ? count_over(scores, positives, score, true) : over)) / 2;
    pairs += (double)positives;
    below[over]++;
  }
  for (int64_t i = 0; i < positives;) {
    int64_t first = i;
    while (i < positives && scores[i] == scores[first]) i++;
    misses += below[first];
    under_precision += (double)(i - first) * (double)i / (double)(i + misses);
  }
  job->roc[c] = pairs > 0 ? (float)(under_roc / pairs) : NAN;
  job->precision[c] = positives > 0 ? (float)(under_precision / (double)positives) : NAN;
}

static void area_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const area_job *job = data;
  for (int64_t c = chunk; c < job->width; c += job->chunks) {
    bool finite = true;
    for (int64_t r = 0; finite && r < job->rows; r++) finite = isfinite(row_of(job->x, r)[c]);
    if (finite)
      areas(job, c, job->scores + chunk * job->rows, job->below + chunk * (job->rows + 1));
    else
      job->roc[c] = job->precision[c] = NAN;
  }
}

scion_status scion_areas(const scion_tensor *x, const scion_tensor *labels, scion_tensor *roc, scion_tensor *precision) {
  const char *kernel = "areas";
  SCION_TRY(scion_require_f32(kernel, "x", x));
  area_job job = {.x = x, .labels = labels, .rows = scion_tensor_rows(x), .width = scion_tensor_channels(x)};
  if (labels && labels->dtype == SCION_F32)
    SCION_TRY(scion_require_like(kernel, "labels", labels, "x", x));
  else
    SCION_TRY(scion_require_labels(kernel, labels, job.rows, job.width > 2 ? job.width : 2));
  SCION_TRY(scion_require_f32(kernel, "roc", roc));
  SCION_TRY(scion_require_vector(kernel, "roc", roc, job.width));
  SCION_TRY(scion_require_f32(kernel, "precision", precision));
  SCION_TRY(scion_require_vector(kernel, "precision", precision, job.width));
  job.roc = roc->data, job.precision = precision->data;
  job.chunks = job.width < scion_threads() ? job.width : scion_threads();
  int64_t needed;
  if (__builtin_mul_overflow(job.rows + 1, job.chunks, &needed)) return scion_fail(SCION_NO_MEMORY, "%s: x is too large", kernel);
  job.scores = scion_kernel_memory(kernel, needed, sizeof *job.scores);
  job.below = scion_kernel_memory(kernel, needed, sizeof *job.below);
  scion_status status = job.scores && job.below ? scion_parallel_for(job.chunks, area_chunk, &job) : SCION_NO_MEMORY;
  free(job.scores);
  free(job.below);
  return status;
}
