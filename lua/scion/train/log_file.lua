--- Files that callbacks add to while a model trains. A checkpoint holds how long such a file was, so that a run that is resumed goes on from
--- there, and nothing is in the file twice: what was written after the checkpoint is cut off.
local check = require "scion.check"
local core = require "scion.core"
local folder = require "scion.folder"
local notice = require "scion.report.notice"

local log_file = {}

--- What a checkpoint holds of it.
---@class scion.LogFile
---@field path string
---@field bytes integer its length, as far as the run knows

local function refuse(where, message) check.raise(("%s: %s"):format(where, message)) end

--- Opens a file for good or raises.
local function opened(where, path, how)
  local file, message = io.open(path, how)
  local limit = not file and core.file_limit()
  return file or refuse(where, limit and ("%s: %s"):format(path, limit) or message)
end

--- Writes text to an open file and closes it; whether that has succeeded, and a message.
local function write(file, text)
  local ok, message = file:write(text)
  local closed, why = file:close()
  return ok and closed, message or why
end

--- The file, which is made if there is none; what it holds stays.
---@param where string for messages
---@param path string
---@return scion.LogFile
function log_file.open(where, path)
  if not folder.writes then return { path = path, bytes = 0 } end
  local file <close> = opened(where, path, "ab")
  return { path = path, bytes = file:seek "end" }
end

--- What it holds, as far as it is the run's.
---@param where string
---@param of scion.LogFile
---@return string
function log_file.read(where, of)
  if not folder.writes then return "" end
  local file <close> = opened(where, of.path, "rb")
  local text, message = file:read(of.bytes)
  if message then refuse(where, ("%s: %s"):format(of.path, message)) end
  return text or ""
end

--- Leaves the first bytes of a file that is longer than the run knows.
local function cut(where, of)
  local kept, path = log_file.read(where, of), of.path .. ".part"
  local ok, message = write(opened(where, path, "wb"), kept)
  if ok then ok, message = os.rename(path, of.path) end
  if ok then return end
  os.remove(path)
  refuse(where, ("%s: %s"):format(of.path, message))
end

--- Adds text to it, which is in the file when this returns.
---@param where string
---@param of scion.LogFile
---@param text string
function log_file.append(where, of, text)
  if not folder.writes then return end
  local file = opened(where, of.path, "ab")
  local size = file:seek "end"
  if size > of.bytes then
    file:close()
    cut(where, of)
    file = opened(where, of.path, "ab")
  elseif size < of.bytes then
    notice.line(("scion: %s: %s is shorter than the run left it, by %d bytes; what is missing is not written again"):format(where, of.path, of.bytes - size))
    of.bytes = size
  end
  local ok, message = write(file, text)
  if not ok then refuse(where, ("%s: %s"):format(of.path, message)) end
  of.bytes = of.bytes + #text
end

return log_file
