/* Reading HDF5 files through the library: as little of the format as weights need, and nothing that leads out of the file. */
#include "../read_file.h"
#include "process.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_PATH 4096
#define LZF 32000 /* h5py's own filter */

/* A file whose end is missing, if that is the reason; the library tells where it ends and should end. */
static bool tell_end(hdf5_file *file) {
  unsigned long long end, base, stored;
  if (sscanf(file->reason, "truncated file: eof = %llu, sblock->base_addr = %llu, stored_eof = %llu", &end, &base, &stored) != 3 || base + stored <= end) return false;
  snprintf(file->reason, sizeof file->reason, "%llu of its %llu bytes are missing; " COPY_AGAIN, base + stored - end, base + stored);
  return true;
}

/* A failure of the library itself. */
static scion_status fail_inside(hdf5_file *file, const char *what, const char *path) {
  if (tell_end(file)) return hdf5_fail(file, SCION_WORLD, "truncated: %s", file->reason);
  return hdf5_fail(file, SCION_WORLD, "damaged: %s%s%s cannot be read (%s); " COPY_AGAIN, what, *path ? " " : "", path,
                   file->failed ? file->reason : "damaged");
}

/* ---- the file */

static scion_status check_regular(hdf5_file *file, const char *place) {
  struct stat about;
  const char *why;
  int descriptor = open_regular_file(place, O_RDONLY, &about, &why);
  if (descriptor < 0) return hdf5_fail(file, SCION_WORLD, "%s", why);
  close(descriptor);
  return SCION_OK;
}

scion_status hdf5_open(hdf5_file *file) {
  char open_file[32];
  snprintf(open_file, sizeof open_file, "/dev/fd/%d", file->descriptor);
  const char *place = file->descriptor < 0 ? file->path : open_file;
  scion_status status = check_regular(file, place);
  if (status != SCION_OK) return status;
  H5PLset_loading_state(0);              /* no code from outside: filters we do not have are refused */
  if (H5Fis_hdf5(place) <= 0) return hdf5_fail(file, SCION_WORLD, "not an HDF5 file");
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  if (file->descriptor >= 0) H5Pset_fapl_stdio(access); /* the default driver looks for the file's path, and this file may have none */
#if H5_VERSION_GE(1, 10, 7)
  H5Pset_file_locking(access, 0, 1); /* a lock would be this process's: who opened the file and locks it, too, would wait for itself */
#endif
  file->id = H5Fopen(place, H5F_ACC_RDONLY, access);
  if (file->id < 0) status = fail_inside(file, "the HDF5 file", "");
  H5Pclose(access);
  return status;
}

int64_t hdf5_open_ids(void) { return H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL); }

/* ---- objects */

/* Follows the path link by link, since a soft or an external link would lead elsewhere, also into other files. */
static scion_status check_links(hdf5_file *file, const char *path, bool *found) {
  char prefix[MAX_PATH];
  size_t length = strlen(path);
  *found = false;
  if (length == 0) return SCION_OK;
  if (length >= sizeof prefix) return hdf5_fail(file, SCION_WORLD, "a path of %zu bytes is too long", length);
  for (size_t i = 1; i <= length; i++) {
    if ((path[i] != '/' && path[i] != 0) || path[i - 1] == '/') continue;
    H5L_info_t link;
    memcpy(prefix, path, i);
    prefix[i] = 0;
    if (strcmp(prefix, ".") == 0) continue;
    if (H5Lexists(file->id, prefix, H5P_DEFAULT) <= 0) return SCION_OK;
    if (H5Lget_info(file->id, prefix, &link, H5P_DEFAULT) < 0) return fail_inside(file, "the link", prefix);
    if (link.type != H5L_TYPE_HARD) return hdf5_fail(file, SCION_WORLD, "%s is a soft or an external link, which are not followed", prefix);
  }
  *found = true;
  return SCION_OK;
}

static scion_status open_object(hdf5_file *file, const char *path, hid_t *object) {
  bool found;
  *object = -1;
  scion_status status = check_links(file, path, &found);
  if (status != SCION_OK) return status;
  if (!found) return hdf5_fail(file, SCION_WORLD, "has no object '%s'", path);
  *object = H5Oopen(file->id, path, H5P_DEFAULT);
  return *object < 0 ? fail_inside(file, "the object", path) : SCION_OK;
}

scion_status hdf5_has(hdf5_file *file, const char *path, const char *attribute, bool *found) {
  scion_status status = check_links(file, path, found);
  if (status != SCION_OK || !*found || !attribute) return status;
  hid_t object;
  status = open_object(file, path, &object);
  if (status != SCION_OK) return status;
  htri_t exists = H5Aexists(object, attribute);
  if (exists < 0) status = fail_inside(file, "the attributes of", path);
  *found = exists > 0;
  H5Oclose(object);
  return status;
}

/* ---- attributes */

/* Appends a string; the buffer has room. */
static size_t append(char *to, size_t used, const char *string, size_t length) {
  memcpy(to + used, string, length);
  to[used + length] = 0;
  return used + length + 1;
}

/* Strings of a fixed length, padded with zeros or spaces. */
static scion_status read_fixed(hdf5_file *file, hid_t attribute, hid_t type, size_t count) {
  size_t width = H5Tget_size(type), bytes, used = 0;
  if (width == 0 || !scion_multiply_sizes(count, width + 1, &bytes) || bytes > HDF5_MAX_TEXT)
    return hdf5_fail(file, SCION_WORLD, "an attribute is too large");
  char *raw = malloc(count * width);
  file->text = malloc(bytes);
  bool read = H5Aread(attribute, type, raw) >= 0, spaces = H5Tget_strpad(type) == H5T_STR_SPACEPAD;
  for (size_t i = 0; read && i < count; i++) {
    size_t length = strnlen(raw + i * width, width);
    while (spaces && length && raw[i * width + length - 1] == ' ') length--;
    used = append(file->text, used, raw + i * width, length);
  }
  free(raw);
  return read ? SCION_OK : fail_inside(file, "an attribute", "");
}

/* Strings of any length, which the library allocates. */
static scion_status copy_variable(hdf5_file *file, char *const *strings, size_t count) {
  size_t bytes = 1, used = 0;
  for (size_t i = 0; i < count && bytes <= HDF5_MAX_TEXT; i++) bytes += (strings[i] ? strlen(strings[i]) : 0) + 1;
  if (bytes > HDF5_MAX_TEXT) return hdf5_fail(file, SCION_WORLD, "an attribute is too large");
  file->text = malloc(bytes);
  for (size_t i = 0; i < count; i++) used = append(file->text, used, strings[i] ? strings[i] : "", strings[i] ? strlen(strings[i]) : 0);
  return SCION_OK;
}

static scion_status read_variable(hdf5_file *file, hid_t attribute, hid_t type, hid_t space, size_t count) {
  if (count > HDF5_MAX_TEXT / sizeof(char *)) return hdf5_fail(file, SCION_WORLD, "an attribute is too large");
  char **strings = calloc(count, sizeof *strings);
  hid_t memory = H5Tcopy(H5T_C_S1);
  scion_status status = SCION_OK;
  if (memory < 0 || H5Tset_size(memory, H5T_VARIABLE) < 0 || H5Tset_cset(memory, H5Tget_cset(type)) < 0 || H5Aread(attribute, memory, strings) < 0)
    status = fail_inside(file, "an attribute", "");
  else
    status = copy_variable(file, strings, count);
  if (memory >= 0) H5Dvlen_reclaim(memory, space, H5P_DEFAULT, strings);
  if (memory >= 0) H5Tclose(memory);
  free(strings);
  return status;
}

static scion_status read_attribute(hdf5_file *file, hid_t attribute, const char *name) {
  hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  hssize_t count = type < 0 || space < 0 ? -1 : H5Sget_simple_extent_npoints(space);
  scion_status status = SCION_OK;
  file->is_list = space >= 0 && H5Sget_simple_extent_type(space) != H5S_SCALAR;
  if (count < 0)
    status = fail_inside(file, "the attribute", name);
  else if (count > 0 && H5Tget_class(type) != H5T_STRING)
    status = hdf5_fail(file, SCION_WORLD, "the attribute %s holds no strings", name);
  else if (count > 0)
    status = H5Tis_variable_str(type) > 0 ? read_variable(file, attribute, type, space, (size_t)count) : read_fixed(file, attribute, type, (size_t)count);
  if (status == SCION_OK) file->count = (size_t)count;
  if (type >= 0) H5Tclose(type);
  if (space >= 0) H5Sclose(space);
  return status;
}

scion_status hdf5_attribute(hdf5_file *file, const char *path, const char *name) {
  hid_t object;
  free(file->text);
  file->text = NULL;
  file->count = 0;
  scion_status status = open_object(file, path, &object);
  if (status != SCION_OK) return status;
  if (H5Aexists(object, name) <= 0) {
    status = hdf5_fail(file, SCION_WORLD, "%s has no attribute %s", path, name);
  } else {
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    status = attribute < 0 ? fail_inside(file, "the attribute", name) : read_attribute(file, attribute, name);
    if (attribute >= 0) H5Aclose(attribute);
  }
  H5Oclose(object);
  return status;
}

/* ---- groups */

static herr_t add_member(hid_t group, const char *name, const H5L_info_t *link, void *data) {
  hdf5_file *file = data;
  size_t length = strlen(name);
  (void)group;
  (void)link;
  if (file->used + length + 1 > HDF5_MAX_TEXT) return -1;
  file->used = append(file->text, file->used, name, length);
  file->count++;
  return 0;
}

scion_status hdf5_members(hdf5_file *file, const char *path) {
  hid_t group;
  free(file->text);
  file->text = NULL;
  file->count = file->used = 0;
  file->is_list = true;
  scion_status status = open_object(file, path, &group);
  if (status != SCION_OK) return status;
  file->text = malloc(HDF5_MAX_TEXT);
  if (H5Iget_type(group) != H5I_GROUP)
    status = hdf5_fail(file, SCION_WORLD, "%s is not a group", path);
  else if (H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, add_member, file) < 0)
    status = fail_inside(file, "the group", path);
  H5Oclose(group);
  return status;
}

/* ---- datasets */

/* A filter other than gzip and shuffle: those of HDF5 itself are taken off by its own program, and h5py's by h5py. */
static scion_status refuse_filter(hdf5_file *file, const char *path, H5Z_filter_t filter) {
  const char *name = filter == H5Z_FILTER_FLETCHER32    ? "fletcher32"
                     : filter == H5Z_FILTER_SZIP        ? "szip"
                     : filter == H5Z_FILTER_NBIT        ? "nbit"
                     : filter == H5Z_FILTER_SCALEOFFSET ? "scaleoffset"
                                                        : NULL;
  if (name)
    return hdf5_fail(file, SCION_WORLD, "%s is stored under the filter %s, and only gzip and shuffle are read; 'h5repack -f NONE old.h5 new.h5' writes it without",
                     path, name);
  return hdf5_fail(file, SCION_WORLD,
                   "%s is stored under the filter %s%d, and only gzip and shuffle are read; in Python, with f = h5py.File(path, 'a'): x = f['%s'][()]; del f['%s']; "
                   "f['%s'] = x",
                   path, filter == LZF ? "lzf, number " : "number ", (int)filter, path, path, path);
}

static scion_status check_chunks(hdf5_file *file, const char *path, hid_t layout, size_t element) {
  hsize_t sizes[32];
  size_t bytes = element;
  int dims = H5Pget_chunk(layout, 32, sizes);
  for (int i = 0; i < dims; i++)
    if (!scion_multiply_sizes(bytes, (size_t)sizes[i], &bytes) || bytes > file->allowance)
      return hdf5_fail(file, SCION_WORLD, "%s lies in chunks that are too large", path);
  for (int i = 0; i < H5Pget_nfilters(layout); i++) {
    unsigned flags;
    size_t values = 0;
    H5Z_filter_t filter = H5Pget_filter2(layout, (unsigned)i, &flags, &values, NULL, 0, NULL, NULL);
    if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE)
      return refuse_filter(file, path, filter);
  }
  return SCION_OK;
}

/* Whether numbers of that type are read: floating-point ones; whole ones, which become floating-point; and bfloat16, for which HDF5 has
 * no type: Keras, as h5py, writes two opaque bytes. */
static bool is_numeric(hid_t type) {
  H5T_class_t class = H5Tget_class(type);
  return ((class == H5T_FLOAT || class == H5T_INTEGER) && H5Tget_size(type) <= 8) || (class == H5T_OPAQUE && H5Tget_size(type) == 2);
}

/* Where the elements lie: within the file, and readable without code from outside. */
static scion_status check_storage(hdf5_file *file, const char *path, hid_t dataset) {
  hid_t layout = H5Dget_create_plist(dataset), type = H5Dget_type(dataset);
  scion_status status = SCION_OK;
  if (layout < 0 || type < 0)
    status = fail_inside(file, "the dataset", path);
  else if (!is_numeric(type))
    status = hdf5_fail(file, SCION_WORLD, "%s holds neither floating-point numbers of 16, 32 or 64 bits nor integers; in Python, with f = h5py.File(path, 'a'): "
                       "x = f['%s'][()].real.astype('float32'); del f['%s']; f['%s'] = x",
                       path, path, path, path);
  else if (H5Pget_external_count(layout) != 0)
    status = hdf5_fail(file, SCION_WORLD, "%s keeps its elements in another file, which is not read", path);
  else if (H5Pget_layout(layout) == H5D_CHUNKED)
    status = check_chunks(file, path, layout, H5Tget_size(type));
  else if (H5Pget_layout(layout) != H5D_CONTIGUOUS && H5Pget_layout(layout) != H5D_COMPACT)
    status = hdf5_fail(file, SCION_WORLD, "%s is a virtual dataset, which is not read", path);
  if (layout >= 0) H5Pclose(layout);
  if (type >= 0) H5Tclose(type);
  return status;
}

static scion_status read_shape(hdf5_file *file, const char *path, hid_t dataset, int *dims, int64_t shape[SCION_MAX_DIMS]) {
  hsize_t sizes[SCION_MAX_DIMS];
  scion_status status = SCION_OK;
  hid_t space = H5Dget_space(dataset);
  int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
  if (rank < 0)
    status = fail_inside(file, "the dataset", path);
  else if (H5Sget_simple_extent_type(space) == H5S_NULL)
    status = hdf5_fail(file, SCION_WORLD, "%s is empty", path);
  else if (rank > SCION_MAX_DIMS)
    status = hdf5_fail(file, SCION_WORLD, "%s has %d dimensions, more than %d", path, rank, SCION_MAX_DIMS);
  else if (H5Sget_simple_extent_dims(space, sizes, NULL) < 0)
    status = fail_inside(file, "the dataset", path);
  for (int i = 0; i < rank && status == SCION_OK; i++) {
    if (sizes[i] > INT64_MAX) status = hdf5_fail(file, SCION_WORLD, "%s is too large", path);
    shape[i] = (int64_t)sizes[i];
  }
  *dims = rank;
  if (space >= 0) H5Sclose(space);
  return status;
}

/* Whether all chunks are there that a shape needs. Versions of the library that cannot count them, before 1.10.5, look at their bytes alone. */
static bool has_all_chunks(hid_t dataset, hid_t layout, int dims, const int64_t *shape) {
#if H5_VERSION_GE(1, 10, 5)
  hsize_t sizes[32], stored = 0, needed = 1;
  hid_t space = H5Dget_space(dataset);
  bool counted = space >= 0 && H5Pget_chunk(layout, 32, sizes) == dims && H5Dget_num_chunks(dataset, space, &stored) >= 0;
  for (int i = 0; i < dims && counted; i++) needed *= ((hsize_t)shape[i] + sizes[i] - 1) / sizes[i]; /* at most the shape's numbers, which check_bytes counts */
  if (space >= 0) H5Sclose(space);
  return counted && stored >= needed;
#else
  (void)dataset, (void)layout, (void)dims, (void)shape;
  return true;
#endif
}

/* Refuses a dataset of which less is stored than its shape says: the library would give zeros for what was never written, and read past
 * the end of one that is compact. What lies in one piece must be as long as its numbers; gzip packs at most 1032 bytes into one. */
static scion_status check_bytes(hdf5_file *file, const char *path, hid_t dataset, int dims, const int64_t *shape) {
  hid_t layout = H5Dget_create_plist(dataset), type = H5Dget_type(dataset);
  size_t bytes = type < 0 ? 0 : H5Tget_size(type);
  bool one_piece = layout >= 0 && H5Pget_layout(layout) != H5D_CHUNKED, fits = true;
  for (int i = 0; i < dims && fits; i++) fits = scion_multiply_sizes(bytes, (size_t)shape[i], &bytes);
  hsize_t stored = H5Dget_storage_size(dataset);
  fits = fits && (one_piece ? stored == bytes : bytes / 1032 <= stored && (bytes == 0 || has_all_chunks(dataset, layout, dims, shape)));
  if (layout >= 0) H5Pclose(layout);
  if (type >= 0) H5Tclose(type);
  return fits ? SCION_OK : hdf5_fail(file, SCION_WORLD, "%s holds fewer numbers than its shape says", path);
}

/* Opens a dataset that can be read and says its shape; on failure there is nothing to close. */
static scion_status open_dataset(hdf5_file *file, const char *path, hid_t *dataset, int *dims, int64_t shape[SCION_MAX_DIMS]) {
  scion_status status = open_object(file, path, dataset);
  if (status != SCION_OK) return status;
  if (H5Iget_type(*dataset) != H5I_DATASET) status = hdf5_fail(file, SCION_WORLD, "%s is not a dataset", path);
  if (status == SCION_OK) status = check_storage(file, path, *dataset);
  if (status == SCION_OK) status = read_shape(file, path, *dataset, dims, shape);
  if (status == SCION_OK) status = check_bytes(file, path, *dataset, *dims, shape);
  if (status != SCION_OK) H5Oclose(*dataset);
  return status;
}

static bool is_whole(hid_t dataset) {
  hid_t type = H5Dget_type(dataset);
  bool whole = type >= 0 && H5Tget_class(type) == H5T_INTEGER;
  if (type >= 0) H5Tclose(type);
  return whole;
}

scion_status hdf5_shape(hdf5_file *file, const char *path, int *dims, int64_t shape[SCION_MAX_DIMS], bool *whole) {
  hid_t dataset;
  scion_status status = open_dataset(file, path, &dataset, dims, shape);
  if (status != SCION_OK) return status;
  *whole = is_whole(dataset);
  H5Oclose(dataset);
  return SCION_OK;
}

static void shape_text(int dims, const int64_t *shape, char *text, size_t size) {
  size_t used = 0;
  snprintf(text, size, "scalar");
  for (int i = 0; i < dims && used < size; i++) used += (size_t)snprintf(text + used, size - used, i ? "x%lld" : "%lld", (long long)shape[i]);
}

/* Reads bf16 into the upper half of the numbers' own memory, and spreads it out from there. */
static bool read_bf16(hid_t dataset, hid_t type, size_t count, float *numbers) {
  unsigned char *halves = (unsigned char *)numbers + 2 * count;
  if (H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, halves) < 0) return false;
  for (size_t i = 0; i < count; i++) {
    uint32_t bits = (uint32_t)halves[2 * i] << 16 | (uint32_t)halves[2 * i + 1] << 24; /* little-endian, as NumPy wrote it */
    memcpy(&numbers[i], &bits, sizeof bits);
  }
  return true;
}

/* How many rows of a dimension its chunks have, at most `most`: reading fewer at a time would unpack them more than once. */
static size_t chunk_rows(hid_t dataset, int axis, size_t most) {
  hsize_t sizes[32];
  hid_t layout = H5Dget_create_plist(dataset);
  bool chunked = layout >= 0 && H5Pget_layout(layout) == H5D_CHUNKED && H5Pget_chunk(layout, 32, sizes) > axis;
  if (layout >= 0) H5Pclose(layout);
  size_t rows = chunked && sizes[axis] > 0 ? (size_t)sizes[axis] : 1;
  return rows < most ? rows : most;
}

#define PIECE ((size_t)1 << 20) /* bytes, about */

/* Rows of the first dimension that is not 1, from the row that begins with number `first`, about a piece of them. *count = their numbers. */
static bool read_rows(hid_t dataset, int dims, const int64_t *shape, size_t first, float *numbers, size_t *count) {
  hsize_t starts[SCION_MAX_DIMS] = {0}, counts[SCION_MAX_DIMS];
  size_t row = 1;
  int axis = 0;
  while (axis + 1 < dims && shape[axis] == 1) axis++;
  for (int i = 0; i < dims; i++) counts[i] = (hsize_t)shape[i];
  for (int i = axis + 1; i < dims; i++) row *= (size_t)shape[i];
  size_t start = first / row, left = (size_t)shape[axis] - start, chunk = chunk_rows(dataset, axis, left);
  size_t most = scion_divide_up(PIECE / sizeof(float), row * chunk) * chunk, rows = most < left ? most : left;
  starts[axis] = start;
  counts[axis] = rows;
  *count = rows * row;
  hid_t file_space = H5Dget_space(dataset), memory_space = H5Screate_simple(dims, counts, NULL);
  bool read = file_space >= 0 && memory_space >= 0 && H5Sselect_hyperslab(file_space, H5S_SELECT_SET, starts, NULL, counts, NULL) >= 0 &&
              H5Dread(dataset, H5T_NATIVE_FLOAT, memory_space, file_space, H5P_DEFAULT, numbers) >= 0;
  if (file_space >= 0) H5Sclose(file_space);
  if (memory_space >= 0) H5Sclose(memory_space);
  return read;
}

static scion_status read_numbers(hdf5_file *file, const char *path, hid_t dataset, int dims, const int64_t *shape, size_t first, float *numbers,
                                 size_t *count) {
  hid_t type = H5Dget_type(dataset);
  size_t all = 1;
  for (int i = 0; i < dims; i++) all *= (size_t)shape[i];
  *count = all;
  bool read = type >= 0;
  if (read && H5Tget_class(type) == H5T_OPAQUE)
    read = read_bf16(dataset, type, all, numbers);
  else if (read && all > PIECE / sizeof(float) && first < all)
    read = read_rows(dataset, dims, shape, first, numbers, count);
  else if (read)
    read = H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers) >= 0;
  scion_status status = read ? SCION_OK : fail_inside(file, "the dataset", path);
  if (type >= 0) H5Tclose(type);
  return status;
}

scion_status hdf5_read(hdf5_file *file, const char *path, int our_dims, const int64_t *our_shape, size_t first, float *numbers, size_t *count) {
  char ours[SCION_SHAPE_TEXT], theirs[SCION_SHAPE_TEXT];
  int64_t shape[SCION_MAX_DIMS];
  int dims;
  hid_t dataset;
  scion_status status = open_dataset(file, path, &dataset, &dims, shape);
  if (status != SCION_OK) return status;
  if (dims != our_dims || memcmp(shape, our_shape, (size_t)dims * sizeof shape[0]) != 0) {
    shape_text(dims, shape, theirs, sizeof theirs);
    shape_text(our_dims, our_shape, ours, sizeof ours);
    status = hdf5_fail(file, SCION_WORLD, "%s is %s, expected %s", path, theirs, ours);
  } else {
    status = read_numbers(file, path, dataset, dims, shape, first, numbers, count);
  }
  H5Oclose(dataset);
  return status;
}
