--- Published weights: downloaded once with the program curl, checked with sha256sum or md5sum, and kept in the cache folder.
local check = require "scion.check"
local core = require "scion.core"
local folder = require "scion.folder"
local format = require "scion.weights.format"
local lfs = require "lfs"

local hub = {}

--- Quotes a text for the shell.
local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- ---- hashes ---------------------------------------------------------------------------------------------------------

local programs = { sha256 = { "sha256sum", "shasum -a 256" }, md5 = { "md5sum", "md5 -q" } }

--- The hash of a file in hex. Raises where no program computes it.
local function hash_of(kind, path)
  for _, program in ipairs(programs[kind]) do
    local pipe <close> = assert(io.popen(program .. " < " .. quote(path) .. " 2>/dev/null"))
    local digits = pipe:read "a":match "^%x+"
    if digits then return digits end
  end
  check.raise(("%s: cannot be checked: there is no program %s"):format(path, programs[kind][1]))
end

--- Why a file is not the published one; nil if it is, or if no hash is published.
local function wrong_hash(file, path)
  local kind = file.sha256 and "sha256" or file.md5 and "md5"
  if not kind then return end
  local found = hash_of(kind, path)
  if found:sub(1, #file[kind]) ~= file[kind] then return ("its %s is %s, not %s"):format(kind:upper(), found, file[kind]) end
end

-- ---- downloads ------------------------------------------------------------------------------------------------------

--- What curl's exit codes mean.
local reasons = { [1] = "only http:// and https:// are taken", [3] = "its address is malformed",
                  [6] = "its host is not known here", [7] = "its host does not answer", [18] = "the transfer was cut off",
                  [23] = "the disk takes no more", [28] = "it takes too long", [35] = "no secure connection", [56] = "the connection broke",
                  [60] = "its certificate is not trusted", [127] = "there is no program curl" }

--- Runs curl, which continues an earlier transfer where it stopped. Returns curl's exit code and the server's HTTP status. Raises where the
--- user or a signal stopped it.
local function curl(url, to)
  local look = core.terminal_width() and "--progress-bar" or "--silent 2>/dev/null"
  local pipe = assert(io.popen(table.concat({
    "curl --fail --globoff --location --proto '=http,https' --connect-timeout 30 --write-out '%{http_code}' --continue-at -",
    "--output", quote(to), "--url", quote(url), look }, " ")))
  local answer = pipe:read "a"
  local _, how, code = pipe:close()
  if how == "signal" or code > 128 then check.raise(("%s: the download was interrupted; the next one goes on from there"):format(url)) end
  return code, tonumber(answer)
end

local function fail(url, target, reason)
  check.raise(("%s cannot be had: %s. Without a connection put the file at %s; SCION_WEIGHTS_URL names a mirror's folder"):format(url, reason, target))
end

--- For files without a published hash: why the download is no file of weights, such as the page of a login; nil if it is one.
local function no_weights(path)
  local known, message = check.try(format.of, path)
  if not known then return (message:gsub("^.-%.part: ", "")) end
end

--- Downloads to target .. ".part", checks that file, and returns its path. Raises where that fails.
local function download(file, url, target)
  local part = target .. ".part"
  local before = lfs.attributes(part, "size")
  if before and (file.sha256 or file.md5) and not wrong_hash(file, part) then return part end
  local code, answer = curl(url, part)
  if before and (code == 33 or code == 36 or answer == 416) then -- the server cannot continue a transfer
    os.remove(part)
    code, answer = curl(url, part)
  end
  if code ~= 0 then fail(url, target, reasons[code] or (code == 22 and "the server answers %d" or "curl ends with %d"):format(code == 22 and answer or code)) end
  local wrong = wrong_hash(file, part) or not file.sha256 and not file.md5 and no_weights(part)
  if wrong then
    os.remove(part)
    fail(url, target, wrong)
  end
  return part
end

--- The path of a published file, which is downloaded at the first call. Other processes that ask for it meanwhile wait. A transfer that was
--- cut off continues where it stopped. The file gets its name only when it is complete and checked. The environment variable
--- SCION_WEIGHTS_URL may hold the address of another folder to take it from. Raises with the address, the reason, and where to put the file
--- by hand.
---@param file scion.WeightsFile
---@return string path
function hub.fetch(file)
  local path, name = folder.path(), file.url:match "[^/]*$":gsub("[^%w._-]", "_")
  if not path then check.raise(("%s: there is no folder to keep it in: neither XDG_CACHE_HOME nor HOME is an absolute path"):format(file.url)) end
  local target = path .. "/" .. name
  if lfs.attributes(target, "mode") == "file" then return target end
  local made, trouble = folder.make(path)
  if not made then check.raise(trouble) end
  local lock <close>, message = core.lock(target .. ".lock")
  if not lock then check.raise(message) end
  lock:inherit() -- curl may outlive this process
  if lfs.attributes(target, "mode") == "file" then return target end
  local mirror = os.getenv "SCION_WEIGHTS_URL"
  local part = download(file, mirror and mirror:gsub("/*$", "/") .. name or file.url, target)
  local renamed, problem = os.rename(part, target)
  if not renamed then check.raise(("%s: %s"):format(target, problem)) end
  return target
end

-- ---- which file -----------------------------------------------------------------------------------------------------

--- Fields of a file that do not decide which one is taken; the others must equal the model's options.
local facts = { url = true, sha256 = true, md5 = true, top = true, resize = true }

--- How well a file suits a model's options; nil: not at all. A file with a classifier also suits a model without one, except Keras's, which
--- has a file for each.
local function suits(file, variant, o)
  local score = (file.top or false) == (o.top or false) and 2 or 0
  if score == 0 and (o.top or variant.name == "keras") then return nil end
  for key, value in pairs(file) do
    if key == "input" then
      score = score + (o.input == value and 1 or 0)
    elseif not facts[key] and o[key] ~= value then
      return nil
    end
  end
  return score
end

--- The path of the published file that suits an architecture's variant and options best, downloaded if need be. Raises when there is none,
--- and where `classes` is not 1000 with a top.
---@param architecture scion.Architecture
---@param variant scion.Variant
---@param o table the options that the model is built with
---@return string path
function hub.imagenet(architecture, variant, o)
  local best, score
  if o.top and o.classes ~= 1000 then
    check.raise(("%s: weights = 'imagenet' with a top has 1000 classes, not %s; graft a top of your own"):format(architecture.name, tostring(o.classes)))
  end
  for _, file in ipairs(variant.weights) do
    local found = suits(file, variant, o)
    if found and (not score or found > score) then best, score = file, found end
  end
  if not best then check.raise(("%s: no weights are published for these options"):format(architecture.name)) end
  return hub.fetch(best)
end

return hub
