--- Drawings in SVG: shapes and texts by numbers; as a part of a page, or as a file of their own.
local html = require "scion.report.html"
local style = require "scion.report.style"

local svg = {}

local tag = html.tag

--- What a chart gives. Its body is SVG of that size; title and text say what it shows.
---@class scion.Drawing
---@field width number
---@field height number
---@field title string plain text
---@field text string the same in words, for those who do not see it
---@field caption string? these words as HTML, where they hold names
---@field body string
---@field wide boolean? whether it is as wide as its size says and scrolls, where else it fits the page

--- A number with at most two digits after the point.
local function number(x) return (("%.2f"):format(x):gsub("%.?0+$", ""):gsub("^%-0$", "0")) end
svg.number = number

--- Attributes, in which numbers are written short.
local function short(attributes)
  local copy = {}
  for key, value in pairs(attributes) do copy[key] = type(value) == "number" and number(value) or value end
  return copy
end

--- A shape by its attributes: svg.shape("rect", { x = 1, y = 2, width = 3, height = 4, class = "bar" }).
---@param name string
---@param attributes table
---@param ... string
---@return string
function svg.shape(name, attributes, ...) return tag(name, short(attributes), ...) end

--- A line of text at a place. anchor: "start", "middle" or "end".
---@param x number
---@param y number of the letters' foot
---@param text string plain text
---@param class? string
---@param anchor? "start"|"middle"|"end" ("start")
---@return string
function svg.text(x, y, text, class, anchor)
  return tag("text", short { x = x, y = y, class = class or false, ["text-anchor"] = anchor or false }, html.escape(text))
end

--- A line through points.
---@param points { [1]: number, [2]: number }[]
---@param class string
---@return string
function svg.polyline(points, class)
  local places = {}
  for i, point in ipairs(points) do places[i] = number(point[1]) .. "," .. number(point[2]) end
  return tag("polyline", { points = table.concat(places, " "), class = class })
end

--- The stripes that mark what is frozen. Each drawing that uses them has them once, since a page may hide another drawing.
---@param id string
---@return string
function svg.stripes(id)
  return tag("defs", nil, tag("pattern", { id = id, width = "7", height = "7", patternUnits = "userSpaceOnUse", patternTransform = "rotate(45)" },
                              svg.shape("rect", { width = 7, height = 7, class = "frozen" }), svg.shape("line", { x1 = 0, y1 = 0, x2 = 0, y2 = 7, class = "stripe" })))
end

local function element(drawing, id, more)
  local attributes = { viewBox = ("0 0 %s %s"):format(number(drawing.width), number(drawing.height)), role = "img", ["aria-labelledby"] = id .. "-title " .. id .. "-text" }
  for key, value in pairs(more) do attributes[key] = value end
  return tag("svg", attributes, tag("title", { id = id .. "-title" }, html.escape(drawing.title)), tag("desc", { id = id .. "-text" }, html.escape(drawing.text)),
             more.xmlns and tag("style", nil, style.drawing_alone) or "", drawing.body)
end

--- A figure of a page: the drawing, a caption that says in words what it shows, and what follows, such as its table.
---@param drawing scion.Drawing
---@param id string of its own on the page
---@param ... string HTML
---@return string
function svg.figure(drawing, id, ...)
  local picture = element(drawing, id, { style = drawing.wide and ("min-width:%spx"):format(number(drawing.width)) or false })
  if drawing.wide then picture = tag("div", { class = "scroll", tabindex = "0", role = "region", ["aria-label"] = drawing.title }, picture) end
  return tag("figure", { class = drawing.wide and "wide" or false },
             tag("figcaption", nil, tag("strong", nil, html.escape(drawing.title)), " ", drawing.caption or html.escape(drawing.text)), picture, ...)
end

--- Drawings below each other.
---@param drawings scion.Drawing[]
---@param title string
---@return scion.Drawing
function svg.column(drawings, title)
  local height, width, parts, texts = 0, 0, {}, {}
  for i, drawing in ipairs(drawings) do
    parts[i] = svg.shape("g", { transform = ("translate(0,%s)"):format(number(height + 20)) }, svg.text(4, -4, drawing.title, "heading"), drawing.body)
    texts[i] = drawing.title .. ": " .. drawing.text
    height, width = height + drawing.height + 28, math.max(width, drawing.width)
  end
  return { width = width, height = height, title = title, text = table.concat(texts, " "), body = table.concat(parts, "\n") }
end

--- A file of SVG: it has its own colours, light and dark.
---@param drawing scion.Drawing
---@return string
function svg.document(drawing)
  return '<?xml version="1.0" encoding="UTF-8"?>\n' ..
    element(drawing, "drawing", { xmlns = "http://www.w3.org/2000/svg", width = number(drawing.width), height = number(drawing.height) }) .. "\n"
end

return svg
