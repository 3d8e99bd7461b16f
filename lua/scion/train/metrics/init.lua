--- Metrics: what fit and evaluate tell beside loss and accuracy. They are found by listing the folder: see scion.MetricKind.
local check = require "scion.check"
local modules = require "scion.modules"
local sums = require "scion.train.sums"

local metrics = {}

--- What a file of this folder returns. Loss and metrics are those of the examples without any weights. A row of outputs with a number that
--- is not finite counts as wrong.
---@class scion.MetricKind
---@field names string[] what users write; _N at the end stands for any number
---@field tells table<string, boolean> what it is for: classes, labels (several an image) or numbers
---@field misfit? fun(metric: scion.Metric, told: string?, count: integer?): string? why it makes no sense of so many classes or labels
---@field scores? boolean whether it needs the outputs and targets of the whole pass
---@field begin? fun(count: integer?): table what it keeps of a pass, beside the counts of scion.Sums: numbers, tensors, tables
---@field add? fun(kept: table, outputs: scion.Tensor, truth: scion.Tensor) adds a batch to it: outputs are probabilities, or numbers; truth
--- is i32 [n], classes from 0, or f32 of the outputs' shape
---@field value fun(sums: scion.Sums, metric: scion.Metric, kept: table, all: table?): number, string? NaN if it is not defined, and what
--- users should know: "NaN: …"

--- A metric that was asked for.
---@class scion.Metric
---@field name string
---@field of scion.MetricKind
---@field n integer? what stands for N in the name
---@field compute? fun(probabilities: scion.Tensor, targets: scion.Tensor): number of a user's own

local by_name, numbered, names = {}, {}, {}
for _, file in ipairs(modules.list "scion.train.metrics") do
  local of = modules.open("scion.train.metrics", file)
  for _, name in ipairs(of.names) do
    names[#names + 1] = name
    if name:find "_N$" then numbered[name:sub(1, -2)] = of else by_name[name] = of end
  end
end
table.sort(names)

local computing -- the name of a user's own metric, while it is computed

--- A user's own metric, as a kind.
local own = {
  scores = true, value = function(of_pass, metric, _, all)
    local before <close> = setmetatable({ computing }, { __close = function(self) computing = self[1] end }) -- luacheck: ignore 211
    computing = metric.name
    return (metric.compute(all.probabilities, of_pass.told == "classes" and all.truth + 1 or all.truth))
  end,
}

--- Raises while a metric of a user's own is computed: what computes metrics would call it again, without end.
---@param where string the function that it has called
function metrics.refuse_within(where)
  if computing then
    check.raise(("%s: the metric '%s' calls it, which computes that metric again, without end: compute it from its two arguments alone"):format(where, computing))
  end
end

--- The metric of a name; nil if there is none.
local function named(name)
  local prefix, n = name:match "^(.*_)([1-9]%d*)$"
  if numbered[prefix] then return { name = name, of = numbered[prefix], n = tonumber(n) } end
  return by_name[name] and { name = name, of = by_name[name] }
end

-- ---- the option -----------------------------------------------------------------------------------------------------

-- What an epoch or an evaluation has under these names is something else.
local taken = {}
for name in ("loss accuracy exact_match examples classes confusion confusion_table not_finite epoch lr seconds images_per_second"):gmatch "%S+" do
  taken[name] = true
end

local own_name = check.kind("a name of letters, digits and underscores, which is no other field's", function(value)
  local free = type(value) == "string" and value:find "^[%a_][%w_]*$" and not value:find "^val_" and not taken[value]
  if free and named(value) then return false, nil, ("is %s, which Scion computes itself: ask for it by its name, or call yours otherwise"):format(check.show(value)) end
  return free and true or false, value
end)

local own_options = { name = { own_name, required = true }, compute = { check.callable, required = true } }

local one = check.kind("a metric's name, or { name = …, compute = function(probabilities, targets) … end }", function(value)
  if type(value) == "table" and getmetatable(value) == nil and rawlen(value) == 0 then
    local ok, read = check.try(check.options, "a metric of one's own", value, own_options)
    return ok, ok and read or nil, not ok and "is wrong: " .. read or nil
  end
  if type(value) == "function" then return false, nil, "is a function: write { name = 'mine', compute = that function }" end
  if type(value) ~= "string" then return false end
  if named(value) then return true, value end
  if value:find "_N$" and numbered[value:sub(1, -2)] then return false, nil, ("is %s; a number stands for N, as in '%s5'"):format(check.show(value), value:sub(1, -2)) end
  return false, nil, nil, check.suggestion(value, names, "there are")
end)

local list_of = check.list(one, nil, "a list of metrics, such as { 'accuracy', 'top_3', 'f1_macro' }")

local function name_of(each) return type(each) == "table" and each.name or each end

--- The option `metrics`: a list of names, and of metrics of one's own.
metrics.kind = check.kind(list_of.what, function(value)
  local ok, list, complaint, hint = list_of.read(value)
  local seen = {}
  for _, each in ipairs(ok and list or {}) do
    local name = name_of(each)
    if seen[name] then return false, nil, ("are different ones, but %s is there twice"):format(check.show(name)) end
    seen[name] = true
  end
  return ok, list, complaint, hint
end)

--- The names of the metrics that are for classes, labels or numbers.
local function names_for(what)
  local list = {}
  for _, name in ipairs(names) do
    local of = by_name[name] or numbered[name:sub(1, -2)]
    if of.tells[what] and not (of.misfit and of.misfit({ name = name, n = 1, of = of }, what, what == "labels" and 1 or 2)) then list[#list + 1] = name end
  end
  return table.concat(list, ", ")
end

local what_is_told = { classes = "the network tells classes", labels = "the network tells several labels an image", numbers = "the network gives numbers" }

--- Raises, before anything is computed, if a metric makes no sense of what the network tells.
---@param where string the name of the function that the user called, for messages
---@param list (string|scion.OwnMetric)[]
---@param told "classes"|"labels"|nil as of targets.told
---@param count integer? how many classes or labels
function metrics.check(where, list, told, count)
  for _, each in ipairs(list) do
    local metric, what = type(each) == "string" and named(each), told or "numbers"
    local why = metric and metric.of.tells[what] and metric.of.misfit and metric.of.misfit(metric, told, count)
    if why then check.raise(("%s: the metric '%s' %s"):format(where, each, why)) end
    if metric and not metric.of.tells[what] then
      check.raise(("%s: the metric '%s' has no meaning here, as %s; for these there are %s"):format(where, each, what_is_told[what], names_for(what)))
    end
  end
end

-- ---- a pass ---------------------------------------------------------------------------------------------------------

--- Sums without examples, for a pass over a data set. The list is one that metrics.check has seen.
---@param told "classes"|"labels"|nil
---@param count integer? how many classes or labels there are
---@param list (string|scion.OwnMetric)[]?
---@return scion.Sums
function metrics.new(told, count, list)
  local chosen = {}
  for i, each in ipairs(list or {}) do
    chosen[i] = type(each) == "string" and named(each) or { name = each.name, of = own, compute = each.compute }
  end
  return sums.new(told, count, chosen)
end

--- Their names, for messages.
---@param list (string|scion.OwnMetric)[]
---@return string
function metrics.names(list)
  local found = {}
  for i, each in ipairs(list) do found[i] = name_of(each) end
  return found[1] and table.concat(found, ", ") or "none"
end

--- Writes the values of the metrics into an epoch's entry.
---@param entry table
---@param list (string|scion.OwnMetric)[]
---@param values table<string, number> by name
---@param prefix? string of the entry's fields, such as "val_" ("")
function metrics.fill(entry, list, values, prefix)
  for _, each in ipairs(list) do entry[(prefix or "") .. name_of(each)] = values[name_of(each)] end
end

-- ---- files ----------------------------------------------------------------------------------------------------------

--- The names of the functions in a list of metrics, which a file cannot hold.
---@param list table[]?
---@return string[]
function metrics.functions_in(list)
  local found = {}
  for _, each in ipairs(list or {}) do found[#found + 1] = type(each) == "table" and each.name or nil end
  return found
end

--- What a file holds of a list of metrics: names, and { name = … } for functions.
---@param list (string|scion.OwnMetric)[]?
---@return table[]?
function metrics.in_file(list)
  local held = {}
  for i, each in ipairs(list or {}) do held[i] = type(each) == "table" and { name = each.name } or each end
  return held[1] and held or nil
end

local any_list = check.list(check.any)

local function is_function(each) return type(each) == "table" and own_name.read(rawget(each, "name")) and next(each, "name") == nil end

--- The same as a kind. Functions are left out of what is read.
metrics.filed = check.kind(list_of.what, function(value)
  local ok, list, complaint = any_list.read(value)
  if not ok then return false, nil, complaint end
  local held = {}
  for _, each in ipairs(list) do
    if not is_function(each) then held[#held + 1] = each end
  end
  return metrics.kind.read(held)
end)

return metrics
