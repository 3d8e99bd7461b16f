--- How image files become inputs. A model remembers how those were read that it was trained on, so that pictures to predict are read alike.
local check = require "scion.check"
local decoding = require "scion.data.decoding"

local reading = {}

local usual = { fit = "squash", filter = "bilinear" }

--- What of a data set's options changes pixels, and is the network's affair, too.
---@class scion.Reading
---@field fit "squash"|"crop"|"pad" how images of another shape become as large as the input
---@field filter "bilinear"|"bicubic"|"area"|"nearest" of the resize
---@field background? integer[] { red, green, blue }, what transparent pixels are laid upon

reading.fits, reading.filters = check.one_of("squash", "crop", "pad"), check.one_of("bilinear", "bicubic", "area", "nearest")

--- A table of these, as a kind for checks.
reading.kind = check.table_of { fit = { reading.fits, usual.fit }, filter = { reading.filters, usual.filter }, background = { decoding.kinds.background } }

--- How a data set reads its files; nil if its images are in memory.
---@param data scion.Dataset
---@return scion.Reading?
function reading.of(data) return data.files and { fit = data.fit, filter = data.filter, background = data.background } or nil end

--- As options, for messages: "fit = 'crop', filter = 'bilinear'".
---@param of scion.Reading? nil: the usual one
---@return string
function reading.text(of)
  of = of or usual
  local ground = of.background and (", background = { %s }"):format(table.concat(of.background, ", ")) or ""
  return ("fit = '%s', filter = '%s'%s"):format(of.fit, of.filter, ground)
end

return reading
