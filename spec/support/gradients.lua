--- Compares a training step of a network that rule.lua fills with what PyTorch computed: fixtures/models/layers.json, channels.json.
local core = require "scion.core"
local rule = dofile "spec/models/rule.lua"
local scion = require "scion"
local small = dofile "spec/small_network.lua"

local gradients = {}

--- Golden numbers: losses, and gradients by "layer/parameter".
---@param name string of the file without its ending
---@return table
function gradients.golden(name)
  local file <close> = assert(io.open(("spec/fixtures/models/%s.json"):format(name), "rb"))
  return core.json_decode(file:read "a")
end

--- Checks the losses and the gradients of what trains; returns how many gradients.
local function check(model, golden)
  local plan = model:plan_for { mode = "train", batch = 2, input_dtype = "u8", loss = "categorical" }
  assert(model:execute(plan, { images = rule.images(9), labels = scion.tensor({ 1, 3 }, "i32"), step = 0 }))
  assert(small.distance(core.place(model.arena, plan.losses, 2), golden.losses) < 1e-5, "the losses differ")
  local count = 0
  for _, g in ipairs(plan.gradients) do
    local name = g.layer.name .. "/" .. g.parameter.name
    if golden.gradients[name] then
      local distance = small.distance(core.place(model.arena, g.place), golden.gradients[name])
      assert(distance < 1e-4, ("%s differs by %g"):format(name, distance))
      count = count + 1
    end
  end
  return count
end

local function equal(expected, found) assert(expected == found, ("%d gradients, not %d"):format(found, expected)) end

--- Checks the losses and all gradients of a new network.
---@param network fun(): scion.Model
---@param golden table
function gradients.all(network, golden)
  local expected = 0
  for _ in pairs(golden.gradients) do expected = expected + 1 end
  equal(expected, check(network(), golden))
end

--- Checks what is left where all layers up to one are frozen.
---@param network fun(): scion.Model
---@param golden table
---@param counts table<string, integer> by that layer: how many gradients are left
function gradients.frozen(network, golden, counts)
  for layer, count in pairs(counts) do equal(count, check(network():freeze { upto = layer }, golden)) end
end

--- Checks a network that was saved and loaded again.
---@param network fun(): scion.Model
---@param golden table
function gradients.rebuilt(network, golden)
  local model, path = network(), os.tmpname()
  model:save(path)
  local again = scion.load(path)
  os.remove(path)
  equal(check(model, golden), check(again, golden))
end

--- Gradients that no step has computed: zeros, for a spec to fill.
---@param model scion.Model
---@return { flat: scion.Tensor, slice: fun(self, parameter: scion.Parameter): scion.Tensor }
function gradients.zeros(model)
  local offsets, total = {}, 0
  for _, node in ipairs(model.order) do
    for _, p in ipairs(node.layer:trainable()) do offsets[p], total = 4 * total, total + #p.tensor:reshape { -1 } end
  end
  local buffer = { flat = core.new({ total }, "f32") }
  function buffer:slice(p)
    local sizes = p.tensor:shape()
    return core.place(self.flat, { offset = offsets[p], shape = sizes, stride = sizes[#sizes], dtype = "f32" })
  end
  return buffer
end

return gradients
