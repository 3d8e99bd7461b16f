--- Several processes at work on one call: the option `distributed`, what each of them sees of a pass in file order, and what all have to know
--- afterwards. The messages are scion.mpi's; how a step is shared is in team.lua.
local check = require "scion.check"
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local shards = require "scion.train.shards"

local distributed = {}

--- How several processes train together.
---@class scion.DistributedOptions
---@field [1] scion.Comm require "scion.mpi"
---@field shards? integer how many parts a batch is cut into, of one size and at least one for each rank (as many as divide the batch evenly, at
--- most 8). Results depend on it, and not on how many ranks there are
---@field wire? "f32"|"bf16" as what sums of gradients are sent: bf16 takes half the bytes, and each sum is rounded to it, on one rank as on many
--- ("f32")
---@field mixed? boolean whether ranks may have CPUs with other instruction sets, whose results differ in their last bits (false)

local function is_comm(value)
  local meta = type(value) == "table" and getmetatable(value)
  return type(meta) == "table" and rawget(meta, "__title") == "scion.mpi"
end

--- How gradients may be sent.
distributed.wires = check.one_of("f32", "bf16")

local schema = { shards = { check.whole(1, 1 << 20) }, wire = { distributed.wires, "f32" }, mixed = { check.boolean, false } }

--- The option `distributed`, which is read as a table of scion.DistributedOptions.
distributed.kind = check.kind("require \"scion.mpi\", or { comm, shards = 16 }", function(value)
  if is_comm(value) then return true, { value, mixed = false } end
  if type(value) ~= "table" or getmetatable(value) ~= nil or not is_comm(rawget(value, 1)) then return false end
  local given = {}
  for key, v in next, value do given[key] = key ~= 1 and v or nil end
  local ok, o = check.try(check.options, "", given, schema)
  if not ok then return false, nil, o end
  o[1] = value[1]
  return true, o
end)

--- The communicator, where several processes may be at work: mpirun or another launcher has started this one.
---@param o scion.DistributedOptions|nil
---@return scion.Comm?
function distributed.comm(o) return o and o[1].launched and o[1] or nil end

--- The communicator in options as a user has given them, which are not checked yet.
local function given_comm(given)
  local value = type(given) == "table" and getmetatable(given) == nil and rawget(given, "distributed")
  if type(value) == "table" and getmetatable(value) == nil then value = rawget(value, 1) end
  return is_comm(value) and value.launched and value or nil
end

--- Calls a function that takes options on all processes, so that an error on one, be it of its arguments, is raised on all and shown once; alone where
--- there is one process.
---@param given any the options, as the user has given them
---@param where string the function that the user called, for messages
---@param f function
---@param ... any
---@return any ...
function distributed.guard(given, where, f, ...)
  local comm = given_comm(given)
  if comm then return comm:guard(where, f, ...) end
  return f(...)
end

--- Raises on all unless all compute the same, of the same.
---@param where string
---@param o scion.DistributedOptions
---@param facts { [1]: string, [2]: string, [3]: string?, last_bits: boolean? }[] names, what they are of, and what to do about a difference;
--- last_bits: another instruction set makes one
function distributed.same(where, o, facts)
  local list = { { "version of Scion", core.version },
                 { "instruction set", o.mixed and "any, by mixed = true" or core.isa(),
                   "mixed = true, as in distributed = { comm, mixed = true }, allows it, and then the last bits depend on who computes what" } }
  for _, fact in ipairs(facts) do
    if not (o.mixed and fact.last_bits) then list[#list + 1] = fact end
  end
  o[1]:same(where, list)
end

-- ---- passes without training -----------------------------------------------------------------------------------------

--- Raises where a data set is a user's own, which only its `batches` can go through.
---@param where string
---@param o scion.DistributedOptions|nil
---@param data scion.Dataset
function distributed.check(where, o, data)
  if distributed.comm(o) and not dataset.is(data) then
    check.raise(where .. ": distributed: processes share the images of a data set of Scion's, such as scion.data.folder, and this one is your own")
  end
end

--- The share of a rank in a pass in file order: batches one behind the other, and as many as any other has, or one less.
---@param o scion.DistributedOptions|nil
---@param data scion.Dataset
---@param batch integer? (the data set's)
---@return scion.Share? nil where one process is at work
function distributed.block_of(o, data, batch)
  local comm = distributed.comm(o)
  if not comm then return nil end
  batch = batch or data.batch
  local first, last = shards.of_rank(math.ceil(#data / batch), comm.rank, comm.size)
  return { size = batch, pieces = 1, first = math.min(first * batch, #data), last = math.min(last * batch, #data), number = function(i) return first + i end,
           order = function() return core.arange(first * batch, math.min(last * batch, #data) - 1, 1, "i32") end }
end

--- What a rank has of an evaluation before its first batch. Its tensors have no rows, so that a rank without images has something to join.
---@param model scion.Model
---@param data scion.Dataset
---@return { sizes: integer[], losses: scion.Tensor[], output: scion.Tensor[], y: scion.Tensor[] }
function distributed.no_rows(model, data)
  return { sizes = {}, losses = { core.new({ 0 }, "f32") }, output = { core.new({ 0, table.unpack(model.output.shape) }, "f32") },
           y = { data:labels_at(core.new({ 0 }, "i32")) } }
end

--- Images that could not be read, of all ranks. Returns false after an interrupt.
---@param data scion.Dataset
---@param failed scion.Failure[] this rank's
---@param comm scion.Comm
---@param place string
---@return scion.Failure[]|false
function distributed.failures(comm, place, data, failed)
  local own = {}
  for i, failure in ipairs(failed) do own[i] = { index = failure.index, message = failure.message } end
  local texts, all = comm:texts(place, #own > 0 and core.json_encode(own) or ""), {}
  if not texts then return false end
  for rank, text in ipairs(texts) do
    for _, failure in ipairs(text ~= "" and core.json_decode(text) or {}) do
      failure.file = data.files and data.files[failure.index + 1]
      if rank - 1 ~= comm.rank then data:leave_out(failure, true) end
      all[#all + 1] = failure
    end
  end
  table.sort(all, function(a, b) return a.index < b.index end)
  return all
end

return distributed
