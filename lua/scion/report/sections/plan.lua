--- The report's freeze plan: the stages, and which blocks trained in each of them.
local blocks = require "scion.report.blocks"
local html = require "scion.report.html"
local network = require "scion.report.charts.network"
local record = require "scion.train.record"
local shape = require "scion.shape"
local svg = require "scion.report.svg"
local text = require "scion.report.text"

local most_columns = 8 -- stages that are drawn; the table has all

local function epochs_text(stage) return stage.first == stage.last and tostring(stage.first) or ("%d to %d"):format(stage.first, stage.last) end

local function stages_table(stages)
  local rows = {}
  for i, stage in ipairs(stages) do
    rows[i] = { tostring(i), epochs_text(stage), stage.trains, stage.optimizer, text.grouped(stage.trainable),
                text.percent(stage.trainable / math.max(stage.parameters, 1)) }
  end
  return html.table { caption = "Stages of the training", rows = rows, columns = {
    { title = "stage", right = true }, { title = "epochs" }, { title = "trains" }, { title = "optimizer" }, { title = "parameters that train", right = true },
    { title = "of all", right = true } } }
end

--- The states of each block in all stages, by the block's name, and the first stage's blocks; nil if a stage is of another network.
local function states_by_name(stages)
  local by_name, order = {}, {}
  for i, stage in ipairs(stages) do
    for _, block in ipairs(stage.blocks) do
      if not by_name[block.name] then
        if i > 1 then return nil end
        by_name[block.name], order[#order + 1] = {}, block
      end
      by_name[block.name][i] = blocks.training(block)
    end
  end
  for _, block in ipairs(order) do
    if #by_name[block.name] ~= #stages then return nil end
  end
  return by_name, order
end

local function rows_of(by_name, order)
  local function same(a, b) return table.concat(by_name[a.name], "\n") == table.concat(by_name[b.name], "\n") end
  local rows = {}
  for i, block in ipairs(blocks.merged(order, same)) do
    rows[i] = { name = blocks.title(block), shape = shape.text(block.shape), states = by_name[block.name], detail = blocks.short_detail(block), told = blocks.detail(block) }
  end
  return rows
end

local function drawing_of(stages)
  local by_name, order = states_by_name(stages)
  if not by_name then return nil end
  local rows = rows_of(by_name, order)
  local columns, cells = {}, {}
  for i = 1, #stages do columns[i] = i <= most_columns and "stage " .. i or nil end
  for i, row in ipairs(rows) do
    cells[i] = { row.name, row.told, row.shape }
    table.move(row.states, 1, #stages, 4, cells[i])
  end
  local heads = { { title = "block" }, { title = "layers, parameters" }, { title = "output" } }
  for i = 1, #stages do heads[3 + i] = { title = "stage " .. i } end
  local words = ("Blocks from the input down, with their layers and the number of their parameters; striped ones are frozen.%s"):format(
    #stages > most_columns and (" The first %d of %d stages are drawn; the table has all."):format(most_columns, #stages) or "")
  local drawing = network { title = "What was frozen", text = words, id = "plan-stripes", rows = rows, columns = columns }
  return svg.figure(drawing, "plan", html.details("Blocks as a table", html.table { caption = "Blocks and stages", columns = heads, rows = cells }))
end

return function(context)
  local stages = record.stages(context.history)
  if not stages[1] then return nil, "stages and what was frozen: the history is from a file, which does not hold them" end
  return stages_table(stages) .. (drawing_of(stages) or html.paragraph("The stages are of networks with other blocks, which are not drawn together.", "note"))
end
