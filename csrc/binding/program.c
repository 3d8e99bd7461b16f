#include "binding.h"
void scion_open_program(lua_State *L) { (void)L; }
