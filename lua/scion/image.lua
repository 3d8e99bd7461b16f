--- Single images: u8 tensors of H x W x 3, RGB, values from 0 to 255.
local check = require "scion.check"
local core = require "scion.core"
local decoding = require "scion.data.decoding"

local image = {}

local most_pixels = 1 << 28 -- the decoder's limit, too

local size_kind = check.whole(1, most_pixels)
local sizes = check.either(size_kind, check.list(size_kind, 2, "a list of two (height, width)"))

local image_kind = check.kind("an image: a u8 tensor of height x width x 3", function(value)
  if not check.tensor.read(value) then return false end
  local shape = value:shape()
  return #shape == 3 and shape[3] == 3 and shape[1] > 0 and shape[2] > 0 and value:dtype() == "u8", value
end)

-- One image or several; resize and crop take both.
local images_kind = check.kind("an image, a u8 tensor of height x width x 3, or several, N x height x width x 3", function(value)
  if not check.tensor.read(value) then return false end
  local shape = value:shape()
  local height, width, channels = table.unpack(shape, #shape == 4 and 2 or 1)
  return (#shape == 3 or #shape == 4) and channels == 3 and height > 0 and width > 0 and value:dtype() == "u8", value
end)

local edges_text = "the edges { left, top, right, bottom } of a part of the image, in pixels from its left and top"
local resize_options = {
  filter = { check.one_of("bilinear", "bicubic", "area", "nearest"), "bilinear" },
  box = { check.list(check.number { from = 0 }, 4, edges_text) },
}
local whole_edges = check.list(check.whole(0), 4, edges_text .. ", as whole numbers")

-- Raises unless the box lies in the image and is not empty.
local function check_box(where, t, box)
  local shape = t:shape()
  local height, width = shape[#shape - 2], shape[#shape - 1]
  local left, top, right, bottom = table.unpack(box)
  if left >= right or top >= bottom then
    check.raise(("%s: the part { %g, %g, %g, %g } is empty; it is { left, top, right, bottom }, with the right above the left and the bottom above the top"):format(
      where, left, top, right, bottom))
  elseif right > width or bottom > height then
    check.raise(("%s: the part { %g, %g, %g, %g } reaches beyond the image, which is { 0, 0, %d, %d }"):format(where, left, top, right, bottom, width, height))
  end
end

local load_options = {}
for name, kind in pairs(decoding.kinds) do load_options[name] = { kind } end

local extensions = { png = true, jpg = true, jpeg = true }

--- Reads a JPEG, PNG, WebP or GIF file; the content decides which it is, not the name. A photograph is turned upright by its EXIF orientation,
--- and of an animation the first picture is taken. Pixels are those of Pillow's convert("RGB"): of 16-bit colours the upper 8 bits are kept,
--- 16-bit grays are cut off at 255, an alpha channel is dropped.
---@param path string
---@param given? scion.DecodingOptions
---@return scion.Tensor|nil image a u8 tensor of H x W x 3; nil if the file cannot be read
---@return string? message why not: the file is missing, truncated, damaged or no image that Scion reads
---Raises if path is not a non-empty string, and on unknown options and invalid values.
---@example picture = scion.image.load "dog.png"
function image.load(path, given)
  local where = "scion.image.load"
  path = check.argument(where, "the first argument", path, check.path)
  return core.image_load(path, check.options(where, given, load_options))
end

--- Writes an image as PNG (.png) or JPEG of quality 95 (.jpg, .jpeg); the path's extension decides.
---@param path string its folder is made if there is none
---@param t scion.Tensor u8 H x W x 3
---@return true|nil saved nil if the file cannot be written; a file that was there before is then unchanged
---@return string? message why not
---Raises for another extension, shape or dtype.
---@example scion.image.save("small.png", scion.image.resize(scion.image.load "dog.png", 16))
function image.save(path, t)
  local where = "scion.image.save"
  check.argument(where, "the first argument", path, check.path)
  check.argument(where, "the second argument", t, image_kind)
  local extension = path:match "%.([^./]*)$"
  if not extension or not extensions[extension:lower()] then
    check.raise(("%s: images are written as .png, .jpg or .jpeg, which %s does not end with"):format(where, check.show(path)))
  end
  return core.image_save(path, t)
end

---@class scion.ResizeOptions
---@field filter? "bilinear"|"bicubic"|"area"|"nearest" all but "nearest" are antialiased; "area" is the mean of the pixels that a new one
--- covers ("bilinear")
---@field box? number[] the part { left, top, right, bottom } that is resized: edges in pixels from the image's left and top, also fractions (all
--- of the image)

--- A resized copy. The pixels are the same as those of Pillow's resize by its filters BILINEAR, BICUBIC, BOX (here: area) and NEAREST.
---@param t scion.Tensor u8 H x W x 3, or N x H x W x 3
---@param size integer|integer[] the side of a square, or {height, width}, in pixels
---@param given? scion.ResizeOptions
---@return scion.Tensor resized u8 height x width x 3, or N x height x width x 3
---Raises for another shape or dtype, for a size below 1, for more than 2^28 pixels, for a box that is empty or reaches beyond the image, and
---on unknown options and invalid values.
---@example small = scion.image.resize(scion.image.load "dog.png", 16, { filter = "bicubic" })
function image.resize(t, size, given)
  local where = "scion.image.resize"
  check.argument(where, "the first argument", t, images_kind)
  size = check.argument(where, "the size", size, sizes)
  local o = check.options(where, given, resize_options)
  local height, width = type(size) == "table" and size[1] or size, type(size) == "table" and size[2] or size
  if height * width > most_pixels then check.raise(("%s: an image of %dx%d has more than 2^28 pixels"):format(where, height, width)) end
  if o.box then check_box(where, t, o.box) end
  return core.image_resize(t, height, width, o.box, o.filter)
end

--- A copy of a part.
---@param t scion.Tensor u8 H x W x 3, or N x H x W x 3
---@param box integer[] the part's edges { left, top, right, bottom }, in pixels from the image's left and top: { 0, 0, W, H } is all of it
---@return scion.Tensor part u8 (bottom - top) x (right - left) x 3, or N of them
---Raises for another shape or dtype, and for a box that is empty or reaches beyond the image.
---@example part = scion.image.crop(scion.image.load "dog.png", { 0, 0, 16, 16 })
function image.crop(t, box)
  local where = "scion.image.crop"
  check.argument(where, "the first argument", t, images_kind)
  box = check.argument(where, "the second argument", box, whole_edges)
  check_box(where, t, box)
  return core.image_resize(t, box[4] - box[2], box[3] - box[1], box, "nearest") -- as large as the box: pixels are only copied
end

return image
