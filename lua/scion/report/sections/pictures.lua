--- The report's pictures: such as the images with the largest losses, and what the network looked at.
local core = require "scion.core"
local html = require "scion.report.html"

local largest, quality = 256, 85 -- sides of the pictures, and JPEG's

--- The picture as an address that holds it.
local function address(picture)
  local height, width = table.unpack(picture:shape())
  local side = math.max(height, width)
  if side > largest then picture = core.image_resize(picture, math.max(height * largest // side, 1), math.max(width * largest // side, 1), nil, "area") end
  return "data:image/jpeg;base64," .. core.base64(core.image_encode(picture:copy(), quality):bytes()), picture:shape()
end

local function figure(entry)
  local source, size = address(entry.picture)
  return html.tag("figure", nil, html.tag("img", { src = source, alt = entry.title, width = size[2], height = size[1] }),
                  html.tag("figcaption", nil, html.tag("strong", nil, html.escape(entry.title)), html.escape(entry.text)))
end

return function(context)
  local parts = {}
  for i, entry in ipairs(context.pictures) do parts[i] = figure(entry) end
  return parts[1] and html.tag("div", { class = "pictures" }, table.concat(parts, "\n")) or nil
end
