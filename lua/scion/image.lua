--- Single images: u8 tensors of H x W x 3, RGB, values from 0 to 255.
local check = require "scion.check"
local core = require "scion.core"

local image = {}

local most_pixels = 1 << 28 -- the decoder's limit, too

local size_kind = check.whole(1, most_pixels)
local sizes = check.either(size_kind, check.list(size_kind, 2, "a list of two (height, width)"))

local image_kind = check.kind("an image: a u8 tensor of height x width x 3", function(value)
  if not check.tensor.read(value) then return false end
  local shape = value:shape()
  return #shape == 3 and shape[3] == 3 and shape[1] > 0 and shape[2] > 0 and value:dtype() == "u8", value
end)

local extensions = { png = true, jpg = true, jpeg = true }

--- Reads a JPEG or PNG file; the content decides which it is, not the name. A photograph is turned upright by its EXIF orientation. Of
--- 16-bit channels the upper 8 bits are kept; an alpha channel is dropped.
---@param path string
---@return scion.Tensor|nil image a u8 tensor of H x W x 3; nil if the file cannot be read
---@return string? message why not: the file is missing, truncated, damaged or no JPEG or PNG file
---Raises if path is not a non-empty string.
function image.load(path) return core.image_load(check.argument("scion.image.load", "its argument", path, check.path)) end

--- Writes an image as PNG (.png) or JPEG of quality 95 (.jpg, .jpeg); the path's extension decides.
---@param path string
---@param t scion.Tensor u8 H x W x 3
---@return true|nil saved nil if the file cannot be written; a file that was there before is then unchanged
---@return string? message why not
---Raises for another extension, shape or dtype.
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

--- A resized copy. The filter is bilinear with antialiasing; the pixels are the same as those of Pillow's BILINEAR.
---@param t scion.Tensor u8 H x W x 3
---@param size integer|integer[] the side of a square, or {height, width}, in pixels
---@return scion.Tensor resized u8 height x width x 3
---Raises for another shape or dtype, for a size below 1, and for more than 2^28 pixels.
function image.resize(t, size)
  local where = "scion.image.resize"
  check.argument(where, "the first argument", t, image_kind)
  size = check.argument(where, "the size", size, sizes)
  local height, width = type(size) == "table" and size[1] or size, type(size) == "table" and size[2] or size
  if height * width > most_pixels then check.raise(("%s: an image of %dx%d has more than 2^28 pixels"):format(where, height, width)) end
  return core.image_resize(t, height, width)
end

return image
