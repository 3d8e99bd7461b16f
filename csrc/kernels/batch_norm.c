/* Batch norm: on stored statistics, where it is a scale and a shift for each channel, and on those of the batch. */
#include <math.h>
#include <stdlib.h>

#include "blocks.h"
#include "require.h"

static const float *numbers(const scion_tensor *t) { return t ? t->data : NULL; }

static scion_tensor vector_view(float *data, int64_t length) {
  return (scion_tensor){.data = data, .dtype = SCION_F32, .dims = 1, .shape = {length}, .row_stride = length};
}

/* ---- scale and shift */

scion_status scion_batch_norm_fold(const scion_tensor *gamma, const scion_tensor *beta, const scion_tensor *mean,
                                   const scion_tensor *variance, const scion_tensor *bias, scion_tensor *scale,
                                   scion_tensor *shift, double epsilon) {
  const char *kernel = "batch_norm_fold", *names[] = {"mean", "variance", "scale", "shift", "gamma", "beta", "bias"};
  const scion_tensor *vectors[] = {mean, variance, scale, shift, gamma, beta, bias};
  for (int i = 0; i < 7; i++) {
    if (i < 4) SCION_TRY(scion_require_f32(kernel, names[i], vectors[i])); /* the others may be NULL */
    SCION_TRY(scion_require_vector(kernel, names[i], vectors[i], scion_tensor_elements(mean)));
  }
  const float *g = numbers(gamma), *b = numbers(beta), *m = numbers(mean), *v = numbers(variance), *below = numbers(bias);
  float *scales = scale->data, *shifts = shift->data;
  for (int64_t c = 0; c < scion_tensor_elements(mean); c++) {
    double s = (g ? (double)g[c] : 1) / sqrt((double)v[c] + epsilon);
    shifts[c] = (float)((b ? (double)b[c] : 0) + ((below ? (double)below[c] : 0) - (double)m[c]) * s);
    scales[c] = (float)s;
  }
  return SCION_OK;
}

typedef struct {
  const float *w, *db, *mean, *variance, *bias, *scale;
  float *dw, *dgamma;
  int64_t rows, width;
  double epsilon;
} unfold_job;

#define UNFOLD_COLUMNS 64 /* of a chunk */

static void unfold_columns(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const unfold_job *job = data;
  int64_t first = chunk * UNFOLD_COLUMNS, left = job->width - first, count = left < UNFOLD_COLUMNS ? left : UNFOLD_COLUMNS;
  double sums[UNFOLD_COLUMNS] = {0};
  for (int64_t k = 0; k < job->rows; k++) {
    const float *w = job->w + k * job->width + first, *scale = job->scale + first;
    float *dw = job->dw + k * job->width + first;
    for (int64_t c = 0; c < count; c++) {
      sums[c] += (double)dw[c] * (double)w[c];
      dw[c] *= scale[c];
    }
  }
  for (int64_t c = first; c < first + count; c++) {
    double shifted = (job->bias ? (double)job->bias[c] : 0) - (double)job->mean[c];
    job->dgamma[c] = (float)((sums[c - first] + (double)job->db[c] * shifted) / sqrt((double)job->variance[c] + job->epsilon));
  }
}

scion_status scion_batch_norm_unfold(const scion_tensor *w, const scion_tensor *db, const scion_tensor *mean,
                                     const scion_tensor *variance, const scion_tensor *bias, const scion_tensor *scale,
                                     scion_tensor *dw, scion_tensor *dgamma, double epsilon) {
  const char *kernel = "batch_norm_unfold", *names[] = {"db", "mean", "variance", "scale", "dgamma", "bias"};
  const scion_tensor *vectors[] = {db, mean, variance, scale, dgamma, bias};
  int64_t width = scion_tensor_elements(mean);
  for (int i = 0; i < 6; i++) {
    if (i < 5) SCION_TRY(scion_require_f32(kernel, names[i], vectors[i])); /* bias may be NULL */
    SCION_TRY(scion_require_vector(kernel, names[i], vectors[i], width));
  }
  SCION_TRY(scion_require_f32(kernel, "w", w));
  SCION_TRY(scion_require_like(kernel, "dw", dw, "w", w));
  char text[SCION_SHAPE_TEXT];
  if (!scion_tensor_contiguous(w) || !scion_tensor_contiguous(dw) || (width > 0 && scion_tensor_elements(w) % width != 0))
    return scion_fail(SCION_MISUSE, "%s: w is %s, whose columns are not the %lld channels of mean", kernel,
                      scion_shape_text(w, text, sizeof text), (long long)width);
  if (width == 0) return SCION_OK;
  unfold_job job = {numbers(w), numbers(db), numbers(mean), numbers(variance), numbers(bias), numbers(scale),
                    dw->data,   dgamma->data, scion_tensor_elements(w) / width, width, epsilon};
  return scion_parallel_for(scion_divide_up(width, UNFOLD_COLUMNS), unfold_columns, &job);
}

typedef struct {
  const float *scale, *shift;
  scion_activation activation;
} scale_shift_job;

static void scale_shift_block(const scion_block *block, void *data, float *scratch) {
  const scale_shift_job *job = data;
  float *ones = scratch, *zeros = scratch + SCION_BLOCK_ELEMENTS;
  for (int64_t c = 0; !job->scale && c < block->width; c++) ones[c] = 1;
  for (int64_t c = 0; !job->shift && c < block->width; c++) zeros[c] = 0;
  SIMD_CHOOSE(scion_loop_scale_shift)(block, job->scale ? job->scale + block->column : ones,
                                      job->shift ? job->shift + block->column : zeros, job->activation);
}

scion_status scion_scale_shift_forward(const scion_tensor *x, const scion_tensor *scale, const scion_tensor *shift,
                                       scion_tensor *y, scion_activation activation) {
  SCION_TRY(scion_require_activation("scale_shift", activation));
  SCION_TRY(scion_require_number("scale_shift", "x", x));
  SCION_TRY(scion_require_number_like("scale_shift", "y", y, "x", x));
  SCION_TRY(scion_require_vector("scale_shift", "scale", scale, scion_tensor_channels(x)));
  SCION_TRY(scion_require_vector("scale_shift", "shift", shift, scion_tensor_channels(x)));
  scale_shift_job job = {numbers(scale), numbers(shift), activation};
  return scion_for_blocks(x, NULL, y, false, true, scale_shift_block, &job);
}

/* ---- sums over rows: each chunk of rows leaves two vectors of doubles, which are then combined in order */

typedef struct {
  const scion_tensor *x, *dy;
  scion_tensor *dx;
  const float *mean, *scale;
  bool products; /* whether sums of dy * (x - mean) are wanted */
  int accumulate;
  int64_t rows, width, rows_per_chunk, chunks;
  double *totals, *partials; /* [2][width]; [chunks][2][width] */
} norm_job;

#define NORM_CHUNK 65536 /* elements of a chunk: so few that a second pass over them finds them in the cache */

/* Fills the sizes of the job, and takes memory at job->totals, for the caller to free. */
static scion_status norm_job_memory(const char *kernel, norm_job *job, const scion_tensor *x) {
  job->rows = scion_tensor_rows(x), job->width = scion_tensor_channels(x);
  job->rows_per_chunk = NORM_CHUNK / (job->width > 0 ? job->width : 1);
  if (job->rows_per_chunk < 16) job->rows_per_chunk = 16;
  job->chunks = scion_divide_up(job->rows, job->rows_per_chunk);
  job->totals = scion_kernel_memory(kernel, (job->chunks + 1) * 2 * job->width, sizeof(double));
  if (!job->totals) return SCION_NO_MEMORY;
  job->partials = job->totals + 2 * job->width;
  return SCION_OK;
}

/* A chunk's rows, and where it leaves its two vectors. */
typedef struct {
  const norm_job *job;
  int64_t row, rows;
  double *first, *second;
} norm_chunk;

static norm_chunk chunk_of(const norm_job *job, int64_t chunk) {
  int64_t row = chunk * job->rows_per_chunk, left = job->rows - row;
  double *first = job->partials + chunk * 2 * job->width;
  return (norm_chunk){job, row, left < job->rows_per_chunk ? left : job->rows_per_chunk, first, first + job->width};
}

static void sum_block(const scion_block *block, void *data, float *scratch) {
  (void)scratch;
  SIMD_CHOOSE(scion_loop_sum)(block, ((const norm_chunk *)data)->first + block->column);
}

static void squares_block(const scion_block *block, void *data, float *scratch) {
  (void)scratch;
  const norm_chunk *c = data;
  SIMD_CHOOSE(scion_loop_squares)(block, c->first + block->column, c->second + block->column);
}

/* The chunk's mean, and its sum of squares about that. */
static void moments_chunk(void *data, int64_t chunk, void *scratch) {
  const norm_job *job = data;
  norm_chunk c = chunk_of(job, chunk);
  scion_for_rows(job->x, NULL, NULL, false, c.row, c.rows, sum_block, &c, scratch);
  for (int64_t i = 0; i < job->width; i++) c.first[i] /= (double)c.rows;
  scion_for_rows(job->x, NULL, NULL, false, c.row, c.rows, squares_block, &c, scratch);
}

/* Chan, Golub and LeVeque 1979: the moments of two sets from those of each. */
static void combine_moments(const norm_job *job) {
  double *mean = job->totals, *squares = mean + job->width;
  for (int64_t chunk = 0; chunk < job->chunks; chunk++) {
    const double *other = job->partials + chunk * 2 * job->width, *other_squares = other + job->width;
    double before = (double)(chunk * job->rows_per_chunk), count = (double)chunk_of(job, chunk).rows;
    for (int64_t c = 0; c < job->width; c++) {
      double delta = other[c] - mean[c];
      mean[c] += delta * count / (before + count);
      squares[c] += other_squares[c] + delta * delta * before * count / (before + count);
    }
  }
}

/* Sums of dy and of dy * (x - mean), and dx on the way, as far as each is wanted. */
static void gradient_block(const scion_block *given, void *data, float *scratch) {
  (void)scratch;
  const norm_chunk *c = data;
  const norm_job *job = c->job;
  const float *scale = job->scale ? job->scale + given->column : NULL;
  scion_block block = *given;
  double *sum = c->first + block.column;
  if (job->products) {
    SIMD_CHOOSE(scion_loop_norm_sums)(&block, job->mean + block.column, scale, sum, c->second + block.column, job->accumulate);
    return;
  }
  block.a = block.b, block.a_stride = block.b_stride;
  SIMD_CHOOSE(scion_loop_sum)(&block, sum);
  if (block.y) SIMD_CHOOSE(scion_loop_scale)(&block, scale, job->accumulate);
}

static void gradient_chunk(void *data, int64_t chunk, void *scratch) {
  const norm_job *job = data;
  norm_chunk c = chunk_of(job, chunk);
  scion_for_rows(job->x, job->dy, job->dx, job->accumulate, c.row, c.rows, gradient_block, &c, scratch);
}

static void combine_sums(const norm_job *job) {
  for (int64_t chunk = 0; chunk < job->chunks; chunk++)
    for (int64_t c = 0; c < 2 * job->width; c++) job->totals[c] += job->partials[chunk * 2 * job->width + c];
}

/* ---- gradients on stored statistics */

static void scale_block(const scion_block *block, void *data, float *scratch) {
  (void)scratch;
  const norm_job *job = data;
  SIMD_CHOOSE(scion_loop_scale)(block, job->scale + block->column, job->accumulate);
}

static scion_status require_stored_backward(const char *kernel, const scion_tensor *x, const scion_tensor *dy,
                                            const scion_tensor *mean, const scion_tensor *variance, const scion_tensor *scale,
                                            const scion_tensor *dx, const scion_tensor *dgamma, const scion_tensor *dbeta) {
  SCION_TRY(scion_require_number(kernel, "dy", dy));
  int64_t channels = scion_tensor_channels(dy);
  if (dx) {
    SCION_TRY(scion_require_number_like(kernel, "dx", dx, "dy", dy));
    SCION_TRY(scion_require_f32(kernel, "scale", scale));
    SCION_TRY(scion_require_vector(kernel, "scale", scale, channels));
  }
  if (dgamma) {
    SCION_TRY(scion_require_number_like(kernel, "x", x, "dy", dy));
    SCION_TRY(scion_require_f32(kernel, "mean", mean));
    SCION_TRY(scion_require_f32(kernel, "variance", variance));
    SCION_TRY(scion_require_vector(kernel, "mean", mean, channels));
    SCION_TRY(scion_require_vector(kernel, "variance", variance, channels));
  }
  SCION_TRY(scion_require_vector(kernel, "dgamma", dgamma, channels));
  return scion_require_vector(kernel, "dbeta", dbeta, channels);
}

scion_status scion_batch_norm_stored_backward(const scion_tensor *x, const scion_tensor *dy, const scion_tensor *mean,
                                              const scion_tensor *variance, const scion_tensor *scale, scion_tensor *dx,
                                              scion_tensor *dgamma, scion_tensor *dbeta, double epsilon, int accumulate) {
  const char *kernel = "batch_norm_stored_backward";
  SCION_TRY(require_stored_backward(kernel, x, dy, mean, variance, scale, dx, dgamma, dbeta));
  norm_job job = {.x = dgamma ? x : NULL, .dy = dy, .dx = dx, .mean = numbers(mean), .scale = numbers(scale),
                  .products = dgamma != NULL, .accumulate = accumulate};
  if (!dgamma && !dbeta) return dx ? scion_for_blocks(dy, NULL, dx, accumulate, true, scale_block, &job) : SCION_OK;
  SCION_TRY(norm_job_memory(kernel, &job, dy));
  scion_status status = scion_parallel_for(job.chunks, gradient_chunk, &job);
  if (status == SCION_OK) {
    combine_sums(&job);
    const float *v = numbers(variance);
    for (int64_t c = 0; c < job.width; c++) {
      if (dbeta) ((float *)dbeta->data)[c] = (float)job.totals[c];
      if (dgamma) ((float *)dgamma->data)[c] = (float)(job.totals[job.width + c] / sqrt((double)v[c] + epsilon));
    }
  }
  free(job.totals);
  return status;
}

/* ---- on the statistics of the batch */

static scion_status require_batch(const char *kernel, const scion_tensor *x, const char *const names[],
                                  const scion_tensor *const vectors[], int count) {
  SCION_TRY(scion_require_number(kernel, "x", x));
  for (int i = 0; i < count; i++) {
    SCION_TRY(scion_require_f32(kernel, names[i], vectors[i]));
    SCION_TRY(scion_require_vector(kernel, names[i], vectors[i], scion_tensor_channels(x)));
  }
  char text[SCION_SHAPE_TEXT];
  if (scion_tensor_rows(x) == 0)
    return scion_fail(SCION_MISUSE, "%s: x is %s, and no rows have no mean", kernel, scion_shape_text(x, text, sizeof text));
  return SCION_OK;
}

scion_status scion_batch_norm_batch_forward(const scion_tensor *x, const scion_tensor *gamma, const scion_tensor *beta,
                                            scion_tensor *moving_mean, scion_tensor *moving_variance, scion_tensor *saved_mean,
                                            scion_tensor *saved_rstd, scion_tensor *y, double epsilon, double momentum,
                                            scion_activation activation) {
  const char *kernel = "batch_norm", *const names[] = {"moving_mean", "moving_variance", "saved_mean", "saved_rstd"};
  SCION_TRY(
      require_batch(kernel, x, names, (const scion_tensor *const[]){moving_mean, moving_variance, saved_mean, saved_rstd}, 4));
  SCION_TRY(scion_require_activation(kernel, activation));
  SCION_TRY(scion_require_number_like(kernel, "y", y, "x", x));
  SCION_TRY(scion_require_vector(kernel, "gamma", gamma, scion_tensor_channels(x)));
  SCION_TRY(scion_require_vector(kernel, "beta", beta, scion_tensor_channels(x)));
  norm_job job = {.x = x};
  SCION_TRY(norm_job_memory(kernel, &job, x));
  scion_status status = scion_parallel_for(job.chunks, moments_chunk, &job);
  if (status == SCION_OK) {
    combine_moments(&job);
    float *mm = moving_mean->data, *mv = moving_variance->data, *mean = saved_mean->data, *rstd = saved_rstd->data;
    float *scale = (float *)job.partials, *shift = scale + job.width; /* the partial sums are spent */
    for (int64_t c = 0; c < job.width; c++) {
      double m = job.totals[c], v = job.totals[job.width + c] / (double)job.rows, r = 1 / sqrt(v + epsilon);
      double s = gamma ? (double)numbers(gamma)[c] * r : r;
      scale[c] = (float)s;
      shift[c] = (float)((beta ? (double)numbers(beta)[c] : 0) - m * s);
      mean[c] = (float)m, rstd[c] = (float)r;
      mm[c] = (float)(momentum * (double)mm[c] + (1 - momentum) * m);
      mv[c] = (float)(momentum * (double)mv[c] + (1 - momentum) * v);
    }
    scion_tensor scales = vector_view(scale, job.width), shifts = vector_view(shift, job.width);
    status = scion_scale_shift_forward(x, &scales, &shifts, y, activation);
  }
  free(job.totals);
  return status;
}

typedef struct {
  const float *scale, *slope, *shift;
  int accumulate;
} combine_job;

static void combine_block(const scion_block *block, void *data, float *scratch) {
  (void)scratch;
  const combine_job *job = data;
  int64_t c = block->column;
  SIMD_CHOOSE(scion_loop_combine)(block, job->scale + c, job->slope + c, job->shift + c, job->accumulate);
}

/* dx = gamma * rstd * (dy - mean(dy) - (x - mean) * rstd^2 * mean(dy * (x - mean))), which for each channel is
 * dy * scale + x * slope + shift. */
static scion_status batch_input_gradient(const norm_job *job, const float *gamma, const float *rstd, scion_tensor *dx,
                                         int accumulate) {
  float *scale = (float *)job->partials, *slope = scale + job->width, *shift = slope + job->width;
  for (int64_t c = 0; c < job->width; c++) {
    double r = (double)rstd[c], s = gamma ? (double)gamma[c] * r : r, rows = (double)job->rows;
    double m = -s * r * r * job->totals[job->width + c] / rows;
    scale[c] = (float)s, slope[c] = (float)m;
    shift[c] = (float)(-s * job->totals[c] / rows - m * (double)job->mean[c]);
  }
  return scion_for_blocks(job->dy, job->x, dx, accumulate, true, combine_block, &(combine_job){scale, slope, shift, accumulate});
}

scion_status scion_batch_norm_batch_backward(const scion_tensor *x, const scion_tensor *dy, const scion_tensor *gamma,
                                             const scion_tensor *saved_mean, const scion_tensor *saved_rstd, scion_tensor *dx,
                                             scion_tensor *dgamma, scion_tensor *dbeta, int accumulate) {
  const char *kernel = "batch_norm_batch_backward", *const names[] = {"saved_mean", "saved_rstd"};
  SCION_TRY(require_batch(kernel, x, names, (const scion_tensor *const[]){saved_mean, saved_rstd}, 2));
  SCION_TRY(scion_require_number_like(kernel, "dy", dy, "x", x));
  SCION_TRY(dx ? scion_require_number_like(kernel, "dx", dx, "x", x) : SCION_OK);
  SCION_TRY(scion_require_vector(kernel, "gamma", gamma, scion_tensor_channels(x)));
  SCION_TRY(scion_require_vector(kernel, "dgamma", dgamma, scion_tensor_channels(x)));
  SCION_TRY(scion_require_vector(kernel, "dbeta", dbeta, scion_tensor_channels(x)));
  norm_job job = {.x = x, .dy = dy, .mean = numbers(saved_mean), .products = true};
  SCION_TRY(norm_job_memory(kernel, &job, x));
  scion_status status = scion_parallel_for(job.chunks, gradient_chunk, &job);
  if (status == SCION_OK) {
    combine_sums(&job);
    const float *rstd = numbers(saved_rstd);
    for (int64_t c = 0; c < job.width; c++) {
      if (dbeta) ((float *)dbeta->data)[c] = (float)job.totals[c];
      if (dgamma) ((float *)dgamma->data)[c] = (float)(job.totals[job.width + c] * (double)rstd[c]);
    }
    if (dx) status = batch_input_gradient(&job, numbers(gamma), rstd, dx, accumulate);
  }
  free(job.totals);
  return status;
}
