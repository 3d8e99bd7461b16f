--- What the comments above functions and classes say, in the LuaCATS form: for scion.help, and for the pages of the reference (make docs).
--- It reads the package's own files.
local modules = require "scion.modules"

local docs = {}

local home = debug.getinfo(1, "S").source:match "^@(.*)report/docs%.lua$"

-- The pages in order. A source is a file under lua/scion and how users call what is in it: `as` for the table that the file fills
-- ("function image.load" is scion.image.load), or for the one function that it returns; `value` for what that function gives, which has methods.
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
  { "model", "What a model can do: graft, freeze, train, evaluate, predict, save.", { "model.lua", as = "model" }, { "train/fit.lua" },
    { "precision.lua" }, { "fastest.lua" }, { "train/checkpoint.lua" }, { "train/lr_find.lua" }, { "cache/cached.lua" },
    { "train/evaluate.lua" }, { "report/history.lua", as = "history" }, { "train/record.lua" }, { "report/blocks.lua" }, { "report/results.lua" }, { "report/plan.lua" } },
  { "insight", "Where to cut a network, whether its weights help, what its answers rest on, and how ways to train compare.", { "insight/probe.lua" },
    { "compare.lua", as = "scion.compare", value = "comparison" },
    { "insight/explain.lua", as = "explanation" }, { "insight/mistakes.lua", as = "scion.insight.mistakes" },
    { "insight/mistake_list.lua", as = "scion.insight.mistakes", value = "mistakes" },
    { "insight/neighbours.lua", as = "scion.insight.neighbours", value = "neighbours" }, { "insight/grids.lua", as = "scion.insight" },
    { "insight/advise.lua", as = "scion.insight.advise", value = "advice" }, { "insight/rank.lua", as = "scion.insight.rank" },
    { "insight/transfer.lua", as = "scion.insight.transfer" }, { "insight/curve.lua", as = "scion.insight.curve" },
    { "insight/leep.lua", as = "scion.insight.leep" }, { "insight/embed.lua", as = "scion.insight.embed" } },
  { "nn", "Layers and blocks.", { "layer.lua", as = "layer" }, { "nn/init.lua" }, { "preprocessing.lua" }, folder = "nn", short = "nn" },
  { "schedule", "Which layers train in which epochs, as data.", { "schedule.lua", as = "scion.schedule" }, { "train/schedule.lua", as = "schedule" },
    { "report/prices.lua" } },
  { "callbacks", "Functions that fit calls while it trains.", { "train/events.lua" }, { "train/run.lua" }, { "train/callback.lua" }, { "train/monitor.lua" },
    folder = "train/callbacks", short = "callbacks" },
  { "loss", "Losses with options.", { "loss.lua", as = "scion.loss" }, { "ir/losses.lua" } },
  { "optim", "Optimizers.", { "optimizer.lua" }, folder = "optim", short = "optim" },
  { "lr", "Learning rates that change with the step or with a layer's depth.", { "rate.lua", as = "rate" }, folder = "lr", short = "lr" },
  { "mpi", "Several processes that train together, on one machine or on many.", { "mpi.lua", as = "comm" }, { "train/distributed.lua" }, { "report/machines.lua" } },
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

-- What each tag adds to the description of a block.
local readers = {
  param = function(doc, rest)
    local name, what = rest:match "^(%S+)%s+(.*)"
    local of, text = split_type(what)
    local entry = { name = (name:gsub("%?$", "")), optional = name:find "%?$" ~= nil or of:find "%?$" ~= nil, type = of, text = text }
    doc.params[#doc.params + 1] = entry
    return entry
  end,
  field = function(doc, rest)
    local scope, other = rest:match "^(private)%s+(.*)"
    local name, what = (other or rest):match "^(%b[])%s+(.*)"
    if not name then name, what = (other or rest):match "^(%S+)%s+(.*)" end
    local of, text = split_type(what)
    local entry = { name = (name:gsub("%?$", "")), optional = name:find "%?$" ~= nil or of:find "%?$" ~= nil or of:find "|nil" ~= nil, type = of, text = text,
                    private = scope ~= nil }
    doc.fields[#doc.fields + 1] = entry
    return entry
  end,
  ["return"] = function(doc, rest)
    local of, text = split_type(rest)
    local entry = { type = of, text = text }
    doc.returns[#doc.returns + 1] = entry
    return entry
  end,
  class = function(doc, rest)
    local parents
    doc.class, parents, doc.parents = rest:match "^([%w_.]+)", rest:match "^[%w_.]+%s*:%s*(.*)", {}
    for parent in (parents or ""):gmatch "[%w_.]+" do table.insert(doc.parents, parent) end
    local after = rest:match "^[%w_.]+%s+([^:].*)"
    if after then table.insert(doc.text, 1, after) end
  end,
  alias = function(doc, rest) doc.alias, doc.alias_type = rest:match "^(%S+)%s+(.*)" end,
  type = function(doc, rest)
    doc.type = rest
    for name, optional, of in (rest:match "^fun%((.-)%)" or ""):gmatch "([%w_]+)(%??):%s*([%w_.]+)" do
      doc.params[#doc.params + 1] = { name = name, optional = optional ~= "", type = of, text = "" }
    end
  end,
  overload = function(doc, rest) doc.overload = rest end,
  operator = function(doc, rest) doc.operators[#doc.operators + 1] = rest end,
  private = function(doc) doc.private = true end,
  example = function(doc, rest)
    doc.example = { rest ~= "" and rest or nil }
    return { lines = doc.example }
  end,
  meta = function() end,
  generic = function() end,
}

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
    elseif open and open.lines then
      table.insert(open.lines, (line:gsub("^ +", "", 1)))
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

--- All blocks of a file, in order; each with the name that the code below it defines.
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
local function item_of(doc, as, value)
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
  local name = (own == ":" and value or as) .. own .. method
  return { kind = "function", name = name, title = call_of(doc, name), doc = doc }
end

-- A source's public items, in order.
local function items_of(source)
  local list = {}
  for _, doc in ipairs(docs.read(home .. source[1])) do list[#list + 1] = item_of(doc, source.as, source.value) end
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

--- All pages with their items: { name, summary, title, items }.
function docs.load()
  local pages = {}
  for i, page in ipairs(docs.pages) do
    local items = {}
    for k = 3, #page do table.move(items_of(page[k]), 1, 100, #items + 1, items) end
    if page.folder then
      page.text = docs.read(("%s%s/init.lua"):format(home, page.folder))[1].text
      for _, name in ipairs(modules.list("scion." .. page.folder:gsub("/", "."))) do
        items[#items + 1] = layer_of(("%s%s/%s.lua"):format(home, page.folder, name), page.short)
      end
    end
    pages[i] = { name = page[1], summary = page[2], items = items, text = page.text }
  end
  return pages
end

-- ---- classes ---------------------------------------------------------------------------------------------------------

--- A class and all that it inherits from, itself first.
function docs.family(class, classes, found)
  found = found or {}
  found[#found + 1] = class
  for _, parent in ipairs(class and class.parents or {}) do
    if classes[parent] then docs.family(classes[parent], classes, found) end
  end
  return found
end

--- The class of options that a type names; nil for another type.
function docs.options_class(of, classes)
  return classes[of:match "^(scion%.[%w_]*Options)%??$"]
end

--- Classes of options stand with the functions that take them, unless no function on the pages does.
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
        for _, class in ipairs(docs.family(docs.options_class(of, classes), classes)) do taken[class.class] = true end
      end
      for _, parent in ipairs(item.kind == "layer" and item.doc.parents or {}) do taken[parent] = true end
    end
  end
  return classes, taken
end


return docs
