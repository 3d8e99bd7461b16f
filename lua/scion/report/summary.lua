--- A model in words: `compact`, a line a block, as printing a model gives; `text`, a line a layer.
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

--- Rows of consecutive layers of one block (what stands before the first slash of the name) together; blocks whose layers
--- interleave in layer order are gathered where they first appear.
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
  return head
end

--- A line a block.
---@param model scion.Model
---@return string
function summary.compact(model)
  local rows = model:layers()
  local lines = { header(model, rows) }
  for _, block in ipairs(blocks(rows)) do
    local what = block.layers == 1 and block.kind or block.layers .. " layers"
    lines[#lines + 1] = ("  %s %s %s %12s  %s"):format(text.column(block.name, 16), text.column(what, 16), text.column(text.shape(block.shape), 12),
                                                      text.grouped(block.parameters), state(block.frozen, block.layers)):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

--- A line a layer.
---@param model scion.Model
---@return string
function summary.text(model)
  local rows = model:layers()
  local lines = { header(model, rows) }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = (("%5d %s %s %s %10s  %s"):format(row.index, text.column(row.name, 25), text.column(row.kind, 16),
      text.column(text.shape(row.shape), 11), text.grouped(row.parameters), row.frozen and "frozen" or "")):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

return summary
