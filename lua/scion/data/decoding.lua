--- How image files are decoded: the options of scion.image.load and of data sets of files.
local check = require "scion.check"

local decoding = {}

decoding.kinds = {
  max_pixels = check.whole(1, 1 << 28), -- the most pixels that the core can hold
  truncated = check.one_of("error", "keep"),
}

---@class scion.DecodingOptions
---@field max_pixels? integer files with larger images are refused, up to 2^28: a small file may hold an image that fills the memory (178956970, which is
--- Pillow's limit)
---@field truncated? "error"|"keep" what becomes of a JPEG whose end is missing: it counts as broken, or what is there is read, and the rest is
--- grey or repeats it ("error")

--- What changes pixels, as text for keys of caches.
---@param of { truncated: string? }
---@return string
function decoding.text(of) return "truncated files: " .. (of.truncated or "error") end

return decoding
