--- Which values are bf16. In a plan of that precision everything computes in it that needs no gradient and has kernels for it, and
--- sums in f32; the rest is f32. A kernel that computes in bf16 reads it and writes what its readers want, so that at the frontier and
--- at the output nothing is converted; where readers differ, or a layer knows f32 alone, a conversion is put in between.
local layer = require "scion.layer"

local convert = layer.define {
  kind = "convert",
  forward = function(_, s) s:emit { "copy", x = s.x[1], y = s.y } end,
}

--- "computes", "carries" or nil, as in layer.define, for this operation.
local function ability(op)
  if op.grad or op.batch_statistics then return nil end
  if op.identity then return "carries" end
  if op.layer.kind == "activation" and op.layer.computed ~= "output" then return nil end
  return op.layer.bf16
end

--- What its readers want: bf16 if one does, and f32 if that is the plan's output.
local function wanted(ir, op)
  if op == ir.output then return "f32" end
  for _, user in ipairs(op.users) do
    if user.reads == "bf16" then return "bf16" end
  end
  return "f32"
end

--- Sets `dtype`, of the output, and `reads`, of the inputs; readers first.
local function decide(ir)
  for i = #ir.ops, 1, -1 do
    local op = ir.ops[i]
    local able = ability(op)
    op.dtype = able and wanted(ir, op) or "f32"
    op.reads = able == "computes" and "bf16" or able == "carries" and op.dtype or "f32"
  end
end

--- An operation after `op` that gives its output in the other dtype.
local function conversion(op)
  local made = { layer = convert { name = op.layer.name }, inputs = { op }, users = {}, shape = op.shape, trains = {}, grad = op.grad,
                 dtype = op.dtype == "bf16" and "f32" or "bf16" }
  made.reads = op.dtype
  local kept = {}
  for _, user in ipairs(op.users) do
    local into = user.reads == op.dtype and kept or made.users
    into[#into + 1] = user
    for i, input in ipairs(user.inputs) do
      if input == op and into == made.users then user.inputs[i] = made end
    end
  end
  kept[#kept + 1] = made
  op.users = kept
  return made
end

local function insert(ir)
  local list = {}
  for _, op in ipairs(ir.ops) do
    list[#list + 1] = op
    for _, user in ipairs(op.users) do
      if user.reads ~= op.dtype then
        list[#list + 1] = conversion(op)
        break
      end
    end
  end
  ir.ops = list
end

return function(ir)
  if ir.precision ~= "bf16" then return end
  decide(ir)
  insert(ir)
end
