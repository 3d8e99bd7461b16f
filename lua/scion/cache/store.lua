--- Rows of one shape, found by their keys (16 bytes): kept in memory up to a budget, and in a file that other processes and later
--- runs read too. Trouble with the disk is told once, and costs the file's help alone. From the environment:
---   SCION_CACHE_MEMORY  GB of rows in memory, in all (1)
---   SCION_CACHE_DISK    GB of files, in all (10; 0: no files); the least recently used ones go
---   XDG_CACHE_HOME      where the folder scion with the files is (~/.cache)
local check = require "scion.check"
local core = require "scion.core"
local folder = require "scion.folder"
local lfs = require "lfs"
local notice = require "scion.report.notice"
local shapes = require "scion.shape"

---@class scion.Store
---@field shape integer[] of a row
---@field dtype string
---@field bytes integer of a row
---@field rows table<string, scion.Tensor> those in memory
---@field file userdata? of core.row_file: few stores have theirs open at a time
---@field identity string? which file that is: another one at the same path is not
---@field records table<string, integer> what is where in the open file
---@field scanned integer how many of its records are known
---@field room boolean? whether the rows that are expected fit into the disk's budget
---@field full boolean? the disk took no more
---@field broken boolean? the file could not be had
local store = {}
store.__index = store

local most_open = 8 -- files at a time: a process may have some hundred in all, and a pass uses two or three stores

local stores, held, uses = {}, 0, 0 -- by name; bytes in memory, in all; a count that tells who was used last
local head = 24 -- bytes that the file adds to a row

local amount = check.number { from = 0 }

local function gigabytes(name, otherwise)
  local text = os.getenv(name)
  if not text or text == "" then return otherwise * 1e9 end
  if not amount.read(tonumber(text)) then check.raise(("%s is a number of GB from 0 up, not %s"):format(name, check.show(text))) end
  return tonumber(text) * 1e9
end

--- How many bytes of rows may be in memory.
---@return number
function store.memory() return gigabytes("SCION_CACHE_MEMORY", 1) end

--- The folder of all files, and how many bytes they may take; the folder is nil where there is to be none.
---@return string? folder
---@return number bytes
function store.folder()
  local budget = gigabytes("SCION_CACHE_DISK", 10)
  return budget > 0 and folder.path() or nil, budget
end

local told = false -- of whichever file: the others will have the same trouble

local function tell(message)
  if not told then notice.line(("scion: %s; the cache does without the disk"):format(message)) end
  told = true
end

--- Closes the file; what it holds is learnt again when it is opened.
local function close_file(self)
  if self.file then self.file:close() end
  self.file, self.identity, self.records, self.scanned = nil, nil, {}, 0
end

--- Gives up the file, for the rest of the process: what is in memory stays.
local function abandon(self, message)
  tell(message)
  close_file(self)
  self.broken = true
end

--- Closes the file that was used least recently, if as many are open as may be.
local function close_one()
  local oldest, open = nil, 0
  for _, other in pairs(stores) do
    if other.file then
      open = open + 1
      if not oldest or other.used < oldest.used then oldest = other end
    end
  end
  if open >= most_open then close_file(oldest) end
end

--- Which file is at a path; nil where there is none.
local function identity_of(path)
  local about = lfs.attributes(path)
  return about and about.dev .. " " .. about.ino
end

--- Learns what is in the file by now, also from other processes.
local function read_keys(self)
  lfs.touch(self.path) -- used now
  local keys, message = self.file:keys(self.scanned + 1)
  if not keys then return abandon(self, message) end
  for i, key in ipairs(keys) do
    if key then self.records[key] = self.scanned + i end
  end
  self.scanned = self.scanned + #keys
end

local function open_file(self)
  local path = store.folder()
  if self.broken or not path then return end
  local made, message = folder.make(path)
  if not made then return abandon(self, message) end
  close_one()
  self.path = path .. "/" .. self.name .. ".rows"
  self.file, message = core.row_file(self.path, self.bytes)
  if not self.file then return abandon(self, message) end
  self.identity = identity_of(self.path)
  read_keys(self)
end

--- Opens the file again if it was closed for others.
local function need_file(self)
  uses = uses + 1
  self.used = uses
  if not self.file then open_file(self) end
  return self.file
end

--- The store of that name, made if there is none. Its file is the one that is at its path now: whoever deleted the folder gets a new one.
---@param name string
---@param shape integer[]
---@param dtype string
---@return scion.Store
function store.open(name, shape, dtype)
  local self = stores[name]
  if not self then
    self = setmetatable({ name = name, shape = { table.unpack(shape) }, dtype = dtype, bytes = shapes.bytes(shape, dtype), rows = {}, records = {}, scanned = 0,
                          held = 0 }, store)
    stores[name] = self
  end
  if self.file and identity_of(self.path) ~= self.identity then close_file(self) end
  if self.file then read_keys(self) end
  need_file(self)
  return self
end

-- ---- memory ---------------------------------------------------------------------------------------------------------

--- Takes rows of the stores that were used least recently from memory, until there is room for a row of this one.
local function make_room(self, budget)
  while held + self.bytes > budget do
    local oldest
    for _, other in pairs(stores) do
      if other ~= self and other.held > 0 and (not oldest or other.used < oldest.used) then oldest = other end
    end
    if not oldest then return false end
    held, oldest.held, oldest.rows = held - oldest.held, 0, {}
  end
  return true
end

local function hold(self, key, row)
  if self.rows[key] or not make_room(self, store.memory()) then return end
  self.rows[key] = row
  held, self.held = held + self.bytes, self.held + self.bytes
end

--- Whether that row should be there: a damaged one turns out when it is read.
---@param key string
---@return boolean
function store:has(key)
  if self.rows[key] then return true end
  need_file(self)
  return self.records[key] ~= nil
end

--- The row, which nobody may write to; nil where there is none.
---@param key string
---@return scion.Tensor?
function store:get(key)
  local row = self.rows[key]
  if row then return row end
  need_file(self)
  local record = self.records[key]
  if not record then return nil end
  row = core.new(self.shape, self.dtype)
  if not self.file:read(record, key, row) then
    self.records[key] = nil
    return nil
  end
  hold(self, key, row)
  return row
end

--- Keeps rows that are there no longer or not yet.
---@param keys string[]
---@param rows scion.Tensor[]
function store:put(keys, rows)
  local new_keys, new_rows = {}, {}
  need_file(self)
  for i, key in ipairs(keys) do
    hold(self, key, rows[i])
    if not self.records[key] then new_keys[#new_keys + 1], new_rows[#new_rows + 1] = key, rows[i] end
  end
  if not self.file or not self.room or #new_keys == 0 then return end
  local first, message = self.file:append(new_keys, new_rows)
  if not first then -- what is there can still be read
    self.full, self.room = true, false
    return tell(message)
  end
  for i, key in ipairs(new_keys) do self.records[key] = first + i - 1 end
end

-- ---- disk -----------------------------------------------------------------------------------------------------------

--- Removes the files that were used least recently and are not open here, until `more` bytes fit into the budget; whether they do.
local function make_disk_room(path, budget, more)
  local open, files, total = {}, {}, more
  for _, other in pairs(stores) do
    if other.file then open[other.path] = true end
  end
  local listed, names, of = pcall(lfs.dir, path)
  if not listed then return total <= budget end -- it was deleted a moment ago
  for name in names, of do
    local file = path .. "/" .. name
    local about = name:match "%.rows$" and lfs.attributes(file)
    if about then
      total = total + about.size
      if not open[file] then files[#files + 1] = { path = file, size = about.size, used = about.modification } end
    end
  end
  table.sort(files, function(a, b)
    if a.used ~= b.used then return a.used < b.used end
    return a.path < b.path
  end)
  for _, file in ipairs(files) do
    if total <= budget then break end
    if os.remove(file.path) then total = total - file.size end
  end
  return total <= budget
end

--- Decides, before `count` rows come, whether they go to the disk: all of them fit or none is written.
---@param count integer
function store:expect(count)
  local path, budget = store.folder()
  if count > 0 and not self.full and need_file(self) then self.room = make_disk_room(path, budget, count * (self.bytes + head)) end
end

return store
