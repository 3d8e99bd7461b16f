-- The report of a training run: every figure in it is that of the data it was made from; nothing in it comes from elsewhere or can run; what is
-- not known is left out and named.
local core = require "scion.core"
local markup = dofile "spec/support/markup.lua"
local messages = dofile "spec/support/messages.lua"
local scion = require "scion"
local support = dofile "spec/support/images.lua"
local nn = scion.nn

local folder
local function path(name)
  folder = folder or support.folder()
  return folder .. "/" .. name
end

local function network(classes)
  return scion.sequential { nn.input(8, 8, 3), nn.conv_norm(4, 3, { name = "a" }), nn.conv_norm(4, 3, { name = "b" }), nn.global_avg_pool(),
                            nn.dense(classes, "softmax", { name = "head" }) }
end

--- Pictures of so many classes, `each` of every class.
local function pictures(classes, each, labels)
  local images, numbers = {}, {}
  for k = 1, classes do
    for i = 1, each do
      images[#images + 1], numbers[#numbers + 1] = support.pattern(8, 8, 29 * k + 7 * i), k
    end
  end
  local names = labels or {}
  for k = #names + 1, classes do names[k] = "class " .. k end
  return scion.data.tensors(core.stack(images), numbers, { labels = names, batch = 4 })
end

--- A fit in two stages; the model and the data are given back, which keeps them.
local function run(o)
  o = o or {}
  scion.seed(1)
  local train, val, model = pictures(3, 6, o.labels), pictures(3, 4, o.labels), network(3)
  local schedule = scion.schedule { { epochs = 2, train = "head", optimizer = scion.optim.adam { lr = 0.1 } }, { epochs = 3, train = "all", lr = 1e-3 } }
  local history = model:fit(train, { schedule = schedule, validate = val, metrics = { "f1_macro" }, verbose = false, quiet = true, callbacks = o.callbacks,
                                     resume = o.resume })
  return history, model, train, val
end

local function report(history, given)
  local text = support.slurp(history:report(path "run.html", given))
  return markup.read(text), text
end

local function section(page, title)
  for _, each in ipairs(markup.all(page, "section")) do
    if markup.text(markup.all(each, "h2")[1]) == title then return each end
  end
end

--- Raises unless numbers in a drawing lie where others say, but for a factor and an offset, to two digits after the point.
local function check_places(places, values)
  assert.equal(#values, #places)
  local low, high = 1, 1
  for i, value in ipairs(values) do
    if value < values[low] then low = i end
    if value > values[high] then high = i end
  end
  if values[low] == values[high] then return assert.equal(places[low], places[high]) end
  local factor = (places[high] - places[low]) / (values[high] - values[low])
  for i, value in ipairs(values) do assert.near(places[low] + factor * (value - values[low]), places[i], 0.011) end
end

describe("a report", function()
  teardown(support.done)

  it("has the epochs' numbers in tables and in curves", function()
    local history = run()
    local page = report(history)
    for _, name in ipairs { "loss", "accuracy", "f1_macro" } do
      local rows, drawing = markup.table(page, name .. " by epoch"), markup.figure(page, name)
      assert.same({ "epoch", name, "val_" .. name }, rows[1])
      assert.equal(#history, #rows - 1)
      for k, series in ipairs { name, "val_" .. name } do
        local values, places = {}, {}
        for i, entry in ipairs(history) do
          values[i] = entry[series]
          assert.equal(("%d"):format(entry.epoch), rows[i + 1][1])
          assert.equal(("%.4f"):format(entry[series]), rows[i + 1][k + 1])
        end
        for i, dot in ipairs(markup.all(drawing, "circle", "dot-" .. k)) do places[i - 1] = tonumber(dot.attributes.cy) end -- the first one is the legend's
        check_places(places, values)
      end
    end
    local rows = markup.table(page, "learning rate by epoch")
    for i, entry in ipairs(history) do assert.equal(("%.4g"):format(entry.lr), rows[i + 1][2]) end
    local drawing = markup.figure(page, "loss")
    assert.same({ "stage 2" }, { markup.text(markup.all(drawing, "text", "small")[1]) })
    local dots, mark = markup.all(drawing, "circle", "dot-1"), markup.all(drawing, "line", "mark")[1]
    assert.near((dots[3].attributes.cx + dots[4].attributes.cx) / 2, tonumber(mark.attributes.x1), 0.011) -- between the second epoch and the third
  end)

  it("has the evaluation's counts, scores and calibration", function()
    local history, model, _, val = run()
    local found, page = model:evaluate(val), report(history)
    local rows, counts = markup.table(page, "How many of each true class"), found.confusion:totable()
    for i, row in ipairs(counts) do
      assert.equal(val.labels[i], rows[i + 1][1])
      for j, count in ipairs(row) do assert.equal(tostring(count), rows[i + 1][j + 1]) end
    end
    local drawn, expected = {}, {} -- by place: cells are 280 / 3 wide, at most 60
    for _, text in ipairs(markup.all(markup.figure(page, "Confusion"), "text")) do
      local at = text.attributes
      if not at.class then drawn[("%d %d"):format((at.y - 40) // 60 + 1, (at.x - 112) // 60 + 1)] = tonumber(markup.text(text)) end
    end
    for i, row in ipairs(counts) do
      for j, count in ipairs(row) do expected[("%d %d"):format(i, j)] = count > 0 and count or nil end
    end
    for i = 1, 3 do drawn[i .. " 0"] = nil end -- the labels
    assert.same(expected, drawn)
    rows = markup.table(page, "Scores of each class")
    for i, class in ipairs(found.classes) do
      local cells = { class.label, ("%.4f"):format(class.precision), ("%.4f"):format(class.recall), ("%.4f"):format(class.f1), tostring(class.support) }
      assert.same(cells, rows[i + 1])
    end
    rows = markup.table(page, "Predictions by confidence")
    local bars, at = markup.all(markup.figure(page, "Calibration"), "rect", "bar"), 0
    for _, bin in ipairs(found.calibration) do
      if bin.examples > 0 then
        at = at + 1
        assert.same({ ("%.3f to %.3f"):format(bin.from, bin.to), tostring(bin.examples), ("%.4f"):format(bin.confidence), ("%.4f"):format(bin.accuracy) }, rows[at + 1])
        assert.near(math.max(bin.accuracy * 170, 1), tonumber(bars[at].attributes.height), 0.01)
      end
    end
    assert.equal(#bars, at)
    local error_of_all = model:evaluate(val, { metrics = { "calibration_error" } }).calibration_error
    assert.matches(("calibration error is %.4f"):format(error_of_all), markup.text(page), 1, true)
    assert.matches(("loss %.4f, accuracy %.4f"):format(found.loss, found.accuracy), markup.text(section(page, "Evaluation")), 1, true)
  end)

  it("has the stages, and what trained in each block", function()
    local history, model = run()
    local page = report(history)
    local rows = markup.table(page, "Stages of the training")
    assert.same({ "1", "1 to 2", "train = 'head'", "adam(lr = 0.1)", "15", }, { table.unpack(rows[2], 1, 5) })
    assert.same({ "2", "3 to 5", "train = 'all'", "adam(lr = 0.001)" }, { table.unpack(rows[3], 1, 4) })
    local trainable = 0
    for _, layer in ipairs(model:thaw():layers()) do trainable = trainable + layer.trainable end
    assert.equal(tostring(trainable), rows[3][5])
    rows = markup.table(page, "Blocks and stages")
    local states = {}
    for i = 2, #rows do states[rows[i][1]] = rows[i][4] .. ", " .. rows[i][5] end
    assert.same({ input_1 = "no weights, no weights", ["a to b"] = "frozen, trains", global_avg_pool_1 = "no weights, no weights",
                  head = "trains, trains" }, states)
    local told = {}
    for _, text in ipairs(markup.all(markup.figure(page, "What was frozen"), "text", "small")) do
      if not text.attributes.class:find "halo" then told[#told + 1] = markup.text(text) end
    end
    assert.equal("no weights no weights frozen trains no weights no weights trains trains", table.concat(told, " "))
    local striped = 0
    for _, rect in ipairs(markup.all(markup.figure(page, "What was frozen"), "rect")) do striped = striped + (rect.attributes.fill == "url(#plan-stripes)" and 1 or 0) end
    assert.equal(1, striped)
  end)

  it("has speed, cache, warnings, the doctor's findings, settings and versions", function()
    local train, val, model = pictures(3, 6), pictures(3, 4), network(3)
    scion.seed(77)
    model:freeze { upto = "b" }
    local history = model:fit(train, { epochs = 2, validate = val, verbose = false, optimizer = scion.optim.adam { lr = 0.01 }, quiet = true, clip = 2,
                                       class_weights = { 1, 2, 0.5 } })
    local page = report(history)
    local rows = markup.table(page, "Seconds and speed by epoch")
    for i, entry in ipairs(history) do
      assert.same({ tostring(entry.epoch), ("%.1f"):format(entry.seconds), entry.cached and "cached" or ("%.1f"):format(entry.images_per_second) }, rows[i + 1])
    end
    assert.matches(history.warnings[1].message, markup.text(section(page, "Findings")), 1, true)
    local found = scion.data.doctor(train, { against = { validation = val } })
    assert.matches(("%d images are in two sets"):format(#found.leaks), markup.text(section(page, "Findings")), 1, true)
    local settings = markup.text(section(page, "Settings"))
    for _, words in ipairs { "adam(lr = 0.01)", "18 images in 3 classes", "12 images in 3 classes", "norm 2", "1, 2, 0.5", "seed77", "Scion" .. scion.version, "9 layers" } do
      assert.matches(words, settings, 1, true)
    end
    page = report(history, { diagnosis = false })
    assert.is_nil(markup.text(section(page, "Findings")):find "doctor")
    page = report(history, { diagnosis = scion.data.doctor(val) })
    assert.matches("12 images", markup.text(section(page, "Findings")), 1, true)
  end)

  it("has the mistakes with the highest loss, and what speaks for them", function()
    local history, model, _, val = run()
    local page, found = report(history), scion.insight.mistakes(model, val)
    local there, rows = section(page, "Mistakes"), markup.table(page, "The mistakes with the highest loss")
    assert.matches(("%d of 12 images are taken for another class"):format(#found), markup.text(there), 1, true)
    local images, prefix = markup.all(there, "img"), "data:image/jpeg;base64,"
    assert.equal(2 * #found, #images)
    for i, mistake in ipairs(found) do
      local cells = { "image " .. mistake.index, mistake.label, mistake.predicted, ("%.1f%%"):format(100 * mistake.confidence), ("%.2f"):format(mistake.loss) }
      assert.same(cells, rows[i + 1])
      local explained = model:explain(val:subset { mistake.index }, { class = mistake.predicted })
      for k, picture in ipairs { explained.image, explained.picture } do
        local image = images[2 * i - 2 + k].attributes
        assert.equal(prefix .. core.base64(core.image_encode(picture, 85):bytes()), image.src)
        assert.same({ "8", "8" }, { image.width, image.height })
        assert.matches("image " .. mistake.index, image.alt, 1, true)
      end
    end
  end)

  it("makes large pictures smaller", function()
    local model = scion.sequential { nn.input(300, 150, 3), nn.conv2d(2, 3, { stride = 8 }), nn.global_avg_pool(), nn.dense(2, "softmax") }
    local data = scion.data.tensors(scion.zeros({ 2, 300, 150, 3 }, "u8"), { 1, 2 }, { batch = 2 })
    local image = markup.all(report(model:fit(data, { validate = data, verbose = false, quiet = true }), { diagnosis = false }), "img")[1]
    assert.same({ "128", "256" }, { image.attributes.width, image.attributes.height })
  end)

  it("has no pictures of mistakes where they cannot be explained, and says why", function()
    local model, data = scion.sequential { nn.input(8, 8, 3), nn.flatten(), nn.dense(3, "softmax") }, pictures(3, 4)
    local page = report(model:fit(data, { validate = data, verbose = false, quiet = true }))
    assert.is_true(#markup.table(page, "The mistakes with the highest loss") > 1)
    assert.same({}, markup.all(page, "img"))
    assert.matches("pictures of mistakes: no layer of the network has an output with height and width", markup.text(section(page, "Left out")), 1, true)
    local knows = scion.sequential { nn.input(3), nn.dense(3, "softmax") }
    local rows = scion.data.tensors(scion.tensor { { 9, 0, 0 }, { 0, 9, 0 }, { 0, 0, 9 } }, { 1, 2, 3 }, { batch = 3 })
    page = report(knows:fit(rows, { epochs = 300, validate = rows, verbose = false, quiet = true, optimizer = scion.optim.adam { lr = 0.1 } }))
    assert.matches("All of 3 images are told right", markup.text(section(page, "Mistakes")), 1, true)
  end)

  it("asks for nothing from anywhere, and every reference in it has a target", function()
    local page, text = report((run()))
    local ids = {}
    for _, each in ipairs(markup.all(page, "*")) do
      local id = each.attributes.id
      assert.is_nil(ids[id], id)
      if id then ids[id] = true end
      assert.is_nil(each.name:match "^script$" or each.name:match "^iframe$" or each.name:match "^object$")
      for name in pairs(each.attributes) do assert.is_nil(name:match "^on", name) end
    end
    for _, each in ipairs(markup.all(page, "*")) do
      for _, name in ipairs { "href", "src" } do
        local address = each.attributes[name]
        assert.is_true(address == nil or address:find "^data:" ~= nil or ids[address:match "^#(.*)$"], address)
      end
      for id in (each.attributes["aria-labelledby"] or ""):gmatch "%S+" do assert.is_true(ids[id], id) end
      local fill = (each.attributes.fill or ""):match "^url%(#(.*)%)$"
      assert.is_true(fill == nil or ids[fill])
    end
    assert.is_nil(text:find "https?:")
    assert.is_nil(text:find("@import", 1, true))
    assert.is_nil(text:gsub("fill=\"url%(#[%w-]+%)\"", ""):find("url(", 1, true))
    for _, drawing in ipairs(markup.all(page, "svg")) do
      assert.equal("img", drawing.attributes.role)
      assert.is_true(#markup.text(markup.all(drawing, "desc")[1]) > 20)
    end
    for _, each in ipairs(markup.all(page, "table")) do
      for _, row in ipairs(markup.all(markup.all(each, "tbody")[1], "tr")) do assert.equal("row", row[1].attributes.scope) end
    end
  end)

  it("is HTML to html5lib's strict parser", function()
    local python = support.quoted(os.getenv "SCION_HTML5LIB_PYTHON" or os.getenv "PYTHON" or "python3")
    if select(2, support.shell(python .. " -c 'import html5lib'")) ~= 0 then
      return pending "Python has no html5lib: pip install html5lib, and PYTHON or SCION_HTML5LIB_PYTHON names it"
    end
    report((run()))
    local script = "import sys, html5lib; html5lib.HTMLParser(strict=True).parse(open(sys.argv[1], encoding='utf-8').read())"
    assert.same({ "", 0 }, { support.shell(("%s -c %s %s"):format(python, support.quoted(script), support.quoted(path "run.html"))) })
    support.spit(path "bad.html", support.slurp(path "run.html"):gsub("</figure>", "", 1))
    assert.not_equal(0, (select(2, support.shell(("%s -c %s %s"):format(python, support.quoted(script), support.quoted(path "bad.html"))))))
  end)

  --- Opens a page, whose picture is page.png then. Returns what the browser says.
  local function browse(browser, file)
    local out, status = support.shell(("%s --headless=new --no-sandbox --disable-gpu --hide-scrollbars --window-size=500,500 --enable-logging=stderr %s"):format(
      support.quoted(browser), ("--user-data-dir=%s --screenshot=%s file://%s"):format(support.quoted(path "profile"), support.quoted(path "page.png"), file)))
    assert.equal(0, status, out)
    return out
  end

  it("opens in Chromium without a word on its console", function()
    local browser = os.getenv "SCION_CHROMIUM"
    if not browser then return pending "SCION_CHROMIUM names no browser" end
    report((run()))
    local function console(file) return browse(browser, file):match "[^\n]*CONSOLE[^\n]*" end
    assert.is_nil(console(path "run.html"))
    assert.is_truthy(core.image_load(path "page.png"))
    support.spit(path "bad.html", (support.slurp(path "run.html"):gsub("<main>", "<main><img src='https://example.invalid/a.png'>")))
    assert.matches("Content Security Policy", console(path "bad.html"), 1, true)
  end)

  it("shades the edge behind which a table goes on", function()
    local browser = os.getenv "SCION_CHROMIUM"
    if not browser then return pending "SCION_CHROMIUM names no browser" end
    local html, document = require "scion.report.html", require "scion.report.document"
    local function shaded(columns) -- rows of pixels at the right end of the text that are not white
      local heads, rows = {}, {}
      for i = 1, columns do heads[i] = { title = "column " .. i, right = true } end
      for i = 1, 8 do rows[i] = { tostring(i) } end
      support.spit(path "wide.html", document { title = "t", introduction = "", main = html.table { caption = "c", columns = heads, rows = rows } })
      browse(browser, path "wide.html")
      local picture, count = assert(core.image_load(path "page.png")), 0
      for y = 1, picture:shape()[1] do
        if picture:get(y, 500 - 17, 1) < 250 then count = count + 1 end
      end
      return count
    end
    assert.is_true(shaded(2) < 20)
    assert.is_true(shaded(20) > 150)
  end)

  it("shows labels of whatever bytes as text", function()
    local labels = { "<script>alert('1')</script>", "\u{202e}drow \u{9f}\u{ffff}\27[31m", "'quotes' & \"more\"" }
    local shown = { "<script>alert('1')</script>", "\\u{202e}drow \\u{9f}\\u{ffff}\\x1b[31m", "'quotes' & \"more\"" }
    local page, text = report((run { labels = labels }))
    assert.is_nil(text:find("<script", 1, true))
    local rows = markup.table(page, "Scores of each class")
    for i, label in ipairs(shown) do assert.equal(label, rows[i + 1][1]) end
  end)

  it("keeps names that run from right to left apart from the words around them", function()
    local model = scion.sequential { nn.input(2), nn.dense(2, "softmax", { name = "head" }) }
    core.copy(core.from_table({ { 1, 0 }, { 0, 1 } }, "f32"), model:layer "head".weights.kernel)
    local data = scion.data.tensors(scion.tensor { { 3, 0 }, { 0, 5 } }, { 2, 2 }, { batch = 2, labels = { "قطة", "b" } })
    local page = report(model:fit(data, { optimizer = scion.optim.sgd { lr = 0 }, validate = data, verbose = false, quiet = true }))
    local caption, names = markup.all(markup.figure(page, "Confusion").parent, "figcaption")[1], {}
    for i, name in ipairs(markup.all(caption, "bdi")) do names[i] = markup.text(name) end
    assert.same({ "1", "2", "b", "قطة", "once" }, names)
    assert.matches("1 of 2 examples are taken for another class; most often b for قطة, once. A row", markup.text(caption), 1, true)
    assert.matches("1 epoch took %d+ s, without", markup.text(section(page, "Speed and cache")))
    local pictured = pictures(2, 2, { "قطة", "كلب" })
    page = report(network(2):fit(pictured, { optimizer = scion.optim.sgd { lr = 0 }, validate = pictured, verbose = false, quiet = true }))
    for _, pair in ipairs(markup.all(section(page, "Mistakes"), "figcaption")) do assert.equal(3, #markup.all(pair, "bdi")) end
  end)

  it("breaks names that a table has no room for", function()
    local browser = os.getenv "SCION_CHROMIUM"
    if not browser then return pending "SCION_CHROMIUM names no browser" end
    local html, document = require "scion.report.html", require "scion.report.document"
    local columns = { { title = "class" }, { title = "examples", right = true } }
    local main = html.table { caption = "c", columns = columns, rows = { { ("a"):rep(300), "12" } } }
    support.spit(path "wide.html", document { title = "t", introduction = "", main = main })
    browse(browser, path "wide.html")
    local picture, lines = assert(core.image_load(path "page.png")), 0
    for y = 1, picture:shape()[1] do lines = lines + (picture:get(y, 500 - 19, 1) < 250 and 1 or 0) end
    assert.is_true(lines < 20, ("%d"):format(lines)) -- not the shade of an edge behind which the table goes on
  end)

  it("is evaluated with the model as it is, where a callback has put better weights back", function()
    local worse = { epoch_ends = function(of) of.entry.val_loss = of.entry.epoch end } -- the first epoch is the best one
    local history, model, _, val = run { callbacks = { worse, scion.callbacks.early_stopping { patience = 4 } } }
    local page = report(history)
    assert.matches(("as the model is now: loss %.4f"):format(model:evaluate(val).loss), markup.text(page), 1, true)
    assert.is_true(("%.4f"):format(model:evaluate(val).loss) ~= ("%.4f"):format(history.evaluation.loss))
    model:fit(val, { verbose = false, quiet = true }) -- now it is another one
    assert.matches(("after epoch 5: loss %.4f"):format(history.evaluation.loss), markup.text(report(history)), 1, true)
  end)

  it("passes over the validation set once, and not at all where its files are gone", function()
    local root = path "there"
    for _, set in ipairs { "train", "val" } do
      for k = 1, 3 do
        os.execute(("mkdir -p %s/%s/class%d"):format(root, set, k))
        for i = 1, 4 do assert(scion.image.save(("%s/%s/class%d/%d.png"):format(root, set, k, i), support.pattern(8, 8, 29 * k + 7 * i))) end
      end
    end
    local train, val = scion.data.folder(root .. "/train", { size = 8, batch = 4 }), scion.data.folder(root .. "/val", { size = 8, batch = 4 })
    scion.seed(1)
    local model = network(3)
    local history = model:fit(train, { epochs = 2, validate = val, verbose = false, quiet = true })
    local predict, passes = require "scion.train.predict", 0
    local inner = predict.run
    predict.run = function(where, ...)
      if where ~= "model:explain" then passes = passes + 1 end
      return inner(where, ...)
    end
    local page = report(history)
    predict.run = inner
    assert.equal(0, passes) -- beside that of the evaluation
    local wrong = scion.insight.mistakes(model, val)
    assert.matches(("^%d of 12 images are taken for another class"):format(#wrong), markup.text(markup.all(section(page, "Mistakes"), "p")[1]))
    assert.same({ wrong[1].file:match "[^/]*$", tostring(wrong[1].label) }, table.move(markup.table(page, "The mistakes with the highest loss")[2], 1, 2, 1, {}))
    os.execute(("rm -r %s"):format(root))
    support.stderr_of(function() page = report(history) end)
    assert.matches(("On 12 images of the validation set, after epoch 2: loss %.4f"):format(history.evaluation.loss), markup.text(page), 1, true)
    assert.matches("mistakes: the validation set cannot be read any more: ", markup.text(section(page, "Left out")), 1, true)
    assert.is_nil(markup.text(section(page, "Findings")):find "doctor")
    local left_out = markup.text(section(page, "Left out"))
    assert.matches("the doctor's findings: none of the 12 images of the training set can be read any more (" .. root, left_out, 1, true)
    local message
    support.stderr_of(function() message = messages.refused(function() history:report(path "run.html", { data = val }) end) end)
    assert.matches("evaluate: the data set gave no image that can be read, of 12", message, 1, true)
  end)

  it("keeps neither model nor data alive, and tells what it lacks then", function()
    local history, model, train, val = run()
    local gone = setmetatable({ model = model, train = train, val = val }, { __mode = "v" })
    model, train, val = nil, nil, nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(gone))
    local page = report(history)
    assert.matches(("after epoch 5: loss %.4f"):format(history[5].val_loss), markup.text(page), 1, true)
    assert.matches("the training set is not there any more", markup.text(section(page, "Left out")), 1, true)
    local rows = markup.table(page, "Blocks and stages")
    assert.same({ "a to b", "2 blocks of 3 layers, 284 parameters", "8x8x4", "frozen", "trains" }, rows[3])
  end)

  it("of a loaded model has curves, and evaluates what it is given", function()
    local _, model, _, val = run()
    model:save(path "m.safetensors")
    local loaded = scion.load(path "m.safetensors")
    local page = report(loaded.history)
    assert.equal(5, #markup.table(page, "loss by epoch") - 1)
    local left = markup.text(section(page, "Left out"))
    for _, words in ipairs { "stages and what was frozen", "confusion, classes and calibration", "mistakes", "settings" } do assert.matches(words, left, 1, true) end
    page = report(loaded.history, { model = loaded, data = val })
    assert.matches(("On 12 images of the data set given, as the model is now: loss %.4f"):format(model:evaluate(val).loss), markup.text(page), 1, true)
    assert.same({}, loaded.history.stages)
    assert.is_nil(loaded.history.settings)
  end)

  it("knows the stages of a run that was resumed", function()
    local first
    local ended = { epoch_begins = function(of)
      first = of.history
      if of.epoch == 4 then error "ended" end
    end }
    assert.is_false(pcall(run, { callbacks = ended, resume = path "run.ckpt" }))
    assert.equal(3, #first)
    scion.seed(1)
    local model, train, val = network(3), pictures(3, 6), pictures(3, 4)
    local schedule = scion.schedule { { epochs = 2, train = "head", optimizer = scion.optim.adam { lr = 0.1 } }, { epochs = 3, train = "all", lr = 1e-3 } }
    local history = model:fit(train, { schedule = schedule, validate = val, metrics = { "f1_macro" }, verbose = false, quiet = true, resume = path "run.ckpt" })
    local told = {}
    for i, stage in ipairs(history.stages) do told[i] = ("%d: %d to %d, %s"):format(stage.stage, stage.first, stage.last, stage.trains) end
    assert.same({ "1: 1 to 2, train = 'head'", "2: 3 to 5, train = 'all'" }, told)
    assert.same(first.stages[1].blocks, history.stages[1].blocks)
    report(history)
  end)

  it("loads itself anew while the model trains, and computes nothing for it", function()
    local texts = {}
    local history, model = run { callbacks = { epoch_ends = function(of)
      local steps, evaluate = of.model.steps, require "scion.train.evaluate"
      package.loaded["scion.train.evaluate"] = function() error "evaluated" end
      local ok, message = pcall(of.history.report, of.history, path "live.html", { live = true })
      package.loaded["scion.train.evaluate"] = evaluate
      assert.is_true(ok, message)
      assert.equal(steps, of.model.steps)
      texts[#texts + 1] = support.slurp(path "live.html")
    end } }
    assert.equal(5, #texts)
    for i, text in ipairs(texts) do
      local page = markup.read(text)
      assert.equal(i + 1, #markup.table(page, "loss by epoch"))
      assert.matches('<meta content="5" http-equiv="refresh">', text, 1, true)
      assert.matches(("after epoch %d: loss %.4f"):format(i, history[i].val_loss), markup.text(page), 1, true)
    end
    local _, text = report(history)
    assert.is_nil(text:find("refresh", 1, true))
    assert.equal(5, model.epoch)
  end)

  it("rests when the fit has ended, also by Ctrl-C and by an error", function()
    local function follow(and_then)
      return { epoch_ends = function(of)
        of.history:report(path "live.html", { live = true })
        assert.matches("this page loads itself anew", support.slurp(path "live.html"), 1, true)
        if of.epoch == 2 then and_then() end
      end }
    end
    local function rests(epochs)
      local text = support.slurp(path "live.html")
      assert.is_nil(text:find("refresh", 1, true) or text:find("loads itself anew", 1, true))
      local page = markup.read(text)
      assert.equal(epochs, #markup.table(page, "loss by epoch") - 1)
      return markup.text(page)
    end
    local history = run { callbacks = follow(function() end) }
    local words = rests(5)
    assert.matches(("after epoch 5: loss %.4f"):format(history.evaluation.loss), words, 1, true)
    assert.is_nil(words:find("ended the fit", 1, true))
    assert.is_false(pcall(run, { callbacks = follow(function() error("no more", 0) end) }))
    assert.matches("An error ended the fit: no more", rests(2), 1, true)
    assert.is_false(pcall(run, { callbacks = follow(function() assert(io.popen "kill -INT $PPID"):close() end) }))
    assert.matches("Ctrl-C ended the fit before its last epoch", rests(2), 1, true)
    history:report(path "live.html", { live = true }) -- nothing trains
    rests(5)
  end)

  it("of all fits of a model has a stage for each", function()
    local model, train = network(3), pictures(3, 4)
    model:freeze { upto = "b" }:fit(train, { epochs = 2, verbose = false, quiet = true })
    model:thaw():fit(train, { epochs = 1, verbose = false, quiet = true })
    local stages = model.history.stages
    assert.same({ 1, 2, 3, 3 }, { stages[1].first, stages[1].last, stages[2].first, stages[2].last })
    assert.is_true(stages[1].trainable < stages[2].trainable)
    local page = report(model.history)
    assert.matches("there is no validation set", markup.text(section(page, "Left out")), 1, true)
    assert.equal("3", markup.table(page, "Stages of the training")[3][2])
  end)

  it("tells of a network that gives numbers, of several labels, and of no epochs", function()
    local numbers = scion.data.tensors(scion.zeros({ 4, 8, 8, 3 }, "u8"), scion.ones(4, 2), { batch = 2 })
    local linear = scion.sequential { nn.input(8, 8, 3), nn.flatten(), nn.dense(2) }
    local page = report(linear:fit(numbers, { validate = numbers, verbose = false, quiet = true }))
    assert.matches("The network tells no classes", markup.text(page), 1, true)
    local several = scion.data.tensors(scion.zeros({ 4, 8, 8, 3 }, "u8"), { { "a" }, { "b" }, { "a", "b" }, {} }, { batch = 2 })
    local labelled = scion.sequential { nn.input(8, 8, 3), nn.flatten(), nn.dense(2, "sigmoid") }
    page = report(labelled:fit(several, { validate = several, verbose = false, quiet = true }))
    assert.equal(3, #markup.table(page, "Scores of each class"))
    assert.is_truthy(markup.figure(page, "Calibration"))
    page = report(network(2).history)
    assert.matches("No epoch has ended yet", markup.text(page), 1, true)
  end)

  it("of losses that are no numbers leaves these out of the curves, and says so", function()
    local model = network(2)
    model.history = { { epoch = 1, loss = 0 / 0 }, { epoch = 2, loss = 1.5 }, { epoch = 3, loss = math.huge }, { epoch = 4, loss = 0.5 }, { epoch = 5, loss = 0.4 } }
    model:save(path "n.safetensors")
    local page = report(scion.load(path "n.safetensors").history)
    assert.same({ "NaN", "1.5000", "inf", "0.5000", "0.4000" }, (function()
      local cells = {}
      for i, row in ipairs(markup.table(page, "loss by epoch")) do cells[i - 1] = row[2] end
      cells[0] = nil
      return cells
    end)())
    local drawing = markup.figure(page, "loss")
    assert.equal(4, #markup.all(drawing, "circle")) -- three, and the legend's
    assert.matches("2 of the numbers are not finite and left out", markup.text(markup.all(drawing, "desc")[1]), 1, true)
  end)

  it("of a model that diverges, of stages and of metrics that began later has each in its place", function()
    local model, train, val = network(3), pictures(3, 2), pictures(3, 1)
    local function fit(o)
      o.verbose, o.quiet = false, true
      model:fit(train, o)
    end
    fit { epochs = 2, validate = val }
    fit { epochs = 2, metrics = { "kappa" } }
    fit { epochs = 2, validate = val, metrics = { "kappa" } }
    for i, entry in ipairs(model.history) do entry.loss, entry.val_loss = 1e33 / i, entry.val_loss and 2.5e33 / i end
    local page = report(model.history, { diagnosis = false })
    local marks = {}
    for _, name in ipairs { "loss", "kappa" } do
      local drawing = markup.figure(page, name)
      marks[name] = { #markup.all(drawing, "line", "mark"), markup.text(markup.all(drawing, "desc")[1]):match "[^.]*otted line[^.]*" }
    end
    assert.same({ loss = { 2, " Dotted lines mark where stages begin" }, kappa = { 1, " The dotted line marks where stage 3 begins" } }, marks)
    assert.is_nil(markup.text(markup.all(markup.figure(page, "loss"), "desc")[1]):find "%d%d%d%d%d%d%d")
    assert.equal(3, #markup.all(markup.figure(page, "loss"), "polyline", "line-2")) -- with the legend's
    assert.matches("1.67e+32loss, epoch 6", markup.text(markup.all(page, "ul", "facts")[1]), 1, true)
    assert.equal("1.00e+33", markup.table(page, "loss by epoch")[2][2])
  end)

  it("stays small with a thousand classes and ten thousand images", function()
    local classes, n, numbers, labels = 1000, 10000, {}, {}
    for i = 1, n do numbers[i] = (i - 1) % classes + 1 end
    for k = 1, classes do labels[k] = ("a class with a longer name, number %d"):format(k) end
    local data = scion.data.tensors((core.uniform({ n, 2, 2, 3 }, 1, 0) * 255):to "u8", numbers, { labels = labels, batch = 500 })
    local model = scion.sequential { nn.input(2, 2, 3), nn.flatten(), nn.dense(classes, "softmax") }
    local history = model:fit(data, { validate = data, verbose = false, quiet = true })
    local page, text = report(history)
    assert.is_true(#text < 5e6, ("%d bytes"):format(#text))
    assert.equal(classes + 1, #markup.table(page, "Scores of each class"))
    assert.equal(101, #markup.table(page, "The most frequent confusions"))
  end)

  it("is refused where it cannot be, before anything is computed", function()
    local history, model, _, val = run()
    local function refused(pattern, f) assert.matches(pattern, messages.refused(f), 1, true) end
    refused("/proc/no-such-folder/x cannot be made", function() history:report("/proc/no-such-folder/x/run.html") end)
    refused("unknown option 'modle' (did you mean 'model'?", function() history:report(path "run.html", { modle = model }) end)
    refused("model is a model, not a data set", function() history:report(path "run.html", { model = val }) end)
    refused("history:report is called with a colon", function() history.report(path "run.html") end)
    refused("the path is", function() history:report() end)
    refused("it writes a .svg file", function() history:plot(path "curves.png") end)
    refused("it writes a .svg file", function() model:plot(path "net.pdf") end)
    refused("the history has no epochs", function() network(2).history:plot(path "curves.svg") end)
    refused("'report' is a method and cannot be set", function() history.report = 1 end)
    refused("did you mean 'report'?", function() history:reprot(path "run.html") end)
  end)
end)
