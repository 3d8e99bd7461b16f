--- The folder of what may be computed or downloaded again: the cache's rows, and published weights.
local lfs = require "lfs"

local folder = {}

--- Its path: $XDG_CACHE_HOME/scion, or ~/.cache/scion; nil where neither is an absolute path.
---@return string?
function folder.path()
  local base, home = os.getenv "XDG_CACHE_HOME", os.getenv "HOME"
  if base and base:sub(1, 1) == "/" then return base .. "/scion" end
  return home and home:sub(1, 1) == "/" and home .. "/.cache/scion" or nil
end

--- Makes a folder, and those above it, where there is none.
---@param path string
---@return true? made
---@return string? message names the folder
function folder.make(path)
  if lfs.attributes(path, "mode") == "directory" then return true end
  local parent = path:match "^(.+)/[^/]+$"
  if parent then folder.make(parent) end
  local _, message = lfs.mkdir(path)
  if lfs.attributes(path, "mode") == "directory" then return true end -- perhaps by another process
  return nil, ("%s cannot be made: %s"):format(path, message)
end

return folder
