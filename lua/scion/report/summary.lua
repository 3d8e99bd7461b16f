--- Texts about a model: `compact` has one line per block and is what printing a model shows; `text` has one line per layer.
local blocks = require "scion.report.blocks"
local shape = require "scion.shape"
local text = require "scion.report.text"

local summary = {}

local function header(model, rows)
  local all, trainable = blocks.totals(rows)
  local head = ("%s: %d layers, %s parameters, %s trainable"):format(model.name or "model", #rows, text.grouped(all), text.grouped(trainable))
  if model.labels then head = head .. (", %d classes"):format(#model.labels) end
  return table.concat(text.wrap(head, text.width(), 2), "\n")
end

--- One line per block.
---@param model scion.Model
---@return string
function summary.compact(model)
  local rows, cells = model:layers(), {}
  for i, block in ipairs(blocks.of(rows)) do
    cells[i] = { block.name, blocks.what(block), shape.text(block.shape), text.grouped(block.parameters), blocks.state(block.frozen, block.layers) }
  end
  local columns = { { least = 8 }, { least = 10, optional = "kinds" }, {}, { right = true }, {} }
  return header(model, rows) .. "\n" .. table.concat(text.table(columns, cells, "  "), "\n")
end

--- One line per layer.
---@param model scion.Model
---@return string
function summary.text(model)
  local rows = model:layers()
  return header(model, rows) .. "\n" .. tostring(rows)
end

return summary
