--- Single images: u8 tensors H x W x 3, RGB, 0 .. 255.
local core = require "scion.core"

local image = {}

--- Reads a JPEG or PNG file, whichever its content says; a photograph is turned upright as its EXIF data ask. Of 16 bits a
--- channel the upper 8 are kept, alpha is dropped.
---@param path string
---@return scion.Tensor|nil image a u8 tensor H x W x 3, or nil
---@return string? message when the file is missing, cut off, damaged or something else
function image.load(path) return core.image_load(path) end

--- Writes a u8 tensor H x W x 3 as .png, .jpg or .jpeg (quality 95), by the path's extension.
---@param path string
---@param t scion.Tensor u8 tensor H x W x 3
---@return true|nil saved
---@return string? message when the file cannot be written: then what was there before is unchanged
---Raises for another extension, shape or dtype.
function image.save(path, t) return core.image_save(path, t) end

--- A copy of another size, bilinear with antialiasing: the pixels are those of Pillow's BILINEAR.
---@param t scion.Tensor u8 tensor H x W x 3
---@param size integer|integer[] of a square, or {height, width}
---@return scion.Tensor resized u8 tensor
---Raises for another shape or dtype, or a size below 1.
function image.resize(t, size)
  if type(size) == "table" then return core.image_resize(t, size[1], size[2]) end
  return core.image_resize(t, size, size)
end

return image
