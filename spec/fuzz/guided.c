/* Damaged images under clang's libFuzzer, which keeps the changes that reach new code: make fuzz-guided. */
#include "decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  for (unsigned kind = 0; size > 0 && kind < 8; kind += 3) decode(bytes, size, kind, 1000000);
  return 0;
}
