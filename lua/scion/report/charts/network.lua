--- A network by its blocks, from the input down: boxes with shapes and parameters, striped where they are frozen; and for each stage of a
--- schedule a column that tells which of them train.
local chart = require "scion.report.chart"
local html = require "scion.report.html"
local svg = require "scion.report.svg"
local text = require "scion.report.text"

local row, gap, top = 34, 8, 4
local least_width = 196 -- of the boxes, where columns stand beside them
local column = 62
local letter, small_letter = 6.6, 5.6 -- about as wide as these are

---@class scion.NetworkChart
---@field title string
---@field text string
---@field id string of its stripes
---@field rows { name: string, detail: string, shape: string, state: string?, states: string[]? }[] state: words
--- that say "frozen" where something is; states: the same in each stage
---@field columns? string[] names of the stages
---@field note? string a line at the top

--- A box, striped where something in it is frozen.
local function box(x, y, width, height, state, id)
  return svg.shape("rect", { x = x, y = y, width = width, height = height, rx = 3, class = "box" }) ..
    (state:find "frozen" and svg.shape("rect", { x = x, y = y, width = width, height = height, rx = 3, fill = ("url(#%s)"):format(id) }) or "")
end

--- Text on a background of its own, that stripes do not run through.
local function plated(x, y, words, class, anchor)
  return svg.text(x, y, words, class and class .. " halo" or "halo", anchor) .. svg.text(x, y, words, class, anchor)
end

local function draw_row(of, entry, y, width)
  local state, room = entry.state or "", width - 30
  local name = text.cut(html.visible(entry.name), math.floor((room - small_letter * #entry.shape) / letter))
  local parts = { box(1, y, width - 2, row, state, of.id), plated(9, y + 14, name), plated(width - 9, y + 14, entry.shape, "muted", "end"),
                  plated(9, y + 27, text.cut(entry.detail, math.floor((room - letter * #state) / small_letter)), "muted") }
  if state ~= "" then parts[#parts + 1] = plated(width - 9, y + 27, state, nil, "end") end
  for i in ipairs(of.columns or {}) do
    local x = width + 8 + (i - 1) * column
    parts[#parts + 1] = box(x, y, column - 6, row, entry.states[i], of.id)
    parts[#parts + 1] = plated(x + (column - 6) / 2, y + row / 2 + 4, entry.states[i], "small", "middle")
  end
  return table.concat(parts)
end

--- Draws the blocks.
---@param of scion.NetworkChart
---@return scion.Drawing
return function(of)
  local columns = of.columns or {}
  local first = columns[1] and math.max(least_width, chart.width - 8 - #columns * column) or chart.width
  local width = columns[1] and math.max(chart.width, first + 8 + #columns * column) or chart.width
  local parts, y = { svg.stripes(of.id) }, top
  if columns[1] then
    for i, name in ipairs(columns) do parts[#parts + 1] = svg.text(first + 8 + (i - 1) * column + (column - 6) / 2, 14, text.cut(name, 10), "muted", "middle") end
    y = 22
  end
  if of.note then
    parts[#parts + 1] = svg.text(4, y + 8, of.note, "muted")
    y = y + 18
  end
  for i, entry in ipairs(of.rows) do
    if i > 1 then parts[#parts + 1] = svg.shape("line", { x1 = first / 2, x2 = first / 2, y1 = y - gap, y2 = y, class = "axis" }) end
    parts[#parts + 1] = draw_row(of, entry, y, first)
    y = y + row + gap
  end
  return { width = width, height = y, title = of.title, text = of.text, body = table.concat(parts, "\n"), wide = width > chart.width }
end
