--- precision: chooses, where a plan has a precision of bf16 or int8, which operations use these narrow numbers: one of those that need no
--- gradient (ir.frozen) and, in training, one of those that do (ir.trained). Operations that have kernels for them read narrow numbers and
--- sum in wide ones; the others use f32. Such a kernel can write either and writes what its readers take, so nothing is converted at the
--- frontier and at the output. A conversion is inserted where the readers differ, and where an operation that can only write f32 is read
--- as narrow numbers. The gradient of a value has its dtype.
---
--- Of int8, a value is a byte a number: a code, whose scale and zero point follow from the range of its node (see calibration.lua). Operations
--- that carry codes, such as a concatenation, have one range with their inputs. What has no range is f32. Images are codes as they are: where
--- convolutions in bytes alone read them, these take over the preprocessing.
local layer = require "scion.layer"
local quantization = require "scion.ir.quantization"
local value = require "scion.ir.value"

local narrow_dtypes = { bf16 = "bf16", int8 = "u8" }

local convert = layer.define {
  kind = "convert",
  forward = function(_, e)
    local from, to, x, wide = e.op.inputs[1].codes, e.op.codes, e.x[1], e.y
    if to then
      e:emit { "quantize", x = x, y = e.y, y_scale = to.scale, y_zero = to.zero }
    elseif from then
      if e.op.dtype ~= "f32" then wide = value.new(e.op.shape) end
      e:emit { "dequantize", x = x, y = wide, x_scale = from.scale, x_zero = from.zero }
      x = wide
    end
    if not to and x ~= e.y then e:emit { "copy", x = x, y = e.y } end
  end,
  backward = function(_, e)
    if e:wants(1) then e:emit { "copy", x = e.dy, y = e:dx(1), accumulate = e:accumulates(1) } end
  end,
}

--- The narrow dtype that this operation may have in this plan, or nil.
local function narrow_of(ir, op) return narrow_dtypes[(op.grad or op.batch_statistics) and ir.trained or ir.frozen] end

--- "computes", "carries" or nil, as in layer.define, for this operation in a narrow dtype.
local function ability(op, narrow, codes)
  if narrow == "u8" then
    if quantization.carries(op) then return codes[op] and "carries" end
    return op.layer.int8 == "computes" and codes[op.inputs[1]] and not quantization.stays_wide(op.node) and "computes" or nil
  end
  if op.identity then return "carries" end
  if not narrow or op.layer.kind == "activation" and op.layer.computed == "softmax" then return nil end
  return op.layer.bf16
end

--- The dtype that this operation takes its i-th input in; nil if it takes any.
local function taken(op, i)
  if op.reads == "u8" and op.layer.int8 == "computes" and i > 1 then return nil end -- an addend
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
      if taken(user, i) == narrow then found = narrow end
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
local function decide(ir)
  local codes = ir.frozen == "int8" and quantization.of(ir.ops, ir.from and ir.from_codes) or {}
  for i = #ir.ops, 1, -1 do
    local op = ir.ops[i]
    local narrow = narrow_of(ir, op)
    local able = ability(op, narrow, codes)
    op.dtype = able and narrow and (narrow == "bf16" or codes[op]) and wanted(ir, op, narrow) or "f32"
    op.reads = able == "computes" and narrow or able == "carries" and op.dtype or "f32"
    op.codes = op.dtype == "u8" and codes[op] or nil
    if narrow == "u8" and hands_on_pixels(ir, op) then op.dtype, op.codes, op.pixels = "u8", as_they_are, true end
  end
  return codes
end

--- Makes an operation that converts op's output to another dtype, and gives it to the users that read that dtype.
local function conversion(op, dtype, codes)
  local made = { layer = convert { name = op.layer.name }, inputs = { op }, users = {}, shape = op.shape, trains = {}, grad = op.grad,
                 dtype = dtype, reads = op.dtype, codes = dtype == "u8" and codes[op] or nil }
  local kept = {}
  each_use(op, function(user, i)
    local other = taken(user, i) == dtype
    local into = other and made.users or kept
    into[#into + 1] = user
    if other then user.inputs[i] = made end
  end)
  kept[#kept + 1] = made
  op.users = kept
  return made
end

local function insert(ir, codes)
  local list = {}
  for _, op in ipairs(ir.ops) do
    list[#list + 1] = op
    for _, dtype in ipairs { "f32", "bf16", "u8" } do
      local found = false
      each_use(op, function(user, i) found = found or taken(user, i) == dtype end)
      if found and dtype ~= op.dtype then list[#list + 1] = conversion(op, dtype, codes) end
    end
  end
  ir.ops = list
end

---@param ir scion.IR
return function(ir)
  if ir.frozen ~= "f32" or ir.trained ~= "f32" then insert(ir, decide(ir)) end
end
