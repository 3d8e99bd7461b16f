--- Several processes that mpirun has started, on one machine or on many: `local comm = require "scion.mpi"`. It is given to model:fit,
--- model:evaluate, model:features and base:probe as `distributed = comm`; its own functions are for what a script does besides. Without mpirun there
--- is one process, and all of it does what it would do without.
---
--- All ranks run the same script, and an error or Ctrl-C on one of them ends what they do together on all. Rank 0 alone prints and writes files;
--- what the others print is lost, and files that they would save are not written. Rows of the cache are each rank's own.
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local folder = require "scion.folder"
local interrupts = require "scion.interrupts"
local lfs = require "lfs"
local notice = require "scion.report.notice"
local shape = require "scion.shape"

-- ---- the module in C ------------------------------------------------------------------------------------------------

--- What launchers set for each process.
local launchers = { "OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK" }

local function launched()
  for _, name in ipairs(launchers) do
    if os.getenv(name) then return true end
  end
  return false
end

local function load_module()
  local path = package.searchpath("scion.mpi", package.cpath)
  if not path then
    check.raise "scion.mpi: this Scion was built where MPI was not installed: make deps MPI=1, then make (and install it again)"
  end
  local open, message = package.loadlib(path, "luaopen_scion_mpi")
  return open and open() or check.raise(("scion.mpi: %s cannot be loaded: %s"):format(path, message))
end

local mpi -- the functions in C; nil without mpirun

-- ---- meeting --------------------------------------------------------------------------------------------------------

--- The places at which ranks meet, by their numbers: all of them have to be at the same one.
local places = { "barrier", "broadcast", "reduce", "agree", "fit", "step", "epoch", "end of fit", "evaluate", "features", "rows",
                 "end of the script", "checkpoint", "plan", "end of a call" }
local number_of = {}
for i, name in ipairs(places) do number_of[name] = i end

local fine, failed, interrupted = 0, 1, 2 -- states

---@class scion.Comm
---@field rank integer this process's number, from 0, as in MPI
---@field size integer how many there are
---@field machine string the name of this one's machine
---@field private launched boolean whether mpirun or another launcher has started it
---@field private heard boolean whether all ranks know of an interrupt
---@field private agreed any the error that all ranks have raised
---@field private message string? why this one failed, while the others are told
---@field private ended integer? the rank that has ended its script
---@field private over boolean? whether the ranks are apart: nothing can be sent any more
local methods, internal = {}, {}

--- Raises the error of a rank on all.
local function raise_of(self, rank)
  local message = mpi.tell(rank, self.message or "")
  self.agreed = message
  error(message, 0)
end

--- Some ranks are elsewhere in the script.
local function apart(self, where)
  local words, ended = {}, nil
  for rank, place in ipairs(where) do
    words[rank] = ("rank %d at %s"):format(rank - 1, places[place] or "?")
    if place == number_of["end of the script"] then ended = ended or rank - 1 end
  end
  local message = ended and ("scion.mpi: rank %d has ended its script, so that all end"):format(ended) or
    ("scion.mpi: the ranks do not do the same (%s): all of them have to run the same lines, whatever their rank"):format(table.concat(words, ", "))
  self.over, self.ended, self.agreed = true, ended, select(2, pcall(check.raise, message))
  error(self.agreed, 0)
end

--- At the same place the ranks have something else. All of them find that, so that they remain together.
local function unlike(self, place, rank)
  local what = place == "step" and "what is frozen, the learning rate or a weight's place: callbacks have to do the same on all ranks" or
    "its weights: callbacks have to do the same on all ranks, and the optimizer comes from the same fits"
  self.agreed = select(2, pcall(check.raise, ("scion.mpi: at %s rank %d differs from rank 0 in %s"):format(place == "step" and "a step" or "the " .. place, rank, what)))
  error(self.agreed, 0)
end

--- Waits until all ranks have come to a place. Raises on all what one of them has raised. Returns false on all where one was interrupted; else
--- a list of numbers, one from each rank, as they gave them.
---@param place string
---@param number? integer (0)
---@param state? integer
---@param shared? string what all ranks have to be alike in ("")
---@return integer[]|false
---@private
function internal:meet(place, number, state, shared)
  if not mpi then return { number or 0 } end
  if self.over then error(self.agreed, 0) end
  local here = number_of[place] or 0
  local alike = shared and string.unpack("<i8", core.hash(shared)) or 0
  local where, states, numbers, all_alike = mpi.meet(here, state or core.interrupted() and interrupted or fine, number or 0, alike)
  for rank, of in ipairs(states) do
    if of == failed then raise_of(self, rank - 1) end
  end
  for _, of in ipairs(states) do
    if of == interrupted then
      core.interrupt()
      self.heard = true
      return false
    end
  end
  for _, there in ipairs(where) do
    if there ~= here then apart(self, where) end
  end
  for rank, theirs in ipairs(all_alike) do
    if theirs ~= all_alike[1] then unlike(self, place, rank - 1) end
  end
  return numbers
end

--- Tells the others that this rank has failed, which they hear when they meet next.
local function fail(self, message)
  self.message = ("%s (rank %d, on %s)"):format(message, self.rank, self.machine)
  pcall(self.meet, self, "agree", 0, failed)
  self.message = nil
end

--- Tells the others of an interrupt, if they do not know of it.
---@private
function internal:hear()
  if mpi and not self.heard and not self.over then self:meet("agree", 0, interrupted) end
end

--- Calls f(...) after a meeting, on behalf of messages that the others already await. Where it fails, as for want of memory, they cannot be told, and all
--- processes end.
---@param f function
---@param ... any
---@return any result
---@private
function internal:surely(f, ...)
  local good, result = pcall(f, ...)
  if good then return result end
  mpi.mute(false)
  local message = tostring(result):gsub("^[^\n]-:%d+: ", "")
  io.stderr:write(("scion: %s (rank %d, on %s), while the others await its part, so that all end\n"):format(message, self.rank, self.machine))
  mpi.abort(1)
end

local catchers = { [pcall] = true, [xpcall] = true }

--- Whether an error that is raised here is caught further out, so that Lua does not print it.
local function is_caught()
  if not select(2, coroutine.running()) then return true end
  for level = 3, math.huge do
    local info = debug.getinfo(level, "f")
    if not info then return false end
    if catchers[info.func] then return true end
  end
end

--- Calls f(...), and meets all ranks behind it, so that an error at its end, too, is raised on all.
local function call_together(self, where, f, ...)
  local results = table.pack(f(...))
  local caught <close> = interrupts.catch() -- luacheck: ignore 211
  self:meet("end of a call", 0, fine)
  interrupts.check(where)
  return table.unpack(results, 1, results.n)
end

--- Calls f(...) on all ranks. An error on one of them is raised on all; rank 0 alone lets it be seen.
---@param where string the function that the user called, for messages
---@param f function
---@param ... any
---@return any ... its results
---@private
function internal:guard(where, f, ...)
  if not mpi then return f(...) end
  mpi.mute(false)
  self.heard = false
  if not self.over then self.agreed = nil end
  local results = table.pack(pcall(call_together, self, where, f, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local raised = results[2]
  if interrupts.is(raised) then
    pcall(self.hear, self)
  elseif raised ~= self.agreed and not self.over then
    fail(self, tostring(raised))
    self.agreed = raised
  end
  if self.rank ~= (self.over and self.ended == 0 and 1 or 0) and not is_caught() then mpi.mute(true) end -- rank 0 shows it, or the next one where rank 0 has ended
  error(raised, 0)
end

-- ---- values of all ranks ---------------------------------------------------------------------------------------------

local function join(tensors, counts)
  local total, joined = 0, {}
  for _, n in ipairs(counts) do total = total + n end
  for i, tensor in ipairs(tensors) do
    local sizes = tensor:shape()
    sizes[1] = total
    joined[i] = core.new(sizes, tensor:dtype())
    mpi.gather(tensor, joined[i], counts)
  end
  mpi.gathered()
  return joined
end

--- Joins tensors of all ranks along their first axis, in the order of the ranks. Returns false where one was interrupted.
---@param place string
---@param tensors scion.Tensor[] contiguous, of the same number of rows; each may have another dtype and other axes
---@param of? string what all ranks have to be alike in ("")
---@return scion.Tensor[]|false joined
---@return integer[]? counts the rows that each rank gave
---@private
function internal:rows(place, tensors, of)
  local counts = self:meet(place, tensors[1]:shape()[1], nil, of)
  if not counts or not mpi then return counts and tensors, counts or nil end
  return (self:surely(join, tensors, counts)), counts
end

--- The texts of all ranks; false where one was interrupted.
---@param place string
---@param text string
---@return string[]|false
---@private
function internal:texts(place, text)
  local joined, counts = self:rows(place, { core.from_bytes(text, { #text }) })
  if not joined then return false end
  local all, at, list = joined[1]:bytes(), 1, {}
  for i, n in ipairs(counts) do
    list[i] = all:sub(at, at + n - 1)
    at = at + n
  end
  return list
end

--- The words of a list in a text: what lies between commas that are in no brackets.
local function words_of(text)
  local list, open = {}, ""
  for part in (text .. ", "):gmatch "(.-), " do
    open = open .. part
    local begun, ended = select(2, open:gsub("[({]", "")), select(2, open:gsub("[)}]", ""))
    if begun == ended then list[#list + 1], open = open, "" else open = open .. ", " end
  end
  return list
end

--- What two texts that are lists differ in, one of them and the other; as a whole where they have not the same number of words.
local function difference(there, here)
  local list, others, differ, other = words_of(there), words_of(here), {}, {}
  if #list ~= #others then return there, here end
  for i, word in ipairs(list) do
    if word ~= others[i] then differ[#differ + 1], other[#other + 1] = word, others[i] end
  end
  return table.concat(differ, ", "), table.concat(other, ", ")
end

--- Raises on all ranks unless they have given the same.
---@param where string the function that the user called, for messages
---@param facts { [1]: string, [2]: string, [3]: string? }[] names, what they are of, and what to do about a difference
---@param place? string at which ranks meet (where)
---@private
function internal:same(where, facts, place)
  local words = {}
  for i, fact in ipairs(facts) do words[i] = fact[1] .. "\1" .. fact[2] end
  local told = self:texts(place or where, table.concat(words, "\2"))
  for rank, text in ipairs(told or {}) do
    local i = 0
    for name, of in (text .. "\2"):gmatch "([^\1\2]*)\1([^\2]*)\2" do
      i = i + 1
      if facts[i] and of ~= facts[i][2] then
        local differs, here = difference(of, facts[i][2])
        local remedy = facts[i][3] and ": " .. facts[i][3] or ""
        check.raise(("%s: rank %d has another %s than rank %d, %s and not %s%s"):format(where, rank - 1, name, self.rank, differs, here, remedy))
      end
    end
  end
end

--- A sum over the parts of a batch: see csrc/mpi/reduction.h.
---@param elements integer of the buffer
---@param parts integer
---@param rounded integer? how many elements, the first ones, are rounded to bf16 (0)
---@return userdata
---@private
function internal:reduction(elements, parts, rounded) return mpi.reduction(elements, parts, rounded) end

--- Rank 0's file, as a path that this rank can read: on the others a copy, which is removed when the second result is called. nil where rank 0 has
--- none.
---@param path string
---@return string? path
---@return fun() done
---@private
function internal:file_of_first(path)
  local function nothing() end
  if not mpi then return path, nothing end
  local file = self.rank == 0 and io.open(path, "rb")
  local bytes = file and file:read "a" or nil
  if file then file:close() end
  local there = self:meet("checkpoint", bytes and 1 or 0)
  if not there then return nil, nothing end
  if there[1] == 0 then return self.rank == 0 and path or nil, nothing end
  bytes = self:surely(mpi.tell, 0, bytes)
  if self.rank == 0 then return path, nothing end
  local copy = os.tmpname()
  local to <close> = assert(io.open(copy, "wb"))
  if not to:write(bytes) then check.raise(("%s: rank 0's %s cannot be copied there"):format(copy, path)) end
  return copy, function() os.remove(copy) end
end

--- Seconds so far: that this process has waited for messages; that sums of gradients took to travel, whatever it did meanwhile; in which it did
--- nothing but wait while they travelled.
---@return number waited
---@return number travelled
---@return number waited_for_sums
---@private
function internal:seconds()
  if not mpi then return 0.0, 0.0, 0.0 end
  return mpi.seconds()
end

-- ---- what scripts call ------------------------------------------------------------------------------------------------

--- Calls f on all ranks, so that an error on one, be it of its arguments, is raised on all, and Ctrl-C on one ends it on all.
local function on_all(self, where, f)
  return self:guard(where, function()
    local caught <close> = interrupts.catch() -- luacheck: ignore 211
    local result = f()
    interrupts.check(where)
    return result
  end)
end

--- Waits until all ranks have come here.
---@example comm:barrier()
function methods:barrier()
  on_all(self, "comm:barrier", function() self:meet "barrier" end)
end

--- Rank 0's value, on all ranks. A tensor is written into the one that each rank gives, which has the same shape and dtype.
---@param value scion.Tensor|string what rank 0 gives; a string of another rank, or nil, is not read
---@return scion.Tensor|string
---Raises unless rank 0's value is a tensor or a string.
---@example print(comm:broadcast "from rank 0")
function methods:broadcast(value)
  return on_all(self, "comm:broadcast", function()
    local is_tensor = check.tensor.read(value)
    if self.rank == 0 and not is_tensor and type(value) ~= "string" then
      check.raise(("comm:broadcast takes a tensor or a string, not %s"):format(check.show(value)))
    end
    if not mpi then return value end
    local kind = is_tensor and value:dtype() .. " " .. table.concat(value:shape(), "x") or "string"
    if not self:meet "broadcast" then return value end
    local wanted = mpi.tell(0, kind)
    if is_tensor and kind ~= wanted then check.raise(("comm:broadcast: rank 0 gives %s, and this rank a tensor of %s"):format(wanted, kind)) end
    if wanted ~= "string" and not is_tensor then
      check.raise(("comm:broadcast: rank 0 gives a tensor, %s: give one of this shape, into which it is written"):format(wanted))
    end
    if not self:meet "broadcast" then return value end
    if wanted == "string" then return mpi.tell(0, value or "") end
    local whole = value:copy()
    mpi.broadcast(whole, 0)
    core.copy(whole, value)
    return value
  end)
end

local function sum_of(self, t, elements)
  local sum, copy = mpi.reduction(elements, self.size), t:copy()
  sum:add(self.rank, 0, copy, 1)
  sum:open()
  sum:finish()
  sum:take(0, copy, 1)
  return copy
end

--- The sum of a tensor over all ranks, which replaces it on each. It is the same to the bit on all of them.
---@param t scion.Tensor f32, of the same shape on all ranks
---@return scion.Tensor t
---Raises on another value, and if the numbers of elements differ.
---@example print(comm:reduce(scion.tensor{ 1, 2 }))
function methods:reduce(t)
  return on_all(self, "comm:reduce", function()
    if not check.tensor.read(t) or t:dtype() ~= "f32" then check.raise(("comm:reduce takes an f32 tensor, not %s"):format(check.show(t))) end
    if not mpi then return t end
    local elements = shape.elements(t:shape())
    local all = self:meet("reduce", elements)
    for rank, n in ipairs(all or {}) do
      if n ~= elements then check.raise(("comm:reduce: rank %d gives a tensor of %d numbers, and rank %d one of %d"):format(rank - 1, n, self.rank, elements)) end
    end
    if all then core.copy(self:surely(sum_of, self, t, elements), t) end
    return t
  end)
end

--- Raises on all ranks if one of them has something to complain of; rank 0 shows it.
---@param complaint? string nil: there is nothing
---Raises the complaint of the rank with the lowest number; on a rank that has another one, that.
---@example comm:agree(not io.open "photos" and "there is no folder photos" or nil)
function methods:agree(complaint)
  on_all(self, "comm:agree", function()
    if complaint ~= nil then check.raise(check.argument("comm:agree", "the complaint", complaint, check.text)) end
    self:meet "agree"
  end)
end

---@class scion.MachinesOptions
---@field ranks? integer[] how many machines, with a rank on each (1, 2, 4 … up to the shards)
---@field bandwidth? number of the network, in bits a second in each direction (measured between the first rank and the last)
---@field latency? number seconds that a short message takes (likewise)
---@field shards? integer as for model:fit
---@field wire? "f32"|"bf16" likewise ("f32")

--- How long a training step takes on one machine and on more, and where another one stops paying: from the time that this machine takes for a part of
--- a batch, measured, and two constants of the network. What is frozen counts as it is at the call. Under mpirun all ranks call it. Prints as a table.
---@param model scion.Model
---@param data scion.Dataset the training set
---@param given? scion.MachinesOptions
---@return scion.Machines
---Raises without mpirun unless bandwidth and latency are given, on unknown options and invalid values, and on data that do not fit.
---@example print(comm:plan(model, train, { bandwidth = 1e9, latency = 2e-4 }))
function methods:plan(model, data, given)
  return on_all(self, "comm:plan", function() return require "scion.report.machines".new(self, model, data, given) end)
end

--- The network's latency, in seconds, and its bandwidth, in bits a second, as measured between the first rank and the last; nil where there is one.
---@return number? latency
---@return number? bandwidth
---@return boolean? within whether both are on one machine
---@private
function internal:network()
  if self.size == 1 then return nil end
  local names = self:texts("plan", self.machine)
  if not names then return nil end
  local large = 1 << 22
  local latency, seconds = mpi.ping(1, 20), mpi.ping(large, 3)
  if seconds < 2 * latency then latency = seconds / 2 end -- while the short one travelled somebody else had the CPU
  return latency, 8 * large / (seconds - latency), names[1] == names[#names]
end

--- A table of numbers, of which each becomes the largest that a rank has.
---@param numbers table<string, number>
---@return table<string, number>
---@private
function internal:slowest(numbers)
  local names, values = {}, {}
  for name in pairs(numbers) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do values[i] = ("%a"):format(numbers[name]) end
  for _, line in ipairs(self:texts("agree", table.concat(values, " ")) or {}) do
    local i = 0
    for value in line:gmatch "%S+" do
      i = i + 1
      numbers[names[i]] = math.max(numbers[names[i]], tonumber(value))
    end
  end
  return numbers
end

local function as_text(self)
  if not mpi then return "one process, which mpirun has not started" end
  return ("rank %d of %d, on %s"):format(self.rank, self.size, self.machine)
end

local Comm = class.define {
  name = "scion.Comm", title = "scion.mpi", call = "comm", methods = methods, internal = internal,
  locked = { "rank", "size", "machine" }, fields = { "launched", "heard", "agreed", "message", "over", "ended", "ends" },
  meta = { __tostring = as_text },
}

-- ---- beginning and end -----------------------------------------------------------------------------------------------

--- Ends MPI when Lua's state is closed. All ranks come here, or those that still run hear that this one has ended. Those that fail or are interrupted
--- meanwhile will come, too.
local function finish(comm)
  local together = false
  while not together and not comm.over do
    local met, numbers = pcall(comm.meet, comm, "end of the script", 0, fine)
    together = met and numbers
  end
  mpi.finish()
end

--- As many threads as CPUs, of those that the ranks of a machine share. mpirun often lets a process run on fewer, on a single one perhaps.
local function share_cpus(cpus, ranks)
  local share, may = math.max(1, cpus // ranks), core.threads()
  if may < share then
    notice.line(("scion: mpi: rank 0 may use %d of the %d CPUs that are its share of this machine's: if mpirun has bound it, --bind-to none lets it use all"):format(
      may, share))
  end
  core.threads(math.min(may, share))
end

--- Whether the launcher's standard output is a file or a pipe. Open MPI gives a process a terminal all the same.
local function writes_to_a_file()
  local file <close> = io.open "/proc/self/stat"
  local parent = file and file:read "a":match "%) %a (%d+)"
  local target = parent and lfs.symlinkattributes(("/proc/%s/fd/1"):format(parent), "target")
  return target ~= nil and not target:find "^/dev/pts/" and not target:find "^/dev/tty" and target ~= "/dev/console"
end

local function begin()
  local values = { rank = 0, size = 1, machine = "this machine", launched = launched(), heard = false }
  if not values.launched then return Comm.new(values) end
  mpi = load_module()
  local here, cpus
  values.rank, values.size, here, cpus, values.machine = mpi.start(core.parallel_for())
  core.hear_termination()
  core.meanwhile(mpi.progress())
  if values.rank > 0 then
    mpi.print_nothing()
    folder.write_nothing()
    notice.silence()
  end
  if writes_to_a_file() then core.no_terminal() end
  share_cpus(cpus, here)
  local comm = Comm.new(values)
  comm.ends = setmetatable({}, { __gc = function() finish(comm) end, __close = function() finish(comm) end })
  return comm
end

return begin()
