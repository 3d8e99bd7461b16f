/* Writing safetensors. */
#include "safetensors.h"
#include "scion.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[SCION_DTYPES] = {[SCION_F32] = "F32", [SCION_BF16] = "BF16", [SCION_U8] = "U8", [SCION_I32] = "I32"};

/* A list of whole numbers; NULL without memory. */
static json_t *integers(const int64_t *values, int count) {
  json_t *list = json_array();
  bool whole = list != NULL;
  for (int i = 0; i < count && whole; i++) whole = json_array_append_new(list, json_integer(values[i])) == 0;
  if (whole) return list;
  json_decref(list);
  return NULL;
}

/* A tensor as the header has it, from an offset on, which is moved behind it; NULL without memory. */
static json_t *describe(const scion_tensor *t, size_t *offset) {
  json_t *object = json_object();
  int64_t range[2] = {(int64_t)*offset};
  *offset += (size_t)scion_tensor_elements(t) * scion_dtype_size(t->dtype);
  range[1] = (int64_t)*offset;
  bool whole = json_object_set_new(object, "dtype", json_string(names[t->dtype])) == 0 &&
               json_object_set_new(object, "shape", integers(t->shape, t->dims)) == 0 &&
               json_object_set_new(object, "data_offsets", integers(range, 2)) == 0;
  if (whole) return object;
  json_decref(object);
  return NULL;
}

/* Adds a value, which may be NULL for what is not UTF-8 or for want of memory: Jansson tells neither from the other, and malloc does by
 * errno. */
static scion_status add(json_t *object, const char *path, const char *name, json_t *value, const char *kind) {
  if (value && json_object_set_new(object, name, value) == 0) return SCION_OK;
  if (errno == ENOMEM) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", path);
  return scion_fail(SCION_MISUSE, "%s: %s '%s' is not UTF-8 text", path, kind, name);
}

static scion_status add_metadata(json_t *header, const char *path, const scion_metadata *metadata, size_t pairs) {
  json_t *object = json_object();
  if (json_object_set_new(header, "__metadata__", object) != 0) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", path);
  scion_status status = SCION_OK;
  for (size_t i = 0; i < pairs && status == SCION_OK; i++) {
    errno = 0;
    status = add(object, path, metadata[i].key, json_stringn(metadata[i].value, metadata[i].bytes), "metadata");
  }
  return status;
}

static scion_status add_tensor(json_t *header, const char *path, const scion_named_tensor *tensor, size_t *offset) {
  if (strcmp(tensor->name, "__metadata__") == 0) return scion_fail(SCION_MISUSE, "%s: no tensor can be named __metadata__", path);
  if (json_object_get(header, tensor->name)) return scion_fail(SCION_MISUSE, "%s: two tensors are named '%s'", path, tensor->name);
  errno = 0;
  return add(header, path, tensor->name, describe(tensor->tensor, offset), "the name of tensor");
}

/* The tensors' numbers in the order of the file: wide dtypes first. */
static void arrange(const scion_named_tensor *tensors, size_t count, size_t *order) {
  size_t placed = 0;
  for (size_t width = 4; width; width /= 2)
    for (size_t i = 0; i < count; i++)
      if (scion_dtype_size(tensors[i].tensor->dtype) == width) order[placed++] = i;
}

/* contents: bytes of all tensors, which follow. */
static scion_status write_header(scion_new_file *file, const json_t *header, uint64_t contents) {
  static const char padding[8] = "        ";
  /* Not json_dumps: where the buffer that it makes cannot grow, it leaves out a key and goes on. */
  size_t length = json_dumpb(header, NULL, 0, JSON_COMPACT);
  char *text = malloc(length + 1);
  if (!text || length == 0 || json_dumpb(header, text, length, JSON_COMPACT) != length) {
    free(text);
    return scion_fail(SCION_NO_MEMORY, "%s: out of memory", file->path);
  }
  size_t spaces = (8 - length % 8) % 8;
  uint64_t total = length + spaces;
  scion_status status = SCION_OK;
  if (total > MAX_HEADER) status = scion_fail(SCION_MISUSE, "%s: names and metadata take more than 100,000,000 bytes", file->path);
  /* the file will be larger than the contents, by more than what its padding costs a reader */
  if (status == SCION_OK && header_too_long(text, length, contents))
    status = scion_fail(SCION_MISUSE, "%s: names and metadata take %llu bytes beside %llu of numbers, too many to be read again", file->path,
                        (unsigned long long)total, (unsigned long long)contents);
  if (status == SCION_OK) status = scion_new_file_write(file, &total, sizeof total);
  if (status == SCION_OK) status = scion_new_file_write(file, text, length);
  if (status == SCION_OK) status = scion_new_file_write(file, padding, spaces);
  free(text);
  return status;
}

static scion_status write_contents(scion_new_file *file, const scion_tensor *t) {
  size_t bytes = (size_t)scion_tensor_elements(t) * scion_dtype_size(t->dtype);
  if (scion_tensor_contiguous(t)) return scion_new_file_write(file, t->data, bytes);
  scion_tensor whole;
  scion_status status = scion_tensor_new(&whole, t->dtype, t->dims, t->shape);
  if (status == SCION_OK) status = scion_tensor_copy(t, &whole, 0);
  if (status == SCION_OK) status = scion_new_file_write(file, whole.data, bytes);
  scion_tensor_release(&whole);
  return status;
}

static scion_status write_file(const char *path, const json_t *header, const scion_named_tensor *tensors, size_t count, const size_t *order,
                               size_t contents) {
  scion_new_file file;
  scion_status status = scion_new_file_open(&file, path);
  if (status != SCION_OK) return status;
  status = write_header(&file, header, contents);
  for (size_t i = 0; i < count && status == SCION_OK; i++) status = write_contents(&file, tensors[order[i]].tensor);
  if (status == SCION_OK) return scion_new_file_commit(&file);
  scion_new_file_discard(&file);
  return status;
}

scion_status scion_safetensors_write(const char *path, const scion_named_tensor *tensors, size_t count,
                                     const scion_metadata *metadata, size_t pairs) {
  json_t *header = json_object();
  size_t *order = malloc((count + 1) * sizeof *order), offset = 0;
  scion_status status = header && order ? SCION_OK : scion_fail(SCION_NO_MEMORY, "%s: out of memory", path);
  if (status == SCION_OK && pairs) status = add_metadata(header, path, metadata, pairs);
  if (status == SCION_OK) arrange(tensors, count, order);
  for (size_t i = 0; i < count && status == SCION_OK; i++) status = add_tensor(header, path, &tensors[order[i]], &offset);
  if (status == SCION_OK) status = write_file(path, header, tensors, count, order, offset);
  free(order);
  json_decref(header);
  return status;
}
