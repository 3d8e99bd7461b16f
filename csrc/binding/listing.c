/* Listing folders. */
#include "binding.h"

#define SCION_LISTING "scion.listing"

static int listing_close(lua_State *L) {
  scion_listing **listing = luaL_checkudata(L, 1, SCION_LISTING);
  scion_listing_free(*listing);
  *listing = NULL;
  return 0;
}

/* core.list_folder(path) -> { name, .. }, { [name] = true, .. }; or nil and a message. The names in a folder without the hidden ones,
 * ordered by their bytes. The name of a folder, or of a link to one, ends in "/". The second table has the links to folders and to nothing. */
static int core_list_folder(lua_State *L) {
  const char *path = scion_check_text(L, 1), *name;
  bool link;
  lua_settop(L, 1);
  scion_listing **listing = scion_push_object(L, SCION_LISTING, sizeof *listing);
  scion_status status = scion_listing_new(listing, path);
  if (status != SCION_OK) return scion_push_result(L, status, 0);
  lua_newtable(L);
  lua_newtable(L);
  for (size_t i = 0; (name = scion_listing_name(*listing, i, &link)); i++) {
    lua_pushstring(L, name);
    if (link) {
      lua_pushvalue(L, -1);
      lua_pushboolean(L, true);
      lua_rawset(L, 4);
    }
    lua_rawseti(L, 3, (lua_Integer)i + 1);
  }
  scion_listing_free(*listing); /* at once: the collector knows nothing of its size */
  *listing = NULL;
  return 2;
}

static const luaL_Reg functions[] = {{"list_folder", core_list_folder}, {NULL, NULL}};

void scion_open_listing(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  scion_new_class(L, SCION_LISTING, listing_close, NULL);
}
