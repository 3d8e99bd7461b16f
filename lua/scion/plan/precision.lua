--- precision: chooses, in a plan of precision bf16 or int8, which operations use these narrow numbers. Operations that need no gradient and
--- have kernels for them read narrow numbers and sum in wide ones; the others use f32. Such a kernel can write either and writes what its
--- readers take, so nothing is converted at the frontier and at the output. A conversion is inserted where the readers differ, and where an
--- operation that can only write f32 is read as narrow numbers.
---
--- Of int8, a value is a byte a number: a code, whose scale and zero point follow from the range of its node (see calibration.lua). Operations
--- that carry codes, such as a concatenation, have one range with their inputs. What has no range is f32. Images are codes as they are: where
--- convolutions in bytes alone read them, these take over the preprocessing.
local layer = require "scion.layer"
local quantization = require "scion.ir.quantization"

local convert = layer.define {
  kind = "convert",
  forward = function(_, e)
    local from, to = e.op.inputs[1].codes, e.op.codes
    if to then
      e:emit { "quantize", x = e.x[1], y = e.y, y_scale = to.scale, y_zero = to.zero }
    elseif from then
      e:emit { "dequantize", x = e.x[1], y = e.y, x_scale = from.scale, x_zero = from.zero }
    else
      e:emit { "copy", x = e.x[1], y = e.y }
    end
  end,
}

--- "computes", "carries" or nil, as in layer.define, for this operation in this plan.
local function ability(op, precision, codes)
  if op.grad or op.batch_statistics then return nil end
  if precision == "int8" then
    if quantization.carries(op) then return codes[op] and "carries" end
    return op.layer.int8 == "computes" and codes[op.inputs[1]] and not quantization.stays_wide(op.node) and "computes" or nil
  end
  if op.identity then return "carries" end
  if op.layer.kind == "activation" and op.layer.computed == "softmax" then return nil end
  return op.layer.bf16
end

--- The dtype that this operation takes its i-th input in; nil if it takes any.
local function taken(op, i, narrow)
  if narrow == "u8" and op.reads == "u8" and op.layer.int8 == "computes" and i > 1 then return nil end -- an addend
  return op.reads
end

--- Calls f(user, i) for each input of an operation that is this one's output.
local function each_use(op, f)
  local seen = {}
  for _, user in ipairs(op.users) do
    for i, input in ipairs(seen[user] and {} or user.inputs) do
      if input == op then f(user, i) end
    end
    seen[user] = true
  end
end

--- The dtype that its readers take: the narrow one if one of them does; f32 for what the plan gives, unless that is to be bytes.
local function wanted(ir, op, narrow)
  local found = op.node and op.node == ir.bytes and narrow == "u8" and "u8" or "f32"
  if op ~= ir.output and not op.kept then
    each_use(op, function(user, i)
      if taken(user, i, narrow) == narrow then found = narrow end
    end)
  end
  return found
end

local as_they_are = { scale = 1.0, zero = 0, low = 0.0, high = 255.0 } -- pixels stand for themselves

--- Whether images stay the bytes that they are.
local function hands_on_pixels(ir, op)
  if op.layer.kind ~= "input" or ir.from or ir.input_dtype ~= "u8" or #op.shape ~= 3 or op == ir.output or op.kept then return false end
  local all = true
  each_use(op, function(user, i) all = all and i == 1 and user.layer.folds_pixels and user.reads == "u8" end)
  return all
end

--- Sets `dtype`, of the output, and `reads`, of the inputs. The last operation comes first, since each depends on its readers.
local function decide(ir, narrow)
  local codes = narrow == "u8" and quantization.of(ir.ops, ir.from and ir.from_codes) or {}
  for i = #ir.ops, 1, -1 do
    local op = ir.ops[i]
    local able = ability(op, ir.precision, codes)
    op.dtype = able and (narrow == "bf16" or codes[op]) and wanted(ir, op, narrow) or "f32"
    op.reads = able == "computes" and narrow or able == "carries" and op.dtype or "f32"
    op.codes = op.dtype == "u8" and codes[op] or nil
    if narrow == "u8" and hands_on_pixels(ir, op) then op.dtype, op.codes, op.pixels = "u8", as_they_are, true end
  end
  return codes
end

--- Makes an operation that converts op's output to the other dtype, and gives it to the users that read that dtype.
local function conversion(op, narrow, codes)
  local made = { layer = convert { name = op.layer.name }, inputs = { op }, users = {}, shape = op.shape, trains = {}, grad = op.grad,
                 dtype = op.dtype == narrow and "f32" or narrow, reads = op.dtype }
  made.codes = made.dtype == "u8" and codes[op] or nil
  local kept = {}
  each_use(op, function(user, i)
    local other = (taken(user, i, narrow) or op.dtype) ~= op.dtype
    local into = other and made.users or kept
    into[#into + 1] = user
    if other then user.inputs[i] = made end
  end)
  kept[#kept + 1] = made
  op.users = kept
  return made
end

local function insert(ir, narrow, codes)
  local list = {}
  for _, op in ipairs(ir.ops) do
    list[#list + 1] = op
    local differ = false
    each_use(op, function(user, i) differ = differ or (taken(user, i, narrow) or op.dtype) ~= op.dtype end)
    if differ then list[#list + 1] = conversion(op, narrow, codes) end
  end
  ir.ops = list
end

---@param ir scion.IR
return function(ir)
  if ir.precision == "f32" then return end
  local narrow = ir.precision == "bf16" and "bf16" or "u8"
  insert(ir, narrow, decide(ir, narrow))
end
