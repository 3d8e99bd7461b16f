/* Reading safetensors: the header and its rules, then one tensor at a time. */
#include "json_text.h"
#include "read_file.h"
#include "safetensors.h"
#include "scion.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors are read and written as they lie in memory");

#define BUFFER 65536 /* bytes converted at a time */

typedef struct {
  const char *name;
  unsigned bits;
  scion_dtype dtype; /* what it becomes here; SCION_DTYPES: known to the format, but cannot be read */
} kind;

static const kind kinds[] = {
    {"F32", 32, SCION_F32},           {"BF16", 16, SCION_BF16},         {"U8", 8, SCION_U8},          {"I32", 32, SCION_I32},
    {"F16", 16, SCION_F32},           {"F64", 64, SCION_F32},           {"BOOL", 8, SCION_DTYPES},    {"I8", 8, SCION_DTYPES},
    {"I16", 16, SCION_DTYPES},        {"U16", 16, SCION_DTYPES},        {"U32", 32, SCION_DTYPES},    {"I64", 64, SCION_DTYPES},
    {"U64", 64, SCION_DTYPES},        {"C64", 64, SCION_DTYPES},        {"F4", 4, SCION_DTYPES},      {"F6_E2M3", 6, SCION_DTYPES},
    {"F6_E3M2", 6, SCION_DTYPES},     {"F8_E5M2", 8, SCION_DTYPES},     {"F8_E4M3", 8, SCION_DTYPES}, {"F8_E8M0", 8, SCION_DTYPES},
    {"F8_E4M3FNUZ", 8, SCION_DTYPES}, {"F8_E5M2FNUZ", 8, SCION_DTYPES},
};

typedef struct {
  const char *name;
  const kind *kind;
  int dims;
  int64_t *shape;
  uint64_t begin, end; /* bytes from the end of the header */
} entry;

struct scion_safetensors {
  int descriptor;
  char *path;
  uint64_t size; /* of the file */
  uint64_t data; /* where the header ends */
  json_t *header; /* owns all names and values */
  scion_metadata *metadata;
  entry *entries; /* sorted by place */
  entry **by_name;
  size_t pairs, count;
};

/* ---- bytes */

static scion_status read_exactly(const scion_safetensors *file, void *data, size_t bytes, uint64_t offset) {
  size_t got;
  if (!read_file_at(file->descriptor, data, bytes, offset, &got)) return scion_fail(SCION_WORLD, "%s: cannot be read: %s", file->path, system_error(errno));
  return got == bytes ? SCION_OK : scion_fail(SCION_WORLD, "%s: the file has become shorter while it was read", file->path);
}

/* ---- header */

static scion_status broken(const scion_safetensors *file, const char *why) {
  return scion_fail(SCION_WORLD, "%s: not a safetensors file: %s; " COPY_AGAIN, file->path, why);
}

static scion_status broken_tensor(const scion_safetensors *file, const char *name, const char *why) {
  return scion_fail(SCION_WORLD, "%s: not a valid safetensors file: tensor '%s' %s", file->path, name, why);
}

static scion_status parse_shape(const scion_safetensors *file, entry *e, const json_t *shape) {
  size_t dims = json_array_size(shape);
  if (!json_is_array(shape) || dims > INT32_MAX) return broken_tensor(file, e->name, "has no shape");
  e->shape = malloc((dims ? dims : 1) * sizeof *e->shape);
  if (!e->shape) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", file->path);
  e->dims = (int)dims;
  size_t elements = 1, bits;
  for (size_t i = 0; i < dims; i++) {
    const json_t *size = json_array_get(shape, i);
    e->shape[i] = json_integer_value(size);
    if (!json_is_integer(size) || e->shape[i] < 0) return broken_tensor(file, e->name, "has a dimension that is no whole number from 0 up");
    if (!scion_multiply_sizes(elements, (size_t)e->shape[i], &elements)) return broken_tensor(file, e->name, "is larger than any file");
  }
  if (!scion_multiply_sizes(elements, e->kind->bits, &bits)) return broken_tensor(file, e->name, "is larger than any file");
  if (bits % 8 || bits / 8 != e->end - e->begin) return broken_tensor(file, e->name, "has a range that its shape and dtype do not fill");
  return SCION_OK;
}

static scion_status parse_entry(const scion_safetensors *file, entry *e, const char *name, const json_t *value) {
  e->name = name;
  const char *dtype = json_string_value(json_object_get(value, "dtype"));
  if (!dtype) return broken_tensor(file, name, "has no dtype");
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    if (strcmp(kinds[i].name, dtype) == 0) e->kind = &kinds[i];
  if (!e->kind) return broken_tensor(file, name, "has a dtype that the format does not know");
  const json_t *offsets = json_object_get(value, "data_offsets");
  const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
  if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) || json_integer_value(begin) < 0 ||
      json_integer_value(end) < json_integer_value(begin))
    return broken_tensor(file, name, "has no valid data_offsets");
  e->begin = (uint64_t)json_integer_value(begin);
  e->end = (uint64_t)json_integer_value(end);
  return parse_shape(file, e, json_object_get(value, "shape"));
}

static int by_name(const void *a, const void *b) { return strcmp((*(entry *const *)a)->name, (*(entry *const *)b)->name); }

static int by_place(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  if (x->end != y->end) return x->end < y->end ? -1 : 1;
  return strcmp(x->name, y->name);
}

static scion_status parse_metadata(scion_safetensors *file, json_t *object) {
  const char *key;
  json_t *value;
  if (json_is_null(object)) return SCION_OK;
  if (!json_is_object(object)) return broken(file, "__metadata__ is no object");
  file->metadata = calloc(json_object_size(object) + 1, sizeof *file->metadata);
  if (!file->metadata) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", file->path);
  json_object_foreach(object, key, value) {
    if (!json_is_string(value)) return scion_fail(SCION_WORLD, "%s: not a safetensors file: __metadata__ '%s' is no string", file->path, key);
    file->metadata[file->pairs++] = (scion_metadata){key, json_string_value(value), json_string_length(value)};
  }
  return SCION_OK;
}

/* All entries, and that their ranges fill the `bytes` after the header. */
static scion_status parse_entries(scion_safetensors *file, uint64_t bytes) {
  file->entries = calloc(json_object_size(file->header) + 1, sizeof *file->entries);
  file->by_name = calloc(json_object_size(file->header) + 1, sizeof *file->by_name);
  if (!file->entries || !file->by_name) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", file->path);
  const char *name;
  json_t *value;
  json_object_foreach(file->header, name, value) {
    scion_status status = strcmp(name, "__metadata__") == 0 ? parse_metadata(file, value)
                                                            : parse_entry(file, &file->entries[file->count++], name, value);
    if (status != SCION_OK) return status;
  }
  qsort(file->entries, file->count, sizeof *file->entries, by_place);
  for (size_t i = 0; i < file->count; i++) file->by_name[i] = &file->entries[i];
  qsort(file->by_name, file->count, sizeof *file->by_name, by_name);
  uint64_t place = 0;
  for (size_t i = 0; i < file->count; i++) {
    const entry *e = &file->entries[i];
    if (e->begin != place) return broken_tensor(file, e->name, e->begin < place ? "overlaps another" : "leaves a hole before it");
    place = e->end;
  }
  if (place > bytes) return scion_fail(SCION_WORLD, "%s: truncated: %llu of its %llu bytes are missing; " COPY_AGAIN, file->path,
                                       (unsigned long long)(place - bytes), (unsigned long long)(file->data + place));
  if (place < bytes) return broken(file, "it goes on after its last tensor");
  return SCION_OK;
}

/* Whether a list has the element -0, which the format does not know as a whole number and Jansson takes for 0. */
static bool lists_negative_zero(const char *text, size_t length) {
  bool quoted = false;
  char before = 0; /* the last byte outside of strings that is no space */
  for (size_t i = 0; i + 2 < length; i++) {
    if (quoted && text[i] == '\\') {
      i++;
    } else if (text[i] == '"') {
      quoted = !quoted;
      before = '"';
    } else if (!quoted && !strchr(" \t\r\n", text[i])) {
      if ((before == '[' || before == ',') && memcmp(text + i, "-0", 2) == 0 && !strchr(".eE", text[i + 2])) return true;
      before = text[i];
    }
  }
  return false;
}

static scion_status read_header(scion_safetensors *file, uint64_t size) {
  unsigned char prefix[8];
  if (size < sizeof prefix) return broken(file, "it is too short");
  scion_status status = read_exactly(file, prefix, sizeof prefix, 0);
  if (status != SCION_OK) return status;
  uint64_t length;
  memcpy(&length, prefix, sizeof length);
  if (length > MAX_HEADER) return broken(file, "its header would be longer than 100,000,000 bytes");
  if (length > size - sizeof prefix) return broken(file, "its header reaches beyond its end");
  char *text = malloc((size_t)length + 1);
  if (!text) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", file->path);
  status = read_exactly(file, text, (size_t)length, sizeof prefix);
  if (status == SCION_OK && header_cost(text, (size_t)length) > allowance(size))
    status = scion_fail(SCION_WORLD, "%s: its header of %llu bytes is too long for its size", file->path, (unsigned long long)length);
  json_error_t error = {.text = ""};
  if (status == SCION_OK && memchr(text, 0, (size_t)length)) /* which Jansson overlooks behind a number */
    status = broken(file, "its header is not valid: it holds a zero byte");
  bool no_memory;
  if (status == SCION_OK && !(file->header = read_json(text, (size_t)length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error, &no_memory)))
    status = no_memory ? scion_fail(SCION_NO_MEMORY, "%s: out of memory", file->path)
                       : scion_fail(SCION_WORLD, "%s: not a safetensors file: its header is not valid: %s; " COPY_AGAIN, file->path, error.text);
  if (status == SCION_OK && !json_is_object(file->header)) status = broken(file, "its header is no object");
  if (status == SCION_OK && lists_negative_zero(text, (size_t)length)) status = broken(file, "its header is not valid: a size is -0");
  free(text);
  file->data = sizeof prefix + length;
  file->size = size;
  return status == SCION_OK ? parse_entries(file, size - file->data) : status;
}

/* ---- the handle */

scion_status scion_safetensors_open(scion_safetensors **result, const char *path) {
  *result = NULL;
  scion_safetensors *file = calloc(1, sizeof *file);
  if (!file || !(file->path = strdup(path))) {
    free(file);
    return scion_fail(SCION_NO_MEMORY, "%s: out of memory", path);
  }
  struct stat about;
  scion_status status = SCION_OK;
  const char *why;
  file->descriptor = open_regular_file(path, O_RDONLY, &about, &why);
  if (file->descriptor < 0)
    status = scion_fail(SCION_WORLD, "%s: %s", path, why);
  else
    status = read_header(file, (uint64_t)about.st_size);
  if (status == SCION_OK)
    *result = file;
  else
    scion_safetensors_close(file);
  return status;
}

void scion_safetensors_close(scion_safetensors *file) {
  if (!file) return;
  if (file->descriptor >= 0) close(file->descriptor);
  for (size_t i = 0; i < file->count; i++) free(file->entries[i].shape);
  free(file->entries);
  free(file->by_name);
  free(file->metadata);
  json_decref(file->header);
  free(file->path);
  free(file);
}

bool scion_safetensors_entry_at(const scion_safetensors *file, size_t i, scion_safetensors_entry *result) {
  if (i >= file->count) return false;
  const entry *e = &file->entries[i];
  *result = (scion_safetensors_entry){e->name, e->kind->name, e->dims, e->shape, file->data + e->begin};
  return true;
}

bool scion_safetensors_metadata_at(const scion_safetensors *file, size_t i, scion_metadata *pair) {
  if (i >= file->pairs) return false;
  *pair = file->metadata[i];
  return true;
}

uint64_t scion_safetensors_size(const scion_safetensors *file) { return file->size; }

/* ---- contents */

scion_status scion_safetensors_bytes(const scion_safetensors *file, uint64_t offset, scion_tensor *t) {
  if (t->dtype != SCION_U8 || !scion_tensor_contiguous(t)) return scion_fail(SCION_MISUSE, "bytes are read into contiguous u8 tensors");
  if (offset > INT64_MAX) return scion_fail(SCION_WORLD, "%s: truncated: it has no byte %llu", file->path, (unsigned long long)offset);
  return read_exactly(file, t->data, (size_t)scion_tensor_elements(t), offset);
}

static const entry *find(const scion_safetensors *file, const char *name) {
  const entry key = {.name = name}, *const pointer = &key;
  entry *const *found = bsearch(&pointer, file->by_name, file->count, sizeof *file->by_name, by_name);
  if (!found) scion_fail(SCION_WORLD, "%s: has no tensor '%s'", file->path, name);
  return found ? *found : NULL;
}

static scion_status readable(const scion_safetensors *file, const entry *e) {
  if (e->kind->dtype == SCION_DTYPES)
    return scion_fail(SCION_WORLD, "%s: tensor '%s' has dtype %s; F32, F16, F64, BF16, U8 and I32 can be read", file->path, e->name, e->kind->name);
  if (e->dims > SCION_MAX_DIMS)
    return scion_fail(SCION_WORLD, "%s: tensor '%s' has %d dimensions, more than %d", file->path, e->name, e->dims, SCION_MAX_DIMS);
  return SCION_OK;
}

static scion_status read_contents(scion_safetensors *file, const entry *e, scion_tensor *t) {
  unsigned char buffer[BUFFER];
  uint64_t place = file->data + e->begin;
  size_t left = (size_t)scion_tensor_elements(t), size = e->kind->bits / 8;
  if (size == scion_dtype_size(t->dtype)) return read_exactly(file, t->data, left * size, place);
  for (float *out = t->data; left;) {
    size_t count = left < BUFFER / size ? left : BUFFER / size;
    const scion_tensor bytes = {.data = buffer, .dtype = SCION_U8, .dims = 1, .shape = {BUFFER}, .row_stride = BUFFER};
    scion_tensor piece = {.data = out, .dtype = SCION_F32, .dims = 1, .shape = {(int64_t)count}, .row_stride = (int64_t)count};
    scion_status status = read_exactly(file, buffer, count * size, place);
    if (status == SCION_OK) status = scion_unpack(&bytes, e->kind->name, 0, &(int64_t){1}, &piece);
    if (status != SCION_OK) return status;
    out += count;
    left -= count;
    place += count * size;
  }
  return SCION_OK;
}

scion_status scion_safetensors_read(scion_safetensors *file, const char *name, scion_tensor *t) {
  *t = (scion_tensor){.dtype = SCION_F32};
  const entry *e = find(file, name);
  if (!e) return SCION_WORLD;
  scion_status status = readable(file, e);
  if (status == SCION_OK) status = scion_tensor_new(t, e->kind->dtype, e->dims, e->shape);
  if (status == SCION_OK) status = read_contents(file, e, t);
  if (status != SCION_OK) scion_tensor_release(t);
  return status;
}

scion_status scion_safetensors_read_into(scion_safetensors *file, const char *name, scion_tensor *t) {
  char ours[SCION_SHAPE_TEXT], theirs[SCION_SHAPE_TEXT];
  const entry *e = find(file, name);
  if (!e) return SCION_WORLD;
  scion_status status = readable(file, e);
  if (status != SCION_OK) return status;
  scion_tensor shape = {.dims = e->dims};
  for (int i = 0; i < e->dims; i++) shape.shape[i] = e->shape[i];
  if (!scion_tensor_same_shape(&shape, t))
    return scion_fail(SCION_WORLD, "%s: tensor '%s' is %s, expected %s", file->path, name, scion_shape_text(&shape, theirs, sizeof theirs),
                      scion_shape_text(t, ours, sizeof ours));
  bool to_float = t->dtype == SCION_F32 && e->kind->dtype <= SCION_BF16;
  if (t->dtype != e->kind->dtype && !to_float)
    return scion_fail(SCION_WORLD, "%s: tensor '%s' has dtype %s, which cannot be read into %s", file->path, name, e->kind->name, scion_dtype_name(t->dtype));
  if (!scion_tensor_contiguous(t)) return scion_fail(SCION_MISUSE, "a tensor that is read into must be contiguous");
  return read_contents(file, e, t);
}
