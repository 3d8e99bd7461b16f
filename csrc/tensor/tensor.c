/* Storages, tensors, and copies between dtypes. */
#include "convert.h"
#include "element.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic size_t live_bytes;

size_t scion_dtype_size(scion_dtype dtype) {
  static const size_t sizes[SCION_DTYPES] = {[SCION_F32] = 4, [SCION_BF16] = 2, [SCION_U8] = 1, [SCION_I32] = 4};
  return sizes[dtype];
}

const char *scion_dtype_name(scion_dtype dtype) {
  static const char *const names[SCION_DTYPES] = {[SCION_F32] = "f32", [SCION_BF16] = "bf16", [SCION_U8] = "u8", [SCION_I32] = "i32"};
  return names[dtype];
}

size_t scion_storage_live_bytes(void) { return atomic_load(&live_bytes); }

/* Large tensors get large pages: kernels access pixels that lie far apart, which would miss the TLB often with small pages. */
#define LARGE_PAGE ((size_t)2 << 20)

/* Aligned memory; free(*memory) frees it. The address is aligned by hand, since glibc's aligned_alloc searches for a block that is
 * larger by the alignment and so never reuses the block that was freed last. With AddressSanitizer, which delays reuse anyway,
 * aligned_alloc is used, so that it knows the exact bounds. */
static void *allocate(size_t bytes, void **memory) {
#ifdef __SANITIZE_ADDRESS__
  return *memory = aligned_alloc(SCION_ALIGNMENT, bytes);
#else
  size_t alignment = bytes >= 2 * LARGE_PAGE ? LARGE_PAGE : SCION_ALIGNMENT;
  *memory = bytes <= SIZE_MAX - alignment ? malloc(bytes + alignment) : NULL;
  if (!*memory) return NULL;
  void *data = (unsigned char *)*memory + (alignment - (uintptr_t)*memory % alignment) % alignment;
#ifdef MADV_HUGEPAGE
  if (alignment == LARGE_PAGE) madvise(data, bytes / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE); /* only a hint: failure is harmless */
#endif
  return data;
#endif
}

/* The physical memory of the machine in bytes, SIZE_MAX if unknown. Cached, since the query takes longer than allocating a small
 * tensor. */
static size_t machine_bytes(void) {
  static _Atomic size_t known;
  size_t bytes = atomic_load(&known);
  if (bytes == 0) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    bytes = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : SIZE_MAX;
    atomic_store(&known, bytes);
  }
  return bytes;
}

scion_storage *scion_storage_new(size_t bytes) {
  bool possible = bytes <= SIZE_MAX / 4 && bytes + scion_storage_live_bytes() <= machine_bytes();
  size_t rounded = !possible ? 0 : bytes == 0 ? SCION_ALIGNMENT : scion_divide_up(bytes, SCION_ALIGNMENT) * SCION_ALIGNMENT;
  scion_storage *storage = rounded ? malloc(sizeof *storage) : NULL;
  void *memory = NULL, *data = storage ? allocate(rounded, &memory) : NULL;
  if (!data) {
    free(storage);
    scion_fail(SCION_NO_MEMORY, "out of memory: a tensor of %zu bytes cannot be had", bytes);
    return NULL;
  }
  memset(data, 0, rounded);
  *storage = (scion_storage){.data = data, .memory = memory, .bytes = bytes, .references = 1};
  atomic_fetch_add(&live_bytes, bytes);
  return storage;
}

void scion_storage_retain(scion_storage *storage) {
  if (storage) atomic_fetch_add(&storage->references, 1);
}

void scion_storage_release(scion_storage *storage) {
  if (!storage || atomic_fetch_sub(&storage->references, 1) > 1) return;
  atomic_fetch_sub(&live_bytes, storage->bytes);
  free(storage->memory);
  free(storage);
}

scion_status scion_shape_check(scion_dtype dtype, int dims, const int64_t *shape, int64_t *bytes) {
  if (dims < 0 || dims > SCION_MAX_DIMS)
    return scion_fail(SCION_MISUSE, "a tensor has 0 to %d dimensions, not %d", SCION_MAX_DIMS, dims);
  int64_t product = (int64_t)scion_dtype_size(dtype);
  bool empty = false, fits = true;
  for (int i = 0; i < dims; i++) {
    if (shape[i] < 0) return scion_fail(SCION_MISUSE, "dimension %d of a tensor is negative: %lld", i + 1, (long long)shape[i]);
    if (shape[i] == 0)
      empty = true;
    else
      fits = fits && !__builtin_mul_overflow(product, shape[i], &product);
  }
  if (!fits || product > INT64_MAX - SCION_ALIGNMENT)
    return scion_fail(SCION_NO_MEMORY, "a tensor of that shape has more bytes than memory can address");
  if (empty && product > SCION_MAX_EMPTY)
    return scion_fail(SCION_MISUSE, "a tensor without elements has too large sizes beside the 0: their product may be %lld bytes",
                      (long long)SCION_MAX_EMPTY);
  *bytes = empty ? 0 : product;
  return SCION_OK;
}

scion_status scion_tensor_new(scion_tensor *t, scion_dtype dtype, int dims, const int64_t *shape) {
  int64_t bytes;
  *t = (scion_tensor){.dtype = dtype, .row_stride = 1};
  scion_status status = scion_shape_check(dtype, dims, shape, &bytes);
  if (status != SCION_OK) return status;
  t->storage = scion_storage_new((size_t)bytes);
  if (!t->storage) return SCION_NO_MEMORY;
  t->data = t->storage->data;
  t->dims = dims;
  for (int i = 0; i < dims; i++) t->shape[i] = shape[i];
  t->row_stride = scion_tensor_channels(t);
  return SCION_OK;
}

void scion_tensor_release(scion_tensor *t) {
  scion_storage_release(t->storage);
  *t = (scion_tensor){.dtype = t->dtype, .dims = 1};
}

int64_t scion_tensor_channels(const scion_tensor *t) { return t->dims ? t->shape[t->dims - 1] : 1; }

int64_t scion_tensor_rows(const scion_tensor *t) {
  int64_t rows = 1;
  for (int i = 0; i + 1 < t->dims; i++) rows *= t->shape[i];
  return rows;
}

int64_t scion_tensor_elements(const scion_tensor *t) { return scion_tensor_rows(t) * scion_tensor_channels(t); }

bool scion_tensor_contiguous(const scion_tensor *t) {
  return t->row_stride == scion_tensor_channels(t) || scion_tensor_rows(t) <= 1;
}

bool scion_tensor_same_shape(const scion_tensor *a, const scion_tensor *b) {
  return a->dims == b->dims && memcmp(a->shape, b->shape, (size_t)a->dims * sizeof a->shape[0]) == 0;
}

char *scion_shape_text(const scion_tensor *t, char *buffer, size_t size) {
  size_t used = 0;
  if (size) buffer[0] = 0;
  for (int i = 0; i < t->dims && used < size; i++)
    used += (size_t)snprintf(buffer + used, size - used, i ? "x%lld" : "%lld", (long long)t->shape[i]);
  if (t->dims == 0) snprintf(buffer, size, "scalar");
  return buffer;
}

/* ---- copy: fast paths for the frequent conversions, all others element by element through double, which holds every dtype exactly */

static void copy_row(const void *x, scion_dtype from, void *y, scion_dtype to, int64_t count, int accumulate) {
  if (accumulate) {
    const float *source = x;
    float *target = y;
    for (int64_t i = 0; i < count; i++) target[i] += source[i];
  } else if (from == to) {
    memmove(y, x, (size_t)count * scion_dtype_size(from));
  } else if (from == SCION_U8 && to == SCION_F32) {
    const uint8_t *source = x;
    float *target = y;
    for (int64_t i = 0; i < count; i++) target[i] = source[i];
  } else if (from == SCION_BF16 && to == SCION_F32) {
    SIMD_CHOOSE(scion_loop_widen)(x, y, count);
  } else if (from == SCION_F32 && to == SCION_BF16) {
    SIMD_CHOOSE(scion_loop_narrow)(x, y, count);
  } else {
    for (int64_t i = 0; i < count; i++) element_store(y, to, i, element_load(x, from, i));
  }
}

typedef struct {
  const scion_tensor *x;
  scion_tensor *y;
  int64_t rows, width, x_stride, y_stride;
  int accumulate;
} copy_job;

#define COPY_CHUNK 65536 /* elements of a chunk, so many that small copies run in one thread */

static void copy_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const copy_job *job = data;
  int64_t rows = COPY_CHUNK / (job->width ? job->width : 1) + 1, first = chunk * rows;
  size_t x_size = scion_dtype_size(job->x->dtype), y_size = scion_dtype_size(job->y->dtype);
  for (int64_t r = first; r < first + rows && r < job->rows; r++)
    copy_row((const char *)job->x->data + (size_t)(r * job->x_stride) * x_size, job->x->dtype,
             (char *)job->y->data + (size_t)(r * job->y_stride) * y_size, job->y->dtype, job->width, job->accumulate);
}

scion_status scion_tensor_copy(const scion_tensor *x, scion_tensor *y, int accumulate) {
  char a[SCION_SHAPE_TEXT], b[SCION_SHAPE_TEXT];
  int64_t elements = scion_tensor_elements(x);
  bool flat = scion_tensor_contiguous(x) && scion_tensor_contiguous(y);
  if (elements != scion_tensor_elements(y) || (!flat && scion_tensor_channels(x) != scion_tensor_channels(y)))
    return scion_fail(SCION_MISUSE, "copy: %s does not fit into %s", scion_shape_text(x, a, sizeof a), scion_shape_text(y, b, sizeof b));
  if (accumulate && (x->dtype != SCION_F32 || y->dtype != SCION_F32))
    return scion_fail(SCION_MISUSE, "copy: only f32 tensors accumulate, not %s into %s", scion_dtype_name(x->dtype), scion_dtype_name(y->dtype));
  if (elements == 0) return SCION_OK;
  copy_job job = {x, y, scion_tensor_rows(x), scion_tensor_channels(x), x->row_stride, y->row_stride, accumulate};
  if (flat) { /* shapes do not matter: choose rows of up to 4096 elements, so that the work can be split */
    int64_t width = elements;
    for (int64_t piece = 4096; piece >= 1 && width == elements; piece /= 2)
      if (elements % piece == 0) width = piece;
    job.width = job.x_stride = job.y_stride = width;
    job.rows = elements / width;
  }
  int64_t rows = COPY_CHUNK / job.width + 1;
  return scion_parallel_for(scion_divide_up(job.rows, rows), copy_chunk, &job);
}

scion_status scion_tensor_fill(scion_tensor *t, double value) {
  int64_t rows = scion_tensor_rows(t), width = scion_tensor_channels(t);
  for (int64_t r = 0; r < rows && width > 0; r++)
    for (int64_t c = 0; c < width; c++) element_store(t->data, t->dtype, r * t->row_stride + c, value);
  return SCION_OK;
}
