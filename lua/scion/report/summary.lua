--- Texts about a model: `compact` has one line per block and is what printing a model shows; `text` has one line per layer.
local shape = require "scion.shape"
local text = require "scion.report.text"

local summary = {}

local function totals(rows)
  local all, trainable = 0, 0
  for _, row in ipairs(rows) do all, trainable = all + row.parameters, trainable + row.trainable end
  return all, trainable
end

local function state(frozen, layers)
  if frozen == 0 then return "" end
  return frozen == layers and "frozen" or ("%d of %d frozen"):format(frozen, layers)
end

--- Combines the rows of all layers of an outermost block, whose name is the part of theirs before the first slash. Blocks are in the order
--- in which their first layers appear; the layers of two blocks may alternate.
local function blocks(rows)
  local list, by_name = {}, {}
  for _, row in ipairs(rows) do
    local name = row.name:match("^[^/]+")
    local block = by_name[name]
    if not block then
      block = { name = name, layers = 0, parameters = 0, trainable = 0, frozen = 0, kind = row.kind }
      by_name[name] = block
      list[#list + 1] = block
    end
    block.layers, block.shape = block.layers + 1, row.shape
    block.parameters, block.trainable = block.parameters + row.parameters, block.trainable + row.trainable
    block.frozen = block.frozen + (row.frozen and 1 or 0)
  end
  return list
end

local function header(model, rows)
  local all, trainable = totals(rows)
  local head = ("%s: %d layers, %s parameters, %s trainable"):format(model.name or "model", #rows, text.grouped(all), text.grouped(trainable))
  if model.labels then head = head .. (", %d classes"):format(#model.labels) end
  return table.concat(text.wrap(head, text.width(), 2), "\n")
end

--- One line per block.
---@param model scion.Model
---@return string
function summary.compact(model)
  local rows, cells = model:layers(), {}
  for i, block in ipairs(blocks(rows)) do
    local what = block.layers == 1 and block.kind or block.layers .. " layers"
    cells[i] = { block.name, what, shape.text(block.shape), text.grouped(block.parameters), state(block.frozen, block.layers) }
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
