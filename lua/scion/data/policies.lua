--- What RandAugment and TrivialAugment choose from: operations, and how strong each is. Both are torchvision's, the second as
--- TrivialAugmentWide: an operation is drawn, then, for those that have a direction, its sign; TrivialAugment draws the magnitude too.
local check = require "scion.check"

local policies = {}

-- Name, amount at the lowest magnitude, at the highest; in between it grows evenly.
--   signed: in either direction        factor: added to 1, or taken from it         whole: rounded, ties to even
--   pixels: cut off to a whole number; of = a side: a fraction of it
-- A shear is the tangent of its angle, and leaves the upper left corner where it is. Angles are degrees.
local function operations(shear, across, down, angle, factor, bits)
  return {
    { "identity" },
    { "shear_x", 0, shear, signed = true }, { "shear_y", 0, shear, signed = true },
    across, down,
    { "rotate", 0, angle, signed = true },
    { "brightness", 0, factor, signed = true, factor = true }, { "saturation", 0, factor, signed = true, factor = true },
    { "contrast", 0, factor, signed = true, factor = true }, { "sharpness", 0, factor, signed = true, factor = true },
    { "posterize", 8, bits, whole = true },
    { "solarize", 255, 0 },
    { "autocontrast" },
    { "equalize" },
  }
end

policies.rand_augment = operations(0.3, { "translate_x", 0, 150 / 331, signed = true, pixels = true, of = "width" },
  { "translate_y", 0, 150 / 331, signed = true, pixels = true, of = "height" }, 30, 0.9, 4)

policies.trivial_augment = operations(0.99, { "translate_x", 0, 32, signed = true, pixels = true },
  { "translate_y", 0, 32, signed = true, pixels = true }, 135, 0.99, 2)

local function round(x) -- ties to even
  local below = x // 1
  local up = x - below > 0.5 or (x - below == 0.5 and below % 2 == 1)
  return math.tointeger(up and below + 1 or below)
end

--- What an operation of these lists takes: a factor, bits, a threshold, pixels, degrees or a tangent.
---@param operation table one row of a list
---@param magnitude integer from 0 up to bins - 1
---@param bins integer how many magnitudes there are (31 in torchvision)
---@param backwards boolean the direction that was drawn, for those that are signed
---@param size { height: integer, width: integer } of the images
---@return number|nil amount nil for those that take none
function policies.amount(operation, magnitude, bins, backwards, size)
  local name, low, high = table.unpack(operation)
  if not low then return nil end
  if magnitude < 0 or magnitude >= bins then
    check.raise(("%s: the magnitude is from 0 to %d, not %s"):format(name, bins - 1, magnitude))
  end
  local amount = low + (high - low) * magnitude / (bins - 1)
  if operation.of then amount = amount * size[operation.of] end
  if operation.pixels then amount = math.tointeger(amount // 1) end
  if operation.whole then amount = round(amount) end
  if operation.signed and backwards then amount = -amount end
  return operation.factor and 1 + amount or amount
end

return policies
