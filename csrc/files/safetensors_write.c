/* Writing safetensors. */
#include "safetensors.h"
#include "scion.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { OWN_ENTRY = 128 }; /* bytes of the padding's entry in the header, rounded up */

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
  if (strcmp(tensor->name, "__metadata__") == 0 || strcmp(tensor->name, SCION_SAFETENSORS_PADDING) == 0)
    return scion_fail(SCION_MISUSE, "%s: no tensor can be named %s", path, tensor->name);
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

/* A header as text; NULL without memory. Not json_dumps: where the buffer that it makes cannot grow, it leaves out a key and goes on. */
static char *text_of(const json_t *header) {
  size_t length = json_dumpb(header, NULL, 0, JSON_COMPACT);
  char *text = length ? malloc(length + 1) : NULL;
  if (text && json_dumpb(header, text, length, JSON_COMPACT) == length) {
    text[length] = 0;
    return text;
  }
  free(text);
  return NULL;
}

/* How many zeros have to follow the contents, so that the file is large enough to be read again. */
static uint64_t padding_of(const char *text, uint64_t contents, uint64_t decoded) {
  uint64_t cost = header_cost(text, strlen(text)) + OWN_ENTRY * HEADER_COST, allowed = allowance(contents);
  if (decoded > cost) cost = decoded;
  return cost > allowed ? (cost - allowed + 1) / 2 : 0;
}

/* The header as text, with the padding that it needs, whose bytes are stored in *zeros; NULL without memory. */
static char *header_text(json_t *header, size_t contents, uint64_t decoded, uint64_t *zeros) {
  char *text = text_of(header);
  *zeros = text ? padding_of(text, contents, decoded) : 0;
  if (!*zeros) return text;
  free(text);
  scion_tensor padding = {.dtype = SCION_U8, .dims = 1, .shape = {(int64_t)*zeros}};
  return json_object_set_new(header, SCION_SAFETENSORS_PADDING, describe(&padding, &contents)) == 0 ? text_of(header) : NULL;
}

/* contents: bytes of all tensors, which follow, and then *zeros. */
static scion_status write_header(scion_new_file *file, json_t *header, size_t contents, uint64_t decoded, uint64_t *zeros) {
  static const char padding[8] = "        ";
  char *text = header_text(header, contents, decoded, zeros);
  if (!text) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", file->path);
  size_t length = strlen(text), spaces = (8 - length % 8) % 8;
  uint64_t total = length + spaces;
  scion_status status = SCION_OK;
  if (total > MAX_HEADER) status = scion_fail(SCION_MISUSE, "%s: names and metadata take more than 100,000,000 bytes", file->path);
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

static scion_status write_zeros(scion_new_file *file, uint64_t zeros) {
  static const char block[1 << 16];
  scion_status status = SCION_OK;
  for (uint64_t left = zeros; left && status == SCION_OK;) {
    size_t bytes = left < sizeof block ? (size_t)left : sizeof block;
    status = scion_new_file_write(file, block, bytes);
    left -= bytes;
  }
  return status;
}

static scion_status write_file(const char *path, json_t *header, const scion_named_tensor *tensors, size_t count, const size_t *order,
                               size_t contents, uint64_t decoded) {
  scion_new_file file;
  uint64_t zeros = 0;
  scion_status status = scion_new_file_open(&file, path);
  if (status != SCION_OK) return status;
  status = write_header(&file, header, contents, decoded, &zeros);
  for (size_t i = 0; i < count && status == SCION_OK; i++) status = write_contents(&file, tensors[order[i]].tensor);
  if (status == SCION_OK) status = write_zeros(&file, zeros);
  if (status == SCION_OK) return scion_new_file_commit(&file);
  scion_new_file_discard(&file);
  return status;
}

scion_status scion_safetensors_write(const char *path, const scion_named_tensor *tensors, size_t count,
                                     const scion_metadata *metadata, size_t pairs, uint64_t decoded) {
  json_t *header = json_object();
  size_t *order = malloc((count + 1) * sizeof *order), offset = 0;
  scion_status status = header && order ? SCION_OK : scion_fail(SCION_NO_MEMORY, "%s: out of memory", path);
  if (status == SCION_OK && pairs) status = add_metadata(header, path, metadata, pairs);
  if (status == SCION_OK) arrange(tensors, count, order);
  for (size_t i = 0; i < count && status == SCION_OK; i++) status = add_tensor(header, path, &tensors[order[i]], &offset);
  if (status == SCION_OK) status = write_file(path, header, tensors, count, order, offset, decoded);
  free(order);
  json_decref(header);
  return status;
}
