--- What specs share that look at whole models: their numbers, and what they make of an image beside golden numbers.
local core = require "scion.core"

local models = {}

--- All weights and statistics as strings of bytes, by name, to see which changed.
function models.bytes(model)
  local bytes = {}
  for _, row in ipairs(model:layers()) do
    for name, t in pairs(row.weights) do bytes[row.name .. "/" .. name] = t:bytes() end
  end
  return bytes
end

--- A hash of all of them.
function models.digest(model)
  local parts = {}
  for _, node in ipairs(model.order) do
    for _, p in ipairs(node.layer.parameters) do parts[#parts + 1] = p.tensor:bytes() end
  end
  return core.hash(table.concat(parts))
end

--- The largest deviation from golden numbers of the output for an image, or of another layer's, relative to those above 1; infinite
--- where it is no number.
function models.deviation(model, image, golden, name)
  local y, worst = model:features(image, name or model.output.layer.name):reshape { -1 }, 0
  assert(y:shape()[1] == #golden, "there are as many numbers")
  for i, value in ipairs(golden) do
    local d = math.abs(value - y:get(i)) / math.max(1, math.abs(value))
    worst = math.max(worst, d == d and d or math.huge)
  end
  return worst
end

return models
