--- Hints for messages about paths at which no file is found, and the folder that files share.
local check = require "scion.check"
local lfs = require "lfs"

local paths = {}

--- A hint if a path begins with "~", which a shell replaces by the home folder and Lua does not; else "".
---@param path string
---@return string
function paths.home_hint(path)
  if path ~= "~" and path:sub(1, 2) ~= "~/" then return "" end
  return ("; '~' is the shell's, in Lua it is os.getenv \"HOME\" .. %s"):format(check.show(path:sub(2)))
end

--- The message why an image could not be read, with advice if the path is a folder's or begins with "~". Where the reason names an option
--- of data sets, it says how one gives it who has none.
---@param where string the function that the user called: "predict"
---@param path string? nil for an image in memory
---@param message string the reason, which begins with the path
---@return string
function paths.explain(where, path, message)
  if not path then return message end
  if lfs.attributes(path, "mode") == "directory" then
    return ("%s: a folder and no file; scion.data.folder reads a folder of class folders, and a list of files names pictures"):format(path)
  end
  for _, option in ipairs { "truncated = 'keep'", "max_pixels = %d+" } do
    message = message:gsub("; (" .. option .. ") ", ("; %%1, an option of scion.data.files, whose data sets %s takes, "):format(where))
  end
  return message .. (lfs.attributes(path, "mode") and "" or paths.home_hint(path))
end

--- The longest folder in which all files are, with its "/"; "" if there is none.
---@param files string[]
---@return string
function paths.common_folder(files)
  local common = (files[1] or ""):match "^.*/" or ""
  for _, file in ipairs(files) do
    while file:sub(1, #common) ~= common do common = common:sub(1, -2):match "^.*/" or "" end
  end
  return common
end

return paths
