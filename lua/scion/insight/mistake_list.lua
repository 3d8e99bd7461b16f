--- The images that a model is most wrong about, and the classes that it confuses, as a list.
local check = require "scion.check"
local class = require "scion.class"
local text = require "scion.report.text"
local tiles = require "scion.data.tiles"

local listed = 8 -- mistakes that are printed
local most_shown = 1000

--- What a model is wrong about: a list of the images that it takes for another class, the one with the highest loss first. It prints as a table.
---@class scion.Mistakes
---@field [integer] scion.Mistake
---@field confused scion.Confused[] pairs of classes, the most frequent first
---@field losses scion.Tensor f32 [images]: of all images, in the data set's order, with the mean that evaluate tells; NaN for what could not be read
---@field wrong integer how many are taken for another class
---@field images integer that were told
---@field private data scion.Dataset
---@field private labels string[] the names of the classes

--- An image that is taken for another class.
---@class scion.Mistake
---@field index integer its number in the data set
---@field file string? its path
---@field label string|integer its class
---@field predicted string|integer what it is taken for
---@field confidence number the probability of that
---@field loss number as evaluate computes it: with a softmax -ln of the probability of its own class

--- Two classes, one of which is taken for the other.
---@class scion.Confused
---@field label string|integer the class of the images
---@field predicted string|integer what they are taken for
---@field share number of the images of that class
---@field images integer how many
---@field indices integer[] the images' numbers, for data:subset

-- ---- how they print ---------------------------------------------------------------------------------------------------

local function mistake_text(self)
  return ("%s: %s, taken for %s (%s)"):format(check.escape(self.file or "image " .. self.index), check.escape(tostring(self.label)), check.escape(tostring(self.predicted)),
    text.percent(self.confidence))
end

local function confused_text(self)
  return ("%s taken for %s: %d %s, %s of the class"):format(check.escape(tostring(self.label)), check.escape(tostring(self.predicted)),
    self.images, self.images == 1 and "image" or "images", text.percent(self.share))
end

local mistake = class.define { name = "scion.Mistake", title = "a mistake", locked = { "index", "file", "label", "predicted", "confidence", "loss" },
                               meta = { __tostring = mistake_text } }
local confused = class.define { name = "scion.Confused", title = "a pair of confused classes", locked = { "label", "predicted", "share", "images", "indices" },
                                meta = { __tostring = confused_text } }
local several = class.define { name = "scion.ConfusedList", title = "a list of confused classes", meta = { __len = class.list_length, __tostring = function(self)
  local lines = {}
  for i = 1, math.min(#self, listed) do lines[i] = tostring(self[i]) end
  if #self > listed then lines[listed + 1] = ("and %d more pairs"):format(#self - listed) end
  return #self > 0 and table.concat(lines, "\n") or "no classes are confused"
end } }

local function as_text(self)
  if #self == 0 then return ("No mistakes: all of %d images are told right."):format(self.images) end
  local rows = {}
  for i = 1, math.min(#self, listed) do
    local each = self[i]
    rows[i] = { each.file and each.file:match "[^/]*$" or "image " .. each.index, tostring(each.label), tostring(each.predicted), text.percent(each.confidence),
                text.number(each.loss, 2) }
  end
  local lines = text.wrap(("%d of %d images are taken for another class; those with the highest loss:"):format(self.wrong, self.images), text.width(), 2)
  table.move(text.table({ { title = "image", least = 8 }, { title = "is", least = 6 }, { title = "taken for", least = 6 }, { title = "by", right = true },
                          { title = "loss", right = true, optional = "losses" } }, rows), 1, listed + 3, #lines + 1, lines)
  for i = 1, math.min(#self.confused, 3) do table.move(text.wrap(tostring(self.confused[i]), text.width(), 2), 1, 9, #lines + 1, lines) end
  return table.concat(lines, "\n")
end

local methods = {}

local show_schema = { n = { check.whole(1, most_shown), 32 } }

--- Writes a contact sheet of the mistakes, those with the highest loss first: below each its class and what it is taken for, as numbers where the
--- font lacks their letters, which are told. Raises if the file cannot be written, and if there are no mistakes.
---@param path string that ends in .png, .jpg or .jpeg; its folder is made if there is none
---@param given? { n: integer? } n: how many, at most 1000 (32, or all if there are fewer)
---@return string path
---@example scion.insight.mistakes(model, val):show("mistakes.png", { n = 8 })
function methods:show(path, given)
  local here = "mistakes:show"
  path = check.argument(here, "the first argument", path, check.path)
  local n = math.min(check.options(here, given, show_schema).n, #self)
  if n == 0 then check.raise(here .. ": there are no mistakes") end
  local numbers = {}
  for i = 1, n do numbers[i] = self[i].index end
  tiles.of_data(here, self.data, numbers, path, self.labels, function(i, drawn) return ("%s: %s"):format(drawn(self[i].label), drawn(self[i].predicted)) end)
  return path
end

local made = class.define { name = "scion.Mistakes", title = "a list of mistakes", methods = methods, call = "mistakes",
                            locked = { "confused", "losses", "wrong", "images" }, fields = { "data", "labels" },
                            meta = { __tostring = as_text, __len = class.list_length } }

-- ---- what is wrong ------------------------------------------------------------------------------------------------------

--- The pairs of classes of a list of mistakes. `counts`: the images of each class.
local function confusions(list, numbers, counts)
  local by_pair, found = {}, {}
  for i, each in ipairs(list) do
    local key = numbers[i].class .. " " .. numbers[i].predicted
    if not by_pair[key] then
      by_pair[key] = { label = each.label, predicted = each.predicted, images = 0, indices = {}, class = numbers[i].class, first = #found }
      found[#found + 1] = by_pair[key]
    end
    local pair = by_pair[key]
    pair.images = pair.images + 1
    table.insert(pair.indices, each.index)
  end
  table.sort(found, function(a, b) return a.images > b.images or a.images == b.images and a.first < b.first end)
  for i, pair in ipairs(found) do
    found[i] = confused.new { label = pair.label, predicted = pair.predicted, images = pair.images, share = pair.images / counts[pair.class], indices = pair.indices }
  end
  return several.new(found)
end

--- The list of what a model has told of a data set.
---@private
---@param model scion.Model
---@param data scion.Dataset
---@param found table<integer, scion.Told>
---@param losses scion.Tensor
---@return scion.Mistakes
return function(model, data, found, losses)
  local names, counts, wrong, images = model.labels or data.labels or {}, {}, {}, 0
  for index = 1, #data do
    local each = found[index]
    if each then
      images, counts[each.class] = images + 1, (counts[each.class] or 0) + 1
      if each.predicted ~= each.class then
        each.index = index
        wrong[#wrong + 1] = each
      end
    end
  end
  table.sort(wrong, function(a, b) return a.loss > b.loss or a.loss == b.loss and a.index < b.index end)
  local list = {}
  for i, each in ipairs(wrong) do
    list[i] = mistake.new { index = each.index, file = data.files and data.files[each.index], label = names[each.class] or each.class,
                            predicted = names[each.predicted] or each.predicted, confidence = each.confidence, loss = each.loss }
  end
  list.confused, list.losses, list.wrong, list.images = confusions(list, wrong, counts), losses, #wrong, images
  list.data, list.labels = data, names
  return made.new(list)
end
