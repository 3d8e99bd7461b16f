--- forward: emits the forward calls of all operations, in order.
local emitter = require "scion.ir.emitter"
local preprocessing = require "scion.preprocessing"
local value = require "scion.ir.value"

--- The network's input: u8 images are preprocessed into it, f32 values are used as they are. Images have three channels, and become grey
--- for a network that takes one. Where convolutions in bytes read them, they stay as they are.
local function input(ir, op)
  if ir.input_dtype == "u8" then
    local p = preprocessing.of_channels(op.layer.options.preprocess, op.shape[3])
    ir.input = value.new(preprocessing.image_shape(op.shape), { dtype = "u8", input = true })
    if op.pixels then return ir:emit { "pixel_codes", x = ir.input, y = op.value } end
    ir:emit { "preprocess", x = ir.input, y = op.value, scale_by = p.scale, shift_by = p.shift, reverse = p.reverse }
  else
    ir.input = op.value
    op.value.input = true
  end
end

---@param ir scion.IR
return function(ir)
  for _, op in ipairs(ir.ops) do
    if op.layer.kind == "input" then
      input(ir, op)
    elseif op.identity and not op.in_place then
      emitter.new(ir, op):copy(op.inputs[1].value, op.value)
    elseif not op.in_place then
      op.layer:forward(emitter.new(ir, op))
    end
  end
  ir.result = ir.output.value
  value.root(ir.result).pinned = true
end
