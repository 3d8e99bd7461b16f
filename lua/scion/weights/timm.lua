--- timm's names and layouts, as names/timm.lua tells how they differ from torchvision's.
local names = require "scion.weights.names.timm"

local timm = {}

local function renamed(layer, rule)
  if rule.layers[layer] then return rule.layers[layer] end
  local block, between, part = layer:match(("^(features%%.%%d+)(.-)%%.%s%%.(.+)$"):format(rule.inside or "block"))
  local to = block and rule.blocks and rule.blocks[block]
  return to and to[2][part] and to[1] .. between .. "." .. to[2][part]
end

--- The kernel of a dense layer as that of a convolution of 1x1, or of all of the image where the layer takes one.
local function as_convolution(weight)
  local view = weight.tensor:shape()
  if #view == 4 then
    weight.shape, weight.axes = { view[4], view[3], view[1], view[2] }, { { 3 }, { 4 }, { 2 }, { 1 } }
  else
    weight.shape = { view[2], view[1], 1, 1 }
  end
end

--- Gives the weights that a model expects by torchvision's names those of timm, if the file has them or there is none yet.
---@param expected scion.ExpectedWeight[]
---@param arrays? scion.Array[] of the file
---@return scion.ExpectedWeight[] expected the same list
function timm.rename(expected, arrays)
  local held = {}
  for _, a in ipairs(arrays or {}) do held[a.name] = true end
  for _, weight in ipairs(expected) do
    local layer, last = weight.name:match "^(.+)%.([^.]+)$"
    for _, rule in ipairs(names) do
      local name = (not arrays or held[rule.known_by]) and layer and renamed(layer, rule)
      if name then
        weight.name = name .. "." .. last
        if rule.convolutions and rule.convolutions[layer] and last == "weight" then as_convolution(weight) end
        break
      end
    end
  end
  return expected
end

--- The first convolution of its EfficientNets and MobileNets, which torchvision calls otherwise.
local stem = "conv_stem.weight"

--- Whether a file is of one of timm's networks that torchvision names otherwise.
---@param arrays scion.Array[]
---@return boolean
function timm.named(arrays)
  for _, a in ipairs(arrays) do
    if a.name == stem then return true end
  end
  return false
end

return timm
