--- The report's evaluation: confusion, the scores of each class, calibration.
local confused = require "scion.report.confusion"
local html = require "scion.report.html"
local matrix = require "scion.report.charts.matrix"
local reliability = require "scion.report.charts.reliability"
local svg = require "scion.report.svg"
local text = require "scion.report.text"

local most_drawn = 60 -- classes of a matrix that is drawn
local most_letters = 40 -- of a label in a sentence
local most_pairs = 100 -- confusions that are listed

local function score(value) return value ~= value and "NaN" or ("%.4f"):format(value) end

local function labels_of(evaluation)
  local labels = {}
  for i, class in ipairs(evaluation.classes) do labels[i] = class.label end
  return labels
end

--- The rows of a table of the confusions, the most frequent first; how many there are, and of how many examples.
local function pairs_of(evaluation)
  local rows, all, list = {}, 0, confused.pairs(evaluation.confusion, evaluation.classes)
  for i, pair in ipairs(list) do
    all, rows[i] = all + pair[3], i <= most_pairs and { pair[1], pair[2], text.grouped(pair[3]) } or nil
  end
  return rows, #list, all
end

local function counts_table(labels, counts)
  local columns, rows = { { title = "true \\ predicted" } }, {}
  for i, label in ipairs(labels) do
    columns[i + 1], rows[i] = { title = label, right = true }, { label }
    for j, count in ipairs(counts[i]) do rows[i][j + 1] = text.grouped(count) end
  end
  return html.table { caption = "How many of each true class (rows) were taken for which (columns)", columns = columns, rows = rows }
end

local function confusion(evaluation)
  local labels, counts = labels_of(evaluation), evaluation.confusion:totable()
  local pairs_found, kinds, mistakes = pairs_of(evaluation)
  local first, format, values = pairs_found[1], "No example is taken for another class.", {}
  if first then
    format = "%s of %s examples are taken for another class; most often %s for %s, %s."
    values = { text.grouped(mistakes), text.grouped(evaluation.examples), text.cut(first[1], most_letters), text.cut(first[2], most_letters),
               first[3] == "1" and "once" or first[3] .. " times" }
  end
  local more = kinds > #pairs_found and (", the first %d of %s pairs"):format(#pairs_found, text.grouped(kinds)) or ""
  local shown = first and html.table { caption = "The most frequent confusions" .. more, rows = pairs_found,
                                       columns = { { title = "true" }, { title = "taken for" }, { title = "examples", right = true } } } or ""
  local words = html.sentence(format, table.unpack(values))
  if #labels > most_drawn then return html.tag("div", nil, html.tag("p", nil, words), shown) end
  local what = " A row for each true class; the more colour a cell has, the larger its share of the row. What is right is framed."
  local drawing = matrix { title = "Confusion", labels = labels, counts = counts, text = format:format(table.unpack(values)) .. what,
                           caption = words .. html.escape(what) }
  return svg.figure(drawing, "confusion", html.details("Numbers", counts_table(labels, counts)), first and html.details("Pairs that are confused", shown))
end

local function classes_table(classes)
  local rows = {}
  for i, class in ipairs(classes) do
    rows[i] = { class.label, score(class.precision), score(class.recall), score(class.f1), text.grouped(class.support) }
  end
  return html.table { caption = "Scores of each class", rows = rows, columns = {
    { title = "class" }, { title = "precision", right = true }, { title = "recall", right = true }, { title = "F1", right = true }, { title = "examples", right = true } } }
end

local function calibration(bins)
  local rows, examples, error_of_all = {}, 0, 0
  for _, bin in ipairs(bins) do
    if bin.examples > 0 then
      rows[#rows + 1] = { ("%.3f to %.3f"):format(bin.from, bin.to), text.grouped(bin.examples), score(bin.confidence), score(bin.accuracy) }
      examples, error_of_all = examples + bin.examples, error_of_all + bin.examples * math.abs(bin.accuracy - bin.confidence)
    end
  end
  if examples == 0 then return "" end
  local words = ("The expected calibration error is %s: so far, on average, confidence and the share of right predictions lie apart. " ..
                 "Bars below the dashed line are predictions that are surer than they are right."):format(score(error_of_all / examples))
  local shown = html.table { caption = "Predictions by confidence", rows = rows, columns = {
    { title = "confidence" }, { title = "predictions", right = true }, { title = "mean confidence", right = true }, { title = "share that is right", right = true } } }
  return svg.figure(reliability { title = "Calibration", text = words, bins = bins }, "calibration", html.details("Numbers", shown))
end

return function(context)
  local evaluation = context.evaluation
  if not evaluation then return nil, "confusion, classes and calibration: " .. context.words end
  local figures = { evaluation.confusion and confusion(evaluation) or nil }
  if evaluation.calibration then figures[#figures + 1] = calibration(evaluation.calibration) end
  return table.concat({
    html.paragraph(context.words), figures[1] and html.tag("div", { class = "charts" }, table.concat(figures, "\n")) or "",
    evaluation.classes and classes_table(evaluation.classes) or html.paragraph("The network tells no classes.", "note") }, "\n")
end
