/* Arithmetic and reductions on tensors, for the REPL. */
#include "binding.h"

void scion_open_tensor_math(lua_State *L) { (void)L; }
