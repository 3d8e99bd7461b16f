-- Every public function, given what makes no sense: each raises, at the line of the script, in a sentence that names nothing of the
-- library's inside; and nothing has been done by then.
local core = require "scion.core"
local lfs = require "lfs"
local messages = require "spec.support.messages"
local scion = require "scion"
local support = require "spec.support.files"
local nn = scion.nn

local root = support.folder()
for _, class in ipairs { "a", "b" } do
  assert(lfs.mkdir(root .. "/" .. class))
  for i = 1, 2 do assert(scion.image.save(("%s/%s/%d.png"):format(root, class, i), scion.full({ 8, 8, 3 }, 50 * i, "u8"))) end
end

local images = scion.zeros({ 4, 8, 8, 3 }, "u8")
local data = scion.data.tensors(images, { 1, 2, 1, 2 }, { batch = 2 })
local model = scion.sequential { nn.input(8, 8, 3), nn.conv2d(2, 3, { name = "conv" }), nn.global_avg_pool(), nn.dense(2, "softmax") }

-- ---- what makes no sense somewhere ----------------------------------------------------------------------------------

local hostile = setmetatable({}, { __index = function() error "hostile" end, __len = function() return 1 << 40 end })

--- Values by name; a place says which of them it takes.
local values = {
  ["nil"] = nil, zero = 0, one = 1, float_one = 1.0, minus = -1, fraction = 1.5, half = 0.5, nan = 0 / 0, infinite = math.huge, huge = 1 << 62, large = 1e300,
  empty_text = "", text = "no such", control = "a\1\27[31mb", zero_byte = "a\0b", yes = true, no = false,
  empty = {}, list = { 1, 2 }, hole = { 1, nil, 3 }, names = { "a", "b" }, mixed = { "a", 2 }, options = { nonsense = 1 },
  fn = function() return 1 end, coroutine = coroutine.create(print), file = io.stdout, tensor = scion.zeros(2), images = images,
  model = model, data = data, optimizer = scion.optim.sgd(), constructor = scion.optim.sgd, layer = nn.relu(), hostile = hostile,
}
local names = { "nil" }
for name in pairs(values) do names[#names + 1] = name end
table.sort(names)

local function set(text)
  local found = {}
  for name in text:gmatch "%S+" do found[name] = true end
  return found
end

--- Calls f with every value but those that it takes, and asserts that each is refused.
local function walk(where, f, takes)
  takes = set(takes or "")
  for name in pairs(takes) do assert(name == "nil" or values[name] ~= nil, "no value is called " .. name) end
  for _, name in ipairs(names) do
    if not takes[name] then
      local ok, text = pcall(messages.refused, function() local _ = f(values[name]) end)
      assert(ok, ("%s given %s: %s"):format(where, name, text))
    end
  end
end

--- The same for options: each name with what it takes.
local function walk_options(where, f, options)
  for option, takes in pairs(options) do
    walk(where .. " " .. option, function(value) local _ = f { [option] = value } end, "nil " .. takes)
  end
end

local whole, number = "one float_one", "zero one float_one fraction half"

describe("arguments that make no sense", function()
  teardown(support.done)

  it("are refused by model:fit", function()
    local before = model:layer("conv").weights.kernel:bytes()
    walk("fit's data", function(value) local _ = model:fit(value, { verbose = false }) end, "data")
    walk("fit's options", function(value) local _ = model:fit(data, value) end, "nil empty")
    walk_options("fit", function(o) local _ = model:fit(data, o) end, {
      epochs = "zero " .. whole, validate = "no data", optimizer = "optimizer", loss = "", metrics = "empty", callbacks = "empty", class_weights = "no list",
      verbose = "yes no", quiet = "yes no", warn = "fn constructor layer",
      cache = "yes no empty " .. whole, precision = "", epoch = "",
    })
    walk("fit's step", function(value) local _ = model:fit(data, { epochs = 0, callbacks = { step = value } }) end, "nil fn constructor layer")
    walk("fit's epoch", function(value) local _ = model:fit(data, { epochs = 0, callbacks = { epoch = value } }) end, "nil fn constructor layer")
    walk("fit's variants", function(value) local _ = model:fit(data, { epochs = 0, cache = { variants = value } }) end, "nil " .. whole)
    walk("fit's upto", function(value) local _ = model:fit(data, { epochs = 0, cache = { upto = value } }) end, "nil")
    walk("fit's class weight", function(value) local _ = model:fit(data, { epochs = 0, class_weights = { ["1"] = value or -1 } }) end, number .. " large huge")
    assert.equal(before, model:layer("conv").weights.kernel:bytes())
    assert.equal(0, model.epoch)
  end)

  it("are refused by evaluate, predict, features and plan", function()
    walk("evaluate's data", function(value) local _ = model:evaluate(value) end, "data")
    walk("evaluate's options", function(value) local _ = model:evaluate(data, value) end, "nil empty")
    walk_options("evaluate", function(o) local _ = model:evaluate(data, o) end, { batch = whole, loss = "", metrics = "empty", cache = "yes no empty " .. whole,
                                                                             precision = "", top = "" })
    walk("predict", function(value) local _ = model:predict(value) end, "data images empty names empty_text text control")
    walk("predict's options", function(value) local _ = model:predict(data, value) end, "nil empty")
    walk_options("predict", function(o) local _ = model:predict(data, o) end, { batch = whole, top = whole, tta = whole, tops = "" })
    walk("features' data", function(value) local _ = model:features(value, "conv") end, "data images empty names")
    walk("features' name", function(value) local _ = model:features(data, value) end)
    walk("features' options", function(value) local _ = model:features(data, "conv", value) end, "nil empty")
    walk_options("features", function(o) local _ = model:features(data, "conv", o) end, { pool = "", batch = whole, cache = "yes no empty " .. whole, precision = "" })
    walk("plan", function(value) local _ = model:plan(value) end, "nil empty data")
    walk_options("plan", function(o) local _ = model:plan(o) end, { batch = whole, data = "data", mode = "", cache = "yes no empty " .. whole })
  end)

  it("are refused when a method is called with a dot", function()
    for _, method in ipairs { "fit", "evaluate", "predict", "features", "plan" } do
      walk("model." .. method, model[method], "model")
    end
    for _, method in ipairs { "batches", "class_counts", "order" } do walk("data." .. method, data[method], "data") end
  end)

  it("are refused by the functions that make data sets", function()
    local sizes, common = whole .. " list", { batch = whole, shuffle = "yes no", seed = "zero minus huge " .. whole, workers = whole, augment = "no empty", fit = "",
                                                  filter = "" }
    local function with(more)
      local all = {}
      for k, v in pairs(common) do all[k] = v end
      for k, v in pairs(more) do all[k] = v end
      return all
    end
    walk("folder", function(value) local _ = scion.data.folder(value) end)
    walk("folder's options", function(value) local _ = scion.data.folder(root, value) end, "nil empty")
    walk_options("folder", function(o) local _ = scion.data.folder(root, o) end,
                 with { size = sizes, labels = "no names", follow_links = "yes no", memory = number, reducing_gap = "no one float_one fraction",
                        max_pixels = whole, truncated = "", background = "", validation_split = "" })
    walk("files", function(value) local _ = scion.data.files(value) end, "empty names")
    walk("files' options", function(value) local _ = scion.data.files({}, value) end, "nil empty")
    walk_options("files", function(o) local _ = scion.data.files({ "x.png" }, o) end,
                 with { size = sizes, memory = number, reducing_gap = "no one float_one fraction",
                        max_pixels = whole, truncated = "", background = "", labels = "", multi = "no" })
    walk("a file's label", function(value) local _ = scion.data.files { { path = "x.png", label = value } } end,
         "nil one float_one fraction half large empty_text text control names list empty")
    local list, pictures = support.spit(root .. ".csv", "f\nx.png\n"), scion.data.folder(root, { size = 8 })
    walk("csv", function(value) local _ = scion.data.csv(value, { file = "f" }) end)
    walk("csv's options", function(value) local _ = scion.data.csv(list, value) end)
    walk_options("csv", function(o) o.file = o.file or "f" local _ = scion.data.csv(list, o) end,
                 with { size = sizes, memory = number, reducing_gap = "no one float_one fraction",
                        max_pixels = whole, truncated = "", background = "", labels = "", multi = "no", root = "text control" })
    walk("with", function(value) local _ = data:with(value) end, "empty")
    walk_options("with", function(o) local _ = data:with(o) end, with { size = sizes, memory = "", labels = "" })
    walk("split", function(value) local _ = pictures:split(value) end, "half")
    walk("split's options", function(value) local _ = pictures:split(0.5, value) end, "half empty")
    walk("subset", function(value) local _ = data:subset(value) end, "list")
    walk("take", function(value) local _ = data:take(value) end, whole)
    walk("tensors", function(value) local _ = scion.data.tensors(value) end, "images")
    walk("tensors' labels", function(value) local _ = scion.data.tensors(images:slice(1, 1, 2):copy(), value) end, "nil list names tensor")
    walk("tensors' options", function(value) local _ = scion.data.tensors(images, nil, value) end, "nil empty")
    walk_options("tensors", function(o) local _ = scion.data.tensors(images, { 1, 2, 1, 2 }, o) end, with { size = sizes, labels = "names" })
    walk_options("augment", function(o) local _ = scion.data.folder(root, { augment = o }) end, {
      rotation = number .. " large huge", width_shift = number .. " large huge", height_shift = number .. " large huge", shear = number .. " large huge",
      channel_shift = number .. " large huge", zoom = "zero half list", brightness = "list", flip = "no", fill = "", fill_value = number, sheer = "",
    })
  end)

  it("are refused by the doctor and by contact sheets", function()
    walk("doctor", function(value) local _ = scion.data.doctor(value) end, "data")
    walk("doctor's options", function(value) local _ = scion.data.doctor(data, value) end, "nil empty")
    walk_options("doctor", function(o) local _ = scion.data.doctor(data, o) end, { against = "empty data" })
    local path = root .. "/../sheet.png"
    walk("show", function(value) local _ = data:show(value) end)
    walk("show's options", function(value) local _ = data:show(path, value) end, "nil empty")
    walk_options("show", function(o) local _ = data:show(path, o) end, { n = whole, epoch = whole })
    os.remove(path)
  end)

  it("are refused by callbacks", function()
    local counts, from_zero, C = "zero " .. whole, number .. " large huge", scion.callbacks
    walk_options("early_stopping", C.early_stopping, { monitor = "", mode = "", patience = counts, min_delta = from_zero, baseline = from_zero .. " minus",
                                                       start_from_epoch = counts, restore_best = "yes no" })
    walk_options("reduce_lr_on_plateau", C.reduce_lr_on_plateau, { monitor = "", mode = "", factor = "half", patience = counts, min_delta = from_zero,
                                                                   cooldown = counts, min_lr = from_zero })
    walk_options("ema", C.ema, { decay = "zero half", warmup = "yes no" })
    local function with_path(name)
      return function(o) local _ = C[name]("x", o) end
    end
    walk_options("model_checkpoint", with_path "model_checkpoint", { monitor = "text control", mode = "", save_best = "yes no", every = whole, path = "" })
    walk_options("csv_logger", with_path "csv_logger", { append = "yes no", path = "" })
    walk_options("tensorboard", with_path "tensorboard", { update = whole, folder = "" })
    for _, name in ipairs { "model_checkpoint", "csv_logger", "tensorboard" } do
      walk(name, function(value) local _ = C[name](value) end, "text control")
    end
  end)

  it("are refused where a field is set, and names of fields that there are not", function()
    local mine = scion.data.folder(root, { size = 8 })
    for field, takes in pairs { batch = whole, shuffle = "yes no", seed = "zero minus huge " .. whole, augment = "nil no empty", warn = "fn constructor layer" } do
      walk("data." .. field, function(value) mine[field] = value end, takes)
    end
    for _, field in ipairs { "size", "files", "labels", "classes", "count", "memory", "skipped", "batchsize", "shufle" } do
      walk("data." .. field, function(value) mine[field] = value end)
    end
    local optimizer = scion.optim.adam()
    for field, takes in pairs { lr = number .. " large huge", beta1 = "zero half", epsilon = "one float_one fraction half large huge", learning_rate = "" } do
      walk("optimizer." .. field, function(value) optimizer[field] = value end, takes)
    end
    walk("model.loss", function(value) model.loss = value end, "nil fn constructor")
    model.loss = nil
    walk("model.metrics", function(value) model.metrics = value end, "nil empty")
    model.metrics = nil
    local history, evaluation, plan = model:fit(data, { verbose = false, epochs = 0 }), model:evaluate(data), model:plan(data)
    assert.matches("a history has no field 'interupted': did you mean 'interrupted'?", messages.refused(function() local _ = history.interupted end), 1, true)
    assert.matches("an evaluation has no field 'acuracy': did you mean 'accuracy'?", messages.refused(function() local _ = evaluation.acuracy end), 1, true)
    assert.matches("a plan has no field 'memroy': did you mean 'memory'?", messages.refused(function() local _ = plan.memroy end), 1, true)
    assert.matches("a data set has no field 'lables': did you mean 'labels'?", messages.refused(function() local _ = mine.lables end), 1, true)
    messages.refused(function() history.best = 1 end)
    local epoch, predictions = model:fit(data, { verbose = false, epochs = 1 })[1], model:predict(data)
    assert.matches("an epoch of a history has no field 'val_acc'", messages.refused(function() local _ = epoch.val_acc end), 1, true)
    assert.is_nil(epoch.val_loss)
    epoch.notes = "mine" -- users may add to an epoch
    assert.matches("a list of predictions has no field 'label': its entries have", messages.refused(function() local _ = predictions.label end), 1, true)
    assert.matches("a prediction has no field 'lable': did you mean 'label'?", messages.refused(function() local _ = predictions[1].lable end), 1, true)
    assert.matches("a list of scores has no field 'a'", messages.refused(function() local _ = evaluation.classes.a end), 1, true)
    assert.matches("a data set is not called: for batch in data:batches()", messages.refused(function() for _ in data do return end end), 1, true)
  end)

  it("are refused by a history's report, drawing and table", function()
    local history = model:fit(data, { verbose = false, quiet = true, validate = data })
    for _, name in ipairs { "report", "plot", "csv" } do
      walk("history:" .. name, function(value) history[name](history, value) end, name ~= "plot" and "text control" or nil)
      walk("history." .. name, function(value) history[name](value, root .. "/x.svg") end)
    end
    local page = root .. "/run.html"
    walk("report's options", function(value) history:report(page, value) end, "nil empty")
    walk_options("report", function(o) history:report(page, o) end, { model = "model", data = "data", diagnosis = "no", live = "yes no" })
    assert.is_nil(lfs.attributes(page, "mode"))
  end)

  it("are refused by losses", function()
    for name, options in pairs { categorical = { smoothing = "zero half", label_smoothing = "" }, binary = { smoothing = "zero half" }, mse = { delta = "" }, mae = {},
                                 focal = { gamma = number .. " large huge", alpha = "half", activation = "" },
                                 huber = { delta = "one float_one fraction half large huge" } } do
      walk("loss." .. name, function(value) local _ = scion.loss[name](value) end, "nil empty")
      walk_options("loss." .. name, function(o) local _ = scion.loss[name](o) end, options)
    end
    local rows = scion.zeros(2, 2)
    walk("loss.check", function(value) scion.loss.check(value, rows, rows) end)
    for _, name in ipairs { "outputs", "targets" } do
      walk("loss.check's " .. name, function(value) scion.loss.check(values.fn, name == "outputs" and value or rows, name == "targets" and value or rows) end)
    end
    assert.matches("did you mean 'huber'?", messages.refused(function() return scion.loss.Huber end), 1, true)
  end)

  it("are refused by optimizers and by a pass over a data set", function()
    for name in pairs(scion.optim) do
      walk(name, function(value) local _ = scion.optim[name](value) end, "nil empty")
      walk_options(name, function(o) local _ = scion.optim[name](o) end, { lr = number .. " large huge", weight_decay = number .. " large huge", learning_rate = "",
                                                                             decays = "", groups = "empty" })
    end
    for _, name in ipairs { "constant", "cosine", "one_cycle", "polynomial" } do walk(name, function(value) local _ = scion.lr[name](value) end, number .. " large huge") end
    walk("step's epochs", function(value) local _ = scion.lr.step(1, { every = value }) end, whole)
    walk("by_depth", function(value) local _ = scion.lr.by_depth(1e-3, value) end, "one float_one fraction half large huge")
    assert.matches("nesterov needs a momentum", messages.refused(function() local _ = scion.optim.sgd { nesterov = true } end), 1, true)
    walk("batches", function(value) local _ = data:batches(value) end, "nil zero " .. whole)
    walk("batches' options", function(value) local _ = data:batches(1, value) end, "nil empty")
    walk_options("batches", function(o) local _ = data:batches(1, o) end, { batch = whole, shuffle = "yes no", augment = "no empty", seed = "" })
  end)

  it("are refused where a function has no place for them", function()
    local many = table.pack(nil, nil, nil, nil, nil, nil, nil, nil, "too much")
    for _, module in ipairs { "data", "image", "insight", "loss", "lr", "optim", "weights", "callbacks", "augment", "nn", "models" } do
      for name, f in pairs(scion[module]) do
        if type(f) == "function" then
          local message = messages.refused(function() local _ = f(table.unpack(many, 1, 9)) end)
          assert.matches("too much", message, 1, true, module .. "." .. name)
        end
      end
    end
    assert.matches("data:take(n) takes nothing more: leave out argument 2, which is 4", messages.refused(function() local _ = data:take(3, 4) end), 1, true)
    assert.matches("scion.data.tensors(x, y, options) takes nothing more: leave out argument 4, which is an empty table",
                   messages.refused(function() local _ = scion.data.tensors(images, { 1, 2, 1, 2 }, {}, {}) end), 1, true)
    assert.equal(3, #data:take(3, nil))
    local input = nn.input(8, 8, 3)
    for message, call in pairs {
      ["add_1: is applied to one node, or to several in a list, layer{ a, b }, not to 2 arguments"] = function() local _ = nn.add { name = "add_1" } (input, input) end,
      ["an architecture(options) takes nothing more: leave out argument 2, which is an empty table"] = function() scion.models.vgg16({ input = 64 }, {}) end,
      ["scion.schedule(list) takes nothing more: leave out argument 2"] = function() scion.schedule({ { epochs = 1 } }, { { epochs = 2 } }) end,
    } do assert.matches(message, messages.refused(call), 1, true) end
  end)

  it("are refused after they were changed between two passes", function()
    local mine = scion.data.folder(root, { size = 8, augment = { zoom = 0.1 } })
    mine.augment.zoom = "much"
    assert.matches("augment: zoom is a number", messages.refused(function() mine:batches(1) end), 1, true)
    local seen = 0
    local message = messages.refused(function()
      model:fit(data, { epochs = 3, verbose = false, callbacks = { step = function()
        seen = seen + 1
        data.batch = 0
      end } })
    end)
    assert.matches("a data set: batch is a whole number", message, 1, true)
    assert.equal(1, seen)
    assert.equal(2, data.batch)
    assert.is_false(core.catch_interrupts() == false) -- Ctrl-C was given back
    core.release_interrupts()
  end)
end)
