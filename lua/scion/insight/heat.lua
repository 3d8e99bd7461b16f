--- Maps of heat, f32 [height, width]: enlarged bilinearly, and laid over pictures.
local core = require "scion.core"

local heat = {}

--- By how much each of `from` positions counts at each of `to` positions along an axis: f32 [to, from]. Positions are squares, whose centres lie
--- half of one inside; the outermost are extended (PyTorch's interpolate without align_corners).
local function weights(from, to)
  local at = ((core.arange(0, to - 1):to "f32" + 0.5) * (from / to) - 0.5):clamp(0, from - 1)
  return (1 - (at:reshape(to, 1) - core.arange(0, from - 1):to "f32"):abs()):clamp(0, 1)
end

--- The map in another size.
---@param map scion.Tensor f32 [h, w]
---@param height integer
---@param width integer
---@return scion.Tensor f32 [height, width]
function heat.resize(map, height, width)
  local shape = map:shape()
  return weights(shape[1], height):matmul(map):matmul(weights(shape[2], width):transpose())
end

--- The map divided by its largest value, and that value; what is below 0 becomes 0.
---@param map scion.Tensor
---@return scion.Tensor map from 0 to 1
---@return number peak
function heat.scaled(map)
  map = map:clamp(0, math.huge)
  local peak = map:max()
  return peak > 0 and map / peak or map, peak
end

-- From cold to hot: red, green and blue, at even distances.
local anchors = { { 0, 0, 96 }, { 0, 96, 255 }, { 0, 208, 176 }, { 255, 224, 0 }, { 255, 32, 0 } }

--- u8 colours of three channels, of a picture that may be grey.
---@param picture scion.Tensor u8 [height, width, 3 or 1]
---@return scion.Tensor u8 [height, width, 3]
function heat.coloured(picture)
  local shape = picture:shape()
  if shape[3] == 3 then return picture end
  return core.concat({ picture, picture, picture }, 3)
end

--- Lays a map over a picture: the hotter, the more of its colour.
---@param picture scion.Tensor u8 [height, width, 3]
---@param map scion.Tensor f32 [height, width], from 0 to 1
---@return scion.Tensor u8 [height, width, 3]
function heat.over(picture, map)
  local shape = map:shape()
  local pixels = shape[1] * shape[2]
  local flat = map:reshape(pixels, 1)
  local colours = (1 - (flat * (#anchors - 1) - core.arange(0, #anchors - 1):to "f32"):abs()):clamp(0, 1):matmul(core.from_table(anchors, "f32"))
  local share = flat:sqrt() * 0.65
  local mixed = picture:to "f32":reshape(pixels, 3) * (1 - share) + colours * share
  return (mixed + 0.5):clamp(0, 255):to "u8":reshape(shape[1], shape[2], 3)
end

return heat
