--- A network by its outermost blocks, for those who read it: what belongs to a name's part before the first slash. Blocks are in the order
--- in which their first layers appear; the layers of two blocks may alternate.
local text = require "scion.report.text"

local blocks = {}

--- A block of a network, or several that stand in one row.
---@class scion.BlockRow
---@field name string
---@field last string? the name of the last one, where it stands for several
---@field count integer how many blocks it stands for that repeat each other; 1 where they do not
---@field kind string of the first layer
---@field kinds string of all layers, in order
---@field layers integer in all of them
---@field shape integer[] of the last layer
---@field parameters integer
---@field trainable integer what a step would change
---@field frozen integer layers

--- The blocks of layers.
---@param rows scion.LayerDescription[]
---@return scion.BlockRow[]
function blocks.of(rows)
  local list, by_name = {}, {}
  for _, row in ipairs(rows) do
    local name = row.name:match "^[^/]+"
    local block = by_name[name]
    if not block then
      block = { name = name, count = 1, layers = 0, parameters = 0, trainable = 0, frozen = 0, kind = row.kind, kinds = "" }
      by_name[name] = block
      list[#list + 1] = block
    end
    block.layers, block.shape, block.kinds = block.layers + 1, row.shape, block.kinds .. " " .. row.kind
    block.parameters, block.trainable = block.parameters + row.parameters, block.trainable + row.trainable
    block.frozen = block.frozen + (row.frozen and 1 or 0)
  end
  return list
end

--- The parameters of all layers, and how many of them a step would change.
---@param rows scion.LayerDescription[]
---@return integer parameters
---@return integer trainable
function blocks.totals(rows)
  local parameters, trainable = 0, 0
  for _, row in ipairs(rows) do parameters, trainable = parameters + row.parameters, trainable + row.trainable end
  return parameters, trainable
end

--- Whether as much of two blocks is frozen.
local function alike(a, b) return a.frozen * b.layers == b.frozen * a.layers end

--- Whether two values have one height and width.
local function of_one_size(a, b) return #a == #b and (#a < 3 or a[1] == b[1] and a[2] == b[2]) end

--- Whether a block repeats the one before: the same layers on values of the same height and width.
local function repeats(before, block) return block.layers > 1 and before.kinds == block.kinds and of_one_size(before.shape, block.shape) end

--- The same list with one row for neighbours that `joins` says belong together.
local function joined(list, joins, count)
  local rows, latest = {}, nil
  for _, block in ipairs(list) do
    local row = rows[#rows]
    if row and joins(latest, block) then
      row.last, row.shape, row.count = block.last or block.name, block.shape, count and row.count + 1 or 1
      for _, sum in ipairs { "layers", "parameters", "trainable", "frozen" } do row[sum] = row[sum] + block[sum] end
    else
      rows[#rows + 1] = {}
      for key, value in pairs(block) do rows[#rows][key] = value end
    end
    latest = block
  end
  return rows
end

local most_rows = 60 -- that can be looked over

--- The same with blocks that repeat each other in one row. Where there are very many all the same, as in a network whose layers have no
--- blocks' names, neighbours of one height and width share a row.
---@param list scion.BlockRow[]
---@param same? fun(a: scion.BlockRow, b: scion.BlockRow): boolean whether two may stand in one row (where as much of them is frozen)
---@return scion.BlockRow[]
function blocks.merged(list, same)
  same = same or alike
  local rows = joined(list, function(before, block) return repeats(before, block) and same(before, block) end, true)
  if #rows <= most_rows then return rows end
  return joined(rows, function(before, block) return of_one_size(before.shape, block.shape) and same(before, block) end, false)
end

--- How much of a block is frozen, in words: "", "frozen", "3 of 9 frozen".
---@param frozen integer
---@param layers integer
---@return string
function blocks.state(frozen, layers)
  if frozen == 0 then return "" end
  return frozen == layers and "frozen" or ("%d of %d frozen"):format(frozen, layers)
end

--- The same of a block that may have no weights, which cannot be frozen.
---@param block { frozen: integer, layers: integer, parameters: integer }
---@return string
function blocks.training(block)
  if block.parameters == 0 then return "no weights" end
  local state = blocks.state(block.frozen, block.layers)
  return state == "" and "trains" or state
end

--- What a block is, in words: the kind of its only layer, or "23 layers", "3 blocks of 9 layers".
---@param block scion.BlockRow
---@return string
function blocks.what(block)
  if block.count > 1 then return ("%d blocks of %d layers"):format(block.count, block.layers // block.count) end
  return block.layers == 1 and block.kind or block.layers .. " layers"
end

--- Its name, or those of the first and the last one that it stands for.
---@param block scion.BlockRow
---@return string
function blocks.title(block) return block.last and ("%s to %s"):format(block.name, block.last) or block.name end

--- What it is, with its parameters, in words.
---@param block scion.BlockRow
---@return string
function blocks.detail(block) return ("%s, %s parameters"):format(blocks.what(block), text.grouped(block.parameters)) end

--- The same where there is little room: "3 x 23 layers, 819,984".
---@param block scion.BlockRow
---@return string
function blocks.short_detail(block)
  local what = block.count > 1 and ("%d x %d layers"):format(block.count, block.layers // block.count) or blocks.what(block)
  return ("%s, %s"):format(what, text.grouped(block.parameters))
end

return blocks
