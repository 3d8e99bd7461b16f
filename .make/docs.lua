-- lua5.4 .make/docs.lua FOLDER: the Lua reference as Markdown, a page a module, from the comments above functions and classes.
-- With dofile: { pages = , read = }, for the spec that compares the reference with what there is.
local docs = {}

-- The pages in order. A source is a file under lua/scion and how users call what is in it: `as` for the table that the file fills
-- ("function image.load" is scion.image.load), or for the one function that it returns.
docs.pages = {
  { "scion", "Models, tensors, threads and the rest of the module's own functions.", { "init.lua", as = "scion" }, { "tensor.lua", as = "scion" } },
  { "data", "Data sets: pictures in folders, in a list of files or in memory, and what training draws from them.",
    { "data/source/folder.lua", as = "scion.data.folder" }, { "data/source/files.lua", as = "scion.data.files" },
      { "data/source/csv.lua", as = "scion.data.csv" }, { "data/source/listing.lua" },
      { "data/source/tensors.lua", as = "scion.data.tensors" }, { "data/statistics.lua", as = "scion.data.statistics" },
      { "data/normalization.lua", as = "statistics" }, { "data/pipeline.lua" }, { "data/dataset.lua", as = "data" }, { "data/decoding.lua" }, { "data/reading.lua" },
      { "data/doctor.lua", as = "scion.data.doctor" } },
  { "augment", "Random changes of images, for a data set's `augment`.", { "data/augmentation.lua" }, folder = "data/augment", short = "augment" },
  { "models", "Architectures, their options, and where published weights are.", { "models/init.lua", as = "scion.models" }, { "models/builder.lua" },
    { "report/models.lua" } },
  { "model", "What a model can do: graft, freeze, train, evaluate, predict, save.", { "model.lua", as = "model" }, { "train/fit.lua" }, { "cache/cached.lua" },
    { "train/evaluate.lua" }, { "report/results.lua" }, { "report/plan.lua" } },
  { "nn", "Layers and blocks.", { "layer.lua", as = "layer" }, { "nn/init.lua" }, { "preprocessing.lua" }, folder = "nn", short = "nn" },
  { "callbacks", "Functions that fit calls while it trains.", { "train/events.lua" }, { "train/run.lua" }, { "train/callback.lua" }, { "train/monitor.lua" },
    folder = "train/callbacks", short = "callbacks" },
  { "optim", "Optimizers.", { "optimizer.lua" }, folder = "optim", short = "optim" },
  { "lr", "Learning rates that change with the step or with a layer's depth.", { "rate.lua", as = "rate" }, folder = "lr", short = "lr" },
  { "tensor", "What tensors can do.", { "meta.lua", as = "t" } },
  { "image", "Single images.", { "image.lua", as = "scion.image" } },
  { "weights", "Weights files, read into a model.", { "weights/init.lua", as = "scion.weights" }, { "weights/report.lua", as = "report" } },
}

-- ---- reading ---------------------------------------------------------------------------------------------------------

-- The type at the beginning of a text, and the rest: a type may hold spaces in brackets, and after the colon of fun(): .
local function split_type(text)
  local depth, i = 0, 1
  while i <= #text do
    local c = text:sub(i, i)
    if c:find "[({[<]" then depth = depth + 1 end
    if c:find "[)}%]>]" then depth = depth - 1 end
    if depth == 0 and c == " " and not text:sub(1, i - 1):find "%)%??:$" and not text:sub(1, i - 1):find ",$" then break end
    i = i + 1
  end
  return text:sub(1, i - 1), (text:sub(i + 1):gsub("^#%s*", ""))
end

local readers = {}
function readers.param(doc, rest)
  local name, what = rest:match "^(%S+)%s+(.*)"
  local of, text = split_type(what)
  local entry = { name = (name:gsub("%?$", "")), optional = name:find "%?$" ~= nil or of:find "%?$" ~= nil, type = of, text = text }
  doc.params[#doc.params + 1] = entry
  return entry
end
function readers.field(doc, rest)
  local scope, other = rest:match "^(private)%s+(.*)"
  local name, what = (other or rest):match "^(%b[])%s+(.*)"
  if not name then name, what = (other or rest):match "^(%S+)%s+(.*)" end
  local of, text = split_type(what)
  local entry = { name = (name:gsub("%?$", "")), optional = name:find "%?$" ~= nil or of:find "%?$" ~= nil or of:find "|nil" ~= nil, type = of, text = text,
                  private = scope ~= nil }
  doc.fields[#doc.fields + 1] = entry
  return entry
end
readers["return"] = function(doc, rest)
  local of, text = split_type(rest)
  local entry = { type = of, text = text }
  doc.returns[#doc.returns + 1] = entry
  return entry
end
function readers.class(doc, rest)
  local parents
  doc.class, parents, doc.parents = rest:match "^([%w_.]+)", rest:match "^[%w_.]+%s*:%s*(.*)", {}
  for parent in (parents or ""):gmatch "[%w_.]+" do table.insert(doc.parents, parent) end
  local after = rest:match "^[%w_.]+%s+([^:].*)"
  if after then table.insert(doc.text, 1, after) end
end
function readers.alias(doc, rest) doc.alias, doc.alias_type = rest:match "^(%S+)%s+(.*)" end
function readers.type(doc, rest) doc.type = rest end
function readers.overload(doc, rest) doc.overload = rest end
function readers.operator(doc, rest) doc.operators[#doc.operators + 1] = rest end
function readers.private(doc) doc.private = true end
function readers.meta() end
function readers.generic() end

-- A block of comment. Lines after a tag belong to it; lines without a space after the dashes ("---Raises …") to the text.
local function read_block(lines, where)
  local doc = { text = {}, params = {}, fields = {}, returns = {}, operators = {}, raises = {} }
  local open
  for _, line in ipairs(lines) do
    local tag, rest = line:match "^@(%w+)%s*(.*)"
    if tag then
      local read = readers[tag] or error(("%s: unknown tag @%s"):format(where, tag), 0)
      open = read(doc, rest)
      if tag == "class" and not open then open = nil end
    elseif line:find "^%S" then
      doc.raises[#doc.raises + 1] = line
    elseif open then
      open.text = open.text .. " " .. line:match "^%s*(.*)"
    else
      doc.text[#doc.text + 1] = line:gsub("^ ", "")
    end
  end
  return doc
end

-- What a line of code defines: "function image.load(path)", "optim.sgd = define(…", "return function(path, given)".
local function definition(line)
  local name, parameters = line:match "^function ([%w_]+[.:][%w_]+)%((.-)%)"
  if name then return name, parameters end
  name, parameters = line:match "^([%w_]+%.[%w_]+) = function%((.-)%)"
  if name then return name, parameters end
  name = line:match "^([%w_]+%.[%w_]+) = [^=]"
  if name then return name end
  parameters = line:match "^return function%((.-)%)"
  if parameters then return "return", parameters end
end

-- All blocks of a file, in order; each with the name that the code below it defines.
function docs.read(path)
  local lines, items, block, first = {}, {}, {}, nil
  for line in io.lines(path) do lines[#lines + 1] = line end
  lines[#lines + 1] = ""
  for i, line in ipairs(lines) do
    local text = line:match "^%-%-%-(.*)"
    if text and not text:find "^%-" then
      first = first or i
      block[#block + 1] = text
    elseif first then
      local doc = read_block(block, ("%s:%d"):format(path, first))
      doc.name, doc.parameters = definition(line)
      if doc.name and doc.name:find "[.:]_" then doc.name = nil end
      doc.opens, doc.path, doc.line = first == 1, path, first
      items[#items + 1], block, first = doc, {}, nil
    end
  end
  return items
end

-- ---- what a page holds -----------------------------------------------------------------------------------------------

local function lua_files(folder)
  local files, pipe = {}, assert(io.popen(("ls %s/*.lua"):format(folder)))
  for path in pipe:lines() do files[#files + 1] = path end
  pipe:close()
  return files
end

-- The call of a function as users write it.
local function call_of(doc, as)
  if doc.type then
    local parameters = doc.type:match "^fun%((.-)%)" or ""
    return ("%s(%s)"):format(as, (parameters:gsub("([%w.]+%??):%s*[^,]+", "%1")))
  end
  local names = {}
  for i, p in ipairs(doc.params) do names[i] = p.name .. (p.optional and p.name ~= "..." and "?" or "") end
  return ("%s(%s)"):format(as, table.concat(names, ", "))
end

-- What users can reach of a block: { title, doc, kind, name }, or nothing where it is private, or no part of a public table.
local function item_of(doc, as)
  local table_name, own, method = (doc.name or ""):match "^([%w_]+)([.:])([%w_]+)$"
  if doc.private then return end
  if doc.alias then return { kind = "alias", name = doc.alias, title = doc.alias, doc = doc } end
  if doc.class then
    local empty = #doc.text == 0 and #doc.fields == 0 and not doc.overload
    return not empty and { kind = "class", name = doc.class, title = doc.class, doc = doc } or nil
  end
  if not as or not doc.name or table_name == "internal" then return end
  if doc.name == "return" then return { kind = "function", name = as, title = call_of(doc, as), doc = doc } end
  if own == "." and not as:find "^scion" then return end -- such as dataset.new, beside methods that are called with a colon
  local name = as .. own .. method
  return { kind = "function", name = name, title = call_of(doc, name), doc = doc }
end

-- A source's public items, in order.
local function items_of(source, root)
  local list = {}
  for _, doc in ipairs(docs.read(("%s/lua/scion/%s"):format(root, source[1]))) do list[#list + 1] = item_of(doc, source.as) end
  return list
end

-- A file of a layer or an augmentation opens with its call, what it does, and its options as the fields of a class; a block's file has a function.
local function layer_of(path, short)
  local read = docs.read(path)
  local doc = read[1]
  local name = path:match "([%w_]+)%.lua$"
  local call = table.remove(doc.text, 1)
  local title = short .. "." .. name
  if call:sub(1, #title) ~= title then error(("%s: begins with '%s(…)', not with '%s'"):format(path, title, call), 0) end
  return { kind = "layer", name = "scion." .. title, title = title, call = call, doc = doc }
end

-- All pages with their items: { name, summary, title, items }.
function docs.load(root)
  local pages = {}
  for i, page in ipairs(docs.pages) do
    local items = {}
    for k = 3, #page do table.move(items_of(page[k], root), 1, 100, #items + 1, items) end
    if page.folder then
      for _, path in ipairs(lua_files(("%s/lua/scion/%s"):format(root, page.folder))) do
        if path:find "/init.lua$" then
          local opening = docs.read(path)[1]
          page.text = opening.text
        else
          items[#items + 1] = layer_of(path, page.short)
        end
      end
    end
    pages[i] = { name = page[1], summary = page[2], items = items, text = page.text }
  end
  return pages
end

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

-- A class and all that it inherits from, itself first.
function docs.family(class, classes, found)
  found = found or {}
  found[#found + 1] = class
  for _, parent in ipairs(class and class.parents or {}) do
    if classes[parent] then docs.family(classes[parent], classes, found) end
  end
  return found
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

local function options_class(of, classes)
  return classes[of:match "^(scion%.[%w_]*Options)%??$"]
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
    local of = options_class(doc.overload:match "^fun%([%w_]+: ([%w_.?]+)" or "", classes)
    if of then fields(of, classes, "  ", list) end
  end
  for _, p in ipairs(doc.params) do
    list[#list + 1] = entry("", p.name, p.type:gsub("%?$", "") .. (p.optional and "?" or ""), p.text)
    local of = options_class(p.type, classes)
    if of then fields(of, classes, "  ", list) end
  end
  for _, r in ipairs(doc.returns) do list[#list + 1] = entry("", nil, r.type, r.text) end
  for _, operator in ipairs(doc.operators) do list[#list + 1] = ("- operator `%s`"):format(operator) end
  fields(doc, classes, "", list)
  if #list > 0 then out[#out + 1] = table.concat(list, "\n") .. "\n" end
  if #doc.raises > 0 then out[#out + 1] = wrap(escaped(table.concat(doc.raises, " ")), "", "") .. "\n" end
end

-- Classes of options stand with the functions that take them, unless no function on the pages does.
function docs.classes(pages)
  local classes, taken = {}, {}
  for _, page in ipairs(pages) do
    for _, item in ipairs(page.items) do
      if item.doc.class then classes[item.doc.class] = item.doc end
    end
  end
  for _, page in ipairs(pages) do
    for _, item in ipairs(page.items) do
      local types = { (item.doc.overload or ""):match "^fun%([%w_]+: ([%w_.?]+)" }
      for _, p in ipairs(item.doc.params) do types[#types + 1] = p.type end
      for _, of in ipairs(types) do
        for _, class in ipairs(docs.family(options_class(of, classes), classes)) do taken[class.class] = true end
      end
      for _, parent in ipairs(item.kind == "layer" and item.doc.parents or {}) do taken[parent] = true end
    end
  end
  return classes, taken
end

local function write(path, lines)
  local file = assert(io.open(path, "w"))
  assert(file:write((table.concat(lines, "\n"):gsub("\n\n\n+", "\n\n"):gsub("%s*$", "\n"))))
  assert(file:close())
end

local function main(folder)
  local pages = docs.load "."
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
