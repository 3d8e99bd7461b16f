/* Sorting along an axis. */
#include "element.h"

#include <stdlib.h>

/* An element to sort: in its upper half a number that is ordered as the elements are, in its lower half the index along the axis. So no
 * two are equal, and equal elements keep their order. */
typedef uint64_t item;

/* As many items, and as many again to merge into, fit into the scratch memory of a chunk. */
#define SCRATCH_ITEMS ((int64_t)(SCION_SCRATCH_BYTES / (2 * sizeof(item))))

/* x is seen as [outer][n][inner], and values and indices, either of which may be NULL, as [outer][kept][inner]. */
typedef struct {
  const scion_tensor *x; /* contiguous */
  bool descending;
  int64_t lines, n, kept, inner;
  scion_tensor *values, *indices;
} sort_job;

/* A NaN is above all numbers, and -0 is equal to 0. */
static uint32_t rank_of_float(float value) {
  uint32_t bits;
  if (value != value) return UINT32_MAX;
  value += 0.0f; /* of -0 makes 0 */
  memcpy(&bits, &value, sizeof bits);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

static uint32_t rank_of(const scion_tensor *x, int64_t i) {
  switch (x->dtype) {
    case SCION_F32: return rank_of_float(((const float *)x->data)[i]);
    case SCION_BF16: return rank_of_float(bf16_to_float(((const uint16_t *)x->data)[i]));
    case SCION_U8: return ((const uint8_t *)x->data)[i];
    default: return (uint32_t)((const int32_t *)x->data)[i] ^ 0x80000000u;
  }
}

/* Sorts by merging runs of 1, 2, 4 and so on from one array into the other. Returns the one that holds the result. */
static item *sort_items(item *from, item *to, int64_t n) {
  for (int64_t run = 1; run < n; run *= 2) {
    for (int64_t start = 0; start < n; start += 2 * run) {
      int64_t middle = start + run < n ? start + run : n, end = start + 2 * run < n ? start + 2 * run : n;
      int64_t a = start, b = middle, at = start;
      while (a < middle && b < end) { /* without a branch on the comparison, which could not be predicted */
        bool second = from[b] < from[a];
        to[at++] = second ? from[b] : from[a];
        b += second, a += !second;
      }
      memcpy(to + at, from + a, (size_t)(middle - a) * sizeof *to);
      memcpy(to + at + middle - a, from + b, (size_t)(end - b) * sizeof *to);
    }
    item *swap = from;
    from = to;
    to = swap;
  }
  return from;
}

#define FEW 16

/* Brings the few smallest items to the front, in order: most are larger than all of these, which one comparison tells. */
static void keep_few(item *items, int64_t n, int64_t few) {
  for (int64_t i = 1; i < n; i++) {
    item each = items[i];
    int64_t at = i < few ? i : few - 1;
    if (i >= few && each > items[at]) continue;
    for (; at > 0 && items[at - 1] > each; at--) items[at] = items[at - 1];
    items[at] = each;
  }
}

/* items: memory for twice n of them */
static void sort_line(const sort_job *job, int64_t line, item *items) {
  int64_t outer = line / job->inner, inner = line % job->inner, first = outer * job->n * job->inner + inner;
  int64_t result = outer * job->kept * job->inner + inner;
  for (int64_t i = 0; i < job->n; i++) {
    uint32_t rank = rank_of(job->x, first + i * job->inner);
    items[i] = (item)(job->descending ? ~rank : rank) << 32 | (uint32_t)i;
  }
  if (job->kept > 0 && job->kept <= FEW && job->kept < job->n) keep_few(items, job->n, job->kept);
  else items = sort_items(items, items + job->n, job->n);
  for (int64_t i = 0; i < job->kept; i++, result += job->inner) {
    int64_t index = (uint32_t)items[i];
    if (job->indices) ((int32_t *)job->indices->data)[result] = (int32_t)index;
    if (job->values) memcpy(element_at(job->values, result), element_at(job->x, first + index * job->inner), scion_dtype_size(job->x->dtype));
  }
}

static int64_t lines_of_chunk(const sort_job *job) { return SCRATCH_ITEMS / 16 / job->n + 1; }

static void sort_chunk(void *data, int64_t chunk, void *scratch) {
  const sort_job *job = data;
  int64_t first = chunk * lines_of_chunk(job);
  for (int64_t line = first; line < first + lines_of_chunk(job) && line < job->lines; line++) sort_line(job, line, scratch);
}

/* Lines that are too long for the scratch memory, one after the other. */
static scion_status sort_long_lines(const sort_job *job) {
  item *items = calloc((size_t)job->n, 2 * sizeof *items);
  if (!items) return scion_fail(SCION_NO_MEMORY, "out of memory: no room to sort %lld elements", (long long)job->n);
  for (int64_t line = 0; line < job->lines; line++) sort_line(job, line, items);
  free(items);
  return SCION_OK;
}

static bool fits(const scion_tensor *y, scion_dtype dtype, int64_t elements) {
  return !y || (y->dtype == dtype && scion_tensor_contiguous(y) && scion_tensor_elements(y) == elements);
}

scion_status scion_sort(const scion_tensor *x, int axis, bool descending, int64_t kept, scion_tensor *values, scion_tensor *indices) {
  char text[SCION_SHAPE_TEXT];
  if (axis < 0 || axis >= x->dims || kept < 0 || kept > x->shape[axis] || x->shape[axis] > INT32_MAX)
    return scion_fail(SCION_MISUSE, "sort: %lld elements along axis %d, from 0, of a tensor of %s", (long long)kept, axis,
                      scion_shape_text(x, text, sizeof text));
  sort_job job = {.descending = descending, .lines = 1, .n = x->shape[axis], .kept = kept, .inner = 1, .values = values, .indices = indices};
  for (int d = 0; d < x->dims; d++) {
    if (d != axis) job.lines *= x->shape[d];
    if (d > axis) job.inner *= x->shape[d];
  }
  if (!fits(values, x->dtype, job.lines * kept) || !fits(indices, SCION_I32, job.lines * kept))
    return scion_fail(SCION_MISUSE, "sort: the results do not fit into the tensors for them");
  if (job.lines * kept == 0) return SCION_OK;
  scion_tensor whole = {0};
  scion_status status = scion_tensor_whole(x, &whole);
  job.x = &whole;
  if (status == SCION_OK && job.n > SCRATCH_ITEMS) status = sort_long_lines(&job);
  else if (status == SCION_OK) status = scion_parallel_for(scion_divide_up(job.lines, lines_of_chunk(&job)), sort_chunk, &job);
  scion_tensor_release(&whole);
  return status;
}
