/* Matrix products: OpenBLAS with one thread, on tiles that our own threads share out. Its own threads would change results with
 * their number; these tiles depend on shapes alone. */
#include <cblas.h>
#include <limits.h>
#include <stdlib.h>

#include "../kernels/require.h"
#include "openblas.h"

static __typeof__(cblas_sgemm) *sgemm;

/* c = a b */
typedef struct {
  const float *a, *b;
  float *c;
  int64_t m, n, k, a_stride, b_stride, c_stride;
  int transpose_a, transpose_b;
  int64_t tile_m, tile_n, tile_k, tiles_m, tiles_n, tiles_k;
  float *partials; /* [tiles_k][m][n], where the sum over k is split */
} gemm_job;

#define TILE_M 512 /* the largest tile; halved while there are few, down to TILE_LEAST or to TILE_WORK multiply-adds */
#define TILE_N 256
#define TILE_LEAST 32
#define TILE_WORK ((int64_t)1 << 19)
#define TILES_WANTED 16
#define SPLIT_K 4096 /* a sum as long as this is split when its matrix is too small for enough tiles */

static void choose_tiles(gemm_job *job) {
  job->tile_m = job->m < TILE_M ? job->m : TILE_M;
  job->tile_n = job->n < TILE_N ? job->n : TILE_N;
  job->tile_k = job->k, job->tiles_k = 1;
  for (;;) {
    job->tiles_m = scion_divide_up(job->m, job->tile_m), job->tiles_n = scion_divide_up(job->n, job->tile_n);
    int64_t *longer = job->tile_m > job->tile_n ? &job->tile_m : &job->tile_n;
    if (job->tiles_m * job->tiles_n >= TILES_WANTED || *longer < 2 * TILE_LEAST ||
        job->tile_m * job->tile_n * job->k < 2 * TILE_WORK)
      break;
    *longer = scion_divide_up(scion_divide_up(*longer, 2), 16) * 16;
  }
  if (job->tiles_m * job->tiles_n < TILES_WANTED && job->k >= SPLIT_K && job->m * job->n <= TILE_M * TILE_N) {
    job->tile_k = scion_divide_up(job->k, TILES_WANTED) > SPLIT_K / 4 ? scion_divide_up(job->k, TILES_WANTED) : SPLIT_K / 4;
    job->tiles_k = scion_divide_up(job->k, job->tile_k);
  }
}

static void tile_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const gemm_job *job = data;
  int64_t part = chunk / (job->tiles_m * job->tiles_n), tile = chunk % (job->tiles_m * job->tiles_n);
  int64_t row = tile / job->tiles_n * job->tile_m, column = tile % job->tiles_n * job->tile_n, first = part * job->tile_k;
  int64_t m = job->m - row < job->tile_m ? job->m - row : job->tile_m,
          n = job->n - column < job->tile_n ? job->n - column : job->tile_n;
  int64_t k = job->k - first < job->tile_k ? job->k - first : job->tile_k;
  const float *a = job->a + (job->transpose_a ? first * job->a_stride + row : row * job->a_stride + first);
  const float *b = job->b + (job->transpose_b ? column * job->b_stride + first : first * job->b_stride + column);
  float *c = job->partials ? job->partials + (part * job->m + row) * job->n + column : job->c + row * job->c_stride + column;
  sgemm(CblasRowMajor, job->transpose_a ? CblasTrans : CblasNoTrans, job->transpose_b ? CblasTrans : CblasNoTrans, (int)m,
             (int)n, (int)k, 1, a, (int)job->a_stride, b, (int)job->b_stride, 0, c,
             (int)(job->partials ? job->n : job->c_stride));
}

/* The parts of a split sum, in order. */
static void add_partials(const gemm_job *job) {
  for (int64_t r = 0; r < job->m; r++)
    for (int64_t i = 0; i < job->n; i++) {
      double sum = 0;
      for (int64_t part = 0; part < job->tiles_k; part++) sum += (double)job->partials[(part * job->m + r) * job->n + i];
      job->c[r * job->c_stride + i] = (float)sum;
    }
}

static scion_status gemm(gemm_job *job) {
  if (job->m == 0 || job->n == 0) return SCION_OK;
  SCION_TRY(openblas_find("matmul", "cblas_sgemm", (void **)&sgemm));
  int64_t *strides[] = {&job->a_stride, &job->b_stride, &job->c_stride};
  for (int i = 0; i < 3; i++) {
    if (*strides[i] < 1) *strides[i] = 1; /* of matrices without columns */
    if (*strides[i] > INT_MAX)
      return scion_fail(SCION_MISUSE, "matmul: rows %lld apart are too far for BLAS", (long long)*strides[i]);
  }
  choose_tiles(job);
  if (job->tile_k > INT_MAX)
    return scion_fail(SCION_MISUSE, "matmul: a sum of %lld products is too long for BLAS", (long long)job->k);
  if (job->tiles_k > 1 && !(job->partials = scion_kernel_memory("matmul", job->tiles_k * job->m * job->n, sizeof(float))))
    return SCION_NO_MEMORY;
  scion_status status = scion_parallel_for(job->tiles_m * job->tiles_n * job->tiles_k, tile_chunk, job);
  if (status == SCION_OK && job->partials) add_partials(job);
  free(job->partials);
  return status;
}

scion_status scion_matmul(const scion_tensor *a, int transpose_a, const scion_tensor *b, int transpose_b, scion_tensor *c) {
  SCION_TRY(scion_require_f32("matmul", "a", a));
  SCION_TRY(scion_require_f32("matmul", "b", b));
  SCION_TRY(scion_require_f32("matmul", "c", c));
  char a_text[SCION_SHAPE_TEXT], b_text[SCION_SHAPE_TEXT], c_text[SCION_SHAPE_TEXT];
  if (a->dims != 2 || b->dims != 2 || c->dims != 2 || a->shape[!transpose_a] != b->shape[!!transpose_b] ||
      c->shape[0] != a->shape[!!transpose_a] || c->shape[1] != b->shape[!transpose_b])
    return scion_fail(SCION_MISUSE, "matmul: a is %s%s, b is %s%s and c is %s, which do not fit",
                      scion_shape_text(a, a_text, sizeof a_text), transpose_a ? " transposed" : "",
                      scion_shape_text(b, b_text, sizeof b_text), transpose_b ? " transposed" : "",
                      scion_shape_text(c, c_text, sizeof c_text));
  if (c->data == a->data || c->data == b->data) return scion_fail(SCION_MISUSE, "matmul: c is the memory of a or b");
  gemm_job job = {.a = a->data, .b = b->data, .c = c->data, .m = c->shape[0], .n = c->shape[1], .k = a->shape[!transpose_a],
                  .a_stride = a->row_stride, .b_stride = b->row_stride, .c_stride = c->row_stride, .transpose_a = transpose_a,
                  .transpose_b = transpose_b};
  return gemm(&job);
}
