--- What files that Scion wrote tell of a network beside its weights: how it rescales images, and the names of the classes.
local core = require "scion.core"
local preprocessing = require "scion.preprocessing"

local facts = {}

---@class scion.WeightsFacts each nil where the file does not tell it
---@field preprocess scion.Preprocessing?
---@field rescalings integer? how many layers nn.rescaling the network has
---@field labels string[]?

--- What model:export notes of a model: strings, and the list of labels.
---@param model scion.Model
---@return { preprocessing: string, rescalings: string, labels: string[]? }
function facts.of(model)
  local rescalings = 0
  for _, node in ipairs(model.order) do rescalings = rescalings + (node.layer.kind == "rescaling" and 1 or 0) end
  return { preprocessing = core.json_encode(model.input.layer.options.preprocess), rescalings = tostring(rescalings), labels = model.labels }
end

local function preprocess_of(value)
  local ok, read = preprocessing.kind.read(value)
  return ok and read or nil
end

--- Reads what model:export noted. What is damaged counts as not told.
---@param noted { preprocessing: string?, rescalings: string?, labels: string[]? }
---@return scion.WeightsFacts
function facts.read(noted)
  local value = noted.preprocessing and core.json_decode(noted.preprocessing)
  return { preprocess = type(value) == "table" and preprocess_of(value) or nil, rescalings = math.tointeger(tonumber(noted.rescalings)), labels = noted.labels }
end

--- Reads what model:save describes.
---@param metadata table<string, string>
---@return scion.WeightsFacts
---@return string? variant of the network
function facts.of_saved(metadata)
  local described, labels = core.json_decode(metadata.architecture or ""), core.json_decode(metadata.labels or "")
  local layers = type(described) == "table" and described.layers
  local found = { labels = type(labels) == "table" and labels.labels or nil }
  if type(layers) ~= "table" then return found end
  found.rescalings = 0
  for _, layer in ipairs(layers) do
    local kind, options = type(layer) == "table" and layer.kind, type(layer) == "table" and layer.options
    if kind == "rescaling" then found.rescalings = found.rescalings + 1 end
    if kind == "input" and type(options) == "table" then found.preprocess = preprocess_of(options.preprocess) end
  end
  return found, described.variant
end

return facts
