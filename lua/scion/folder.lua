--- The folder for files that can be computed or downloaded again: the rows of the cache, and published weights.
local lfs = require "lfs"
local notice = require "scion.report.notice"

local folder = {}

--- Whether this process writes the files that it is asked for. Of several that compute the same, one does.
folder.writes = true

--- From here on it writes none, and all functions that would succeed; but rows of the cache are files of its own.
function folder.write_nothing()
  folder.writes = false
  require "scion.core".write_no_files(true)
end

--- Its path: $XDG_CACHE_HOME/scion or, where that variable is no absolute path, $HOME/.cache/scion. nil if $HOME is none either.
---@return string?
function folder.path()
  local base, home = os.getenv "XDG_CACHE_HOME", os.getenv "HOME"
  if base and base:sub(1, 1) == "/" then return base .. "/scion" end
  if base and base ~= "" then
    notice.once(("scion: XDG_CACHE_HOME is '%s', which is no absolute path, and is passed over"):format(base))
  end
  return home and home:sub(1, 1) == "/" and home .. "/.cache/scion" or nil
end

--- A path that was given when the process was in another folder, perhaps: itself where it still leads to the same file.
---@param path string
---@param from string? the folder in which the process was, as of lfs.currentdir
---@return string path
function folder.seen_from(path, from)
  if path:sub(1, 1) == "/" or not from or lfs.currentdir() == from then return path end
  return ("%s/%s"):format(from, path)
end

local no_such_folder = 2 -- ENOENT

--- Makes it. Returns nil and the reason where that fails: where a parent is missing, why that could not be made.
local function make(path)
  if lfs.attributes(path, "mode") == "directory" then return true end
  local parent, made, why = path:match "^(.+)/[^/]+$", nil, nil
  if parent then made, why = make(parent) end
  local _, message, code = lfs.mkdir(path)
  if lfs.attributes(path, "mode") == "directory" then return true end -- another process may have made it meanwhile
  return nil, not made and code == no_such_folder and why or message
end

--- Makes a folder and its parents, as far as they are missing.
---@param path string
---@return true? made true, too, if the folder existed; nil if it could not be made
---@return string? message why not, with the folder's path
function folder.make(path)
  local made, why = make(path)
  return made, not made and ("%s cannot be made: %s"):format(path, why) or nil
end

--- Makes the folder of a file and its parents, as far as they are missing.
---@param path string of the file
---@return true? made nil if it could not be made
---@return string? message why not
function folder.make_parent(path)
  if not folder.writes then return true end
  local parent = path:match "^(.+)/[^/]+$"
  if not parent then return true end
  return folder.make(parent)
end

--- Finds out whether a file can be written there, before a long computation ends with it: makes its folder, and a file beside it, which is
--- removed again.
---@param path string of the file
---@return true? can nil if it cannot be written
---@return string? message why not
function folder.can_write(path)
  if not folder.writes then return true end
  local made, message = folder.make_parent(path)
  if not made then return nil, message end
  local mode = lfs.attributes(path, "mode")
  if mode and mode ~= "file" then return nil, ("%s is %s"):format(path, mode == "directory" and "a folder" or "not a regular file") end
  local beside = path .. ".part"
  local there = lfs.symlinkattributes(beside, "mode") ~= nil -- somebody's own, which stays
  local file, why = io.open(beside, "ab")
  if not file then return nil, why end
  file:close()
  if not there then os.remove(beside) end
  return true
end

return folder
