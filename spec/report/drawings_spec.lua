-- Drawings and tables of a training run as files: model:plot, history:plot, history:csv; and the charts that they are made of.
local chart = require "scion.report.chart"
local line = require "scion.report.charts.line"
local markup = dofile "spec/support/markup.lua"
local matrix = require "scion.report.charts.matrix"
local scion = require "scion"
local support = dofile "spec/support/images.lua"
local svg = require "scion.report.svg"
local nn = scion.nn

local folder
local function path(name)
  folder = folder or support.folder()
  return folder .. "/" .. name
end

local function texts(drawing)
  local list = {}
  for _, text in ipairs(markup.all(drawing, "text")) do
    if not (text.attributes.class or ""):find "halo" then list[#list + 1] = markup.text(text) end
  end
  return list
end

local function striped(drawing)
  local count = 0
  for _, rect in ipairs(markup.all(drawing, "rect")) do count = count + (rect.attributes.fill == "url(#stripes)" and 1 or 0) end
  return count
end

teardown(support.done)

describe("model:plot", function()
  it("draws the blocks with shapes and parameters, and stripes what is frozen", function()
    local model = scion.sequential { nn.input(16, 16, 3), nn.conv_norm(4, 3, { name = "a" }), nn.max_pool(2, { name = "a/pool" }), nn.conv_norm(8, 3, { name = "b" }),
                                     nn.global_avg_pool(), nn.dense(2, "softmax", { name = "head" }) }
    model.name = "<small>"
    model:freeze { upto = "a/conv" }
    assert.equal(path "net.svg", model:plot(path "net.svg"))
    local drawing = markup.read(support.slurp(path "net.svg"))
    assert.same({ "<small>", "10 layers, 462 parameters, 330 of them train", "input_1", "16x16x3", "input, 0 parameters", "frozen",
                  "a", "8x8x4", "4 layers, 124 parameters", "1 of 4 frozen" }, { table.unpack(texts(drawing), 1, 10) })
    assert.equal(2, striped(drawing))
    model:thaw():plot(path "net.svg")
    assert.equal(0, striped(markup.read(support.slurp(path "net.svg"))))
  end)

  it("puts blocks that repeat each other in one box, unless they are frozen otherwise", function()
    local model = scion.models.inception_v3 { input = 75 }
    model:freeze { upto = "mixed5" }:plot(path "net.svg")
    local drawing = markup.read(support.slurp(path "net.svg"))
    local shown, sum = table.concat(texts(drawing), "\n"), 0
    for _, name in ipairs { "mixed0 to mixed2", "mixed4 to mixed5", "mixed6 to mixed7", "mixed9 to mixed10" } do assert.matches("\n" .. name .. "\n", shown, 1, true) end
    for parameters in (shown .. "\n"):gmatch "layers, ([%d,]+) parameters\n" do sum = sum + tonumber((parameters:gsub(",", ""))) end
    assert.equal(21802784, sum)
    assert.equal(5, striped(drawing)) -- the input, the stem, 0 to 2, 3, and 4 to 5
  end)
end)

describe("a network's blocks", function()
  it("share rows where there are very many", function()
    local blocks = require "scion.report.blocks"
    local layers = { nn.input(16, 16, 3) }
    for i = 1, 70 do layers[i + 1] = i == 41 and nn.max_pool(2) or nn.conv2d(4, 1) end
    local model = scion.sequential(layers)
    model:freeze { first = 31 }
    local rows, shown = blocks.merged(blocks.of(model:layers())), {}
    for i, row in ipairs(rows) do shown[i] = ("%s: %s, %s"):format(blocks.title(row), blocks.detail(row), blocks.state(row.frozen, row.layers)) end
    assert.same({ "input_1 to conv2d_30: 31 layers, 596 parameters, frozen", "conv2d_31 to conv2d_40: 10 layers, 200 parameters, ",
                  "max_pool_1 to conv2d_69: 30 layers, 580 parameters, " }, shown)
  end)
end)

describe("history:plot and history:csv", function()
  local function history()
    local model = scion.sequential { nn.input(4, 4, 3), nn.flatten(), nn.dense(2, "softmax") }
    local data = scion.data.tensors(scion.zeros({ 4, 4, 4, 3 }, "u8"), { 1, 2, 1, 2 }, { batch = 2 })
    return model:fit(data, { epochs = 3, validate = data, verbose = false, quiet = true, metrics = { "kappa" },
                             callbacks = scion.callbacks.csv_logger(path "log.csv") })
  end

  it("draw each thing that the epochs tell", function()
    local told = history()
    assert.equal(path "curves.svg", told:plot(path "curves.svg"))
    local text = support.slurp(path "curves.svg")
    assert.matches('xmlns="http://www.w3.org/2000/svg"', text, 1, true)
    local headings = {}
    for i, heading in ipairs(markup.all(markup.read(text), "text", "heading")) do headings[i] = markup.text(heading) end
    assert.same({ "loss", "accuracy", "kappa", "learning rate" }, headings)
    assert.equal(3 + 3 + 2, #markup.all(markup.all(markup.read(text), "g")[1], "circle")) -- of loss and val_loss, and the legend's
  end)

  it("write the epochs as the logger does, and NA where there is nothing", function()
    local told = history()
    assert.equal(path "epochs.csv", told:csv(path "epochs.csv"))
    assert.equal(support.slurp(path "log.csv"), support.slurp(path "epochs.csv"))
    told[2].note, told[2].val_loss, told[3].f = "a, \"b\"", nil, print
    told:csv(path "epochs.csv")
    local lines = {}
    for each in io.lines(path "epochs.csv") do lines[#lines + 1] = each end
    assert.matches(",lr,note,seconds,", lines[1], 1, true)
    assert.matches(',"a, ""b""",', lines[3], 1, true)
    assert.matches(",NA$", lines[3])
    assert.matches(",NA,", lines[2], 1, true)
  end)
end)

describe("text of a page", function()
  it("shows whatever bytes, and ends nothing", function()
    local html = require "scion.report.html"
    assert.equal("bad \\xff\\xfe\\xed\\xa0\\x80 byte\\x00", html.escape "bad \xff\xfe\xed\xa0\x80 byte\0")
    assert.equal("a\\nb é 日本 \u{1f600} &lt;&amp;&gt;&quot;&#39;", html.escape "a\nb é 日本 \u{1f600} <&>\"'")
    assert.equal("\\u{85}\\u{2066}\\u{fdd0}\\u{1fffe}", html.escape "\u{85}\u{2066}\u{fdd0}\u{1fffe}")
    assert.equal(html.visible "\xff\u{202e}", html.visible(html.visible "\xff\u{202e}"))
    assert.equal('<a b="&lt;" d="3">x</a>', html.tag("a", { b = "<", c = false, d = 3 }, "x", nil, false))
  end)
end)

describe("a chart", function()
  it("has ticks at round numbers, whole ones where it counts", function()
    local function ticks(...)
      local list = {}
      for i, tick in ipairs(chart.scale(...).ticks) do list[i] = tick.text end
      return table.concat(list, " ")
    end
    assert.equal("0.0 0.2 0.4 0.6 0.8 1.0", ticks(0, 1, 0, 100, { ticks = 5 }))
    assert.equal("0.31 0.32 0.33 0.34", ticks(0.305, 0.345, 0, 100))
    assert.equal("1 2 3", ticks(1, 3, 0, 100, { whole = true, ticks = 6 }))
    assert.equal("1", ticks(1, 1, 0, 100, { whole = true }))
    assert.equal("500 1000", ticks(1, 1000, 0, 100, { whole = true }))
    assert.equal("0.0001 0.001 0.01 0.1", ticks(5e-5, 0.4, 0, 100, { log = true }))
    assert.equal("1e-12 1e-10 1e-08 1e-06 0.0001 0.01 1", ticks(1e-12, 1, 0, 100, { log = true }))
    assert.equal("0.1 0.2", ticks(0.09, 0.21, 0, 100, { log = true }))
    assert.equal("-1.0 -0.5 0.0 0.5 1.0", ticks(-1, 1, 0, 100))
    assert.equal("0 5.0e+08 1.0e+09", ticks(0, 1.2e9, 0, 100, { ticks = 3 }))
    assert.equal("1.50e+33 1.55e+33 1.60e+33", ticks(1.5e33, 1.6e33, 0, 100, { ticks = 2 }))
    assert.equal("500000 550000 600000", ticks(5e5, 6e5, 0, 100, { ticks = 2 }))
    assert.equal("1.2e-05 1.3e-05 1.4e-05", ticks(1.2e-5, 1.4e-5, 0, 100, { ticks = 2 }))
    assert.equal("0.6931471 0.6931472", ticks(0.69314705, 0.69314722, 0, 100, { ticks = 2 }))
    for _, value in ipairs { 0, 1, -3, 1e-300, 1e300 } do assert.is_true(#chart.scale(value, value, 0, 100).ticks < 20) end
  end)

  it("has a logarithmic scale where numbers differ much, and none for shares and what is not above 0", function()
    local function drawn(points, share)
      return line { title = "t", text = "", x = "epoch", share = share, series = { { name = "s", points = points } } }.body:find("logarithmic", 1, true) ~= nil
    end
    assert.is_true(drawn { { 1, 100 }, { 2, 1 } })
    assert.is_false(drawn { { 1, 10 }, { 2, 1 } })
    assert.is_false(drawn { { 1, 100 }, { 2, 0 } })
    assert.is_false(drawn({ { 1, 1 }, { 2, 0.001 } }, true))
    assert.is_nil(line { title = "t", text = "", x = "epoch", series = { { name = "s", points = { { 1, 0 / 0 } } } } })
  end)

  it("has room for long numbers, and gaps between epochs that have none", function()
    local points = { { 1, 0.69314705 }, { 2, 0.69314710 }, { 4, 0.69314722 } }
    local function body_of(gaps) return line { title = "t", text = "", x = "epoch", gaps = gaps, series = { { name = "s", points = points } } }.body end
    assert.equal(3, select(2, markup.all(markup.read("<svg>" .. body_of(false) .. "</svg>"), "polyline")[2].attributes.points:gsub(",", "")))
    local body = body_of(true)
    local drawing = markup.read("<svg>" .. body .. "</svg>")
    local lines, place = markup.all(drawing, "polyline"), nil
    assert.equal(2, #lines) -- the legend's, and that of the first two epochs
    assert.equal(2, select(2, lines[2].attributes.points:gsub(",", "")))
    assert.equal(4, #markup.all(drawing, "circle"))
    for _, text in ipairs(markup.all(drawing, "text", "muted")) do
      local words = markup.text(text)
      place = words:find "^0%.69314" and tonumber(text.attributes.x) - 5.5 * #words or place
    end
    assert.is_true(place >= 0)
  end)

  it("of many classes is wider than a page, and scrolls", function()
    local labels, counts = {}, {}
    for i = 1, 40 do
      labels[i], counts[i] = "class " .. i, {}
      for j = 1, 40 do counts[i][j] = i == j and 5 or 0 end
    end
    local drawing = matrix { title = "Confusion", text = "words", labels = labels, counts = counts }
    assert.is_true(drawing.wide and drawing.width == 112 + 40 * 17 + 8)
    local page = markup.read(svg.figure(drawing, "id"))
    assert.equal("0", markup.all(page, "div", "scroll")[1].attributes.tabindex)
    assert.equal(40, #markup.all(page, "rect", "hit"))
  end)
end)
