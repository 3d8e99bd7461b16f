--- Stores of rows: tensors of one shape, found by keys of 16 bytes. Rows are kept in memory up to a budget, and in a file, which other
--- processes and later runs read, too. After an error of the disk, which is reported once, a store works without the file. Variables of
--- the environment:
---   SCION_CACHE_MEMORY  GB of rows in memory, of all stores (1)
---   SCION_CACHE_DISK    GB of files, of all stores (10; 0: no files); the least recently used ones are deleted
---   XDG_CACHE_HOME      the folder in which the folder scion with the files is (~/.cache)
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
---@field rows table<string, scion.Tensor> the rows in memory, by key
---@field held integer bytes of the rows in memory
---@field used integer the value of `uses` at the last use: the smallest one is the least recent
---@field file userdata? of core.row_file, while it is open; only a few stores have theirs open at a time
---@field identity string? device and inode of the open file, by which a file that replaced it at its path is recognized
---@field records table<string, integer> the number of each key's record in the open file
---@field scanned integer how many records of the file are in `records`
---@field room boolean? whether the expected rows fit into the budget for the disk
---@field full boolean? writing failed, and is not tried again
---@field broken boolean? opening or reading failed, and is not tried again
local store = {}
store.__index = store

local most_open = 8 -- files at a time: a process may open some hundred files in all, and one pass over a data set uses two or three stores

local stores, held, uses = {}, 0, 0 -- by name; bytes in memory of all stores; a counter of uses, by which the least recent one is found
local head = 24 -- bytes of a record in the file before its row

local amount = check.number { from = 0 }

local function gigabytes(name, otherwise)
  local text = os.getenv(name)
  if not text or text == "" then return otherwise * 1e9 end
  if not amount.read(tonumber(text)) then check.raise(("%s is a number of GB from 0 up, not %s"):format(name, check.show(text))) end
  return tonumber(text) * 1e9
end

--- The budget for rows in memory, in bytes. Raises if SCION_CACHE_MEMORY is no number from 0 up.
---@return number
function store.memory() return gigabytes("SCION_CACHE_MEMORY", 1) end

--- The folder of the files, and their budget in bytes. The folder is nil if there are no files. Raises if SCION_CACHE_DISK is no number
--- from 0 up.
---@return string? folder
---@return number bytes
function store.folder()
  local budget = gigabytes("SCION_CACHE_DISK", 10)
  return budget > 0 and folder.path() or nil, budget
end

local told = false -- one message for all files: the same error would follow for each

local function tell(message)
  if not told then notice.line(("scion: %s; the cache does without the disk"):format(message)) end
  told = true
end

--- Closes the file. Its keys are read again when it is opened.
local function close_file(self)
  if self.file then self.file:close() end
  self.file, self.identity, self.records, self.scanned = nil, nil, {}, 0
end

--- Gives up the file for the rest of the process. Rows in memory stay.
local function abandon(self, message)
  tell(message)
  close_file(self)
  self.broken = true
end

--- Closes the least recently used file, if as many files are open as may be.
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

--- Device and inode of the file at a path; nil if there is none.
local function identity_of(path)
  local about = lfs.attributes(path)
  return about and about.dev .. " " .. about.ino
end

--- Reads the keys that were added to the file since the last time, by other processes, too.
local function read_keys(self)
  lfs.touch(self.path) -- the time of its last use, for make_disk_room
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

--- Notes the use, and opens the file if it is closed. Returns it, or nil if there is none.
local function need_file(self)
  uses = uses + 1
  self.used = uses
  if not self.file then open_file(self) end
  return self.file
end

--- The store of that name; it is made at the first call. The file is opened again if another one is at its path by now, or none: so users
--- may delete the folder at any time.
---@param name string the file's name, without .rows
---@param shape integer[] of a row
---@param dtype scion.Dtype of a row
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

--- Drops the rows in memory of other stores, the least recently used one first, until there is room for a row of this one. Returns whether
--- there is. It does not drop rows of the store itself: in passes over all rows, each would be dropped before it is needed again.
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

--- Whether the store has a row of that key. Whether the row in the file is undamaged is checked only when it is read.
---@param key string
---@return boolean
function store:has(key)
  if self.rows[key] then return true end
  need_file(self)
  return self.records[key] ~= nil
end

--- The row of that key, or nil if there is none or it is damaged. It must not be written to, since the store keeps the same tensor.
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

--- Adds rows: to memory as far as there is room, and to the file if store:expect found room and they are not in it.
---@param keys string[]
---@param rows scion.Tensor[] one for each key
function store:put(keys, rows)
  local new_keys, new_rows = {}, {}
  need_file(self)
  for i, key in ipairs(keys) do
    hold(self, key, rows[i])
    if not self.records[key] then new_keys[#new_keys + 1], new_rows[#new_rows + 1] = key, rows[i] end
  end
  if not self.file or not self.room or #new_keys == 0 then return end
  local first, message = self.file:append(new_keys, new_rows)
  if not first then -- the disk may be full: the rows in the file can still be read
    self.full, self.room = true, false
    return tell(message)
  end
  for i, key in ipairs(new_keys) do self.records[key] = first + i - 1 end
end

-- ---- disk -----------------------------------------------------------------------------------------------------------

--- Deletes files, the least recently used one first and none that is open in this process, until `more` bytes fit into the budget. Returns
--- whether they do.
local function make_disk_room(path, budget, more)
  local open, files, total = {}, {}, more
  for _, other in pairs(stores) do
    if other.file then open[other.path] = true end
  end
  local listed, names, of = pcall(lfs.dir, path)
  if not listed then return total <= budget end -- the folder was deleted a moment ago
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

--- Announces that `count` rows will be put, and decides whether they are written to the file: either all of them fit into the budget, or
--- none is written.
---@param count integer
function store:expect(count)
  local path, budget = store.folder()
  if count > 0 and not self.full and need_file(self) then self.room = make_disk_room(path, budget, count * (self.bytes + head)) end
end

return store
