--- Saved models: one safetensors file, whose metadata holds a format version, the architecture, labels, preprocessing and history
--- as JSON. Nothing in it is executed: a layer is rebuilt by looking its kind up among the files of nn/.
local check = require "scion.check"
local core = require "scion.core"
local layer = require "scion.layer"
local model = require "scion.model"
local nn = require "scion.nn"
local results = require "scion.report.results"
local array = require "scion.weights.array"
local safetensors = require "scion.weights.safetensors"

local saved = {}

local format_version = "1"

--- The graph as data: layers in order, each with the names of its inputs.
local function architecture(m)
  local layers = {}
  for i, node in ipairs(m.order) do
    local inputs = {}
    for j, input in ipairs(node.inputs) do inputs[j] = input.layer.name end
    layers[i] = { kind = node.layer.kind, name = node.layer.name, origin = node.layer.origin, options = node.layer.options,
                  inputs = table.concat(inputs, "\n"), frozen = node.layer.frozen }
  end
  return { name = m.name or "", variant = m.variant, output = m.output.layer.name, layers = layers }
end

--- Writes the file; raises with the path if that fails, and the old file then remains.
---@param m scion.Model
---@param path string
function saved.save(m, path)
  local tensors = {}
  for _, node in ipairs(m.order) do
    for _, p in ipairs(node.layer.parameters) do tensors[#tensors + 1] = { name = node.layer.name .. "/" .. p.name, tensor = p.tensor } end
  end
  local metadata = { format = "scion", version = format_version, architecture = core.json_encode(architecture(m)),
                     history = core.json_encode { epoch = m.epoch, steps = m.steps, entries = m.history } }
  if m.labels then metadata.labels = core.json_encode { labels = m.labels } end
  local ok, message = safetensors.write(path, tensors, metadata)
  if not ok then check.raise(message) end
end

--- A part of the metadata, decoded; raises with the path.
local function part(metadata, key, path)
  local text = metadata[key]
  if not text then check.raise(("%s: not a model saved by Scion ('%s' is missing)"):format(path, key)) end
  local value, message = core.json_decode(text)
  if type(value) ~= "table" then check.raise(("%s: the metadata's '%s' is damaged: %s"):format(path, key, message or "not an object")) end
  return value
end

local function rebuild_layer(description, nodes)
  local kind, name = description.kind, description.name
  if type(kind) ~= "string" or not kind:find("^[a-z][a-z0-9_]*$") or type(name) ~= "string" or type(description.options) ~= "table" then
    check.raise("a layer is not described by kind, name and options")
  end
  local given = { name = name, origin = description.origin }
  for key, value in pairs(description.options) do given[key] = value end
  local made = nn[kind](given)
  if kind ~= "input" then
    local inputs = {}
    for input in tostring(description.inputs):gmatch("[^\n]+") do
      inputs[#inputs + 1] = nodes[input] or check.raise(("%s: its input '%s' is not described before it"):format(name, input))
    end
    made = made(inputs)
  end
  made.layer.frozen = description.frozen == true
  nodes[name] = made
end

local function rebuild(description)
  local nodes = {}
  for _, l in ipairs(description.layers or {}) do rebuild_layer(l, nodes) end
  local output = nodes[description.output] or check.raise("the output layer is not described")
  local made = model.new { output = output, name = description.name ~= "" and description.name or nil }
  made.variant = description.variant
  return made
end

--- Reads a file that model:save wrote. Raises with the path on a missing or damaged file.
---@param path string
---@return scion.Model
function saved.load(path)
  local arrays <close>, message = safetensors.arrays(path) -- one open file: another process may replace it by the next save meanwhile
  if not arrays then check.raise(message) end
  local metadata = arrays.metadata
  if metadata.format ~= "scion" then check.raise(path .. ": not a model saved by Scion; give weights files to scion.models.*{ weights = }") end
  if metadata.version ~= format_version then
    check.raise(("%s: format version %s is not known to this version of Scion, which reads %s"):format(path, tostring(metadata.version), format_version))
  end
  local description, history = part(metadata, "architecture", path), part(metadata, "history", path)
  local ok, m = check.try(layer.without_initial_values, function() return rebuild(description) end, array.allowance_of(arrays.bytes))
  if not ok then check.raise(("%s: the architecture cannot be rebuilt: %s"):format(path, tostring(m))) end
  require("scion.weights").load_saved(m, path, arrays)
  m.labels = metadata.labels and part(metadata, "labels", path).labels or nil
  m.epoch, m.steps, m.history = history.epoch, history.steps, results.history(history.entries or {})
  return m
end

return saved
