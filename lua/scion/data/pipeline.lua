--- The augmentation of a data set: what users write, as the stages that a loader runs for each image and the changes of whole batches.
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"
local class = require "scion.class"
local generator = require "scion.data.augment.image_data_generator"

local pipeline = {}

---@alias scion.Augment scion.augment.image_data_generator|scion.Augmentation[] a list, such as { augment.flip(), augment.rotate(15) }; or
--- options of Keras's ImageDataGenerator

local options, defaults = check.table_of(generator { }.schema), generator { }.options
local list = check.list(augmentation.kind, nil, "a list of augmentations, such as { scion.augment.flip() }")

-- Whether these options of an ImageDataGenerator leave all images unchanged.
local function changes_nothing(o)
  for key, usual in pairs(defaults) do
    local low, high = table.unpack(type(o[key]) == "table" and o[key] or { o[key], o[key] })
    local same = o[key] == usual or (low == 1 and high == 1 and (key == "zoom" or key == "brightness")) -- factors: 1 changes nothing
    if not same and key ~= "fill" and key ~= "fill_value" then return false end
  end
  return true
end

-- What stands behind a change of whole batches and changes single images would come before it.
local function misplaced(of)
  for i = 2, #of do
    if of[i - 1].kind == "batch" and of[i].kind ~= "batch" then
      return ("has %s before %s: what changes whole batches comes last"):format(of[i - 1].name, of[i].name)
    end
  end
end

--- The option `augment`. It is read as false if it changes no image: then the cache treats the images as not augmented.
pipeline.kind = check.kind(options.what .. " or a list of augmentations", function(value)
  if augmentation.kind.read(value) then return false, nil, "is a list of augmentations: write { … } around the one" end
  if type(value) == "table" and rawlen(value) > 0 and getmetatable(value) == nil then
    local ok, read, complaint, hint = list.read(value)
    complaint = complaint or ok and misplaced(read)
    return ok and not complaint, read, complaint, hint
  end
  local ok, o, complaint, hint = options.read(value)
  if ok and changes_nothing(o) then return true, false end
  return ok, o, complaint, hint
end)

--- The augmentations that an option stands for. It is checked again, since users may have changed the table since.
---@param given scion.Augment|false|nil
---@return scion.Augmentation[]
function pipeline.list(given)
  given = check.argument("a data set", "augment", given or {}, pipeline.kind) or {}
  if rawlen(given) > 0 then return given end
  return next(given) and { generator(given) } or {}
end

--- Changes a batch as a whole.
---@param batch scion.Batch
---@param draw { seed: integer, epoch: integer, batch: integer, size: integer, classes: integer? } what may be drawn from: the data set's seed,
--- the epoch, the batch's number; how many examples batches have, and how many classes there are
---@return scion.Batch
local function apply(self, batch, draw)
  for _, each in ipairs(self.of_batches) do batch = each.definition.apply(each.options, batch, draw) end
  return batch
end

local Pipeline = class.define { name = "scion.Pipeline", title = "a pipeline", methods = { apply = apply }, locked = { "stages", "of_batches" } }

--- The pipeline of an option. Raises if a user changed the table into an invalid one.
---@param given scion.Augment|false|nil
---@param size integer[] {height, width} of the images
---@return { stages: table[]?, apply: fun(self, batch: scion.Batch, draw: table): scion.Batch } stages: for core.loader
function pipeline.new(given, size)
  local stages, of_batches = {}, {}
  for _, each in ipairs(pipeline.list(given)) do
    if each.kind == "batch" then
      of_batches[#of_batches + 1] = each
    else
      local own = augmentation.stages(each, size, 256 * #stages)
      table.move(own, 1, #own, #stages + 1, stages)
    end
  end
  return Pipeline.new { stages = stages[1] and stages or nil, of_batches = of_batches }
end

--- A table that tells one augmentation from another, for JSON; nil if what it gives cannot be told from its options.
---@param given scion.Augment
---@return table?
function pipeline.identity(given)
  local parts = {}
  for i, each in ipairs(pipeline.list(given)) do
    if each.kind == "batch" then return nil end
    parts[i] = { name = each.name, options = each.options }
  end
  return parts
end

return pipeline
