--- The inputs of models: data sets, and other values that are made into one. Checks whether images fit the model.
local check = require "scion.check"
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local lfs = require "lfs"
local notice = require "scion.report.notice"
local preprocessing = require "scion.preprocessing"
local reading = require "scion.data.reading"
local shapes = require "scion.shape"
local printable = require "scion.printable"

local inputs = {}

--- The option `batch`. It may be larger than the data set: see inputs.capacity.
inputs.batch = check.whole(1, (1 << 31) - 1)

--- Whether a value is a data set: one of Scion's, or a user's table with a method `batches` like theirs.
local function is_dataset(value)
  if dataset.is(value) then return true end
  if type(value) ~= "table" then return false end
  local meta = getmetatable(value)
  if type(meta) == "table" and rawget(meta, "__title") then return false end -- another object of Scion
  local ok, found = pcall(function() return type(value.batches) == "function" end)
  return ok and found
end

local function complaint(value)
  local hint = type(value) == "string" and ("; read the folder with scion.data.folder(%s)"):format(check.show(value)) or
    type(value) == "userdata" and "; images in memory become one by scion.data.tensors(images, labels)" or ""
  return ("a data set, such as scion.data.folder('data/train'), not %s%s"):format(check.show(value), hint)
end

--- A data set, as a kind for checks.
inputs.kind = check.kind("a data set", function(value)
  if is_dataset(value) then return true, value end
  return false, nil, "is " .. complaint(value)
end)

--- Raises unless the value is a data set.
---@param where string the name of the function that the user called, for messages
---@param value any
---@return scion.Dataset
function inputs.dataset(where, value)
  if is_dataset(value) then return value end
  check.raise(("%s takes %s"):format(where, complaint(value)))
end

--- Raises the message of a function that makes data sets as that of `where`.
local function made_by(where, name, ...)
  local ok, made = check.try(require "scion.data"[name], ...)
  return ok and made or check.raise((made:gsub("^scion%.data%." .. name, where)))
end

--- A tensor of one image as one of N = 1; others as they are.
local function several(x, model)
  local shape = x:shape()
  if #model.input.shape ~= 3 or #shape ~= 3 or shape[3] ~= 3 and shape[3] ~= 1 then return x end
  return x:reshape(1, table.unpack(shape))
end

local function nothing() end

--- Makes a data set of a file, a folder, a list of files, or a tensor of one image or several; returns a data set as it is. Raises on
--- anything else.
---@param where string
---@param x string|string[]|scion.Tensor|scion.Dataset
---@param model scion.Model files are resized to the size of its input
---@param batch integer? of the new data set (32)
---@return scion.Dataset
function inputs.any(where, x, model, batch)
  if is_dataset(x) then return x end
  local shape = model.input.shape
  if check.tensor.read(x) then return made_by(where, "tensors", several(x, model), nil, { batch = batch, shuffle = false }) end
  local paths = type(x) == "string" and { x } or check.items(x)
  if not printable.is_plain(paths) then
    check.raise(("%s takes a file, a list of files, a tensor of images or a data set, not %s"):format(where, check.show(x)))
  end
  paths = check.argument(where, "the first argument", paths, check.list(check.path, nil, "a list of files"))
  local o = { batch = batch }
  for key, value in pairs(model.reading or {}) do o[key] = value end
  local side = #shape == 3 and preprocessing.image_shape(shape)[3] == 3 and { shape[1], shape[2] } or nil -- else inputs.fits raises
  if type(x) ~= "string" or lfs.attributes(x, "mode") ~= "directory" then
    o.size = side
    return made_by(where, "files", paths, o)
  end
  o.labels, o.size, o.shuffle, o.memory = false, side, false, 0
  local set = made_by(where, "folder", x, o)
  set.warn = nothing -- results tell of each image that cannot be read
  return set
end

local function channels(n) return n == 1 and "1 channel" or n .. " channels" end

local function size_option(shape) return shape[1] == shape[2] and tostring(shape[1]) or ("{ %d, %d }"):format(shape[1], shape[2]) end

--- Raises if f32 examples, which are taken as they are, do not have the shape of the model's input. Says once that f32 images are not
--- preprocessed.
local function values_fit(where, model, data, what)
  local wanted, given = model.input.shape, data.values:shape()
  table.remove(given, 1)
  if not shapes.equal(wanted, given) then
    local hint = #wanted ~= 3 and (": its input should be nn.input(%s)"):format(table.concat(given, ", ")) or ""
    check.raise(("%s: %s has examples of %s numbers, but the model takes %s%s"):format(where, what, shapes.text(given), shapes.text(wanted), hint))
  end
  if #wanted == 3 and (wanted[3] == 3 or wanted[3] == 1) then
    notice.once(("scion: %s: f32 images are taken as they are, as preprocessed ones: the model itself preprocesses u8 images, which images:to 'u8' " ..
                 "makes of values from 0 to 255"):format(where))
  end
end

--- Says once that images are read in another way than those that the model was trained on.
---@param where string
---@param model scion.Model
---@param data scion.Dataset
---@param what string? the data set in messages ("the data set")
function inputs.tell_reading(where, model, data, what)
  if not dataset.is(data) or not data.files or not model.reading then return end
  local trained, given = reading.text(model.reading), reading.text(reading.of(data))
  if trained ~= given then
    notice.once(("scion: %s: %s reads its pictures by %s, but the model was trained on pictures read by %s"):format(where, what or "the data set", given, trained))
  end
end

--- Raises if the images or other examples of a data set do not fit the model. All checks of size and channels are here.
---@param where string
---@param model scion.Model
---@param data scion.Dataset
---@param what string? the data set in messages, such as "the validation set" ("the data set")
---@param made boolean? whether inputs.any made the data set of a tensor: messages then speak of images
function inputs.fits(where, model, data, what, made)
  local shape, size = model.input.shape, data.size
  what = what or "the data set"
  if dataset.is(data) and data.values then return values_fit(where, model, data, what) end
  if #shape ~= 3 then
    check.raise(("%s: the model takes %s numbers, and no images; base:features(…) makes such numbers of images, and scion.data.tensors a data set of them"):format(
      where, shapes.text(shape)))
  end
  if shape[1] == 3 and shape[3] > 3 then
    check.raise(("%s: the model takes images of %d rows, %d columns and %s, but sizes are given as height, width, channels: its input should be nn.input(%d, %d, 3)"):format(
      where, shape[1], shape[2], channels(shape[3]), shape[2], shape[3]))
  end
  if shape[3] == 1 and not (dataset.is(data) and data.grey) then
    notice.once(("scion: %s: the model takes images of 1 channel: what is coloured becomes grey (0.299 red + 0.587 green + 0.114 blue)"):format(where))
  elseif shape[3] ~= 3 and shape[3] ~= 1 then
    check.raise(("%s: the model takes images of %s, but those of data sets have 3 (red, green, blue) or are grey: its input should be nn.input(%d, %d, 3)"):format(
      where, channels(shape[3]), shape[1], shape[2]))
  end
  if size and (size[1] ~= shape[1] or size[2] ~= shape[2]) then
    if made then
      check.raise(("%s: these are images of %dx%d, but the model takes %dx%d; scion.image.resize(image, %s) resizes one"):format(where, size[1], size[2],
        shape[1], shape[2], size_option(shape)))
    end
    check.raise(("%s: %s has images of %dx%d, but the model takes %dx%d; the option size = %s, where the data set is made, resizes them"):format(
      where, what, size[1], size[2], shape[1], shape[2], size_option(shape)))
  end
end

--- Raises if a batch does not fit the model: a user's own data set may give anything.
---@param where string
---@param model scion.Model
---@param images any
---@return integer n how many images
function inputs.batch_fits(where, model, images)
  local shape, dtype = check.argument(where, "a batch of the data set", images, check.tensor):shape(), images:dtype()
  local wanted = dtype == "u8" and preprocessing.image_shape(model.input.shape) or model.input.shape
  local fits = #shape == #wanted + 1 and (dtype == "u8" or dtype == "f32")
  for i, size in ipairs(wanted) do fits = fits and shape[i + 1] == size end
  if not fits then
    check.raise(("%s: the data set gave a batch that is %s, but the model takes u8 images of %s"):format(where, check.show(images), table.concat(wanted, "x")))
  end
  return shape[1]
end

--- What in a batch is NaN or infinite: its images, what frozen layers gave for them, or its targets; nil if all is finite.
---@param batch scion.Batch
---@return string?
function inputs.not_finite(batch)
  local function broken(tensor) return tensor:dtype() == "f32" and not core.finite(tensor) end
  if broken(batch.x) then
    return batch.node and ("what the frozen layers up to %s give is not finite: see to the images"):format(batch.node.layer.name) or
      "the images hold numbers that are NaN or infinite"
  end
  if broken(batch.y) then return "the targets hold numbers that are NaN or infinite" end
end

--- The batch that a plan is made for: the smaller one of the batch size and the data set, so that no memory is wasted, and at least n.
---@param data scion.Dataset
---@param batch integer? (the data set's)
---@param n integer images in the batch at hand
---@return integer
function inputs.capacity(data, batch, n) return math.max(n, math.min(batch or data.batch or n, #data)) end

return inputs
