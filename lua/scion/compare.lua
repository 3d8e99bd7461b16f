--- scion.compare: several ways to train, on one test set.
local blocks = require "scion.report.blocks"
local cached = require "scion.cache.cached"
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local difference_interval = require "scion.insight.difference_interval"
local inputs = require "scion.train.inputs"
local interval = require "scion.insight.interval"
local mcnemar = require "scion.insight.mcnemar"
local notice = require "scion.report.notice"
local results = require "scion.report.results"
local text = require "scion.report.text"
local told = require "scion.insight.told"
local write = require "scion.report.write"

local where = "scion.compare"

--- How several ways to train did on one test set, in the order in which they were given. It prints as a table.
---@class scion.Comparison
---@field [integer] scion.Compared
---@field best string the name of the one with the highest accuracy
---@field images integer of the test set, which all of them could tell
---@field left_out integer images of the test set that could not be read

--- One way to train, and how it did.
---@class scion.Compared
---@field name string
---@field model scion.Model? what the recipe returned; nil if that is no model
---@field error string? why it failed, or why its model cannot tell the test set
---@field seconds number that the recipe took; 0 of a model that was given
---@field cached boolean whether it found outputs of frozen layers that were kept before, as by the recipe before it, and so took less
---@field accuracy number? on the test set
---@field low number? a 95% interval of it (Wilson 1927)
---@field high number?
---@field parameters integer? of the model
---@field right scion.Tensor? f32 [images]: 1 where it is right

--- Two ways to train beside each other, on the same images.
---@class scion.ComparedPair
---@field difference number accuracy of the first less that of the second
---@field low number a 95% interval of it, of pairs (Agresti and Min 2005)
---@field high number
---@field only_first integer images that only the first is right about
---@field only_second integer
---@field p number how often chance alone makes them differ as much, by McNemar's exact test (1947)

-- ---- two of them -----------------------------------------------------------------------------------------------------

local pair = class.define { name = "scion.ComparedPair", title = "a compared pair", locked = { "difference", "low", "high", "only_first", "only_second", "p" },
                            meta = { __tostring = function(self)
                              return ("%+.1f points (95%%: %+.1f to %+.1f), p = %.3g; %d images only the first tells right, %d only the second"):format(
                                100 * self.difference, 100 * self.low, 100 * self.high, self.p, self.only_first, self.only_second)
                            end } }

--- Compares which images two are right about.
local function compare(first, second)
  local images = #first
  local only_first, only_second = math.tointeger((first * (1 - second)):sum()), math.tointeger((second * (1 - first)):sum())
  local low, high = difference_interval(first, second)
  return pair.new { difference = (only_first - only_second) / images, low = low, high = high,
                    only_first = only_first, only_second = only_second, p = mcnemar(only_first, only_second) }
end

local methods = {}

local function find(self, here, name)
  local names = {}
  for i, row in ipairs(self) do
    names[i] = row.name
    if row.name == name then
      if not row.right then check.raise(("%s: %s failed, and cannot be compared: %s"):format(here, name, row.error)) end
      return row
    end
  end
  check.raise(("%s: nothing is called %s: %s"):format(here, check.show(name), check.suggestion(name, names, "there are")))
end

--- Compares two of them on the same images: the difference of their accuracies with a 95% interval, and McNemar's exact test. Among many pairs some
--- differ by chance: one in twenty has a p below 0.05 where nothing differs. Raises if there is no such name, or what it names has failed.
---@param first string
---@param second string
---@return scion.ComparedPair
---@example
---  grafted = base:graft{ scion.nn.global_avg_pool(), scion.nn.dense(#train.labels, "softmax") }
---  print(scion.compare({ { "one", model }, { "two", grafted } }, val):pair("one", "two"))
function methods:pair(first, second)
  local here = "comparison:pair"
  first, second = check.argument(here, "the first argument", first, check.text), check.argument(here, "the second argument", second, check.text)
  return compare(find(self, here, first).right, find(self, here, second).right)
end

--- Writes the comparison as one page of HTML, which asks for nothing from any network: the accuracies with their intervals, all pairs, and the
--- curves of each model's training.
---@param path string whose folder is made if there is none
---@return string path
---Raises, with the path, if the file cannot be written.
---@example scion.compare({ { "one", model } }, val):report "compared.html"
function methods:report(path)
  local here = "comparison:report"
  path = write.path(here, path)
  return write.file(here, path, require "scion.report.comparison"(self))
end

-- ---- how it prints ---------------------------------------------------------------------------------------------------

local compared = class.define { name = "scion.Compared", title = "a way to train",
                                locked = { "name", "model", "error", "seconds", "cached", "accuracy", "low", "high", "parameters", "right" },
                                meta = { __tostring = function(self)
                                  if self.error then return ("%s: failed: %s"):format(self.name, self.error) end
                                  return ("%s: accuracy %s (95%%: %s to %s)"):format(self.name, text.percent(self.accuracy), text.percent(self.low), text.percent(self.high))
                                end } }

local function as_text(self)
  local rows, failed, best, kept = {}, {}, find(self, where, self.best), false
  for i, row in ipairs(self) do
    local less = row.right and row ~= best and compare(row.right, best.right)
    rows[i] = { (row == best and "> " or "  ") .. row.name, row.right and text.percent(row.accuracy) or "failed",
                row.right and ("%s to %s"):format(text.percent(row.low), text.percent(row.high)) or "", less and ("%+.1f (%+.1f to %+.1f)"):format(
                  100 * less.difference, 100 * less.low, 100 * less.high) or "", less and text.p_value(less.p) or "",
                results.time_of(row) }
    kept = kept or row.cached
    if row.error then failed[#failed + 1] = tostring(row) end
  end
  local lines = text.table({ { title = "  recipe", least = 18 }, { title = "accuracy", right = true }, { title = "95% interval", right = true, optional = "intervals" },
                             { title = "less the best", right = true, optional = "differences, in points" }, { title = "p", right = true },
                             { title = "time", right = true, optional = "times" } }, rows)
  for _, each in ipairs(failed) do table.move(text.wrap(each, text.width(), 2), 1, 99, #lines + 1, lines) end
  local words = ("All tell the same %d images%s; differences are in points, with 95%% intervals, and p is McNemar's. %s"):format(self.images,
    results.unread(self.left_out), results.once)
  if kept then words = words .. " " .. results.cached end
  table.move(text.wrap(words, text.width(), 2), 1, 9, #lines + 1, lines)
  return table.concat(lines, "\n")
end

local made = class.define { name = "scion.Comparison", title = "a comparison", methods = methods, call = "comparison",
                            locked = { "best", "images", "left_out" },
                            meta = { __tostring = as_text, __len = class.list_length } }

-- ---- the comparison ----------------------------------------------------------------------------------------------------

local a_model = check.instance("scion.Model", "a model")

local one = check.kind("{ name, recipe }, where the recipe is a function that returns a trained model, or such a model", function(value)
  if type(value) ~= "table" or type(value[1]) ~= "string" or value[1] == "" then return false end
  return (type(value[2]) == "function" or a_model.read(value[2])) and value[3] == nil, value
end)

local several = check.list(one, nil, "a list of recipes, such as { { 'from scratch', function() … return model end }, { 'fine-tuned', model } }")

--- Calls f. Returns its result, or nil and why it failed. Ctrl-C goes on to the caller.
local function attempt(call, f, ...)
  local ok, result = call(f, ...)
  if ok then return result end
  if type(result) == "table" and result.interrupted then error(result, 0) end
  return nil, tostring(result)
end

--- Runs a recipe. Returns the model, or nil and why it failed.
local function run(name, recipe)
  if type(recipe) ~= "function" then return recipe end
  local model, failure = attempt(pcall, recipe)
  if failure or a_model.read(model) then return model, failure end
  return nil, ("the recipe of %s returned %s, and no model"):format(name, check.show(model))
end

--- Has a model tell the test set. Returns what it tells, or nil and why it cannot.
local function tell(name, model, test)
  local here = ("%s: %s"):format(where, name)
  local answer, failure = attempt(check.try, told.of, here, model, test)
  return answer, failure and failure:gsub("^" .. here:gsub("%p", "%%%0") .. ": ", "")
end

--- Trains in several ways and compares them on one test set: accuracy, its interval, and the difference from the best on the same images. A
--- recipe is a function that trains a model and returns it; a model that is trained already may stand in its place. The recipes run one after
--- the other. One that fails, or whose model does not fit the test set, is told at once and kept with its message, and the others go on; Ctrl-C ends
--- all. Each trains once: how much chance in training would change is not in the intervals and p-values. Raises on what is no list of recipes, on a test
--- set without classes, and if all recipes fail.
---@param recipes { [1]: string, [2]: scion.Model|fun(): scion.Model }[] each a name and a recipe
---@param test scion.Dataset on which all are told; its images have one class each
---@return scion.Comparison
---@example
---  grafted = base:graft{ scion.nn.global_avg_pool(), scion.nn.dense(#train.labels, "softmax") }
---  print(scion.compare({ { "as it is", model }, { "trained", function() grafted:fit(train) return grafted end } }, val))
return function(recipes, test)
  recipes = check.argument(where, "the first argument", recipes, several)
  inputs.dataset(where, test)
  if #recipes == 0 then check.raise(where .. ": the list of recipes is empty") end
  if not test.classes then check.raise(where .. ": the test set has no classes, one an image, which could be told apart") end
  local list, names, answers = {}, {}, {}
  for i, entry in ipairs(recipes) do
    if names[entry[1]] then check.raise(("%s: two recipes are called %s"):format(where, check.show(entry[1]))) end
    names[entry[1]] = i
  end
  for i, entry in ipairs(recipes) do
    local began, watch <close> = core.clock(), cached.watch()
    local model, failure = run(entry[1], entry[2])
    local earlier = watch.earlier > 0
    local seconds = type(entry[2]) == "function" and core.clock() - began or 0
    if model then answers[i], failure = tell(entry[1], model, test) end
    list[i] = { name = entry[1], model = model, error = failure, seconds = seconds, cached = earlier }
    if failure then notice.line(("scion: compare: %s failed: %s"):format(entry[1], failure)) end
  end
  local common = {} -- images that all could read
  for index = 1, #test do
    local all = next(answers) ~= nil
    for _, answer in pairs(answers) do all = all and answer[index] ~= nil end
    if all then common[#common + 1] = index end
  end
  if not next(answers) then check.raise(("%s: all recipes failed; %s: %s"):format(where, list[1].name, list[1].error)) end
  if not common[1] then check.raise(where .. ": no image of the test set can be read by all") end
  local best
  for i, row in ipairs(list) do
    if answers[i] then
      local right = {}
      for k, index in ipairs(common) do right[k] = answers[i][index].predicted == answers[i][index].class and 1 or 0 end
      row.right = core.from_table(right, "f32")
      row.accuracy, row.parameters = row.right:mean(), blocks.totals(row.model:layers())
      row.low, row.high = interval(row.accuracy, #common)
      if not best or row.accuracy > best.accuracy then best = row end
    end
    list[i] = compared.new(row)
  end
  list.best, list.images, list.left_out = best.name, #common, #test - #common
  return made.new(list)
end
