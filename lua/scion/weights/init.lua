--- Weights from files, by what the file is: Keras's HDF5 or safetensors.
local weights = {}

--- Loads a file into a model's layers; raises with the path, and then no weight has changed.
---@param model scion.Model
---@param path string
function weights.load(model, path)
  local file, message = io.open(path, "rb")
  if not file then error(message, 0) end
  local head = file:read(8) or ""
  file:close()
  local reader = head == "\137HDF\r\n\26\n" and require "scion.weights.keras" or require "scion.weights.safetensors"
  local list = {}
  for _, node in ipairs(model.order) do
    if #node.layer.parameters > 0 then
      list[#list + 1] = { name = node.layer.name, kind = node.layer.kind, weights = node.layer.parameters }
    end
  end
  local ok
  ok, message = reader.load(path, list)
  if not ok then error(message, 0) end
end

return weights
