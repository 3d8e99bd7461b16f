--- lua5.4 spec/faults/run.lua SCENARIO [KIND N once|forever]: runs a scenario of scenarios.lua with the library of faults.c preloaded.
--- First it counts the calls of each kind; then the first one fails, the second, and so on, once and for good. After each
---   the call has succeeded, or raised a sentence that a user understands;
---   files and weights are the old or the new ones, and no other file is there;
---   the same call without the fault succeeds, and does what it does without any;
---   as many blocks of memory and descriptors are in use as before.
--- Prints every breach, and a last line with counts. With a kind and a number it does that one alone. From the environment:
---   FAULTS       "all": every call; else at most so many of a kind, drawn evenly (40)
---   FAULTS_SEED  of what is drawn
---   FAULTS_SKIP  a kind that is left out
local faults = require "spec.faults"
local files = dofile "spec/support/files.lua"
local lfs = require "lfs"
local scion = require "scion"

local of_lua = "not enough memory" -- which Lua itself raises

local kinds = { "memory", "lua", "write", "sync", "rename", "open", "read", "close", "thread", "process",
                "hdf5 memory", "hdf5 write", "hdf5 open", "hdf5 read", "hdf5 close" } -- of the program that calls the HDF5 library
local no_memory = { "out of memory", "Cannot allocate memory", of_lua }
local said = { memory = no_memory, lua = no_memory, write = { "No space left on device" }, sync = { "Input/output error" }, rename = { "Input/output error" },
               open = { "Too many open files" }, read = { "Input/output error" }, close = { "Input/output error" }, thread = { "no thread could be started" },
               process = { "Resource temporarily unavailable" } }
for _, kind in ipairs { "memory", "write", "open", "read", "close" } do said["hdf5 " .. kind] = said[kind] end
local of_disk = { write = true, sync = true, rename = true, open = true, read = true, close = true }

local folder = files.folder()
local s = assert(require("spec.faults.scenarios")[arg[1]], "no such scenario")(folder)

-- ---- what is looked at ----------------------------------------------------------------------------------------------

local function listing()
  local names = {}
  for name in lfs.dir(folder) do
    if name ~= "." and name ~= ".." then names[#names + 1] = name end
  end
  table.sort(names)
  return table.concat(names, " ")
end

local function descriptors()
  local count = 0
  for _ in lfs.dir "/proc/self/fd" do count = count + 1 end
  return count
end

local function blocks()
  collectgarbage()
  collectgarbage() -- what finalizers let go of
  return faults.blocks()
end

--- What is wrong with a message; nil: nothing.
local function unfit(kind, message)
  local text = tostring(message)
  for _, part in ipairs { "lua/scion", "scion/[%w_/]*%.lua:", "attempt to", "bad argument", "stack traceback", "%c", "error in error" } do
    if text:find(part) then return "is no sentence for users" end
  end
  if text == of_lua and (kind == "lua" or kind == "memory") then return end
  local told
  for _, words in ipairs(said[kind]) do told = told or text:lower():find(words:lower(), 1, true) end
  if not told then return "does not say what failed" end
  if of_disk[kind] and s.path and not text:find(s.path, 1, true) then return "does not name the file" end
  if not text:find "^[^:]*scenarios%.lua:%d+: " then return "does not stand at the user's line" end
end

-- ---- one fault ------------------------------------------------------------------------------------------------------

s.prepare()
local before = s.state()
local expected = s.outcome(s.act())
local after, names = s.state(), listing()
local breaches, raised, survived = 0, 0, 0

local known = {} -- each is told once: the search for leaks repeats calls

local function breach(kind, n, forever, text)
  local id = table.concat({ kind, n, tostring(forever), text }, " ")
  if known[id] then return end
  known[id], breaches = true, breaches + 1
  print(("%s %s %d %s: %s [%s]"):format(arg[1], kind, n, forever and "forever" or "once", text, faults.culprit()))
end

--- Runs the call with a fault and without. Returns whether the fault came to pass.
local function try(kind, n, forever)
  scion.threads(2)
  s.prepare()
  local old_names = listing()
  faults.arm(kind, n, forever)
  local ok, result = pcall(s.act)
  local failed = faults.disarm()
  local function wrong(text) breach(kind, n, forever, text) end
  if ok then
    survived = survived + 1
    local good, outcome = pcall(s.outcome, result)
    if not good then wrong("raised later: " .. tostring(outcome)) elseif outcome ~= expected then wrong "returned something else" end
  else
    raised = raised + 1
    local complaint = unfit(kind, result)
    if complaint then wrong(("the message %s: %s"):format(complaint, tostring(result))) end
    if s.forgives and of_disk[kind] then wrong("raised: " .. tostring(result)) end
  end
  for name, value in pairs(s.state()) do
    if value ~= before[name] and value ~= after[name] then wrong(name .. " is neither the old nor the new") end
  end
  local found = listing()
  if found ~= old_names and found ~= names and not s.forgives then wrong("files: " .. found) end
  result = nil -- luacheck: ignore 311
  local unchanged = not ok and s.goes_on
  for name, value in pairs(s.state()) do unchanged = unchanged and value == before[name] end
  if not s.any_file and not unchanged then s.prepare() end
  local again, second = pcall(s.act)
  if not again then
    wrong("the same call without the fault raises: " .. tostring(second))
  else
    local good, outcome = pcall(s.outcome, second)
    if not good or outcome ~= expected then wrong "the same call without the fault does something else" end
  end
  local _, position = pcall(function() scion.threads(0) end)
  if not tostring(position):find "run%.lua:%d+: " then wrong("messages have lost the user's line: " .. tostring(position)) end
  return failed > 0
end

local lost_by_libzip = 0

--- Where more blocks are in use than before: "2 of core.so+0x1234 (scion_fail)". libzip loses one where it opens an entry and memory is short;
--- those are left out, and counted.
local function grown(than)
  local list = {}
  for place, count in pairs(faults.by_caller()) do
    local more = count - (than[place] or 0)
    if more > 0 and place:find "^libzip%.so" then
      lost_by_libzip = lost_by_libzip + more
    elseif more > 0 then
      list[#list + 1] = ("%d of %s"):format(more, place)
    end
  end
  table.sort(list)
  return table.concat(list, ", ")
end

--- Looks for what faults leave behind: of some that have run, each runs again, three times, and has to leave the last time as much as there was.
local function look_for_leaks(some, had, open)
  if blocks() <= had and descriptors() <= open then return end
  for _, one in ipairs(some) do
    local in_use, opened
    for _ = 1, 3 do
      blocks()
      in_use, opened = faults.by_caller(), descriptors()
      try(table.unpack(one))
    end
    blocks()
    local left, more = grown(in_use), descriptors() - opened
    if left ~= "" then breach(one[1], one[2], one[3], "leaves blocks of memory: " .. left) end
    if more > 0 then breach(one[1], one[2], one[3], ("leaves %d descriptors open"):format(more)) end
  end
end

-- ---- all of them ----------------------------------------------------------------------------------------------------

local most = os.getenv "FAULTS" == "all" and math.huge or tonumber(os.getenv "FAULTS") or 40

--- The numbers 1 .. count, or so many of them, one drawn from each of equal parts.
local function picks(count)
  local list = {}
  if count <= most then
    for n = 1, count do list[n] = n end
    return list
  end
  for i = 1, most do list[i] = math.random((i - 1) * count // most + 1, i * count // most) end
  return list
end

if arg[2] then
  if try(arg[2], tonumber(arg[3]), arg[4] == "forever") then print(faults.culprit()) end
  os.exit(breaches == 0)
end

math.randomseed(tonumber(os.getenv "FAULTS_SEED") or 1)
for _ = 1, 2 do -- what is made once is made now
  s.prepare()
  s.outcome(s.act())
end
s.prepare()
faults.arm()
s.act()
faults.disarm()
local calls, counted = faults.calls(), {}
local had, open = blocks(), descriptors()
for _, kind in ipairs(kinds) do
  local some = {}
  for _, n in ipairs(kind == os.getenv "FAULTS_SKIP" and {} or picks(calls[kind])) do
    for _, forever in ipairs { false, true } do
      try(kind, n, forever)
      some[#some + 1] = { kind, n, forever }
      if #some == 10 then
        look_for_leaks(some, had, open)
        some, had, open = {}, math.max(had, blocks()), math.max(open, descriptors())
      end
    end
  end
  look_for_leaks(some, had, open)
  had, open = math.max(had, blocks()), math.max(open, descriptors())
  if calls[kind] > 0 then counted[#counted + 1] = ("%s %d"):format(kind, calls[kind]) end
end
files.done()
if calls.spared > 0 then counted[#counted + 1] = ("%d of memory spared"):format(calls.spared) end
if lost_by_libzip > 0 then counted[#counted + 1] = ("%d blocks lost by libzip"):format(lost_by_libzip) end
print(("%s: %s; %d raised, %d did without; %d breaches"):format(arg[1], table.concat(counted, ", "), raised, survived, breaches))
io.stdout:flush()
os.exit(breaches == 0, true)
