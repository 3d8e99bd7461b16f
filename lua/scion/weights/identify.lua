--- Recognizes the network that a file's weights belong to by its convolution kernels, for the message when they do not fit the model.
local networks = require "scion.weights.names.kernels"

local identify = {}

--- The name of the network, as in scion.models where that has it.
---@param arrays { name: string, shape: integer[], beside: boolean? }[] a file's arrays, in its order; a name may be that of the layer
---@param publisher "keras"|"torchvision" whose names they have
---@return string? network nil where it is none of those in names/kernels.lua, or only a part of one
function identify.architecture(arrays, publisher)
  local count, elements, last, biased = 0, 0, 0, nil -- biased: whether the first kernel has a bias
  for i, a in ipairs(arrays) do -- without torchvision's classifiers and auxiliary heads
    if #a.shape == 4 and not a.beside and not a.name:find "^AuxLogits%." and not a.name:find "^aux" and not a.name:find "^classifier%." then
      last = a.shape[1] * a.shape[2] * a.shape[3] * a.shape[4]
      count, elements = count + 1, elements + last
      if biased == nil then biased = arrays[i + 1] ~= nil and arrays[i + 1].name == a.name and #arrays[i + 1].shape == 1 end
    end
  end
  -- The second key leaves out the last kernel: in Keras's files a classifier may be a convolution.
  local found = networks[("%d %d"):format(count, elements)] or networks[("%d %d"):format(count - 1, elements - last)]
  return found and publisher == "keras" and biased and found:gsub("^(resnet%d+)$", "keras_%1") or found -- torchvision's have no biases
end

--- The same of a model's layers.
---@param layers scion.Layer[]
---@param publisher "keras"|"torchvision" whose names they are given
---@return string? network
function identify.of_layers(layers, publisher)
  local publisher_name, arrays = require("scion.models.builder").publisher_name, {}
  for _, layer in ipairs(layers) do
    for _, p in ipairs(layer.parameters) do arrays[#arrays + 1] = { name = publisher_name(layer, publisher) .. ".", shape = p.tensor:shape() } end
  end
  return identify.architecture(arrays, publisher)
end

return identify
