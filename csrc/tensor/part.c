/* Parts of tensors: a range of indices along each axis, read as a view or a copy, and written to. Tensors that are joined of others are
 * written part by part. */
#include "convert.h"
#include "element.h"

#define CHUNK 65536 /* elements of a chunk, so many that small parts are copied in one thread */

/* Dimensions, and how many elements apart their neighbours lie in memory. */
typedef struct {
  int dims;
  int64_t count[SCION_MAX_DIMS], step[SCION_MAX_DIMS];
} layout;

static layout layout_of(const scion_tensor *x) {
  layout all = {.dims = x->dims};
  int64_t step = x->row_stride;
  for (int d = x->dims - 1; d >= 0; d--) {
    all.count[d] = x->shape[d];
    all.step[d] = d == x->dims - 1 ? 1 : step;
    if (d < x->dims - 1) step *= x->shape[d];
  }
  return all;
}

static int64_t elements_of(const layout *part) {
  int64_t elements = 1;
  for (int d = 0; d < part->dims; d++) elements *= part->count[d];
  return elements;
}

/* *part = the layout of x's part, *offset = its first element in memory. */
static scion_status find_part(const scion_tensor *x, const scion_part *wanted, layout *part, int64_t *offset) {
  layout all = layout_of(x);
  *part = (layout){0};
  *offset = 0;
  for (int d = 0; d < x->dims; d++) {
    int64_t first = wanted->first[d], count = wanted->count[d];
    if (first < 0 || count < 0 || first > x->shape[d] - count || (wanted->dropped[d] && count != 1)) {
      char text[SCION_SHAPE_TEXT];
      return scion_fail(SCION_MISUSE, "axis %d, from 0, of a tensor of %s does not have %lld elements from %lld on", d,
                        scion_shape_text(x, text, sizeof text), (long long)count, (long long)first);
    }
    *offset += first * all.step[d];
    if (wanted->dropped[d]) continue;
    part->count[part->dims] = count;
    part->step[part->dims++] = all.step[d];
  }
  if (elements_of(part) == 0) *offset = 0; /* it may lie behind the end */
  return SCION_OK;
}

/* Whether the part is rows of neighbours, all as far from the next one: *row_stride elements. */
static bool is_rows(const layout *part, int64_t *row_stride) {
  int last = part->dims - 1;
  *row_stride = last >= 0 ? part->count[last] : 1;
  if (elements_of(part) == 0 || last < 0) return true;
  if (part->step[last] != 1 && part->count[last] != 1) return false;
  int64_t next = -1; /* the step that the next dimension must have to continue those behind it */
  for (int d = last - 1; d >= 0; d--) {
    if (part->count[d] == 1) continue;
    if (next < 0) *row_stride = part->step[d];
    else if (part->step[d] != next) return false;
    next = part->step[d] * part->count[d];
  }
  return true;
}

/* ---- copying between two layouts of the same counts */

typedef struct {
  layout to; /* its counts are those of both */
  int64_t from_step[SCION_MAX_DIMS], width, rows;
  void *target;
  const void *source;
  scion_dtype target_dtype, source_dtype;
} transfer_job;

/* Joins dimensions that follow each other without a gap in both layouts, so that the last one is as long as possible. */
static void join_dimensions(transfer_job *job) {
  layout *to = &job->to;
  int kept = 0; /* the dimension that the next one may continue */
  for (int d = 1; d < to->dims; d++) {
    bool joins = to->step[kept] == to->count[d] * to->step[d] && job->from_step[kept] == to->count[d] * job->from_step[d];
    if (joins) to->count[kept] *= to->count[d];
    else to->count[++kept] = to->count[d];
    to->step[kept] = to->step[d];
    job->from_step[kept] = job->from_step[d];
  }
  if (to->dims > 0) to->dims = kept + 1;
}

static void transfer_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const transfer_job *job = data;
  int last = job->to.dims - 1;
  int64_t rows = CHUNK / job->width + 1, to_step = last < 0 ? 1 : job->to.step[last], from_step = last < 0 ? 1 : job->from_step[last];
  size_t to_size = scion_dtype_size(job->target_dtype), from_size = scion_dtype_size(job->source_dtype);
  for (int64_t r = chunk * rows; r < (chunk + 1) * rows && r < job->rows; r++) {
    int64_t to = 0, from = 0, left = r;
    for (int d = last - 1; d >= 0; d--) {
      to += left % job->to.count[d] * job->to.step[d];
      from += left % job->to.count[d] * job->from_step[d];
      left /= job->to.count[d];
    }
    if (to_step == 1 && from_step == 1) {
      scion_convert_row((const char *)job->source + (size_t)from * from_size, job->source_dtype, (char *)job->target + (size_t)to * to_size,
                        job->target_dtype, job->width);
    } else {
      for (int64_t i = 0; i < job->width; i++)
        element_store(job->target, job->target_dtype, to + i * to_step, element_load(job->source, job->source_dtype, from + i * from_step));
    }
  }
}

/* Copies to the layout `to` of target, from offset on, what lies at `source` in steps of from_step. */
static scion_status transfer(const layout *to, scion_tensor *target, int64_t offset, const int64_t *from_step, const void *source,
                             scion_dtype dtype) {
  int64_t elements = elements_of(to);
  if (elements == 0) return SCION_OK;
  transfer_job job = {.to = *to, .target = element_at(target, offset), .source = source, .target_dtype = target->dtype, .source_dtype = dtype};
  memcpy(job.from_step, from_step, sizeof job.from_step);
  join_dimensions(&job);
  job.width = job.to.dims > 0 ? job.to.count[job.to.dims - 1] : 1;
  job.rows = elements / job.width;
  int64_t chunks = scion_divide_up(job.rows, CHUNK / job.width + 1);
  if (chunks > 1) return scion_parallel_for(chunks, transfer_chunk, &job);
  transfer_chunk(&job, 0, NULL); /* a call of the threads takes longer than a small part */
  return SCION_OK;
}

/* ---- reading */

scion_status scion_tensor_part(const scion_tensor *x, const scion_part *wanted, scion_tensor *y) {
  layout part;
  int64_t offset, row_stride;
  scion_status status = find_part(x, wanted, &part, &offset);
  if (status != SCION_OK) return status;
  if (is_rows(&part, &row_stride)) {
    scion_storage_retain(x->storage);
    *y = *x;
    y->data = element_at(x, offset);
    y->dims = part.dims;
    y->row_stride = row_stride;
    memcpy(y->shape, part.count, sizeof y->shape);
    return SCION_OK;
  }
  status = scion_tensor_new(y, x->dtype, part.dims, part.count);
  if (status != SCION_OK) return status;
  layout whole = layout_of(y);
  return transfer(&whole, y, 0, part.step, element_at(x, offset), x->dtype);
}

scion_part scion_whole_part(const scion_tensor *x) {
  scion_part all = {0};
  for (int d = 0; d < x->dims; d++) all.count[d] = x->shape[d];
  return all;
}

scion_status scion_tensor_slice(const scion_tensor *x, int axis, int64_t first, int64_t count, scion_tensor *y) {
  char text[SCION_SHAPE_TEXT];
  if (axis < 0 || axis >= x->dims)
    return scion_fail(SCION_MISUSE, "slice: a tensor of %s has no axis %d, from 0", scion_shape_text(x, text, sizeof text), axis);
  scion_part part = scion_whole_part(x);
  part.first[axis] = first, part.count[axis] = count;
  return scion_tensor_part(x, &part, y);
}

/* ---- writing */

/* step = how far apart the elements of `value` lie that go into neighbours of the part: 0 where one is repeated. */
static scion_status broadcast_steps(const layout *part, const scion_tensor *value, int64_t step[SCION_MAX_DIMS]) {
  layout given = layout_of(value);
  bool fits = value->dims <= part->dims;
  memset(step, 0, SCION_MAX_DIMS * sizeof *step);
  for (int i = 1; fits && i <= value->dims; i++) {
    int64_t size = given.count[value->dims - i];
    fits = size == 1 || size == part->count[part->dims - i];
    if (size != 1) step[part->dims - i] = given.step[value->dims - i];
  }
  if (fits) return SCION_OK;
  char from[SCION_SHAPE_TEXT], to[SCION_SHAPE_TEXT];
  scion_tensor target = {.dims = part->dims};
  memcpy(target.shape, part->count, sizeof target.shape);
  return scion_fail(SCION_MISUSE, "a tensor of %s cannot be assigned to a part of %s", scion_shape_text(value, from, sizeof from),
                    scion_shape_text(&target, to, sizeof to));
}

scion_status scion_tensor_assign(scion_tensor *x, const scion_part *wanted, const scion_tensor *value) {
  layout part;
  int64_t offset, step[SCION_MAX_DIMS];
  scion_tensor apart = {0}; /* a copy of a value that may lie in x itself, where writing would change it */
  scion_status status = find_part(x, wanted, &part, &offset);
  if (status == SCION_OK && x->storage && value->storage == x->storage) {
    status = scion_tensor_new(&apart, value->dtype, value->dims, value->shape);
    if (status == SCION_OK) status = scion_tensor_copy(value, &apart, 0);
    value = &apart;
  }
  if (status == SCION_OK) status = broadcast_steps(&part, value, step);
  if (status == SCION_OK) status = transfer(&part, x, offset, step, value->data, value->dtype);
  if (apart.storage) scion_tensor_release(&apart);
  return status;
}

static scion_status check_joined(const scion_tensor *const *parts, int64_t count, int axis, bool stack, const scion_tensor *y) {
  if (axis < 0 || axis >= y->dims) return scion_fail(SCION_MISUSE, "join: the result has no axis %d, from 0", axis);
  int64_t left = y->shape[axis];
  for (int64_t i = 0; i < count; i++) {
    const scion_tensor *part = parts[i];
    bool fits = part->dtype == y->dtype && part->dims == y->dims - stack;
    for (int d = 0; fits && d < y->dims; d++) fits = d == axis || part->shape[stack && d > axis ? d - 1 : d] == y->shape[d];
    if (!fits) return scion_fail(SCION_MISUSE, "join: tensor %lld, from 0, differs from the others in its dtype or shape", (long long)i);
    left -= stack ? 1 : part->shape[axis];
  }
  if (left == 0) return SCION_OK;
  return scion_fail(SCION_MISUSE, "join: the tensors do not fill axis %d, from 0, of the result", axis);
}

scion_status scion_tensor_join(const scion_tensor *const *parts, int64_t count, int axis, bool stack, scion_tensor *y) {
  scion_status status = check_joined(parts, count, axis, stack, y);
  if (status != SCION_OK) return status;
  scion_part place = scion_whole_part(y);
  place.dropped[axis] = stack;
  place.count[axis] = 0;
  for (int64_t i = 0; i < count && status == SCION_OK; i++) {
    place.first[axis] += place.count[axis];
    place.count[axis] = stack ? 1 : parts[i]->shape[axis];
    status = scion_tensor_assign(y, &place, parts[i]);
  }
  return status;
}
