--- insight.neighbours: which images of a data set a picture is most like, in the network's eyes.
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local inputs = require "scion.train.inputs"
local interrupts = require "scion.interrupts"
local knn = require "scion.insight.knn"
local normalization = require "scion.data.normalization"
local readable = require "scion.insight.readable"
local text = require "scion.report.text"
local tiles = require "scion.data.tiles"

local where = "scion.insight.neighbours"

---@class scion.NeighboursOptions
---@field n? integer how many (5)
---@field layer? string whose output is compared, averaged over height and width (the input of the last layer with weights)

--- The images of a data set that a picture is most like, the most similar first. It prints as a table.
---@class scion.Neighbours
---@field [integer] scion.Neighbour
---@field layer string whose output was compared
---@field private data scion.Dataset

--- An image, and how much it is like a picture.
---@class scion.Neighbour
---@field index integer its number in the data set
---@field file string? its path
---@field label string|integer|nil its class, if it has one
---@field similarity number the cosine of the two images' features, from which the data set's mean is taken: from -1 to 1, which it is of the same image

local neighbour = class.define { name = "scion.Neighbour", title = "a neighbour", locked = { "index", "file", "label", "similarity" },
                                 meta = { __tostring = function(self)
                                   return ("%s%s (%.3f)"):format(self.file or "image " .. self.index, self.label and ": " .. self.label or "", self.similarity)
                                 end } }

local function as_text(self)
  local rows = {}
  for i, each in ipairs(self) do rows[i] = { ("%.3f"):format(each.similarity), tostring(each.label or ""), each.file or "image " .. each.index } end
  return table.concat(text.table({ { title = "similarity", right = true }, { title = "label" }, { title = "image", least = 8 } }, rows), "\n")
end

local methods = {}

--- Writes a contact sheet of the images, with similarity and label below each. Raises if the file cannot be written.
---@param path string that ends in .png, .jpg or .jpeg; its folder is made if there is none
---@return string path
---@example scion.insight.neighbours(model, train, "dog.png"):show "like.png"
function methods:show(path)
  local here = "neighbours:show"
  path = check.argument(here, "the first argument", path, check.path)
  local numbers = {}
  for i, each in ipairs(self) do numbers[i] = each.index end
  tiles.of_data(here, self.data, numbers, path, self.data.labels, function(i, drawn)
    return ("%.2f %s"):format(self[i].similarity, self[i].label and drawn(self[i].label) or "")
  end)
  return path
end

local made = class.define { name = "scion.Neighbours", title = "a list of neighbours", methods = methods, call = "neighbours", locked = { "layer" },
                            fields = { "data" }, meta = { __tostring = as_text, __len = class.list_length } }

--- The name of the layer whose output the last layer with weights takes.
local function before_head(model)
  for i = #model.order, 1, -1 do
    if #model.order[i].layer.parameters > 0 then
      local below = model.order[i].inputs[1]
      if below and below.layer.kind ~= "input" then return below.layer.name end
      break
    end
  end
  check.raise(where .. ": the network has one layer with weights, before which there is nothing but the image: the option layer names another")
end

--- The cosines of rows and one other, from which the rows' mean is taken. What differs from the mean by no more than rounding is the mean: it is like
--- what is the mean, too, and like nothing else.
local function similarities(rows, one)
  local mean, width = normalization.mean(rows, 1), rows:shape()[2]
  local a, b = rows - mean, one - mean
  local function length(of) return (normalization.mean(of * of, 2) * width):sqrt() end
  local rounding = 1e-5 * (mean * mean):sum() ^ 0.5
  local away, one_away = length(a):gt(rounding):to "f32", length(b):gt(rounding):to "f32"
  local cosines = knn.normalized(a):matmul(knn.normalized(b):transpose())
  return (cosines * away * one_away + (1 - away) * (1 - one_away)):reshape(#rows)
end

local function neighbours(model, data, x, given)
  check.argument(where, "the first argument", model, check.instance("scion.Model", "a model"))
  inputs.dataset(where, data)
  local o = check.options(where, given, { n = { check.whole(1), 5 }, layer = { check.text } })
  local layer = o.layer or before_head(model)
  local pool = #model:upto(layer).output.shape == 3 and "avg" or nil
  local one = model:features(x, layer, { pool = pool })
  if #one ~= 1 then check.raise(("%s: one picture is compared at a time, and here are %d"):format(where, #one)) end
  local all, _, failures = model:features(data, layer, { pool = pool })
  local kept = readable(#all, failures)
  if not kept[1] then check.raise(where .. ": none of the data set's images can be read") end
  all = all:gather(1, kept):reshape(#kept, -1)
  if not (core.finite(all) and core.finite(one)) then check.raise(("%s: what %s gives holds numbers that are NaN or infinite: see to the weights"):format(where, layer)) end
  local values, numbers = similarities(all, one:reshape(1, -1)):top_k(math.min(o.n, #kept), 1)
  local list = { layer = layer, data = data }
  for i = 1, math.min(o.n, #kept) do
    local index = kept[numbers:get(i)]
    local number = data.classes and data.classes:get(index)
    list[i] = neighbour.new { index = index, file = data.files and data.files[index], label = number and (data.labels and data.labels[number] or number),
                              similarity = values:get(i) }
  end
  return made.new(list)
end

--- Finds the images of a data set whose features are most like those of a picture. What frozen layers give for the data set is kept, so that
--- further pictures take little. Raises if the picture cannot be read, and on options that do not fit.
---@param model scion.Model
---@param data scion.Dataset such as the training set
---@param x string|scion.Tensor a file, or one u8 image, H x W x 3
---@param given scion.NeighboursOptions?
---@return scion.Neighbours
---@example print(scion.insight.neighbours(model, train, "dog.png", { n = 3 }))
return function(model, data, x, given) return interrupts.within(where, neighbours, model, data, x, given) end
