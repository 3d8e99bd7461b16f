/* Damaged images: changes seed files by counted random numbers and decodes them. make fuzz-images builds it with sanitizers.
 *   images RUNS SEED FILE ..   decodes RUNS mutations in turn; prints the slowest. The same numbers give the same mutations. */
#include "decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define MOST_PIXELS 20000000
#define MOST_SECONDS 2.0

typedef struct {
  unsigned char *bytes;
  size_t size;
  const char *name;
} seed_file;

static uint64_t seed;
static uint32_t run, drawn;

/* The next number from 0 to below - 1 of this run. */
static size_t draw(size_t below) {
  uint32_t words[4];
  scion_random4(seed, run, drawn++, 0, SCION_DRAW_TENSOR, words);
  return below ? (size_t)(((uint64_t)words[0] << 32 | words[1]) % below) : 0;
}

static bool read_seed(const char *path, seed_file *file) {
  image_buffer bytes = {0};
  *file = (seed_file){.name = path};
  bool read = image_read_file(path, &bytes, &file->size) == SCION_OK;
  file->bytes = bytes.data;
  return read;
}

/* A copy in memory of its own length, so that reading behind its end is found. */
static unsigned char *mutate(const seed_file *files, size_t count, size_t *size) {
  const seed_file *from = &files[draw(count)], *other = &files[draw(count)];
  size_t cut = draw(8) == 0 ? 1 + draw(from->size) : from->size;
  unsigned char *bytes = malloc(cut);
  if (!bytes) exit(1);
  memcpy(bytes, from->bytes, cut);
  for (size_t changes = 1 + draw(draw(4) ? 4 : 30); changes > 0; changes--) {
    size_t at = draw(draw(3) ? cut : cut < 64 ? cut : 64), length = 1 + draw(16); /* headers matter most */
    if (length > cut - at) length = cut - at;
    switch (draw(6)) {
      case 0: bytes[at] ^= (unsigned char)(1u << draw(8)); break;
      case 1: bytes[at] = (unsigned char)draw(256); break;
      case 2: memset(bytes + at, draw(2) ? 255 : 0, length); break;
      case 3: memmove(bytes + at, bytes + draw(cut - length + 1), length); break;
      case 4: memcpy(bytes + at, other->bytes + draw(other->size), 1); break;
      default: bytes[at] = (unsigned char)(bytes[at] + (draw(2) ? 1 : 255)); break;
    }
  }
  *size = cut;
  return bytes;
}

int main(int count, char **arguments) {
  if (count < 4) return 2;
  uint32_t runs = (uint32_t)strtoul(arguments[1], NULL, 10);
  seed = strtoull(arguments[2], NULL, 10);
  seed_file *files = calloc((size_t)count, sizeof *files);
  size_t known = 0;
  for (int i = 3; files && i < count; i++)
    if (read_seed(arguments[i], &files[known])) known++;
  if (known == 0) return 2;
  double slowest = 0;
  uint32_t slowest_run = 0, good = 0;
  for (run = 0; run < runs; run++) {
    size_t size;
    drawn = 0;
    unsigned char *bytes = mutate(files, known, &size);
    clock_t began = clock();
    good += decode(bytes, size, run, MOST_PIXELS) == SCION_OK;
    double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
    if (seconds > slowest) slowest = seconds, slowest_run = run;
    free(bytes);
  }
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  printf("images: %u mutations of %zu files, seed %llu: %u decoded, the slowest took %.2f s (run %u), at most %ld MB\n", runs, known,
         (unsigned long long)seed, good, slowest, slowest_run, used.ru_maxrss / 1024);
  for (size_t i = 0; i < known; i++) free(files[i].bytes);
  free(files);
  return slowest > MOST_SECONDS;
}
