--- The report's mistakes: the images that the model is most wrong about, and what in them speaks for what they were taken for.
local check = require "scion.check"
local core = require "scion.core"
local html = require "scion.report.html"
local interrupts = require "scion.interrupts"
local text = require "scion.report.text"

local listed, drawn = 30, 12 -- mistakes in the table, and those that are shown
local largest, quality = 256, 85 -- sides of the pictures, and JPEG's

--- An image of a page, which holds it.
local function image(picture, alt)
  local height, width = table.unpack(picture:shape())
  local side = math.max(height, width)
  if side > largest then picture = core.image_resize(picture, math.max(height * largest // side, 1), math.max(width * largest // side, 1), nil, "area") end
  local size = picture:shape()
  return html.tag("img", { src = "data:image/jpeg;base64," .. core.base64(core.image_encode(picture, quality):bytes()), alt = alt, width = size[2], height = size[1] })
end

local function name_of(mistake) return mistake.file and mistake.file:match "[^/]*$" or "image " .. mistake.index end

local function figure(mistake, explained)
  local name = name_of(mistake)
  local words = html.sentence("%s, taken for %s (%s)", tostring(mistake.label), tostring(mistake.predicted), text.percent(mistake.confidence))
  return html.tag("figure", nil, html.tag("div", { class = "pair" }, image(explained.image, name), image(explained.picture, ("%s, with what speaks for %s"):format(
                    name, mistake.predicted))), html.tag("figcaption", nil, html.tag("strong", nil, html.escape(name)), words))
end

--- The pictures of the first mistakes; or nil and why they cannot be explained.
local function figures(measured)
  local mistakes, parts, layer = measured.mistakes, {}, nil
  for i = 1, math.min(drawn, #mistakes) do
    local one = measured.data:subset { mistakes[i].index }
    local ok, explained = check.try(measured.model.explain, measured.model, one, { class = mistakes[i].predicted })
    if not ok and interrupts.is(explained) then error(explained, 0) end
    if not ok then return nil, "pictures of mistakes: " .. explained:gsub("^model:explain: ", "") end
    parts[i], layer = figure(mistakes[i], explained), explained.layer
  end
  local words = ("Each as the network sees it, and with what speaks for the wrong class laid over it, by Grad-CAM at %s: the redder, the more."):format(layer)
  return html.paragraph(words) .. html.tag("div", { class = "pictures" }, table.concat(parts, "\n"))
end

local function mistakes_table(mistakes)
  local rows = {}
  for i = 1, math.min(listed, #mistakes) do
    local each = mistakes[i]
    rows[i] = { name_of(each), tostring(each.label), tostring(each.predicted), text.percent(each.confidence), text.number(each.loss, 2) }
  end
  return html.table { caption = "The mistakes with the highest loss", rows = rows, columns = {
    { title = "image" }, { title = "is" }, { title = "taken for" }, { title = "by", right = true }, { title = "loss", right = true } } }
end

return function(context)
  local measured = context.measured
  if not measured then return nil, context.why_no_mistakes end
  local mistakes = measured.mistakes
  if #mistakes == 0 then return html.paragraph(("All of %s images are told right."):format(text.grouped(mistakes.images))) end
  local shown, missing = figures(measured)
  local words = ("%s of %s images are taken for another class. These have the highest loss."):format(text.grouped(mistakes.wrong), text.grouped(mistakes.images))
  return html.paragraph(words) .. (shown or "") .. html.details("As a table", mistakes_table(mistakes)), missing
end
