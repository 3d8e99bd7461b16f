--- How image files become inputs. A model remembers how those were read that it was trained on, so that pictures to predict are read alike.
local check = require "scion.check"
local decoding = require "scion.data.decoding"

local reading = {}

local usual = { fit = "squash", filter = "bilinear", reducing_gap = 2 }

--- What of a data set's options changes pixels, and is the network's affair, too.
---@class scion.Reading
---@field fit "squash"|"crop"|"pad" how images of another shape become as large as the input
---@field filter "bilinear"|"bicubic"|"area"|"nearest" of the resize
---@field reducing_gap number|false a large JPEG is decoded at least this many times as large as wanted; false: at full size
---@field background? integer[] { red, green, blue }, what transparent pixels are laid upon
---@field truncated? "keep" JPEGs whose end is missing are read as far as they go

reading.fits, reading.filters = check.one_of("squash", "crop", "pad"), check.one_of("bilinear", "bicubic", "area", "nearest")
reading.gap = check.unless_false(check.number { from = 1, to = 1e6 })

--- A table of these, as a kind for checks.
reading.kind = check.table_of {
  fit = { reading.fits, usual.fit }, filter = { reading.filters, usual.filter }, reducing_gap = { reading.gap, usual.reducing_gap },
  background = { decoding.kinds.background }, truncated = { decoding.kinds.truncated },
}

--- How a data set reads its files; nil if its images are in memory.
---@param data scion.Dataset
---@return scion.Reading?
function reading.of(data)
  if not data.files then return nil end
  return { fit = data.fit, filter = data.filter, reducing_gap = data.reducing_gap > 0 and data.reducing_gap, background = check.items(data.background),
           truncated = data.truncated == "keep" and "keep" or nil }
end

--- As options, for messages: "fit = 'crop', filter = 'bilinear'", and others that are not the usual ones.
---@param of scion.Reading? nil: the usual one
---@return string
function reading.text(of)
  of = of or usual
  local shown = { ("fit = '%s', filter = '%s'"):format(of.fit, of.filter) }
  if of.reducing_gap ~= usual.reducing_gap then shown[#shown + 1] = ("reducing_gap = %s"):format(of.reducing_gap and ("%g"):format(of.reducing_gap)) end
  if of.background then shown[#shown + 1] = ("background = { %s }"):format(table.concat(of.background, ", ")) end
  if of.truncated == "keep" then shown[#shown + 1] = "truncated = 'keep'" end
  return table.concat(shown, ", ")
end

return reading
