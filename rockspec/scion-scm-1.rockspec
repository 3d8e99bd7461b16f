rockspec_format = "3.0"
package = "scion"
version = "scm-1"
source = { url = "." } -- luarocks make builds the tree it stands in
description = {
  summary = "Fine-tunes pretrained image networks on a CPU, from short Lua scripts",
  detailed = "Scion grafts new heads onto pretrained image networks and trains them. C computes, Lua decides.",
  license = "MIT",
  labels = { "machine-learning", "neural-network", "image" },
}
dependencies = { "lua >= 5.4", "luafilesystem >= 1.8" }
external_dependencies = {
  OPENBLAS = { library = "openblas" },
  JPEG = { header = "jpeglib.h" },
  PNG = { header = "png.h" },
  JANSSON = { header = "jansson.h" },
  XXHASH = { header = "xxhash.h" },
  ZIP = { header = "zip.h" },
}
build = {
  type = "make",
  build_target = "all",
  install_target = "install",
  -- how much to optimise is the Makefile's OPTIMIZE, which LuaRocks' CFLAGS do not touch; a new compiler's warnings stop nobody
  build_variables = {
    CFLAGS = "$(CFLAGS)",
    CPPFLAGS = "-I$(LUA_INCDIR)",
    LUA = "$(LUA)",
    WERROR = "",
  },
  install_variables = {
    LUADIR = "$(LUADIR)",
    LIBDIR = "$(LIBDIR)",
    CFLAGS = "$(CFLAGS)",
    CPPFLAGS = "-I$(LUA_INCDIR)",
    LUA = "$(LUA)",
    WERROR = "",
  },
}
