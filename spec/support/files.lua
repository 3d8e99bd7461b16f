--- What specs share that have to do with files: folders that go again, whole files, shell commands.
local lfs = require "lfs"

local files = { data = os.getenv "SCION_TEST_DATA" }

--- For the shell: one word.
function files.quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- Runs a command; returns what it wrote to both outputs, and how it ended.
function files.shell(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read "a"
  local ended, _, code = pipe:close()
  return output, ended and 0 or code
end

local folders = {}

--- A new empty folder, gone with files.done, which a spec has as its teardown.
function files.folder()
  local path = os.tmpname()
  os.remove(path)
  assert(lfs.mkdir(path))
  folders[#folders + 1] = path
  return path
end

function files.remove(path)
  if lfs.symlinkattributes(path, "mode") == "directory" then
    for name in lfs.dir(path) do
      if name ~= "." and name ~= ".." then files.remove(path .. "/" .. name) end
    end
  end
  os.remove(path)
end

function files.done()
  for _, path in ipairs(folders) do files.remove(path) end
  folders = {}
end

--- Removes one of these folders before the others.
function files.done_with(path)
  files.remove(path)
  for i, each in ipairs(folders) do
    if each == path then table.remove(folders, i) break end
  end
end

function files.list(folder) return files.shell("ls -A " .. files.quoted(folder)) end

function files.slurp(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

function files.spit(path, bytes)
  local file = assert(io.open(path, "wb"))
  assert(file:write(bytes))
  assert(file:close())
  return path
end

--- What f writes to standard error through io.stderr.
function files.stderr_of(f)
  local before, path = io.stderr, os.tmpname()
  local file <close> = assert(io.open(path, "w+"))
  io.stderr = file -- luacheck: ignore 122
  local ok, message = pcall(f)
  io.stderr = before -- luacheck: ignore 122
  os.remove(path)
  assert(ok, message)
  file:seek "set"
  return file:read "a"
end

--- Whether the shared photographs and weights are here; a test without them is pending, and ends.
function files.test_data(pending)
  if not files.data then pending "SCION_TEST_DATA is not set" end
  return files.data
end

return files
