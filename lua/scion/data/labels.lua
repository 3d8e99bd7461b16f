--- Labels as users give them: classes by number or name, rows with a share for each class, several labels an example, numbers to predict.
local check = require "scion.check"
local core = require "scion.core"
local notice = require "scion.report.notice"

local labels = {}

--- What is known of each example; one of the first four.
---@class scion.Targets
---@field classes? scion.Tensor i32: the class, from 1
---@field soft? scion.Tensor f32 N x K: the share of each class; rows add up to 1
---@field multi? scion.Tensor f32 N x K: which of the labels it has, each from 0 to 1
---@field targets? scion.Tensor f32 N x …: numbers to predict
---@field labels? string[] names of the classes or labels; nil for numbers to predict

local largest_unnamed = 100000 -- classes: a larger number is probably a mistake, and names for all classes below it would fill the memory
local rounding = 1e-3 -- by how much a row of f32 shares may miss 1

local few = 10 -- examples, of which each may well have a class of its own

--- Whether so many different whole numbers are rather numbers to predict: there are not two examples of each.
---@param different integer how many of them differ
---@param count integer of examples
---@return boolean
function labels.are_hardly_classes(different, count) return count >= few and 2 * different > count end

local function numbered(k)
  local names = {}
  for i = 1, k do names[i] = tostring(i) end
  return names
end

-- The names that occur, sorted.
local function names_in(lists)
  local seen, names = {}, {}
  for _, list in ipairs(lists) do
    for _, name in ipairs(list) do
      if not seen[name] then seen[name], names[#names + 1] = true, name end
    end
  end
  table.sort(names, core.byte_less)
  return names
end

local function positions(names)
  local of = {}
  for i, name in ipairs(names) do of[name] = i end
  return of
end

local function unknown(self, i, name)
  local place = self.lines and ("line %d: the label %s"):format(self.lines[i], check.show(name)) or ("label %d, %s,"):format(i, check.show(name))
  check.raise(("%s: %s is not among the labels (%s)"):format(self.where, place, table.concat(self.names, ", ")))
end

local function from_names(self, given)
  self.names = self.names or names_in { given }
  local of, list = positions(self.names), {}
  for i, name in ipairs(given) do list[i] = of[name] or unknown(self, i, name) end
  return { classes = core.from_table(list, "i32"), labels = self.names }
end

-- From class numbers, which count from 1: a list or an i32 tensor.
local function from_numbers(self, given)
  local ok, codes, largest = pcall(core.from_one, given)
  if not ok then check.raise(("%s: class numbers count from 1, but %s"):format(self.where, codes)) end
  if not self.names and largest > largest_unnamed then
    check.raise(("%s: class %d of %d images; give the names of so many classes (labels = …), or numbers to predict as %s"):format(
      self.where, largest, #given, self.numbers))
  elseif self.names and largest > #self.names then
    check.raise(("%s: class %d, but there are %d labels"):format(self.where, largest, #self.names))
  end
  if not self.names then
    local different = 0
    for _, count in ipairs(core.count(codes, largest)) do different = different + (count > 0 and 1 or 0) end
    if labels.are_hardly_classes(different, #codes) then
      notice.once(("scion: %s: %s has %d different whole numbers of %d, which are taken as numbers of classes; numbers to predict are given as %s"):format(
        self.where, self.what, different, #codes, self.numbers))
    end
  end
  return { classes = codes + 1, labels = self.names or numbered(largest) }
end

local function from_targets(self, given)
  if self.names then check.raise(self.where .. ": labels name classes, but there are numbers to predict in their place") end
  if not core.finite(given) then check.raise(self.where .. ": a target is NaN or infinite; no network can learn it") end
  return { targets = given }
end

--- Whether rows of numbers may be about labels: each is 0 or 1, or they are shares that add up to 1.
---@param rows scion.Tensor f32 N x K
---@return boolean
function labels.are_about_labels(rows)
  local whole, outside, odd = core.row_facts(rows, rounding)
  return not outside and (whole or not odd)
end

--- How many rows have each label.
---@param rows scion.Tensor f32 [examples, labels]
---@return integer[]
function labels.tally(rows)
  local counts = rows:gt(0):sum(1)
  return type(counts) == "number" and { counts } or counts:totable() -- of a single label it is a number
end

--- The class with the largest share in each row.
---@param rows scion.Tensor f32 [examples, classes]
---@return scion.Tensor i32, from 1
function labels.largest(rows)
  local best = rows:argmax(2)
  return type(best) == "number" and core.from_table({ best }, "i32") or best -- of a single row it is a number
end

-- From rows with a number for each label.
local function from_rows(self, rows)
  local k = rows:shape()[2]
  local names = self.names or numbered(k)
  if #names ~= k then check.raise(("%s: rows of %d numbers, but there are %d labels"):format(self.where, k, #names)) end
  local whole, outside, odd, sum = core.row_facts(rows, rounding)
  if outside then check.raise(("%s: row %d has a number that is not from 0 to 1, as shares of classes and marks of labels are"):format(self.where, outside)) end
  if self.multi or (odd and whole) then return { multi = rows, labels = names } end
  if odd then
    check.raise(("%s: row %d adds up to %.4g, but shares of classes add up to 1; multi = true says that these are several labels of each"):format(self.where, odd, sum))
  end
  if not whole then return { soft = rows, labels = names } end
  return { classes = labels.largest(rows), labels = names }
end

local function from_lists_of_names(self, given)
  self.names = self.names or names_in(given)
  local of, k = positions(self.names), #self.names
  if k == 0 then check.raise(self.where .. ": there is no label at all") end
  local rows = core.new({ #given, k }, "f32")
  for i, list in ipairs(given) do
    for _, name in ipairs(list) do rows:set(i, of[name] or unknown(self, i, name), 1) end
  end
  return { multi = rows, labels = self.names }
end

local number_list = check.list(check.whole(1), nil, "a list of class numbers, which count from 1, or one of names")
local name_list = check.list(check.text, nil, "a list of names, as its first element is one")
local value_list = check.list(check.number())
local lists_of_names = check.list(check.distinct(check.list(check.text, nil, "a list of names"), "has %s twice"))
local lists_of_numbers = check.list(check.list(check.number(), nil, "a list of numbers"))

local function first_of(given, of)
  for _, value in ipairs(given) do
    if of(value) then return value end
  end
end

local function is_fraction(value) return math.type(value) == "float" and math.tointeger(value) == nil end

local function from_list(self, given)
  local function read(kind) return check.argument(self.where, self.what, given, kind) end
  given = check.items(given)
  local plain = type(given) == "table" and getmetatable(given) == nil
  local first = plain and given[1]
  if type(first) == "string" then return from_names(self, read(name_list)), #given end
  if type(first) == "table" then
    local full = first_of(given, function(value) return type(value) == "table" and value[1] ~= nil end)
    if not full or type(full[1]) == "string" then return from_lists_of_names(self, read(lists_of_names)), #given end
    local rows = read(lists_of_numbers)
    for i, row in ipairs(rows) do
      if #row ~= #rows[1] then check.raise(("%s: %s: row %d has %d numbers, and row 1 has %d"):format(self.where, self.what, i, #row, #rows[1])) end
    end
    rows = core.from_table(rows, "f32")
    return (self.names or self.multi) and from_rows(self, rows) or from_targets(self, rows), #given
  end
  if plain and first_of(given, is_fraction) then
    return from_targets(self, core.from_table(read(value_list), "f32"):reshape(#given, 1)), #given
  end
  return from_numbers(self, read(number_list)), #given
end

local function from_tensor(self, given)
  local shape, dtype = check.argument(self.where, self.what, given, check.tensor):shape(), given:dtype()
  local named = self.names or self.multi
  if #shape == 1 and (dtype == "i32" or dtype == "u8") then return from_numbers(self, given:to "i32"), shape[1] end
  if #shape == 2 and (dtype == "i32" or dtype == "u8" or dtype == "f32" and named) then return from_rows(self, given:to "f32":copy()), shape[1] end
  if #shape >= 1 and dtype == "f32" then return from_targets(self, given:copy()), shape[1] end
  check.raise(("%s: labels are a list, a tensor of class numbers (i32), of rows with a number for each label (u8, i32 or, with labels = …, f32), " ..
    "or of numbers to predict (f32), not %s"):format(self.where, check.show(given)))
end

--- Reads labels in any of their forms:
---
--- - a list of class numbers, which count from 1, or of names; an i32 or u8 tensor of class numbers
--- - a list of lists of names: several labels each
--- - rows with a number for each label: an i32 or u8 tensor, or an f32 one or a list of lists if the names of the labels are given. Rows
---   that are 1 at one place are classes; rows that add up to 1, shares of classes; other rows of 0 and 1, or all with `multi`, several
---   labels each
--- - numbers to predict: an f32 tensor, a list of lists of numbers, or a list of numbers that are not all whole
---@param where string the name of the function that the user called, for messages
---@param what_it_is string the argument's: "the second argument"
---@param given any
---@param o { labels: string[]?, multi: boolean?, lines: integer[]? } lines: where the labels stand in a file
---@param numbers string how the caller is given whole numbers to predict, for messages
---@return scion.Targets
---@return integer count of examples
---Raises if it is none of these, on an unknown name, on numbers out of range, and if multi is given and these are no several labels.
function labels.read(where, what_it_is, given, o, numbers)
  local self = { where = where, what = what_it_is, names = o.labels, multi = o.multi, lines = o.lines, numbers = numbers }
  local found, count = (type(given) == "userdata" and from_tensor or from_list)(self, given)
  if o.multi and not found.multi then
    check.raise(("%s: multi = true is about several labels of each, but %s has %s each: give lists of names, { { 'red', 'big' }, { 'red' } }, or rows with " ..
                 "a number for each label"):format(where, what_it_is, found.classes and "one label" or "numbers"))
  end
  return found, count
end

return labels
