/* safetensors from C: slices of channels go to files as whole tensors, random tensors come back bit by bit, and a new file
 * that is discarded was never there. */
#include "test.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[64];

static void round_trip(const scion_tensor *t) {
  scion_safetensors *file = NULL;
  scion_tensor back = {.dtype = SCION_F32};
  OK(scion_safetensors_write(path, &(scion_named_tensor){"t", t}, 1, NULL, 0, 0));
  OK(scion_safetensors_open(&file, path));
  if (!file) return;
  OK(scion_safetensors_read(file, "t", &back));
  CHECK(scion_tensor_same_shape(t, &back) && scion_tensor_contiguous(&back), "another shape came back");
  int64_t rows = scion_tensor_rows(t), width = scion_tensor_channels(t), different = 0;
  for (int64_t r = 0; r < rows && scion_tensor_same_shape(t, &back); r++)
    different += memcmp((const float *)t->data + r * t->row_stride, (const float *)back.data + r * width, (size_t)width * 4) != 0;
  CHECK(different == 0, "%lld of %lld rows differ", (long long)different, (long long)rows);
  scion_tensor_release(&back);
  scion_safetensors_close(file);
}

static void into_slice(void) {
  scion_safetensors *file = NULL;
  scion_tensor whole = TENSOR(3, 5), slice = SLICE(2, 3, 5);
  OK(scion_safetensors_write(path, &(scion_named_tensor){"t", &whole}, 1, NULL, 0, 0));
  OK(scion_safetensors_open(&file, path));
  if (file) CHECK(scion_safetensors_read_into(file, "t", &slice) == SCION_MISUSE, "a slice was read into");
  CHECK(test_gaps_untouched(&slice), "the gaps of a slice were written");
  scion_safetensors_close(file);
  scion_tensor_release(&whole);
  scion_tensor_release(&slice);
}

/* A file whose metadata may take `decoded` bytes of memory is as large as that asks for, and all behind the tensors is zeros. */
static void padded(uint64_t decoded) {
  scion_safetensors *file = NULL;
  scion_safetensors_entry entry;
  scion_tensor whole = TENSOR(3, 5);
  OK(scion_safetensors_write(path, &(scion_named_tensor){"t", &whole}, 1, NULL, 0, decoded));
  OK(scion_safetensors_open(&file, path));
  uint64_t size = file ? scion_safetensors_size(file) : 0, allowed = 2 * size + ((uint64_t)64 << 20);
  CHECK(allowed >= decoded && allowed < decoded + 1024, "%llu bytes for %llu", (unsigned long long)size, (unsigned long long)decoded);
  CHECK(file && scion_safetensors_entry_at(file, 1, &entry) && strcmp(entry.name, SCION_SAFETENSORS_PADDING) == 0, "there is no padding");
  scion_tensor zeros = {.dtype = SCION_U8};
  if (file) OK(scion_safetensors_read(file, SCION_SAFETENSORS_PADDING, &zeros));
  int64_t others = 0;
  for (int64_t i = 0; i < scion_tensor_elements(&zeros) && zeros.data; i++) others += ((const uint8_t *)zeros.data)[i] != 0;
  CHECK(others == 0, "%lld bytes of padding are not 0", (long long)others);
  scion_tensor_release(&zeros);
  scion_safetensors_close(file);
  scion_tensor_release(&whole);
}

static void discard(void) {
  scion_new_file file;
  unlink(path);
  OK(scion_new_file_open(&file, path));
  OK(scion_new_file_write(&file, "abc", 3));
  char temporary[256];
  snprintf(temporary, sizeof temporary, "%s", file.temporary ? file.temporary : "");
  CHECK(access(temporary, F_OK) == 0, "no temporary file %s", temporary);
  CHECK(access(path, F_OK) != 0, "the file has its name before it is whole");
  scion_new_file_discard(&file);
  scion_new_file_discard(&file);
  CHECK(access(temporary, F_OK) != 0 && access(path, F_OK) != 0, "a discarded file is still there");
  OK(scion_new_file_open(&file, path));
  OK(scion_new_file_commit(&file));
  CHECK(access(path, F_OK) == 0, "a committed file is not there");
}

/* A process that ends in the middle of writing leaves its temporary file, and the next writer of that name removes it. */
static void killed(void) {
  char left[256] = "";
  int pipes[2];
  if (pipe(pipes) != 0) exit(2);
  pid_t process = fork();
  if (process == 0) {
    scion_new_file file;
    if (scion_new_file_open(&file, path) == SCION_OK && scion_new_file_write(&file, "abc", 3) == SCION_OK &&
        write(pipes[1], file.temporary, strlen(file.temporary) + 1) > 0)
      kill(getpid(), SIGKILL);
    _exit(1);
  }
  int how = 0;
  CHECK(waitpid(process, &how, 0) == process && WIFSIGNALED(how), "it was not killed");
  CHECK(read(pipes[0], left, sizeof left) > 0 && access(left, F_OK) == 0, "nothing was left: %s", left);
  close(pipes[0]);
  close(pipes[1]);
  scion_new_file first, second;
  OK(scion_new_file_open(&first, path));
  CHECK(access(left, F_OK) != 0, "%s is still there", left);
  OK(scion_new_file_open(&second, path)); /* two writers at once do not hinder each other */
  OK(scion_new_file_write(&first, "first", 5));
  OK(scion_new_file_write(&second, "second", 6));
  OK(scion_new_file_commit(&first));
  OK(scion_new_file_commit(&second));
  struct stat about;
  CHECK(stat(path, &about) == 0 && about.st_size == 6, "the last one to end does not have the name");
}

int main(void) {
  char folder[] = "/tmp/scion-files-XXXXXX";
  test_begin("files");
  if (!mkdtemp(folder)) return 2;
  snprintf(path, sizeof path, "%s/t.safetensors", folder);
  for (int i = 0; i < 50; i++) {
    scion_tensor t = SLICE(test_integer(0, 3), test_integer(1, 4), test_integer(1, 9), test_integer(1, 40));
    round_trip(&t);
    scion_tensor_release(&t);
  }
  into_slice();
  padded(((uint64_t)64 << 20) + 1000);
  padded(((uint64_t)64 << 20) + 333333);
  discard();
  killed();
  CHECK(scion_storage_live_bytes() == 0, "%zu bytes are left", scion_storage_live_bytes());
  unlink(path);
  rmdir(folder);
  return test_end();
}
