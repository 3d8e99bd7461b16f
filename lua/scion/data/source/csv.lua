--- A CSV file that names images and their labels.
local check = require "scion.check"
local core = require "scion.core"
local lfs = require "lfs"
local labels_of = require "scion.data.labels"
local listed = require "scion.data.source.listed"
local notice = require "scion.report.notice"
local paths = require "scion.data.paths"
local reader = require "scion.data.source.csv_reader"

local where = "scion.data.csv"

local several = check.distinct(check.list(check.text, nil, "a list of columns"), "is a list of columns, but %s is given twice")

local some = check.kind(several.what, function(value)
  if type(value) == "table" and next(value) == nil then return false, nil, "is a list of columns, not an empty one" end
  return several.read(value)
end)
local schema = { file = { check.text, required = true }, root = { check.path }, separator = { check.one_of(",", ";", "\t", "|") },
                 label = { check.either(check.text, some, "the name of a column, or a list of them") } }
for name, option in pairs(listed.schema) do schema[name] = option end

local function raise(path, message, ...) check.raise(("%s: %s: %s"):format(where, path, message:format(...))) end

-- The whole file.
local function contents(path)
  local mode = lfs.attributes(path, "mode")
  if mode and mode ~= "file" then check.raise(("%s: %s is a %s, and no CSV file"):format(where, path, mode == "directory" and "folder" or mode)) end
  local file, message = io.open(path, "rb")
  local text
  if file then
    text, message = file:read "a"
    file:close()
  end
  message = not file and core.file_limit() or message
  if not text then check.raise(("%s: %s%s"):format(where, message:find(path, 1, true) and message or path .. ": " .. message, paths.home_hint(path))) end
  return text
end

-- The position of a column. Raises, with the nearest name, if there is none or several.
local function column(path, columns, name)
  local found
  for i, each in ipairs(columns) do
    if each == name and found then raise(path, "there are two columns %s", check.show(name)) end
    if each == name then found = i end
  end
  if found then return found end
  local separator = #columns == 1 and columns[1]:match "[;\t|]"
  if separator then raise(path, "the first line has no comma, but %s: separator = %s reads cells that it divides", check.show(separator), check.show(separator)) end
  raise(path, "there is no column %s (%s)", check.show(name), check.suggestion(name, columns, "it has"))
end

local numeric = "^%s*[+-]?[%d.]+[eE]?[+-]?%d*%s*$"

-- The number in a cell, or nil. Where commas do not divide cells, one may be that of a number.
local function number_in(cell, separator)
  if separator ~= "," then cell = cell:gsub("^([^,.]*),([^,.]*)$", "%1.%2") end
  local value = cell:find(numeric) and tonumber(cell)
  return value and math.abs(value) < math.huge and value or nil
end

local truth = { ["true"] = 1, yes = 1, ["false"] = 0, no = 0 } -- as pandas and spreadsheets write what a label is or is not

-- The function that reads the cells of a column of numbers, or of such words in any case: one of both, as its first cell has it.
local function number_reader(path, name, separator)
  local words
  return function(cell, line)
    local number, word = number_in(cell, separator), truth[cell:lower()]
    if not number and not word then
      raise(path, "line %d: %s is %s, which is no number, and none of true, false, yes and no", line, check.show(name), check.show(cell))
    end
    if words == nil then words = word ~= nil end
    if words ~= (word ~= nil) then
      raise(path, "line %d: %s is %s, but its cells before are %s", line, check.show(name), check.show(cell), words and "true or false, yes or no" or "numbers")
    end
    return number or word
  end
end

-- Reads the rows: for each its path, its label by `read`, and the line where it stands.
local function read_rows(path, csv, at, read, root)
  local list, labels, lines = {}, read and {}, {}
  while true do
    local row, line = csv.rows()
    if not row then
      if line then raise(path, "%s", line) end
      return list, labels, lines
    end
    if not reader.is_empty(row) then
      local name = row[at]
      if name == "" then raise(path, "line %d names no file", line) end
      if name:find("\0", 1, true) then raise(path, "line %d: the name of the file holds a zero byte", line) end
      list[#list + 1] = name:sub(1, 1) == "/" and name or root .. name
      if labels then labels[#labels + 1], lines[#lines + 1] = read(row, line), line end
    end
  end
end

-- Columns in the order of the labels. Raises unless these are the columns' names.
local function ordered(path, wanted, labels)
  local of = {}
  for _, name in ipairs(wanted) do of[name] = true end
  for _, label in ipairs(labels) do
    if not of[label] then raise(path, "labels has %s, which is none of the columns of label (%s)", check.show(label), table.concat(wanted, ", ")) end
    of[label] = nil
  end
  local left = next(of)
  if left then raise(path, "label has the column %s, which is none of the labels (%s)", check.show(left), table.concat(labels, ", ")) end
  return labels
end

-- The function that reads a row's label.
local function label_reader(path, csv, wanted, separator)
  if type(wanted) == "string" then
    local at = column(path, csv.columns, wanted)
    return function(row, line)
      if row[at] == "" then raise(path, "line %d: %s is empty", line, check.show(wanted)) end
      return row[at]
    end
  end
  local at, read = {}, {}
  for i, name in ipairs(wanted) do at[i], read[i] = column(path, csv.columns, name), number_reader(path, name, separator) end
  return function(row, line)
    local values = {}
    for i, place in ipairs(at) do values[i] = read[i](row[place], line) end
    return values
  end
end

local missing = { na = true, nan = true, null = true, none = true, ["n/a"] = true, ["<na>"] = true, ["#n/a"] = true } -- as tables write it

-- Raises where a label is missing, and tells of labels that differ in blanks alone.
local function check_names(path, name, cells, lines)
  local trimmed = {}
  for i, cell in ipairs(cells) do
    if missing[cell:lower()] then raise(path, "line %d: %s is %s: the label is missing; take the row out", lines[i], check.show(name), check.show(cell)) end
    local bare = cell:match "^%s*(.-)%s*$"
    if (trimmed[bare] or cell) ~= cell then
      notice.once(("scion: %s: the labels %s and %s differ in blanks alone, and are two classes"):format(path, check.show(trimmed[bare]), check.show(cell)))
    end
    trimmed[bare] = cell
  end
end

-- Tells of cells that are taken as names of classes, but look like numbers to predict.
local function tell_numbers(path, name, cells, separator)
  local readable, marked, comma, different, seen = true, true, nil, 0, {}
  for _, cell in ipairs(cells) do
    if not cell:find "^%s*[-+]?%d[%d.,]*%s*$" then return end
    local number = number_in(cell, separator)
    readable, marked, comma = readable and number ~= nil, marked and cell:find "[.,]" ~= nil, comma or not number and cell:find "," and cell
    if not seen[cell] then seen[cell], different = true, different + 1 end
  end
  local what = readable and marked and "whole numbers with a decimal point or comma" or
    readable and labels_of.are_hardly_classes(different, #cells) and "whole numbers that hardly repeat"
  if what then
    notice.once(("scion: %s: %s holds %s, such as %s, which are taken as names of classes; label = { %s } predicts them as numbers"):format(
      path, name, what, cells[1], check.show(name)))
  elseif comma then
    notice.once(("scion: %s: %s holds numbers with commas, such as %s, which are taken as names of classes; with a decimal point and no other mark they are predicted"):format(
      path, name, comma))
  end
end

-- Numbers in place of cells, if all are numbers and not all of them are whole: then they are to be predicted, and name no classes. Raises
-- where that is so of most.
local function measured(path, name, cells, lines, separator)
  local values, whole, odd, count = {}, true, nil, 0
  for i, cell in ipairs(cells) do
    values[i] = number_in(cell, separator)
    whole = whole and (not values[i] or math.tointeger(values[i]) ~= nil)
    if values[i] then count = count + 1 else odd = odd or i end
  end
  if whole or count <= #cells // 2 then return cells end
  if odd then raise(path, "line %d: %s is %s, but most of its cells are numbers to predict", lines[odd], check.show(name), check.show(cells[odd])) end
  return values
end

---@class scion.CsvOptions: scion.ListOptions
---@field file string the column with the paths of the images
---@field label? string|string[] the column with the names of the classes, or with numbers to predict, which are not all whole; or a list of
--- columns of numbers: 0 and 1 (or true and false, yes and no), or shares that add up to 1, are about labels with the columns' names, other
--- numbers are to be predicted, also whole ones; with `labels` the columns come in their order (no labels)
---@field separator? ","|";"|"\t"|"|" between cells; spreadsheets write ";" where the comma is that of numbers, and so it is read
--- (what a first line such as sep=; tells, else ",")
---@field root? string the folder in which the paths begin (that of the CSV file)

--- A data set of image files that a CSV file names, one a row. Its first row that is not empty names the columns. Cells are divided by commas, and one with a
--- separator, a quote or a line end stands in quotes, in which a quote is doubled (RFC 4180); text is UTF-8.
---@param path string
---@param given scion.CsvOptions
---@return scion.Dataset
---Raises, with the line, if the file cannot be read or is not such a file, if rows differ in length, if a column is missing, if a cell that
---is needed is empty or no number, or is none where most of its column are, on an unknown label, and on unknown options and invalid values.
---@example data = scion.data.csv("pets.csv", { file = "image", label = "kind", size = 32 })
return function(path, given)
  path = check.argument(where, "the first argument", path, check.path)
  local o = check.options(where, given, schema)
  local csv, message = reader.open(contents(path), o.separator)
  if not csv then raise(path, "%s", message) end
  o.separator = csv.separator
  local at = column(path, csv.columns, o.file)
  local wanted = type(o.label) == "table" and o.labels and ordered(path, o.label, o.labels) or o.label
  local read = wanted and label_reader(path, csv, wanted, o.separator)
  local root = o.root and o.root:gsub("/*$", "/") or path:match "^.*/" or ""
  local list, labels, lines = read_rows(path, csv, at, read, root)
  if not list[1] then raise(path, "it has no row but the first, which names the columns") end
  if type(o.label) == "string" and not o.labels then labels = measured(path, o.label, labels, lines, o.separator) end
  if type(o.label) == "string" and type(labels[1]) == "string" then
    check_names(path, o.label, labels, lines)
    if not o.labels then tell_numbers(path, o.label, labels, o.separator) end
  end
  if type(o.label) == "table" then
    labels = core.from_table(labels, "f32")
    if not o.labels and (o.multi or labels_of.are_about_labels(labels)) then o.labels = o.label end
  end
  return listed.new(where .. ": " .. path, list, labels, o, "the list of labels", lines)
end
