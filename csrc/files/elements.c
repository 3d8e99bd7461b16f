/* Numbers as they lie in other people's files, little-endian and in any order, into tensors. */
#include "../tensor/element.h"
#include "read_file.h"

static const struct {
  const char *name;
  size_t size;
} elements[] = {{"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F64", 8}, {"U8", 1}, {"BOOL", 1}, {"I8", 1}, {"I16", 2}, {"I32", 4}, {"I64", 8}};
enum { F32, F16, BF16, F64, U8, BOOL, I8, I16, I32, I64, KINDS };

static int find_kind(const char *name) {
  for (int i = 0; i < KINDS; i++)
    if (strcmp(elements[i].name, name) == 0) return i;
  return -1;
}

size_t scion_element_size(const char *dtype) {
  int kind = find_kind(dtype);
  return kind < 0 ? 0 : elements[kind].size;
}

/* IEEE's half precision. */
static float half_to_float(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023, bits;
  float value;
  if (exponent == 0) {
    value = (float)fraction * 0x1p-24f; /* subnormal: exact */
    return sign ? -value : value;
  }
  bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static double load(const unsigned char *from, int kind) {
  uint16_t half;
  int16_t i16;
  int32_t i32;
  int64_t i64;
  float f32;
  double f64;
  switch (kind) {
    case F32: return memcpy(&f32, from, 4), f32;
    case F16: return memcpy(&half, from, 2), half_to_float(half);
    case BF16: return memcpy(&half, from, 2), bf16_to_float(half);
    case F64: return memcpy(&f64, from, 8), f64;
    case I8: return *(const int8_t *)from;
    case I16: return memcpy(&i16, from, 2), i16;
    case I32: return memcpy(&i32, from, 4), i32;
    case I64: return memcpy(&i64, from, 8), (double)i64;
    default: return *from;
  }
}

typedef struct {
  const unsigned char *from;
  scion_tensor *t;
  const int64_t *strides; /* of the source, in bytes */
  int kind;
  int64_t rows, rows_a_chunk;
} unpack_job;

static void unpack_row(const unpack_job *job, const unsigned char *from, int64_t first) {
  int64_t width = scion_tensor_channels(job->t), stride = job->t->dims ? job->strides[job->t->dims - 1] : 0;
  float *out = (float *)job->t->data + first;
  if (job->t->dtype == SCION_F32 && job->kind == F32) {
    for (int64_t i = 0; i < width; i++) memcpy(&out[i], from + i * stride, 4);
  } else {
    for (int64_t i = 0; i < width; i++) element_store(job->t->data, job->t->dtype, first + i, load(from + i * stride, job->kind));
  }
}

static void unpack_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const unpack_job *job = data;
  int64_t end = (chunk + 1) * job->rows_a_chunk < job->rows ? (chunk + 1) * job->rows_a_chunk : job->rows;
  for (int64_t row = chunk * job->rows_a_chunk; row < end; row++) {
    const unsigned char *from = job->from;
    int64_t rest = row;
    for (int i = job->t->dims - 2; i >= 0; i--) {
      from += rest % job->t->shape[i] * job->strides[i];
      rest /= job->t->shape[i];
    }
    unpack_row(job, from, row * job->t->row_stride);
  }
}

scion_status scion_unpack(const scion_tensor *bytes, const char *dtype, int64_t first, const int64_t *strides, scion_tensor *t) {
  int kind = find_kind(dtype);
  if (kind < 0) return scion_fail(SCION_MISUSE, "unpack: unknown dtype '%s'", dtype);
  if (!scion_tensor_contiguous(bytes)) return scion_fail(SCION_MISUSE, "unpack: the bytes are not contiguous");
  if (scion_tensor_elements(t) == 0) return SCION_OK;
  int64_t size = (int64_t)elements[kind].size, low = first, high = first, in_bytes[SCION_MAX_DIMS], reach, start;
  int64_t available = scion_tensor_elements(bytes) * (int64_t)scion_dtype_size(bytes->dtype);
  bool fits = true;
  for (int i = 0; i < t->dims && fits; i++)
    fits = !__builtin_mul_overflow(t->shape[i] - 1, strides[i], &reach) && !__builtin_mul_overflow(strides[i], size, &in_bytes[i]) &&
           !(reach < 0 ? __builtin_add_overflow(low, reach, &low) : __builtin_add_overflow(high, reach, &high));
  fits = fits && low >= 0 && high < available / size && !__builtin_mul_overflow(first, size, &start);
  if (!fits) return scion_fail(SCION_MISUSE, "unpack: the strides lead out of the %lld bytes", (long long)available);
  int64_t width = scion_tensor_channels(t);
  unpack_job job = {(const unsigned char *)bytes->data + start, t, in_bytes, kind, scion_tensor_rows(t), 65536 / width + 1};
  return scion_parallel_for(scion_divide_up(job.rows, job.rows_a_chunk), unpack_chunk, &job);
}

/* ---- bytes of a file */

scion_status scion_read_head(const char *path, void *head, size_t size, size_t *got) {
  struct stat about;
  const char *why;
  int descriptor = open_regular_file(path, O_RDONLY, &about, &why);
  if (descriptor < 0) return scion_fail(SCION_WORLD, "%s: %s", path, why);
  scion_status status = SCION_OK;
  if (!read_file_at(descriptor, head, size, 0, got)) status = scion_fail(SCION_WORLD, "%s: cannot be read: %s", path, system_error(errno));
  close(descriptor);
  return status;
}

scion_status scion_read_bytes(const char *path, uint64_t offset, scion_tensor *t) {
  if (t->dtype != SCION_U8 || !scion_tensor_contiguous(t)) return scion_fail(SCION_MISUSE, "bytes are read into contiguous u8 tensors");
  struct stat about;
  size_t bytes = (size_t)scion_tensor_elements(t), got = 0;
  const char *why;
  int descriptor = open_regular_file(path, O_RDONLY, &about, &why);
  if (descriptor < 0) return scion_fail(SCION_WORLD, "%s: %s", path, why);
  scion_status status = SCION_OK;
  if (offset > INT64_MAX)
    status = scion_fail(SCION_WORLD, "%s: truncated: it has no byte %llu", path, (unsigned long long)offset);
  else if (!read_file_at(descriptor, t->data, bytes, offset, &got))
    status = scion_fail(SCION_WORLD, "%s: cannot be read: %s", path, system_error(errno));
  else if (got < bytes)
    status = scion_fail(SCION_WORLD, "%s: truncated: it ends at byte %llu", path, (unsigned long long)(offset + got));
  close(descriptor);
  return status;
}
