--- What all augmentations share. A file of data/augment/ defines one; augmentation.define makes its constructor.
local check = require "scion.check"
local class = require "scion.class"
local layer = require "scion.layer"

local augmentation = {}

---@class scion.AugmentationOptions
---@field p? number the probability that it is applied to an image (1, unless it says another)

--- Options of the augmentations that may reach outside of an image.
---@class scion.FillOptions: scion.AugmentationOptions
---@field fill? "nearest"|"constant"|"reflect"|"wrap" how pixels from outside the image are filled: as the nearest one of its edge; with a
--- value; mirrored; repeated ("nearest")
---@field fill_value? number for fill = "constant", a level from 0 to 255 (0)

--- A random change of images. To change one, make another.
---@class scion.Augmentation
---@field name string as in scion.augment
---@field kind "geometry"|"colour"|"pixels"|"batch" what it changes
---@field options table its options, with defaults filled in

--- A kind: a number of levels, of which pixels have 0 to 255. Numbers between 0 and 1 are refused: they are meant for pixels from 0 to 1, and
--- would do next to nothing, or all.
---@param to number
---@return scion.Kind
function augmentation.levels(to)
  local number = check.number { from = 0, to = to }
  return check.kind(("0, or a number from 1 to %g"):format(to), function(value)
    local ok, read = number.read(value)
    if ok and read > 0 and read < 1 then return false, nil, nil, ("pixels are 0 to 255: %g of that is %d"):format(read, math.floor(read * 255 + 0.5)) end
    return ok, read
  end)
end

--- A kind that says more of any other number: what its unit is.
---@param of scion.Kind
---@param hint string
---@return scion.Kind
function augmentation.unit(of, hint)
  return check.kind(of.what, function(value)
    local ok, read = of.read(value)
    return ok, read, nil, not ok and type(value) == "number" and hint or nil
  end)
end

--- The option of hue, and of jitter's.
augmentation.turn = augmentation.unit(check.number { from = 0, to = 0.5 }, "it is a part of the circle of colours: 36 degrees are 0.1")

local probability = check.number { from = 0, to = 1 }

local fills = check.one_of("nearest", "constant", "reflect", "wrap")

--- A list of two whose first is not above the second.
---@param pairs scion.Kind of lists of two
---@return scion.Kind
function augmentation.ordered(pairs)
  return check.kind(pairs.what, function(value)
    local ok, pair, complaint = pairs.read(value)
    if ok and pair[1] > pair[2] then return false, nil, ("is %s, but %g is above %g"):format(pairs.what, pair[1], pair[2]) end
    return ok, pair, complaint
  end)
end

--- A kind: { lowest, highest }, each number in the range.
---@param within table as for check.number
---@param what string
---@return scion.Kind
function augmentation.range(within, what) return augmentation.ordered(check.list(check.number(within), 2, what)) end

--- A factor z below 1 for { 1 - z, 1 + z }, or { lowest, highest }.
---@param lowest table the range of the two, as for check.number
---@param what string
---@return scion.Kind
function augmentation.factor(lowest, what)
  return check.either(check.number { from = 0, below = 1 }, augmentation.range(lowest, what))
end

--- The two numbers of such a factor.
---@param value number|number[]
---@return number lowest
---@return number highest
function augmentation.factors(value)
  if type(value) == "table" then return value[1], value[2] end
  return 1 - value, 1 + value
end

--- The factor of brightness, contrast, saturation and sharpness.
augmentation.amount = check.either(check.number { from = 0, to = 1 }, augmentation.range({ from = 0, to = 100 }, "{ lowest, highest } from 0 to 100"))

--- The numbers of the core's stage "affine", which changes nothing but what is given.
---@param given { rotation: number?, right: number?, down: number?, shear: number?, zoom: number[]? } largest amounts in either direction,
--- shifts in fractions; and further numbers of the stage by their own names
---@return table stage
function augmentation.affine(given)
  local stage = { op = "affine", zoom_low = 1, zoom_high = 1, flip_horizontal = 0, flip_vertical = 0, whole = 0, even = 0, antialias = 1 }
  for _, name in ipairs { "rotation", "right", "down", "shear" } do
    local most = given[name] or 0
    stage[name .. "_low"], stage[name .. "_high"] = -most, most
    given[name] = nil
  end
  for name, value in pairs(given) do stage[name] = value end
  return stage
end

--- A stage that applies some of others, which then do not draw whether they happen.
---@param members table[] stages
---@param count integer how many
---@param again? boolean each may be drawn several times; else none is, and their order is drawn
---@return table[] stages
function augmentation.some_of(members, count, again)
  if count == 0 then return {} end
  return { { op = "some_of", count = count, again = again and 1 or 0, members = #members }, table.unpack(members) }
end

--- The operations of RandAugment and TrivialAugment, by the strengths of one magnitude. Where the sign is drawn an operation is there once for
--- each sign, else twice.
---@param o { slant: number, right: number, down: number, rotation: number, factor: number, bits: integer, threshold: number }
---@return table[] stages
function augmentation.fourteen(o)
  local list = {}
  local function add(stage)
    list[#list + 1] = stage
  end
  for _, sign in ipairs { 1, -1 } do
    local function exactly(name, value) return augmentation.affine { [name .. "_low"] = sign * value, [name .. "_high"] = sign * value } end
    local x, y, factor = sign * o.slant, sign * o.slant, 1 + sign * o.factor
    add(exactly("rotation", 0))
    add { op = "slant", x_low = x, x_high = x, y_low = 0, y_high = 0 }
    add { op = "slant", x_low = 0, x_high = 0, y_low = y, y_high = y }
    add(exactly("right", o.right))
    add(exactly("down", o.down))
    add(exactly("rotation", o.rotation))
    add { op = "brightness", low = factor, high = factor }
    for _, op in ipairs { "saturation", "contrast", "sharpness" } do add { op = op, low = factor, high = factor } end
    add { op = "posterize", low = o.bits, high = o.bits }
    add { op = "solarize", low = o.threshold, high = o.threshold }
    add { op = "autocontrast" }
    add { op = "equalize" }
  end
  return list
end

--- The stages of another augmentation, by its name and the constructor's arguments.
---@param name string
---@param arguments table
---@param size? integer[]
---@return table[]
function augmentation.stages_of(name, arguments, size)
  local made = require("scion.data.augment." .. name)(table.unpack(arguments))
  return made.definition.stages(made.options, size)
end

local function show(value)
  if type(value) ~= "table" then return check.show(value) end
  local parts = {}
  for i, each in ipairs(value) do parts[i] = show(each) end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

-- "flip()", or "rotate{ degrees = 15 }": the options that differ from their defaults.
local function as_text(self)
  local parts = {}
  for name, option in pairs(self.schema) do
    local value = self.options[name]
    if show(value) ~= show(option[2]) then parts[#parts + 1] = ("%s = %s"):format(name, show(value)) end
  end
  table.sort(parts)
  return self.name .. (#parts == 0 and "()" or "{ " .. table.concat(parts, ", ") .. " }")
end

--- Makes a constructor from a definition. Parts of a definition:
---   name        its name in scion.augment
---   kind        "geometry", "colour", "pixels" or "batch"
---   positional  names of the options that may be given by position
---   schema      its options, as for check.options
---   fills       true, or its usual fill: it reaches outside of images, and takes fill and fill_value
---   p           its usual probability (1); false: it takes none
---   check       (where, options) raises unless the options agree with each other
---   stages      (options, size) the core's stages with their numbers, for images of { height, width }; see csrc/image/stages.def
---   apply       of kind "batch", in place of stages: (options, batch, draw) returns the changed batch; draw is { seed, epoch, batch, size, part, classes }
---@param definition table
---@return fun(...): scion.Augmentation
function augmentation.define(definition)
  local where, schema = "scion.augment." .. definition.name, {}
  if definition.fills then
    schema.fill = { fills, definition.fills == true and "nearest" or definition.fills }
    schema.fill_value = { augmentation.levels(255), 0 }
  end
  for name, option in pairs(definition.schema or {}) do schema[name] = option end
  if definition.p ~= false then schema.p = { probability, definition.p or 1 } end
  local of = class.define {
    name = "scion.Augmentation", title = "an augmentation", locked = { "name", "kind", "options" }, internal = { definition = definition, schema = schema },
    called = "it stands in a data set's list of augmentations", meta = { __tostring = as_text },
  }
  return function(...)
    local options = layer.arguments(where, definition.positional or {}, schema, layer.spread(...))
    if definition.check then definition.check(where, options) end
    return of.new { name = definition.name, kind = definition.kind, options = options }
  end
end

--- An augmentation, as a kind for checks.
augmentation.kind = check.instance("scion.Augmentation", "an augmentation, such as scion.augment.flip()")

--- Its stages for core.loader. They draw from counters `first` on.
---@param self scion.Augmentation
---@param size integer[] {height, width} of the images
---@param first integer
---@return table[] stages
function augmentation.stages(self, size, first)
  local definition, o = self.definition, self.options
  local stages = definition.stages(o, size)
  for i, stage in ipairs(stages) do
    stage.counter = first + (stage.counter or 256 * (i - 1))
    if i == 1 then stage.p = o.p end
    if definition.fills then stage.fill, stage.fill_value = o.fill, o.fill_value end
  end
  return stages
end

return augmentation
