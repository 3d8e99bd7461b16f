--- Files of Hugging Face's package transformers: their names, and what the files beside the weights tell. See names/transformers.lua.
local core = require "scion.core"
local names = require "scion.weights.names.transformers"
local renaming = require "scion.weights.renaming"

local transformers = {}

--- The rule for a file's names, whatever stands before them; nil where they are not transformers'.
---@param arrays scion.Array[]
---@return scion.NameRule?
function transformers.rule(arrays)
  for _, rule in ipairs(names.rules) do
    for _, a in ipairs(arrays) do
      if ("." .. a.name):sub(-#rule.known_by - 1) == "." .. rule.known_by then return rule end
    end
  end
end

--- Changes torchvision's names in a list of expected weights to transformers', if the file has those.
---@param expected scion.ExpectedWeight[] is changed
---@param arrays scion.Array[] of the file
---@return scion.ExpectedWeight[] expected the same list
function transformers.rename(expected, arrays)
  local held = {}
  for _, a in ipairs(arrays) do held[a.name] = true end
  renaming.apply(expected, names.rules, held)
  return expected
end

--- The class that a config.json without one is of: one that was saved by itself has only the model's type. nil for types whose names are not read.
---@param whole table the decoded file
---@return string?
function transformers.class_of(whole)
  local family = type(whole.model_type) == "string" and names.types[whole.model_type]
  return family and family .. "Model" or nil
end

--- What a config.json of transformers tells of a network: whether its names are read here, and its options with which it computes something else
--- than networks here, as one string.
---@param class string "ResNetForImageClassification"
---@param whole table the decoded file
---@return boolean known
---@return string? changes
function transformers.changes(class, whole)
  local usual, changed = nil, {}
  for family, options in pairs(names.usual) do
    if class:find("^" .. family .. "%u") then usual = options end
  end
  for option, value in pairs(usual or {}) do
    if whole[option] ~= nil and whole[option] ~= core.null and whole[option] ~= value then changed[#changed + 1] = option end
  end
  table.sort(changed)
  return usual ~= nil, changed[1] and table.concat(changed, ", ") or nil
end

--- The mean and deviation of pixels from 0 to 1 that a preprocessor_config.json tells: it may rescale pixels by another factor, or not standardize
--- them. nil where it does not tell; what is no list of numbers is given as it stands.
---@param whole table the decoded file
---@return any mean
---@return any std
function transformers.statistics(whole)
  local factor = whole.do_rescale == false and 1 or whole.rescale_factor or 1 / 255
  local mean, std = whole.image_mean, whole.image_std
  if whole.do_normalize == false then mean, std = { 0.0, 0.0, 0.0 }, { 1.0, 1.0, 1.0 } end
  local function scaled(list)
    if list == nil or list == core.null then return nil end
    local numbers = {}
    for i, number in ipairs(type(list) == "table" and list or {}) do numbers[i] = type(number) == "number" and number / (255 * factor) or number end
    return numbers[1] and numbers or list
  end
  if type(factor) ~= "number" then return end
  return scaled(mean), scaled(std)
end

return transformers
