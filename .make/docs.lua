-- lua5.4 .make/docs.lua FOLDER: the Lua reference as Markdown, a page a module, from the comments above functions and classes.
local docs = require "scion.report.docs"

-- ---- writing ---------------------------------------------------------------------------------------------------------

local function anchor(title) return (title:lower():gsub("[^%w _-]", ""):gsub(" ", "-")) end

-- Breaks a paragraph into lines of at most 100 columns.
local function wrap(text, first, rest)
  local lines, now = {}, first
  local empty = true
  for word in text:gmatch "%S+" do
    if not empty and utf8.len(now .. " " .. word) > 100 then
      lines[#lines + 1], now, empty = now, rest, true
    end
    now, empty = now .. (empty and "" or " ") .. word, false
  end
  lines[#lines + 1] = now
  return table.concat(lines, "\n")
end

-- Text as Markdown: names of options and stars are no markup.
local function escaped(text)
  local parts = {}
  for plain, code in (text .. "``"):gmatch "([^`]*)(`[^`]*`)" do
    parts[#parts + 1] = plain:gsub("[*<>_[]", "\\%0") .. (code == "``" and "" or code)
  end
  return table.concat(parts)
end

-- Paragraphs, from lines; an indented line stands as it is, as code.
local function paragraphs(lines)
  local out, now = {}, {}
  local function close()
    if #now > 0 then out[#out + 1] = wrap(escaped(table.concat(now, " ")), "", "") end
    now = {}
  end
  for _, line in ipairs(lines) do
    if line:find "^%s*$" then close() else now[#now + 1] = line end
  end
  close()
  return table.concat(out, "\n\n")
end

local function entry(indent, name, of, text)
  local head = name and ("%s- `%s` `%s` "):format(indent, name, of) or ("%s- returns `%s` "):format(indent, of)
  return wrap(escaped(text), head, indent .. "  "):gsub("%s+$", "")
end

-- The options of a function, or the fields of a class, those of its parents last, but for what it says of them itself.
local function fields(doc, classes, indent, out)
  local seen = {}
  for _, class in ipairs(docs.family(doc, classes)) do
    for _, f in ipairs(class.fields) do
      local hidden = f.private or seen[f.name]
      seen[f.name] = true
      if not hidden then out[#out + 1] = entry(indent, f.name, f.type:gsub("%?$", "") .. (f.optional and not f.type:find "|nil" and "?" or ""), f.text) end
    end
  end
end

local function write_item(item, classes, out)
  local doc = item.doc
  out[#out + 1] = ("### `%s`\n"):format(item.title)
  if item.call then out[#out + 1] = ("```\n%s\n```\n"):format(item.call) end
  local text = paragraphs(doc.text)
  if text ~= "" then out[#out + 1] = text .. "\n" end
  local list = {}
  if doc.type then list[1] = ("- type `%s`"):format(doc.type) end
  if doc.alias then list[1] = ("- type `%s`"):format(doc.alias_type) end
  if doc.overload then
    list[#list + 1] = ("- called as `%s`"):format(doc.overload)
    local of = docs.options_class(doc.overload:match "^fun%([%w_]+: ([%w_.?]+)" or "", classes)
    if of then fields(of, classes, "  ", list) end
  end
  for _, p in ipairs(doc.params) do
    list[#list + 1] = entry("", p.name, p.type:gsub("%?$", "") .. (p.optional and "?" or ""), p.text)
    local of = docs.options_class(p.type, classes)
    if of then fields(of, classes, "  ", list) end
  end
  for _, r in ipairs(doc.returns) do list[#list + 1] = entry("", nil, r.type, r.text) end
  for _, operator in ipairs(doc.operators) do list[#list + 1] = ("- operator `%s`"):format(operator) end
  fields(doc, classes, "", list)
  if #list > 0 then out[#out + 1] = table.concat(list, "\n") .. "\n" end
  if #doc.raises > 0 then out[#out + 1] = wrap(escaped(table.concat(doc.raises, " ")), "", "") .. "\n" end
  if doc.example then out[#out + 1] = ("```lua\n%s\n```\n"):format(table.concat(doc.example, "\n")) end
end

local function write(path, lines)
  local file = assert(io.open(path, "w"))
  assert(file:write((table.concat(lines, "\n"):gsub("\n\n\n+", "\n\n"):gsub("%s*$", "\n"))))
  assert(file:close())
end

local function main(folder)
  local pages = docs.load()
  local classes, taken = docs.classes(pages)
  local index = { "# Reference\n", "Every public function, its options, and the fields of what it gives. A type with `?` may be left out.\n" }
  for _, page in ipairs(pages) do
    local out, contents, shown = {}, {}, {}
    for _, item in ipairs(page.items) do
      if not taken[item.name] then shown[#shown + 1] = item end
    end
    for i, item in ipairs(shown) do contents[i] = ("- [`%s`](#%s)"):format(item.title, anchor(item.title)) end
    out[1] = ("# %s\n"):format(page.name)
    out[2] = page.summary .. "\n"
    if page.text then out[#out + 1] = paragraphs(page.text) .. "\n" end
    if classes["scion.LayerOptions"] and page.name == "nn" then
      local common = {}
      fields(classes["scion.LayerOptions"], classes, "", common)
      out[#out + 1] = "Every layer takes, beside its own options:\n\n" .. table.concat(common, "\n") .. "\n"
    end
    out[#out + 1] = table.concat(contents, "\n") .. "\n"
    -- what every layer takes stands above; what several augmentations share, with each of them
    for _, item in ipairs(shown) do write_item(item, item.kind == "layer" and page.name == "nn" and { } or classes, out) end
    write(("%s/%s.md"):format(folder, page.name), out)
    index[#index + 1] = ("## [%s](%s.md)\n\n%s\n"):format(page.name, page.name, page.summary)
    for i, item in ipairs(shown) do contents[i] = ("- [`%s`](%s.md#%s)"):format(item.title, page.name, anchor(item.title)) end
    index[#index + 1] = table.concat(contents, "\n") .. "\n"
  end
  write(folder .. "/README.md", index)
end

if arg and arg[0] and arg[0]:find "docs%.lua$" then main(arg[1]) end
return docs
