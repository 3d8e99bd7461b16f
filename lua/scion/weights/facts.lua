--- What files that Scion wrote tell of a network beside its weights: how it rescales images, and the names of the classes.
local array = require "scion.weights.array"
local core = require "scion.core"
local preprocessing = require "scion.preprocessing"

local facts = {}

---@class scion.WeightsFacts each nil where the file does not tell it
---@field preprocess scion.Preprocessing?
---@field rescalings integer? how many layers nn.rescaling the network has
---@field labels string[]?

--- How many layers nn.rescaling a model has.
---@param model scion.Model
---@return integer
function facts.rescalings(model)
  local count = 0
  for _, node in ipairs(model.order) do count = count + (node.layer.kind == "rescaling" and 1 or 0) end
  return count
end

--- What model:export notes of how a model rescales images.
---@param model scion.Model
---@return { preprocessing: string, rescalings: string }
function facts.of(model)
  return { preprocessing = core.json_encode(model.input.layer.options.preprocess), rescalings = tostring(facts.rescalings(model)) }
end

-- The table that a text of JSON describes; nil where there is none, or where decoding it could take more memory than the file may ask for.
local function decoded(text, path)
  if not text or core.json_cost(text) > array.allowance(path) then return nil end
  local value = core.json_decode(text)
  return type(value) == "table" and value or nil
end

local function preprocess_of(value)
  local ok, read = preprocessing.kind.read(value)
  return ok and read or nil
end

--- Reads what model:export noted. What is damaged counts as not told.
---@param noted { preprocessing: string?, rescalings: string?, labels: string|string[]|nil } labels: as JSON, or the list
---@param path string of the file
---@return scion.WeightsFacts
function facts.read(noted, path)
  local labels = noted.labels
  return { preprocess = preprocess_of(decoded(noted.preprocessing, path)), rescalings = math.tointeger(tonumber(noted.rescalings)),
           labels = type(labels) == "string" and decoded(labels, path) or type(labels) == "table" and labels or nil }
end

--- Reads what model:save describes.
---@param metadata table<string, string>
---@param path string of the file
---@return scion.WeightsFacts
---@return string? variant of the network
function facts.of_saved(metadata, path)
  local described, labels = decoded(metadata.architecture, path), decoded(metadata.labels, path)
  local layers = described and described.layers
  local found = { labels = labels and labels.labels }
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
