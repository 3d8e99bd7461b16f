--- What all architectures share: their options, the input, the top, and loading weights.
local layer = require "scion.layer"
local model = require "scion.model"
local nn = require "scion.nn"
local options = require "scion.options"

local builder = {}

local known = { weights = false, input = false, top = false, classes = 1000, batch_norm = false, preprocess = false }

local function input_size(definition, given)
  local size = given or definition.input
  local pair = type(size) == "number" and { size, size } or size
  for axis = 1, 2 do
    local n = type(pair) == "table" and pair[axis]
    if math.type(n) ~= "integer" or n < definition.smallest then
      error(("%s: input is a size from %d up, or a list of height and width"):format(definition.name, definition.smallest), 0)
    end
  end
  return pair
end

local function set_statistics(made, statistics)
  if statistics ~= "stored" and statistics ~= "batch" then
    error(("batch_norm is 'stored' or 'batch', not '%s'"):format(tostring(statistics)), 0)
  end
  for _, node in ipairs(made.order) do
    if node.layer.kind == "batch_norm" then node.layer.options.statistics = statistics end
  end
end

--- Makes a builder from: name, input (default size), smallest (least size), preprocess, trunk(x), top(x, classes).
---@param definition table
---@return fun(options: table?): scion.Model
function builder.define(definition)
  return function(given)
    given = given or {}
    options.check("scion.models." .. definition.name, given, known)
    local size = input_size(definition, given.input)
    local function build()
      local x = nn.input { shape = { size[1], size[2], 3 }, preprocess = given.preprocess or definition.preprocess, name = "input" }
      x = definition.trunk(x)
      if given.top then x = definition.top(x, given.classes or known.classes) end
      return model.new { output = x, name = definition.name }
    end
    local made
    if given.weights then
      made = layer.without_initial_values(build)
      require("scion.weights").load(made, given.weights)
    else
      made = build()
    end
    set_statistics(made, given.batch_norm or (given.weights and "stored" or "batch"))
    return made
  end
end

return builder
