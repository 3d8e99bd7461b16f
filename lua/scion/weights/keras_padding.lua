--- The padding that layers with weights see: their own and that of layers ZeroPadding2D before them, in the file's model and in ours. Between
--- the two stand at most layers that leave zeros as they are. Anything else whose padding cannot be told from here is left uncompared.
local keras_config = require "scion.weights.keras_config"
local layers = require "scion.layer"

local keras_padding = {}

--- Activations that leave zeros as they are.
local keep_zeros = { linear = true, relu = true, relu6 = true, leaky_relu = true, elu = true, gelu = true, gelu_tanh = true, swish = true, hard_swish = true, tanh = true }

--- Layers of Keras's without weights behind which no padding is looked for.
local stops = { Add = true, Multiply = true, Concatenate = true, MaxPooling2D = true, AveragePooling2D = true }

--- The same of our kinds.
local our_stops = { input = true, add = true, multiply = true, concatenate = true, max_pool = true, avg_pool = true }

--- { top, left, bottom, right } of a ZeroPadding2D; nil where the file does not tell.
local function border(described)
  local value = described.config.padding
  if math.type(value) == "integer" then return layers.sides(value) end
  if type(value) ~= "table" then return end
  local v, h = value[1], value[2]
  if math.type(v) == "integer" and math.type(h) == "integer" then return { v, h, v, h } end
  if type(v) ~= "table" or type(h) ~= "table" then return end
  for k = 1, 2 do
    if math.type(v[k]) ~= "integer" or math.type(h[k]) ~= "integer" then return end
  end
  return { v[1], h[1], v[2], h[2] }
end

--- For each layer of a file the one before it, in the same model; false at the model's input; nil where there are several or it is not told.
---@param root scion.KerasConfig
---@return table<scion.KerasConfig, scion.KerasConfig|false>
function keras_padding.predecessors(root)
  local before = {}
  local function visit(model, last)
    local of = {}
    for _, layer in ipairs(model.layers) do of[layer.name or false] = layer end
    for _, layer in ipairs(model.layers) do
      local calls = keras_config.calls(layer)
      local input = #calls == 1 and #calls[1].inputs == 1 and calls[1].inputs[1].layer
      if model.class == "Sequential" then
        before[layer], last = last, layer
      elseif layer.class == "InputLayer" then
        before[layer] = last
      elseif input then
        before[layer] = of[input]
      end
      if layer.layers then visit(layer, nil) end
    end
  end
  visit(root, false)
  return before
end

--- The height and width that a file tells of its model's input; nil where it tells none.
---@param leaves { layer: scion.KerasConfig }[] see keras_config.leaves
---@return any height
---@return any width
function keras_padding.input_size(leaves)
  for _, leaf in ipairs(leaves) do
    local config = leaf.layer.config
    local shape = config.batch_shape or config.batch_input_shape
    if type(shape) == "table" then return shape[2], shape[3] end
  end
end

--- Whether x * scale + shift leaves zeros as they are.
local function keeps_zeros(shift)
  for c = 1, 3 do
    if (type(shift) == "table" and shift[c] or not shift and 0 or shift) ~= 0 then return false end
  end
  return true
end

local function add(total, sides)
  for side = 1, 4 do total[side] = total[side] + sides[side] end
end

--- The sum of the ZeroPadding2D before a layer of the file, { top, left, bottom, right }; nil where it is not told.
---@param described scion.KerasConfig
---@param before table<scion.KerasConfig, scion.KerasConfig|false> see predecessors
---@param activation fun(described: scion.KerasConfig): string? the activation that a layer applies
---@param is_weighted fun(class: string): any whether layers of a class have weights
---@return integer[]?
function keras_padding.theirs(described, before, activation, is_weighted)
  local total, at, seen = { 0, 0, 0, 0 }, before[described], {}
  while at do
    local class, scale, shift = at.class, keras_config.step(at)
    if seen[at] then return end
    seen[at] = true
    if class == "ZeroPadding2D" then
      local sides = border(at)
      if not sides then return end
      add(total, sides)
    elseif scale then
      if not keeps_zeros(shift) then return total end
    elseif stops[class] or is_weighted(class) then
      return total
    elseif class ~= "InputLayer" and not class:find "Dropout" and not keep_zeros[activation(at) or class] then
      return
    end
    at = before[at]
  end
  return at == false and total or nil
end

--- The same of a layer of ours, and the shape before all of it; nil where it cannot be told.
---@param node scion.Node
---@return integer[]? total
---@return integer[]? shape
function keras_padding.ours(node)
  local total, at = { 0, 0, 0, 0 }, node.inputs[1]
  local sizes = at.shape
  while true do
    local kind, o = at.layer.kind, at.layer.options
    if kind == "zero_pad" then
      add(total, layers.sides(o.padding))
      sizes = at.inputs[1].shape
    elseif kind == "rescaling" then
      if not keeps_zeros(o.offset) then return total, sizes end
    elseif our_stops[kind] or #at.layer.parameters > 0 then
      return total, sizes
    elseif kind ~= "dropout" and not (kind == "activation" and keep_zeros[o.activation]) then
      return
    end
    at = at.inputs[1]
  end
end

return keras_padding
