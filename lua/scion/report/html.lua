--- Pieces of HTML, and of SVG, which is written alike: escaped text, elements, tables.
local check = require "scion.check"

local html = {}

-- What HTML and XML do not allow, or what would change how the text around it reads: controls of the second set, marks of direction, and the
-- 66 characters that are none.
local function hidden(code)
  return code >= 0x80 and code <= 0x9f or code >= 0x202a and code <= 0x202e or code >= 0x2066 and code <= 0x2069 or code >= 0xfdd0 and code <= 0xfdef or
    code & 0xfffe == 0xfffe
end

--- Text of whatever bytes as text that can be seen: bytes that are no UTF-8, and characters that do not show, are told by their numbers: \xff,
--- \u{202e}.
---@param text string
---@return string
function html.visible(text)
  text = check.escape(text)
  local parts, at = {}, 1
  while at <= #text do
    local _, bad = utf8.len(text, at)
    parts[#parts + 1] = text:sub(at, (bad or #text + 1) - 1)
    if bad then parts[#parts + 1] = ("\\x%02x"):format(text:byte(bad)) end
    at = (bad or #text) + 1
  end
  return (table.concat(parts):gsub("[\xc2-\xf4][\x80-\xbf]+", function(c)
    local code = utf8.codepoint(c)
    return hidden(code) and ("\\u{%x}"):format(code) or nil
  end))
end

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

--- The same as it may stand in an element or in an attribute.
---@param text any which tostring turns into text
---@return string
function html.escape(text) return (html.visible(tostring(text)):gsub("[&<>\"']", entities)) end

local empty = { meta = true, img = true, link = true } -- elements of HTML without an end

--- An element. Attributes stand in the order of their names; their values are escaped, the contents are not.
---@param name string
---@param attributes? table<string, any> false: left out
---@param ... string|nil the contents, one after the other; false: none
---@return string
function html.tag(name, attributes, ...)
  local names, parts = {}, { "<" .. name }
  for key, value in pairs(attributes or {}) do names[#names + 1] = value ~= false and key or nil end
  table.sort(names)
  for _, key in ipairs(names) do parts[#parts + 1] = (' %s="%s"'):format(key, html.escape(attributes[key])) end
  parts[#parts + 1] = ">"
  for i = 1, select("#", ...) do parts[#parts + 1] = select(i, ...) or nil end
  if not empty[name] then parts[#parts + 1] = "</" .. name .. ">" end
  return table.concat(parts)
end

local tag = html.tag

--- A paragraph of plain text.
---@param text string
---@param class? string
---@return string
function html.paragraph(text, class) return tag("p", { class = class or false }, html.escape(text)) end

--- A sentence of plain text and names. Names may be in letters that run from right to left, and then turn only themselves round.
---@param format string with %s for each name and number
---@param ... string
---@return string
function html.sentence(format, ...)
  local names = {}
  for i, name in ipairs { ... } do names[i] = tag("bdi", nil, html.escape(name)) end
  return html.escape(format):format(table.unpack(names))
end

---@class scion.HtmlTable
---@field caption string
---@field columns { title: string, right: boolean? }[] right: aligned to the right, as numbers are. The first column names the rows
---@field rows string[][] plain text

--- A table, whose first column names the rows.
---@param of scion.HtmlTable
---@return string
function html.table(of)
  local head, lines = {}, {}
  for i, column in ipairs(of.columns) do head[i] = tag("th", { scope = "col", class = column.right and "right" or false }, html.escape(column.title)) end
  for r, row in ipairs(of.rows) do
    local cells = {}
    for i, column in ipairs(of.columns) do
      cells[i] = tag(i == 1 and "th" or "td", { scope = i == 1 and "row" or false, class = column.right and "right" or false }, html.escape(row[i] or ""))
    end
    lines[r] = tag("tr", nil, table.concat(cells))
  end
  -- a region that scrolls must be reached by the keyboard, and so has a name
  return tag("div", { class = "scroll", tabindex = "0", role = "region", ["aria-label"] = of.caption },
             tag("table", nil, tag("caption", nil, html.escape(of.caption)), tag("thead", nil, tag("tr", nil, table.concat(head))),
                 tag("tbody", nil, table.concat(lines, "\n"))))
end

--- Contents that are shown on request.
---@param title string plain text
---@param contents string HTML
---@return string
function html.details(title, contents) return tag("details", nil, tag("summary", nil, html.escape(title)), contents) end

--- Pairs of a name and what is to be said of it.
---@param list { [1]: string, [2]: string }[] plain text
---@return string
function html.list(list)
  local parts = {}
  for i, pair in ipairs(list) do parts[i] = tag("div", nil, tag("dt", nil, html.escape(pair[1])), tag("dd", nil, html.escape(pair[2]))) end
  return tag("dl", nil, table.concat(parts, "\n"))
end

return html
