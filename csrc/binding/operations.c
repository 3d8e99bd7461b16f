#include "binding.h"
void scion_open_operations(lua_State *L) { (void)L; }
