--- precision: chooses, in a plan of precision bf16, which operations use it. Operations that need no gradient and have bf16 kernels read
--- bf16 and sum in f32; the others use f32. A bf16 kernel can write either dtype and writes the one that its readers take, so nothing is
--- converted at the frontier and at the output. A conversion is inserted where the readers differ, and where an operation that can only
--- write f32 is read as bf16.
local layer = require "scion.layer"

local convert = layer.define {
  kind = "convert",
  forward = function(_, e) e:emit { "copy", x = e.x[1], y = e.y } end,
}

--- "computes", "carries" or nil, as in layer.define, for this operation in this plan.
local function ability(op)
  if op.grad or op.batch_statistics then return nil end
  if op.identity then return "carries" end
  if op.layer.kind == "activation" and op.layer.computed == "softmax" then return nil end
  return op.layer.bf16
end

--- The dtype that its readers take: bf16 if one of them does; f32 for what the plan gives.
local function wanted(ir, op)
  if op == ir.output or op.kept then return "f32" end
  for _, user in ipairs(op.users) do
    if user.reads == "bf16" then return "bf16" end
  end
  return "f32"
end

--- Sets `dtype`, of the output, and `reads`, of the inputs. The last operation comes first, since each depends on its readers.
local function decide(ir)
  for i = #ir.ops, 1, -1 do
    local op = ir.ops[i]
    local able = ability(op)
    op.dtype = able and wanted(ir, op) or "f32"
    op.reads = able == "computes" and "bf16" or able == "carries" and op.dtype or "f32"
  end
end

--- Makes an operation that converts op's output to the other dtype, and gives it to the users that read that dtype.
local function conversion(op)
  local made = { layer = convert { name = op.layer.name }, inputs = { op }, users = {}, shape = op.shape, trains = {}, grad = op.grad,
                 dtype = op.dtype == "bf16" and "f32" or "bf16", reads = op.dtype }
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

---@param ir scion.IR
return function(ir)
  if ir.precision ~= "bf16" then return end
  decide(ir)
  insert(ir)
end
