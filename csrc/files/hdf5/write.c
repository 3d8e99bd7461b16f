/* Writing HDF5 files through the library, in Keras's layout. The core gives the place, a temporary file of its own, and renames it. What
 * fails is noted by errors.c. */
#include "process.h"

#include <stdlib.h>

void hdf5_create(hdf5_file *file, const char *place) {
  setenv("HDF5_USE_FILE_LOCKING", "FALSE", 1); /* the core has a lock on the file already, which the library would wait for in vain */
  file->writes = true;
  file->id = H5Fcreate(place, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
}

void hdf5_write_dataset(hdf5_file *file, const char *path, int dims, const int64_t *shape, const float *numbers) {
  hsize_t sizes[SCION_MAX_DIMS];
  for (int i = 0; i < dims && i < SCION_MAX_DIMS; i++) sizes[i] = (hsize_t)shape[i];
  hid_t links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  hid_t space = dims ? H5Screate_simple(dims, sizes, NULL) : H5Screate(H5S_SCALAR);
  hid_t plain = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_obj_track_times(plain, false); /* the same model gives the same bytes at any time */
  hid_t dataset = H5Dcreate2(file->id, path, H5T_IEEE_F32LE, space, links, plain, H5P_DEFAULT);
  if (dataset >= 0) {
    H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers);
    H5Dclose(dataset);
  }
  if (space >= 0) H5Sclose(space);
  if (plain >= 0) H5Pclose(plain);
  if (links >= 0) H5Pclose(links);
}

void hdf5_write_link(hdf5_file *file, const char *path, const char *to) {
  hid_t links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  H5Lcreate_hard(file->id, to, file->id, path, links, H5P_DEFAULT);
  if (links >= 0) H5Pclose(links);
}

/* Strings of one length, padded with zeros, as h5py writes lists of them. */
void hdf5_write_text(hdf5_file *file, const char *path, const char *name, bool is_list, size_t count, size_t width, const char *text) {
  hsize_t strings = count;
  hid_t type = H5Tcopy(H5T_C_S1), space = is_list ? H5Screate_simple(1, &strings, NULL) : H5Screate(H5S_SCALAR);
  hid_t object = H5Oopen(file->id, path, H5P_DEFAULT);
  bool sized = type >= 0 && H5Tset_size(type, width) >= 0 && H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0;
  hid_t attribute = sized && object >= 0 ? H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT) : -1;
  if (attribute >= 0) {
    H5Awrite(attribute, type, text);
    H5Aclose(attribute);
  }
  if (object >= 0) H5Oclose(object);
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
}

void hdf5_finish(hdf5_file *file) { H5Fclose(file->id); }
