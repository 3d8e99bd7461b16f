--- timm's names and layouts, where they differ from torchvision's: see names/timm.lua.
local names = require "scion.weights.names.timm"
local renaming = require "scion.weights.renaming"

local timm = {}

--- Changes the expected kernel of a dense layer that is a convolution in timm: over the whole image where the layer takes a flattened one, else 1x1.
local function as_convolution(weight, rule, layer)
  if not rule.convolutions or not rule.convolutions[layer] or not weight.name:find "%.weight$" then return end
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
    for _, rule in ipairs(names) do held[(layer and renaming.of(layer, rule) or "") .. "." .. (last or "")] = true end
  end
  local kept = renaming.apply(expected, names, held, as_convolution)
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
