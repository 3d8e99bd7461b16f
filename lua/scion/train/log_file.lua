--- Files that callbacks add to while a model trains. A checkpoint holds how long such a file was, so that a run that is resumed goes on from
--- there, and nothing is in the file twice: what was written after the checkpoint is cut off.
local check = require "scion.check"
local core = require "scion.core"
local folder = require "scion.folder"
local notice = require "scion.report.notice"

local log_file = {}

--- What a checkpoint holds of it.
---@class scion.LogFile
---@field path string as it was given: the run tells where that is now
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

--- The file, which is made if there is none, with its folder; what it holds stays.
---@param where string for messages
---@param run scion.Run
---@param path string
---@return scion.LogFile
function log_file.open(where, run, path)
  folder.make_parent(run:path(path)) -- where that fails, opening it does, too, and says why
  local file <close> = opened(where, run:path(path), "ab")
  return { path = path, bytes = file:seek "end" }
end

--- The first bytes of a file.
local function head(where, path, bytes)
  local file <close> = opened(where, path, "rb")
  local text, message = file:read(bytes)
  if message then refuse(where, ("%s: %s"):format(path, message)) end
  return text or ""
end

--- What it holds, as far as it is the run's.
---@param where string
---@param run scion.Run
---@param of scion.LogFile
---@return string
function log_file.read(where, run, of) return head(where, run:path(of.path), of.bytes) end

--- Leaves the first bytes of a file that is longer than the run knows.
local function cut(where, path, bytes)
  local kept, beside = head(where, path, bytes), path .. ".part"
  local ok, message = write(opened(where, beside, "wb"), kept)
  if ok then ok, message = os.rename(beside, path) end
  if ok then return end
  os.remove(beside)
  refuse(where, ("%s: %s"):format(path, message))
end

--- Adds text to it, which is in the file when this returns.
---@param where string
---@param run scion.Run
---@param of scion.LogFile
---@param text string
function log_file.append(where, run, of, text)
  local path = run:path(of.path)
  local file = opened(where, path, "ab")
  local size = file:seek "end"
  if size > of.bytes then
    file:close()
    cut(where, path, of.bytes)
    file = opened(where, path, "ab")
  elseif size < of.bytes then
    notice.line(("scion: %s: %s is shorter than the run left it, by %d bytes; what is missing is not written again"):format(where, path, of.bytes - size))
    of.bytes = size
  end
  local ok, message = write(file, text)
  if not ok then refuse(where, ("%s: %s"):format(path, message)) end
  of.bytes = of.bytes + #text
end

return log_file
