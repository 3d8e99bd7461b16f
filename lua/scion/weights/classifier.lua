--- Which of a file's arrays may be the classifier that a model was built without, and how many classes it has.
local names = require "scion.weights.names.torchvision"

local classifier = {}

--- The first part of a name, up to a dot or slash.
---@param name string
---@return string
function classifier.part(name) return name:match "^[^./]*" end

--- Whether a model has a classifier of its own.
---@param parts table<string, boolean> the first parts of the names of the model's weights
---@return boolean
function classifier.built(parts)
  for part in pairs(parts) do
    if names.classifiers[part] and part ~= names.before_classifier then return true end
  end
  return false
end

--- Whether a kernel computes outputs from all inputs, as a classifier's does: it is a matrix, or a convolution of one pixel.
---@param shape integer[]
---@return boolean
function classifier.is_kernel(shape)
  if #shape ~= 4 then return #shape == 2 end
  return shape[1] * shape[2] == 1 or shape[3] * shape[4] == 1 -- ours and Keras's, and PyTorch's
end

--- How many classes the classifier has that arrays without a place in the model may be: the length of the last bias. nil where the model
--- has a classifier, or where some array is plainly of none.
---@param arrays scion.Array[]
---@param parts table<string, boolean> the first parts of the names of the model's weights
---@return integer?
function classifier.classes(arrays, parts)
  if classifier.built(parts) then return end
  local kernels, classes = {}, nil
  for _, a in ipairs(arrays) do
    if classifier.is_kernel(a.shape) then kernels[a.name:match "^(.*)[./]" or ""] = true elseif #a.shape ~= 1 then return end
  end
  for _, a in ipairs(arrays) do
    if parts[classifier.part(a.name)] or not kernels[a.name:match "^(.*)[./]" or ""] then return end
    if #a.shape == 1 then classes = a.shape[1] end
  end
  return classes
end

return classifier
