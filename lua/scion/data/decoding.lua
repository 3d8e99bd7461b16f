--- How image files are decoded: the options of scion.image.load and of data sets of files.
local check = require "scion.check"

local decoding = {}

local colours = { white = { 255, 255, 255 }, black = { 0, 0, 0 } }
local what = "'white', 'black' or { red, green, blue } from 0 to 255"
local colour = check.list(check.whole(0, 255), 3, what)

decoding.kinds = {
  background = check.kind(what, function(value)
    if type(value) == "string" and colours[value] then return true, colours[value] end
    return colour.read(value)
  end),
  max_pixels = check.whole(1, 1 << 28), -- the most pixels that the core can hold
  truncated = check.one_of("error", "keep"),
}

---@class scion.DecodingOptions
---@field background? "white"|"black"|integer[] transparent pixels are laid upon this colour, { red, green, blue } (their opacity is dropped, and
--- what they hide is seen, as by Pillow's convert "RGB")
---@field max_pixels? integer files with larger images are refused, up to 2^28: a small file may hold an image that fills the memory (178956970, which is
--- Pillow's limit)
---@field truncated? "error"|"keep" what becomes of a JPEG whose end is missing: it counts as broken, or what is there is read, and the rest is
--- grey or repeats it ("error")

--- What changes pixels, as text for keys of caches.
---@param of { truncated: string?, background: integer[]? }
---@return string
function decoding.text(of)
  return ("truncated files: %s, background: %s"):format(of.truncated or "error", of.background and table.concat(of.background, " ") or "none")
end

return decoding
