--- timm's names and layouts, where they differ from torchvision's: see names/timm.lua.
local names = require "scion.weights.names.timm"

local timm = {}

--- timm's name of a layer, given torchvision's, by one entry of names/timm.lua; nil where that does not cover the layer.
local function renamed(layer, rule)
  if rule.layers[layer] then return rule.layers[layer] end
  if rule.counted then
    local stage, index, part = layer:match(rule.counted)
    return rule.parts[part] and ("s%d.b%d.%s"):format(stage, index + 1, rule.parts[part])
  end
  local block, between, part = layer:match(("^(features%%.%%d+)(.-)%%.%s%%.(.+)$"):format(rule.inside or "block"))
  local to = block and rule.blocks and rule.blocks[block]
  return to and to[2][part] and to[1] .. between .. "." .. to[2][part]
end

--- Changes the expected kernel of a dense layer to that of a convolution, which timm has in its place: over the whole image where the layer
--- takes a flattened one, else 1x1.
local function as_convolution(weight)
  local view = weight.tensor:shape()
  if #view == 4 then
    weight.shape, weight.axes = { view[4], view[3], view[1], view[2] }, { { 3 }, { 4 }, { 2 }, { 1 } }
  else
    weight.shape = { view[2], view[1], 1, 1 }
  end
end

--- Changes torchvision's names in a list of expected weights to timm's, if the file has those or, for export, if there is no file.
---@param expected scion.ExpectedWeight[] is changed
---@param arrays? scion.Array[] of the file; none: for export
---@return scion.ExpectedWeight[] expected the same list
---@return string[]? kept the names that were not changed; nil where none was, as for networks whose names are torchvision's in timm
function timm.rename(expected, arrays)
  local held = {}
  for _, a in ipairs(arrays or {}) do held[a.name] = true end
  for _, weight in ipairs(arrays and {} or expected) do -- for export: the names that the file will have
    local layer, last = weight.name:match "^(.+)%.([^.]+)$"
    for _, rule in ipairs(names) do held[(layer and renamed(layer, rule) or "") .. "." .. (last or "")] = true end
  end
  local kept = {}
  for _, weight in ipairs(expected) do
    local layer, last = weight.name:match "^(.+)%.([^.]+)$"
    kept[#kept + 1] = weight.name
    for _, rule in ipairs(names) do
      local name = held[rule.known_by] and layer and renamed(layer, rule)
      if name then
        weight.name = name .. "." .. last
        kept[#kept] = nil
        if rule.convolutions and rule.convolutions[layer] and last == "weight" then as_convolution(weight) end
        break
      end
    end
  end
  return expected, #kept < #expected and kept or nil
end

--- The first convolution of timm's EfficientNets and MobileNets, whatever stands before its name. torchvision has another name for it, and
--- EfficientNet-PyTorch one with an underscore.
local stem = "%f[%w_]conv_stem%.weight$"

--- Whether a file has names that only timm gives: those of its EfficientNets and MobileNets.
---@param arrays scion.Array[]
---@return boolean
function timm.named(arrays)
  for _, a in ipairs(arrays) do
    if a.name:find(stem) then return true end
  end
  return false
end

return timm
