--- Norms of the user's own that take PyTorch's numbers with the epsilon that nn.batch_norm and nn.layer_norm have by themselves, which is Keras's.
--- A state dict does not tell PyTorch's.
local builder = require "scion.models.builder"
local check = require "scion.check"

local ours = 1e-3

--- The norms with our own epsilon that no network of scion.models has brought, each with a tensor of its numbers.
local function usual(model)
  local found, own = {}, not (model.name and builder.find(model.name))
  for _, node in ipairs(model.order) do
    local layer = node.layer
    local norm = (layer.kind == "batch_norm" or layer.kind == "layer_norm") and layer.parameters[1]
    if own and norm and not layer.origin and layer.options.epsilon == ours then found[#found + 1] = { layer = layer, tensor = norm.tensor } end
    own = own or layer.name == model.trunk
  end
  return found
end

--- To be called before weights are read.
---@param model scion.Model
---@return fun(): string? line to be called behind: tells of the norms that were read, in a sentence for the report
return function(model)
  local found = usual(model)
  for _, norm in ipairs(found) do norm.version = norm.tensor:version() end
  return function()
    local read = {}
    for _, norm in ipairs(found) do read[#read + 1] = norm.tensor:version() ~= norm.version and norm.layer or nil end
    if not read[1] then return nil end
    local more = #read > 1 and (" and %d more norm%s"):format(#read - 1, #read == 2 and "" or "s") or ""
    local sentence = "layer %s%s took PyTorch's numbers with epsilon = 1e-3, and PyTorch's norms have 1e-5 by themselves: epsilon = 1e-5 computes what they do, " ..
      "unless the file's network was given another"
    return sentence:format(check.show(read[1].name), more)
  end
end
