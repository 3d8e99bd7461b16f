--- What a network does to an image of 0 to 255 before its first layer: y = x * scale + shift for each channel, perhaps with
--- the channels reversed (BGR).
local check = require "scion.check"
local options = require "scion.options"

local preprocessing = {}

local torch_mean, torch_deviation = { 0.485, 0.456, 0.406 }, { 0.229, 0.224, 0.225 }

local function standardize(mean, deviation) -- of x / 255
  local scale, shift = {}, {}
  for c = 1, 3 do
    scale[c] = 1 / (255 * deviation[c])
    shift[c] = -mean[c] / deviation[c]
  end
  return { scale = scale, shift = shift, reverse = false }
end

local named = {
  tf = { scale = { 1 / 127.5, 1 / 127.5, 1 / 127.5 }, shift = { -1.0, -1.0, -1.0 }, reverse = false },
  caffe = { scale = { 1.0, 1.0, 1.0 }, shift = { -103.939, -116.779, -123.68 }, reverse = true }, -- means in BGR order
  torch = standardize(torch_mean, torch_deviation),
  unit = { scale = { 1 / 255, 1 / 255, 1 / 255 }, shift = { 0.0, 0.0, 0.0 }, reverse = false },
}

--- Turns "tf", "caffe", "torch", "unit" or { mean = {…}, std = {…} } (of images in 0 to 1) into numbers; what is numbers
--- already stays so. Raises on anything else.
---@param value string|table
---@return { scale: number[], shift: number[], reverse: boolean }
function preprocessing.resolve(value)
  if type(value) == "table" and value.scale then return value end
  if type(value) == "table" then
    options.check("preprocess", value, { mean = true, std = true })
    for _, key in ipairs { "mean", "std" } do
      if type(value[key]) ~= "table" or #value[key] ~= 3 then check.raise("preprocess: '" .. key .. "' is a list of three numbers") end
    end
    return standardize(value.mean, value.std)
  end
  local found = named[value]
  if not found then check.raise(("preprocess is 'tf', 'caffe', 'torch', 'unit' or { mean =, std = }, not '%s'"):format(tostring(value))) end
  return found
end

return preprocessing
