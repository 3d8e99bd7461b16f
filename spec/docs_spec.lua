-- What is public is documented: functions of the Lua files, with types, and the prototypes of scion.h.
local lfs = require "lfs"

local function lines_of(path)
  local list = {}
  for line in assert(io.lines(path)) do list[#list + 1] = line end
  return list
end

-- All Lua files under a folder.
local function lua_files(folder, found)
  found = found or {}
  for name in lfs.dir(folder) do
    local path = folder .. "/" .. name
    if name:sub(1, 1) ~= "." and lfs.attributes(path, "mode") == "directory" then lua_files(path, found) end
    if name:match "%.lua$" then found[#found + 1] = path end
  end
  return found
end

-- The parameters of a public function defined in this line, and its name. Public: a field, at the outermost level, of a local
-- table; not a name that starts with an underscore.
local function public_function(line)
  local name, parameters = line:match "^function ([%w_]+[.:][%w_.:]+)%((.-)%)"
  if not name then name, parameters = line:match "^([%w_]+%.[%w_.]+) = function%((.-)%)" end
  if name and not name:match "[.:]_[%w_]*$" then return name, parameters end
end

-- Reports are the package's own affair: their functions say what they do, types or not.
local function internal(path) return path:find "^lua/scion/report/" end

-- What is missing in the comment above line `i`, or nothing.
local function complaint(lines, i, parameters, types)
  local first = i
  while lines[first - 1] and lines[first - 1]:match "^%-%-%-" do first = first - 1 end
  if first == i then return "no comment" end
  local text = "\n" .. table.concat(lines, "\n", first, i - 1) .. "\n"
  if not types or text:find "\n%-%-%-@type" then return nil end
  for parameter in parameters:gmatch "[^%s,]+" do
    local pattern = parameter == "..." and "%.%.%." or parameter
    if not parameter:match "^_" and parameter ~= "self" and not text:find("\n%-%-%-@param " .. pattern .. "%?? ") then return "no @param " .. parameter end
  end
  local last = i
  if not lines[i]:match "%f[%w]end$" then
    while lines[last] and not lines[last]:match "^end" do last = last + 1 end
  end
  for k = i, math.min(last, #lines) do -- its own returns, and not those of a function inside it, as far as indentation tells
    local returns = lines[k]:match "^  return%s+(.+)" or (k == i and lines[k]:match "%) return%s+(.+) end")
    if returns and not text:find "\n%-%-%-@return" then return "no @return" end
  end
end

-- "path:line: name: what is missing", one a public function without documentation.
local function undocumented(path, lines)
  local found = {}
  for i, line in ipairs(lines) do
    local name, parameters = public_function(line)
    local what = name and complaint(lines, i, parameters, not internal(path))
    if what then found[#found + 1] = ("%s:%d: %s: %s"):format(path, i, name, what) end
  end
  return found
end

-- Prototypes of a header in a block, between blank lines, that has no comment before them or beside them. A comment before a
-- struct speaks for the functions after it.
local function uncommented(lines)
  local found, commented = {}, false
  for i, line in ipairs(lines) do
    if line:match "^%s*$" and not (lines[i - 1] or ""):match "^}" then commented = false end
    if line:find("/*", 1, true) then commented = true end
    local name = line:match "^[%a][%w_ *]-([%w_]+)%("
    if name and not line:match "^typedef" and not commented then found[#found + 1] = name end
  end
  return found
end

describe("documentation", function()
  it("is there for each public function under lua/scion", function()
    local found, files = {}, lua_files "lua/scion"
    assert.is_true(#files > 3)
    for _, path in ipairs(files) do
      if path ~= "lua/scion/meta.lua" then table.move(undocumented(path, lines_of(path)), 1, 1000, #found + 1, found) end
    end
    assert.equal("", table.concat(found, "\n"))
  end)

  it("is there for each method of a tensor", function()
    local text = table.concat(lines_of "lua/scion/meta.lua", "\n")
    local methods = getmetatable(require("scion.tensor").zeros(1)).methods
    local count = 0
    for name in pairs(methods) do
      count = count + 1
      assert.is_truthy(text:find("\n%-%-%-[^\n]*\nfunction Tensor:" .. name .. "%("), "Tensor:" .. name .. " is not in meta.lua")
    end
    assert.is_true(count > 30)
  end)

  it("is there for each prototype of scion.h", function()
    assert.same({}, uncommented(lines_of "csrc/scion.h"))
  end)

  it("is missed where it is missing", function()
    local function found(text)
      local lines = {}
      for line in (text .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
      return undocumented("x", lines)[1], uncommented(lines)[1]
    end
    assert.equal("x:1: m.f: no comment", (found "function m.f(a)\nend"))
    assert.equal("x:2: m.f: no @param b", (found "---@param a number\nfunction m.f(a, b)\nend"))
    assert.equal("x:2: m.f: no @return", (found "---@param a number\nfunction m.f(a)\n  return a\nend"))
    assert.equal("x:2: m:f: no @return", (found "--- Text.\nfunction m:f() return 1 end"))
    assert.is_nil((found "--- Text.\n---@param a? number\n---@return number\nfunction m.f(a)\n  return a\nend"))
    assert.is_nil((found "local function f(a)\nend\nfunction m._hidden() end"))
    assert.equal("scion_f", select(2, found "/* Text. */\nint scion_e(void);\n\nint scion_f(int a);"))
    assert.is_nil((select(2, found "/* Text. */\nint scion_e(void);\nint scion_f(int a);")))
  end)
end)
