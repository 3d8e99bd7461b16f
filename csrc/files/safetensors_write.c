/* Writing safetensors. */
#include "safetensors.h"
#include "scion.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[SCION_DTYPES] = {[SCION_F32] = "F32", [SCION_BF16] = "BF16", [SCION_U8] = "U8", [SCION_I32] = "I32"};

static json_t *describe(const scion_tensor *t, size_t *offset) {
  json_t *shape = json_array();
  size_t bytes = (size_t)scion_tensor_elements(t) * scion_dtype_size(t->dtype), begin = *offset;
  for (int i = 0; i < t->dims; i++) json_array_append_new(shape, json_integer(t->shape[i])); /* NULL is passed on as a failure */
  *offset += bytes;
  return json_pack("{s:s,s:o,s:[I,I]}", "dtype", names[t->dtype], "shape", shape, "data_offsets", (json_int_t)begin, (json_int_t)*offset);
}

static scion_status add_metadata(json_t *header, const char *path, const scion_metadata *metadata, size_t pairs) {
  json_t *object = json_object();
  if (json_object_set_new(header, "__metadata__", object) != 0) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", path);
  for (size_t i = 0; i < pairs; i++) {
    json_t *value = json_stringn(metadata[i].value, metadata[i].bytes);
    if (json_object_set_new(object, metadata[i].key, value) != 0)
      return scion_fail(SCION_MISUSE, "%s: metadata '%s' is not UTF-8 text", path, metadata[i].key);
  }
  return SCION_OK;
}

static scion_status add_tensor(json_t *header, const char *path, const scion_named_tensor *tensor, size_t *offset) {
  if (strcmp(tensor->name, "__metadata__") == 0) return scion_fail(SCION_MISUSE, "%s: no tensor can be named __metadata__", path);
  if (json_object_get(header, tensor->name)) return scion_fail(SCION_MISUSE, "%s: two tensors are named '%s'", path, tensor->name);
  if (json_object_set_new(header, tensor->name, describe(tensor->tensor, offset)) != 0)
    return scion_fail(SCION_MISUSE, "%s: the name of tensor '%s' is not UTF-8 text", path, tensor->name);
  return SCION_OK;
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
  char *text = json_dumps(header, JSON_COMPACT);
  if (!text) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", file->path);
  size_t length = strlen(text), spaces = (8 - length % 8) % 8;
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
