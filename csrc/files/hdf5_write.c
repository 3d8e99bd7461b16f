/* Writing HDF5, in this process: what is written is our own. */
#include "scion.h"

#include <hdf5.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER; /* Debian's library is not for several threads at once */

static bool write_tensor(hid_t file, hid_t links, const scion_hdf5_dataset *d) {
  hsize_t sizes[SCION_MAX_DIMS];
  for (int i = 0; i < d->tensor->dims; i++) sizes[i] = (hsize_t)d->tensor->shape[i];
  hid_t space = d->tensor->dims ? H5Screate_simple(d->tensor->dims, sizes, NULL) : H5Screate(H5S_SCALAR);
  hid_t dataset = H5Dcreate2(file, d->path, H5T_IEEE_F32LE, space, links, H5P_DEFAULT, H5P_DEFAULT);
  bool written = dataset >= 0 && H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, d->tensor->data) >= 0;
  if (dataset >= 0) H5Dclose(dataset);
  if (space >= 0) H5Sclose(space);
  return written;
}

/* Strings of one length, padded with zeros, as h5py writes lists of them. */
static bool write_text(hid_t file, const scion_hdf5_text *t) {
  hsize_t count = t->count;
  hid_t type = H5Tcopy(H5T_C_S1), space = t->is_list ? H5Screate_simple(1, &count, NULL) : H5Screate(H5S_SCALAR);
  hid_t object = H5Oopen(file, t->path, H5P_DEFAULT);
  bool sized = type >= 0 && H5Tset_size(type, t->width) >= 0 && H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0;
  hid_t attribute = sized && object >= 0 ? H5Acreate2(object, t->name, type, space, H5P_DEFAULT, H5P_DEFAULT) : -1;
  bool written = attribute >= 0 && H5Awrite(attribute, type, t->text) >= 0;
  if (attribute >= 0) H5Aclose(attribute);
  if (object >= 0) H5Oclose(object);
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  return written;
}

static const char *write_all(hid_t file, const scion_hdf5_dataset *datasets, size_t n, const scion_hdf5_text *texts, size_t m) {
  const char *failed = NULL;
  hid_t links = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(links, 1);
  for (size_t i = 0; i < n && !failed; i++)
    if (!write_tensor(file, links, &datasets[i])) failed = datasets[i].path;
  for (size_t i = 0; i < m && !failed; i++)
    if (!write_text(file, &texts[i])) failed = texts[i].name;
  H5Pclose(links);
  return failed;
}

scion_status scion_hdf5_write(const char *path, const scion_hdf5_dataset *datasets, size_t n, const scion_hdf5_text *texts, size_t m,
                              char *message, size_t size) {
  H5E_auto2_t printer;
  void *printer_data;
  pthread_mutex_lock(&turn);
  H5Eget_auto2(H5E_DEFAULT, &printer, &printer_data);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const char *failed = file < 0 ? "the file" : write_all(file, datasets, n, texts, m);
  if (file >= 0 && H5Fclose(file) < 0 && !failed) failed = "the file's end";
  if (failed) snprintf(message, size, "%s: %s cannot be written", path, failed);
  H5Eclear2(H5E_DEFAULT);
  H5Eset_auto2(H5E_DEFAULT, printer, printer_data);
  pthread_mutex_unlock(&turn);
  return failed ? SCION_WORLD : SCION_OK;
}
