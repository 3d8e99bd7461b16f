--- scion.help: the comments above functions and classes, laid out for the terminal.
local check = require "scion.check"
local docs = require "scion.report.docs"
local text = require "scion.report.text"

local pages, classes, taken -- read at first use

local function load_pages()
  if pages then return end
  pages = docs.load()
  classes, taken = docs.classes(pages)
end

-- ---- finding ---------------------------------------------------------------------------------------------------------

--- The names under which users may ask for an item, the exact one first: "scion.augment.flip", "augment.flip", "flip".
local function names_of(item)
  local short = item.name:gsub("^scion%.", "")
  return { item.name, short, short:match "[%w_]+$" }
end

--- Calls f for all items, with their page.
local function each_item(f)
  for _, page in ipairs(pages) do
    for _, item in ipairs(page.items) do f(item, page) end
  end
end

--- The items of which a topic is the name, the n-th of each (see names_of): as it is written if there are any, else whatever its letters'
--- case. scion.model is a function, scion.Model what it gives.
local function named(topic, n)
  local same, alike = {}, {}
  each_item(function(item)
    local name = names_of(item)[n]
    if name == topic then same[#same + 1] = item end
    if name:lower() == topic:lower() then alike[#alike + 1] = item end
  end)
  return same[1] and same or alike
end

local function page_named(topic)
  for _, page in ipairs(pages) do
    if page.name == topic then return page end
  end
end

--- Calls f(item, field) for each option: of functions, of layers and what else has a file with its options, and of tables of options that are
--- part of something else, such as a schedule's stages.
local function each_option(f)
  local function all_of(item, doc)
    for _, class in ipairs(docs.family(doc, classes)) do
      for _, field in ipairs(class.fields) do
        if not field.private then f(item, field) end
      end
    end
  end
  each_item(function(item)
    for _, p in ipairs(item.doc.params) do all_of(item, docs.options_class(p.type, classes)) end
    local part_of_other = item.kind == "class" and item.name:find "Options$" and not taken[item.name]
    if item.kind == "layer" and item.doc.class or part_of_other then all_of(item, item.doc) end
  end)
end

--- The options that a topic names, in the order of the pages: each with all items that have it in the same words.
local function options_named(topic)
  local found, by_words = {}, {}
  each_option(function(item, field)
    if field.name ~= topic then return end
    local words = field.type .. "\n" .. field.text
    if not by_words[words] then
      by_words[words] = { items = {}, field = field }
      found[#found + 1] = by_words[words]
    end
    local items = by_words[words].items
    if items[#items] ~= item.name then items[#items + 1] = item.name end
  end)
  return found
end

-- ---- writing ---------------------------------------------------------------------------------------------------------

local function append(lines, more) table.move(more, 1, #more, #lines + 1, lines) end

--- Paragraphs, from the lines of a comment; each line of a list that begins with a dash stands alone.
local function paragraphs(lines)
  local out, now = {}, {}
  local function close()
    if #now > 0 then append(out, text.wrap(table.concat(now, " "), text.width(), now[1]:find "^%- " and 2 or 0)) end
    now = {}
  end
  for _, line in ipairs(lines) do
    if line:find "^%s*$" or line:find "^%s*%- " then close() end
    if line:find "^%s*$" then out[#out + 1] = "" else now[#now + 1] = line:match "^%s*(.*)" end
  end
  close()
  return out
end

--- "name? type: what it is", indented.
local function entry(indent, name, of, words)
  local optional = of:find "%?$" ~= nil
  local line = ("%s%s%s %s%s"):format(indent, name, optional and "?" or "", of:gsub("%?$", ""):gsub("|", " | "), words ~= "" and ": " .. words or "")
  return text.wrap(line, text.width(), #indent + 2)
end

local function fields(doc, indent, out)
  local seen = {}
  for _, class in ipairs(docs.family(doc, classes)) do
    for _, f in ipairs(class.fields) do
      if not f.private and not seen[f.name] then
        append(out, entry(indent, f.name, f.type .. (f.optional and not f.type:find "%?$" and not f.type:find "|nil" and "?" or ""), f.text))
      end
      seen[f.name] = true
    end
  end
end

--- A part with a title, where there is anything in it.
local function part(out, title, lines)
  if #lines == 0 then return end
  append(out, { "", title })
  append(out, lines)
end

local function explain(item)
  local doc, out = item.doc, text.wrap(item.call or item.title, text.width(), 4)
  if doc.text[1] then append(out, { "", table.unpack(paragraphs(doc.text)) }) end
  local arguments, returns = {}, {}
  for _, p in ipairs(doc.params) do
    local class = docs.options_class(p.type, classes)
    append(arguments, entry("  ", p.name .. (p.optional and not p.type:find "%?$" and "?" or ""), class and "a table with these options" or p.type, p.text))
    if class then fields(class, "    ", arguments) end
  end
  if doc.class then fields(doc, "  ", arguments) end
  if doc.overload then append(arguments, text.wrap("  called as " .. doc.overload, text.width(), 4)) end
  if doc.alias then append(arguments, text.wrap("  " .. doc.alias_type, text.width(), 4)) end
  for _, r in ipairs(doc.returns) do
    append(returns, text.wrap(("  %s%s"):format(r.type, r.text ~= "" and "  " .. r.text or ""), text.width(), 4))
  end
  part(out, item.kind == "layer" and "options" or doc.class and "fields" or "arguments", arguments)
  part(out, "returns", returns)
  if #doc.raises > 0 then part(out, "errors", text.wrap("  " .. table.concat(doc.raises, " "), text.width(), 2)) end
  local example = {}
  for i, line in ipairs(doc.example or {}) do example[i] = "  " .. line end
  part(out, "example", example)
  return out
end

--- The first sentence of an item.
local function sentence(item)
  local all = table.concat(item.doc.text, " ")
  return all:match "^(.-%.)%s+%u" or all
end

local narrow = 60 -- columns below which a list is no table

--- Names with what they are, in two columns if there is room.
local function listed(rows)
  if text.width() >= narrow then return text.table({ {}, { wraps = true } }, rows, "  ") end
  local out = {}
  for _, row in ipairs(rows) do append(out, text.wrap(("  %s: %s"):format(row[1], row[2]), text.width(), 4)) end
  return out
end

local function short(item) return (item.name:gsub("^scion%.", "")) end

local function rows_of(items)
  local rows = {}
  for i, item in ipairs(items) do rows[i] = { short(item), sentence(item) } end
  return listed(rows)
end

local function list_page(page)
  local items, out = {}, text.wrap(("%s: %s"):format(page.name, page.summary), text.width(), 2)
  for _, item in ipairs(page.items) do
    if item.kind == "function" or item.kind == "layer" then items[#items + 1] = item end
  end
  if page.name == "callbacks" then items = page.items end
  append(out, rows_of(items))
  if page.name == "schedule" then
    local stage = {}
    fields(classes["scion.StageOptions"], "  ", stage)
    part(out, "a stage of scion.schedule{ … }", stage)
    out[#out + 1] = ""
  end
  if items[1] then append(out, text.wrap(('help "%s" explains one of them'):format(short(items[1])), text.width(), 2)) end
  return out
end

local function list_pages()
  local rows = {}
  for i, page in ipairs(pages) do rows[i] = { page.name, page.summary } end
  local out = listed(rows)
  append(out, text.wrap('help "model" lists what is on a page, help "fit" explains a function, with its options and an example', text.width(), 2))
  return out
end

local function list_options(topic, found)
  local out = {}
  for _, each in ipairs(found) do
    append(out, text.wrap(("%s is an option of %s"):format(topic, table.concat(each.items, ", ")), text.width(), 2))
    append(out, entry("  ", each.field.name, each.field.type, each.field.text))
    for of in each.field.type:gmatch "[%w_.]+" do
      local class = docs.options_class(of, classes)
      if class then fields(class, "    ", out) end
    end
  end
  return out
end

--- An architecture of scion.models: what it is, and what building one takes.
local function architecture_named(topic)
  for _, each in ipairs(require("scion.report.models").list()) do
    if each.name == topic then
      local out = { ("scion.models.%s{ … }"):format(topic), "", tostring(each) }
      local options = {}
      fields(classes["scion.ModelOptions"], "  ", options)
      part(out, "options", options)
      part(out, "example", { ("  model = scion.models.%s{ input = %d }"):format(topic, each.input) })
      return out
    end
  end
end

--- What is said of a topic that is not known.
local function unknown(topic)
  local candidates, seen = {}, {}
  local function add(name)
    if not seen[name] then candidates[#candidates + 1], seen[name] = name, true end
  end
  for _, page in ipairs(pages) do add(page.name) end
  each_item(function(item)
    for n = 2, 3 do add(names_of(item)[n]) end
  end)
  each_option(function(_, field) add(field.name) end)
  return text.wrap(("no help on %s; the nearest topics are %s; help() lists all pages"):format(check.show(topic),
    table.concat(check.nearest(topic, candidates), ", ")), text.width(), 2)
end

--- Adds the names of other things that are called the same.
local function also(out, of, alike)
  local names = {}
  for _, item in ipairs(alike) do names[#names + 1] = item ~= of and short(item) or nil end
  if names[1] then append(out, { "", table.unpack(text.wrap("see also " .. table.concat(names, ", "), text.width(), 2)) }) end
  return out
end

--- The text about a topic; nil if it is the name of nothing.
local function look_up(topic)
  local found = named(topic, 1)
  if #found == 0 then found = named(topic, 2) end
  local page = page_named((topic:lower():gsub("^scion%.", "")))
  if page and not topic:find "^scion%." then return list_page(page) end
  if #found == 0 and page then return list_page(page) end
  local alike = named(topic, 3)
  if #found == 0 then found = alike end
  local options = options_named(topic)
  if #found == 1 then
    local out = also(explain(found[1]), found[1], alike)
    if found[1].kind == "class" and options[1] then append(out, { "", table.unpack(list_options(topic, options)) }) end
    return out
  end
  if #found > 1 then
    local out = { ("%s is:"):format(topic) }
    append(out, rows_of(found))
    append(out, text.wrap(('help "%s" explains one of them'):format(short(found[1])), text.width(), 2))
    return out
  end
  local activation = named("scion.nn.activation", 1)[1]
  if table.concat(activation.doc.text, " "):find("%f[%w_]" .. topic:gsub("^nn%.", ""):gsub("%W", "%%%0") .. "%f[^%w_]") then return explain(activation) end
  if options[1] then return list_options(topic, options) end
  return architecture_named((topic:lower():gsub("^scion%.", ""):gsub("^models%.", "")))
end

--- The text about what another library's name stands for; nil if that is nothing.
local function translated(topic)
  for _, meant in ipairs(require "scion.other_names"[topic:lower():gsub("[%s_-]", "")] or {}) do
    local found = look_up(meant[1])
    if found then
      local out = text.wrap(meant[2] or ("%s is called %s here"):format(topic, meant[1]), text.width(), 2)
      append(out, { "", table.unpack(found) })
      return out
    end
  end
end

local function find(given)
  local topic = given:gsub("^%s+", ""):gsub("[%s(){}]+$", "")
  return look_up(topic) or translated(topic) or unknown(given)
end

--- The text of scion.help.
---@param topic string?
---@return string
return function(topic)
  load_pages()
  return table.concat(topic and find(topic) or list_pages(), "\n")
end
