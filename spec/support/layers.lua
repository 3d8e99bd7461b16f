--- What specs of layers and blocks share: what one makes of one image, and whether a block is what its layers are.
local core = require "scion.core"
local rule = dofile "spec/models/rule.lua"
local scion = require "scion"

local layers = {}

--- Sets fields of a layer that only files of the library set: a function whose source is named as one of theirs does it.
---@param layer scion.Layer
---@param fields table<string, any>
layers.set = assert(load("local layer, fields = ...; for name, value in pairs(fields) do layer[name] = value end",
                         debug.getinfo(require("scion.class").define, "S").source:gsub("class%.lua$", "spec.lua"), "t"))

--- The output as nested lists. `pixels` is an image: rows of pixels, each a list of channels; or a vector.
---@param build fun(x: scion.Node): scion.Node the network between its input and its output
---@param weights? table<string, table> of its last layer, by name
function layers.output(pixels, build, weights)
  local x = scion.tensor({ pixels }, "f32")
  local shape = { table.unpack(x:shape(), 2) }
  local model = scion.model { output = build(scion.nn.input { shape = shape }) }
  for _, p in ipairs(model.output.layer.parameters) do
    if weights and weights[p.name] then core.copy(scion.tensor(weights[p.name], "f32"), p.tensor) end
  end
  local plan = model:plan_for { mode = "infer", batch = 1, input_dtype = "f32" }
  assert(model:execute(plan, { images = x }))
  return core.place(model.arena, plan.output, 1):totable()[1]
end

--- The same numbers, or nearly: nested lists of one shape.
function layers.near(expected, found, path)
  if type(expected) ~= "table" then
    return assert(math.abs(expected - found) <= 1e-5 * math.max(1, math.abs(expected)), ("%s is %s, not %s"):format(path or "it", found, expected))
  end
  assert(#expected == #found, ("%s has %d parts, not %d"):format(path or "it", #found, #expected))
  for i, part in ipairs(expected) do layers.near(part, found[i], (path and path .. "." or "") .. i) end
end

--- The features of a model that `build` returns, and the model. Layers draw their initial values in order: the same ones have the same.
function layers.features(build)
  scion.seed(3)
  local model = build()
  return model:features(rule.images(9), model.output.layer.name), model
end

return layers
