--- Examples in memory: images, or features of any shape.
local check = require "scion.check"
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local labels_of = require "scion.data.labels"
local notice = require "scion.report.notice"
local shapes = require "scion.shape"
local values = require "scion.data.values"

local where = "scion.data.tensors"

local function is_image_shape(shape) return #shape == 4 and (shape[4] == 3 or shape[4] == 1) end

-- The shape of the examples. Raises, with advice, unless they are u8 images N x H x W x 3 or N x H x W x 1, or f32 of any shape.
local function shape_of(x)
  local shape = check.argument(where, "the first argument", x, check.tensor):shape()
  local dtype, empty = x:dtype(), false
  for _, size in ipairs(shape) do empty = empty or size < 1 end
  if #shape > 1 and not empty and (dtype == "f32" or dtype == "u8" and is_image_shape(shape)) then return shape end
  local remedy = empty and ": it holds nothing" or
    dtype == "u8" and #shape == 3 and shape[3] == 3 and (": one image is images:reshape(1, %d, %d, 3)"):format(shape[1], shape[2]) or
    dtype == "f32" and #shape == 1 and (": one number each is x:reshape(%d, 1), one example x:reshape(1, %d)"):format(shape[1], shape[1]) or
    dtype ~= "f32" and dtype ~= "u8" and "; x:to 'f32' makes features of it" or ""
  local wanted = "images are a u8 tensor NxHxWx3 or NxHxWx1" .. (dtype == "u8" and "" or ", features an f32 tensor")
  check.raise(("%s: %s, not %s%s"):format(where, wanted, check.show(x), remedy))
end

-- Grey images in three equal channels, which all other code is written for.
local function in_colour(images, shape)
  if shape[4] == 3 then return images end
  local n, h, w = table.unpack(shape)
  return core.unpack(images:copy(), "U8", 0, { h * w, w, 1, 0 }, core.new({ n, h, w, 3 }, "u8"))
end

-- Says how many examples hold numbers that are none, as the features of images that could not be read do.
local function tell_broken(rows, count)
  if not rows[1] then return end
  notice.line(("scion: %s: left out %d of %d examples, which hold numbers that are NaN or infinite; the first is example %d"):format(
    where, #rows, count, rows[1]))
end

-- What a data set keeps of f32 examples, which are neither resized nor augmented.
local function as_values(x, shape, o)
  local inner = table.move(shape, 2, #shape, 1, {})
  for _, option in ipairs { "augment", "workers", "fit", "filter" } do
    if o[option] then check.raise(("%s: %s is for u8 images; the examples are %s"):format(where, option, check.show(x))) end
  end
  if o.size and not (#inner == 3 and o.size[1] == inner[1] and o.size[2] == inner[2]) then
    check.raise(("%s: size resizes u8 images; f32 examples stay as they are, %s"):format(where, shapes.text(inner)))
  end
  o.size = #inner == 3 and { inner[1], inner[2] } or nil
  local kept = x:reshape(-1):reshape(shape) -- a copy if its rows have gaps between them
  local broken, rows = values.broken(kept)
  tell_broken(rows, shape[1])
  return { values = kept, broken = broken, count = shape[1], quiet = true }
end

local schema = dataset.options { "augment", "workers", "size", "labels", batch = 32, shuffle = true, seed = 0 }
schema.multi = { check.boolean, false }

---@class scion.TensorsOptions: scion.DatasetOptions
---@field labels? string[] names of the classes or labels (the names in use, sorted; for numbers "1", "2", …)
---@field multi? boolean whether rows with a number for each label are several labels of an example, even if each adds up to 1 (false)

--- A data set of examples in memory: u8 images, or f32 features of any shape, which are taken as they are. Grey images are kept with three
--- equal channels, so that models of either kind take them. f32 examples with a NaN or an infinity, such as the features of images that
--- could not be read, are left out, and a line on standard error counts them.
---
--- To save memory x is not copied, as in PyTorch's TensorDataset: what is written into it later changes the examples, those of sets made of this
--- one among them, and x:copy() keeps them apart. Copied are labels, grey images, and tensors with gaps between their rows, such as a slice of columns.
---@param x scion.Tensor u8 N x H x W x 3, or N x H x W x 1 of grey images; or f32 N x …
---@param y? scion.Tensor|integer[]|number[]|string[]|string[][]|number[][] the class of each example: a list of numbers from 1 up or of
--- names, or an i32 tensor; a list of lists of names: several labels each; a u8, i32 or (with the option labels) f32 tensor N x K with a
--- number for each label: rows that are 1 at one place are classes, rows that add up to 1 shares of classes, other rows of 0 and 1 several
--- labels each; or targets, the numbers to predict: an f32 tensor N x … (no labels)
---@param given? scion.TensorsOptions
---@return scion.Dataset
---Raises if the numbers of examples and labels differ, if a target is not finite, and on an unknown label, unknown options, invalid values,
---and another dtype or shape.
---@example data = scion.data.tensors(scion.zeros({ 4, 32, 32, 3 }, "u8"), { 1, 2, 1, 2 }, { labels = { "cat", "dog" } })
return function(x, y, given)
  local shape = shape_of(x)
  local o = check.options(where, given, schema)
  local source
  if x:dtype() == "f32" then
    source = as_values(x, shape, o)
  else
    o.size = o.size or { shape[2], shape[3] }
    source = { images = in_colour(x, shape), count = shape[1], grey = shape[4] == 1 }
  end
  if y ~= nil then
    local read, n = labels_of.read(where, "the second argument", y, o, "an f32 tensor, such as scion.tensor({ 31, 27 }, 'f32')")
    if n ~= shape[1] then
      check.raise(("%s: %d %s, but %d %s"):format(where, shape[1], source.images and "images" or "examples", n, read.targets and "targets" or "labels"))
    end
    for name, value in pairs(read) do source[name] = value end
  elseif o.labels then
    check.raise(where .. ": labels are the names of classes, but the class of each image, the second argument, is missing")
  end
  return dataset.new(source, o)
end
