--- Files that reports and drawings are written to.
local check = require "scion.check"
local core = require "scion.core"
local folder = require "scion.folder"

local write = {}

--- Reads the argument that names the file. Raises if none can be written there, before anything is computed for it.
---@param where string the name of the function that the user called, for messages
---@param path any
---@param ending? string that it must have, such as "svg"
---@return string path
function write.path(where, path, ending)
  path = check.argument(where, "the path", path, check.path)
  if ending and path:lower():sub(-#ending - 1) ~= "." .. ending then
    check.raise(("%s: it writes a .%s file, and %s has another ending"):format(where, ending, check.show(path)))
  end
  local can, message = folder.can_write(path)
  return can and path or check.raise(("%s: %s"):format(where, message))
end

--- Writes the whole file, or raises and leaves an older one as it was.
---@param where string
---@param path string
---@param bytes string
---@return string path
function write.file(where, path, bytes)
  local ok, message = core.write_file(path, bytes)
  return ok and path or check.raise(("%s: %s"):format(where, message))
end

return write
