--- model:plot: the network by its blocks, as a file of SVG.
local blocks = require "scion.report.blocks"
local network = require "scion.report.charts.network"
local shape = require "scion.shape"
local svg = require "scion.report.svg"
local text = require "scion.report.text"
local write = require "scion.report.write"

--- The drawing of a model.
local function draw(model)
  local layers, rows = model:layers(), {}
  local parameters, trainable = blocks.totals(layers)
  for i, block in ipairs(blocks.merged(blocks.of(layers))) do
    rows[i] = { name = blocks.title(block), shape = shape.text(block.shape), state = blocks.state(block.frozen, block.layers), detail = blocks.detail(block) }
  end
  return network { title = model.name or "a network", text = "Blocks from the input down; striped ones are frozen.", id = "stripes", rows = rows,
                   note = ("%d layers, %s parameters, %s of them train"):format(#layers, text.grouped(parameters), text.grouped(trainable)) }
end

--- Writes the drawing: see model:plot.
---@param model scion.Model
---@param path string
---@return string path
return function(model, path)
  local where = "model:plot"
  path = write.path(where, path, "svg")
  local drawing = draw(model)
  return write.file(where, path, svg.document(svg.column({ drawing }, drawing.title)))
end
