--- What specs share that read pages and drawings: a strict reader of HTML and SVG as Scion writes them, and what it finds there.
local markup = {}

local empty = { meta = true, link = true, img = true }

local entities = { ["&amp;"] = "&", ["&lt;"] = "<", ["&gt;"] = ">", ["&quot;"] = '"', ["&#39;"] = "'" }

local function plain(text)
  assert(utf8.len(text), "the text is no UTF-8")
  local shown = text:gsub("&[%w#]*;?", function(entity) return entities[entity] or error("entity " .. entity) end)
  assert(not shown:find "[%z\1-\8\11-\31\127]", "the text holds control characters")
  return shown
end

local function attributes_of(text)
  local found, rest = {}, text
  while rest ~= "" do
    local name, value, after = rest:match '^ ([%w:-]+)="([^"<]*)"(.*)$'
    assert(name and found[name] == nil, "attributes are written otherwise: " .. rest)
    found[name], rest = plain(value), after
  end
  return found
end

--- Reads a document into nested tables: { name, attributes, parent, elements and strings .. }. Raises where an element is not closed, an
--- attribute is not in quotes or doubled, an entity is not known.
function markup.read(text)
  local root = { name = "", attributes = {} }
  local open, at = root, 1
  text = text:gsub("^<%?xml[^>]*%?>\n", ""):gsub("^<!DOCTYPE html>\n", "")
  while at <= #text do
    local from, to, slash, name, rest = text:find("<(/?)([%a][%w]*)([^<>]*)>", at)
    local words = text:sub(at, (from or #text + 1) - 1)
    if open.name == "style" then open[#open + 1] = words else
      assert(not words:find "[<>]", "a bracket is left: " .. words:sub(1, 60))
      if words ~= "" then open[#open + 1] = plain(words) end
    end
    if not from then break end
    at = to + 1
    if slash == "/" then
      assert(open.name == name, ("</%s> ends <%s>"):format(name, open.name))
      open = open.parent
    else
      local element = { name = name, attributes = attributes_of(rest), parent = open }
      open[#open + 1] = element
      if not empty[name] then open = element end
    end
  end
  assert(open == root, "not closed: " .. open.name)
  return root
end

--- All elements of a name ("*": all of them) below one, in order; with a class where one is given.
function markup.all(element, name, class, found)
  found = found or {}
  for _, each in ipairs(element) do
    if type(each) == "table" then
      local classes = " " .. (each.attributes.class or "") .. " "
      if (name == "*" or each.name == name) and (not class or classes:find(" " .. class .. " ", 1, true)) then found[#found + 1] = each end
      markup.all(each, name, class, found)
    end
  end
  return found
end

--- The text of an element.
function markup.text(element)
  local parts = {}
  for _, each in ipairs(element) do parts[#parts + 1] = type(each) == "table" and markup.text(each) or each end
  return table.concat(parts)
end

--- The cells of the table with a caption, a list for each row, the head's first.
function markup.table(root, caption)
  for _, each in ipairs(markup.all(root, "table")) do
    if markup.text(markup.all(each, "caption")[1]):find(caption, 1, true) then
      local rows = {}
      for i, row in ipairs(markup.all(each, "tr")) do
        rows[i] = {}
        for _, cell in ipairs(row) do rows[i][#rows[i] + 1] = type(cell) == "table" and markup.text(cell) or nil end
      end
      return rows
    end
  end
  error("no table " .. caption)
end

--- The figure whose drawing has a title.
function markup.figure(root, title)
  for _, each in ipairs(markup.all(root, "svg")) do
    if markup.text(markup.all(each, "title")[1]) == title then return each end
  end
  error("no figure " .. title)
end

return markup
