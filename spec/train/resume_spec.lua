-- Runs that are ended at any moment, and go on from their checkpoint to the same bits.
local lfs = require "lfs"
local messages = dofile "spec/support/messages.lua"
local scion = require "scion"
local pictures = dofile "spec/support/images.lua"
local support = dofile "spec/support/files.lua"
local nn = scion.nn

local images = scion.uniform({ 26, 8, 8, 3 }, 0, 255):to "u8"
local labels = {}
for i = 1, 26 do labels[i] = i % 3 + 1 end

local function data(o)
  local given = { batch = 4, seed = 5, augment = { rotation = 20, flip = "horizontal" }, labels = { "a", "b", "c" } }
  for key, value in pairs(o or {}) do given[key] = value end
  return scion.data.tensors(images, labels, given)
end

local validation = scion.data.tensors(images, labels, { batch = 8, labels = { "a", "b", "c" }, shuffle = false })

local function network()
  scion.seed(9)
  local base = scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 3, { name = "b1/conv", activation = "relu" }), nn.batch_norm { name = "b1/norm" },
                                  nn.conv2d(4, 3, { name = "b2/conv", activation = "relu" }) }
  return base:graft { nn.flatten(), nn.dropout(0.4), nn.dense(8, "relu"), nn.dense(3, "softmax") }
end

local function schedule()
  return scion.schedule { { epochs = 2, train = "head", optimizer = scion.optim.adam() }, { epochs = 2, blocks = 1, lr = scion.lr.cosine(3e-4) },
                          { epochs = 1, train = "all", optimizer = scion.optim.rmsprop { lr = 1e-4 } } }
end

local digest = dofile("spec/support/models.lua").digest

local folder = support.folder()
local path = folder .. "/run.ckpt"

local function fit(model, o)
  local set = o and o.data or data()
  local given = { schedule = schedule(), validate = validation, verbose = false, quiet = true, accumulate = 2, clip = 1.0, metrics = { "roc_auc", "top_2" } }
  for key, value in pairs(o or {}) do given[key] = value end
  given.data = nil
  return model:fit(set, given)
end

local quietly = support.stderr_of

local whole, whole_history
local function undisturbed()
  if not whole then
    local model = network()
    whole_history = fit(model)
    whole = digest(model)
  end
  return whole, whole_history
end

describe("a fit that is resumed", function()
  setup(undisturbed)
  before_each(function() os.remove(path) end)
  teardown(support.done)

  local function goes_on(message)
    local model, history = network(), nil
    local told = quietly(function() history = fit(model, { resume = path }) end)
    assert.equal(whole, digest(model), message)
    assert.equal(5, #history)
    for i, entry in ipairs(history) do
      for _, name in ipairs { "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr", "roc_auc", "val_roc_auc", "top_2" } do
        assert.equal(whole_history[i][name], entry[name], ("%s: epoch %d, %s"):format(message, i, name))
      end
    end
    return told, model
  end

  it("has the weights and the history of one that was never ended, wherever a callback ended it", function()
    for count = 1, 20, 3 do
      for _, every in ipairs { 1, 3 } do
        local steps = 0
        local ended = { step_ends = function()
          steps = steps + 1
          if steps == count then error "ended" end
        end }
        assert.is_false(pcall(fit, network(), { resume = { path, every = every }, callbacks = { ended } }))
        goes_on(("ended after step %d, written every %d"):format(count, every))
        os.remove(path)
      end
    end
  end)

  it("goes on from where Ctrl-C ended it, which writes the file", function()
    for count = 1, 20, 4 do
      local steps = 0
      local ended = { step_ends = function()
        steps = steps + 1
        if steps == count then io.popen("kill -INT $PPID"):close() end
      end }
      local ok, raised = pcall(fit, network(), { resume = path, callbacks = { ended } })
      assert.is_false(ok)
      assert.matches("fit: Ctrl%-C ended it in epoch %d of 5, after step %d; the same call goes on from " .. path:gsub("%p", "%%%0"), tostring(raised))
      assert.matches("scion: fit: goes on from " .. path, goes_on("interrupted after step " .. count), 1, true)
      os.remove(path)
    end
  end)

  it("is complete at once where its file is that of a whole run", function()
    fit(network(), { resume = path })
    local steps = 0
    local model, history = network(), nil
    quietly(function() history = fit(model, { resume = path, callbacks = { { step_ends = function() steps = steps + 1 end } } }) end)
    assert.same({ 0, 5, whole }, { steps, #history, digest(model) })
  end)

  it("remembers what callbacks tell of their state, and that one has ended the run", function()
    local function counter()
      local n, seen = 0, {}
      return { step_ends = function(run)
        n = n + 1
        if n == 9 then run:stop() end
      end, epoch_ends = function() seen[#seen + 1] = n end, state = function() return { n = n, seen = seen, copy = scion.tensor { n } } end,
        restore = function(state) n, seen = state.n, state.seen assert(state.copy:get(1) == n) end }, function() return n, seen end
    end
    local callback, told = counter()
    local model = network()
    fit(model, { callbacks = { callback } })
    local n, seen = told()
    for count = 3, 9, 2 do
      os.remove(path)
      local steps = 0
      local first = counter()
      pcall(fit, network(), { resume = { path, every = 1 }, callbacks = { first, { step_ends = function() steps = steps + 1 if steps > count then error "ended" end end } } })
      local second, of_second = counter()
      local again = network()
      quietly(function() fit(again, { resume = { path, every = 1 }, callbacks = { second, {} } }) end)
      assert.equal(digest(model), digest(again))
      local m, seen_too = of_second()
      assert.equal(n, m)
      assert.same(seen, seen_too)
    end
  end)

  it("refuses a file of another network, data set, option or stage, or what is no checkpoint, and changes nothing", function()
    pcall(fit, network(), { resume = { path, every = 1 }, callbacks = { { epoch_ends = function(run) if run.epoch == 3 then error "ended" end end } } })
    local bytes = support.slurp(path)
    local function refused(text, o, model)
      model = model or network()
      local before = digest(model)
      o.resume = o.resume or path
      assert.matches(text, messages.refused(function() fit(model, o) end), 1, true)
      assert.equal(before, digest(model))
      assert.same({ 0, 0 }, { model.epoch, #model.history })
      assert.equal(bytes, support.slurp(path))
    end
    scion.seed(9)
    refused("is of a run with another network", {}, scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 3, { name = "x" }), nn.flatten(), nn.dense(3, "softmax") })
    refused("is of a run with another data set (26 examples, batch 4, seed 5", { data = data { seed = 6 } })
    refused("is of a run with another data set", { data = data { augment = { rotation = 21, flip = "horizontal" } } })
    refused("is of a run with another accumulate (2; now 3)", { accumulate = 3 })
    refused("is of a run with another clip (norm 1.0, value -; now norm 2, value -)", { clip = 2 })
    refused("is of a run with another class_weights (none; now 1.0 2.0 1.0)", { class_weights = { 1, 2, 1 } })
    local other = schedule()
    other[2].lr = 1e-5
    refused("is of a run with another stage 2 (2 epochs, blocks = 1, lr = cosine(0.0003); now 2 epochs, blocks = 1, lr = 1e-05)", { schedule = other })
    local saved = folder .. "/model.safetensors"
    network():save(saved)
    refused("is no checkpoint of a fit, but a saved model, which scion.load reads", { resume = saved })
    local text = support.spit(folder .. "/text.ckpt", "no checkpoint at all")
    refused("text.ckpt: ", { resume = text })
    for _, unreadable in ipairs { text, support.spit(folder .. "/empty.ckpt", ""), support.spit(folder .. "/cut.ckpt", bytes:sub(1, #bytes // 2)) } do
      refused("; if it is a checkpoint, it is damaged: delete it to begin anew; else give another path", { resume = unreadable })
    end
    refused("or delete it to begin anew", { resume = saved })
    refused("fit: resume is the path of a file, or { path, every = steps }, not 7", { resume = 7 })
    refused("fit: resume: unknown option 'each' (it takes every)", { resume = { path, each = 5 } })
    refused("fit: resume is the path of a file, or { path, every = steps }, and the path is nil", { resume = { every = 5 } })
  end)

  it("may have another last stage, which has not begun", function()
    pcall(fit, network(), { resume = { path, every = 1 }, callbacks = { { epoch_ends = function(run) if run.epoch == 2 then error "ended" end end } } })
    local other, model = schedule(), network()
    other[3].epochs = 2
    local history
    quietly(function() history = fit(model, { resume = path, schedule = other }) end)
    assert.equal(6, #history)
  end)

  it("has what a callback has changed of later stages, which the same call is not to change again", function()
    local function editing(ends)
      local s = schedule()
      return { schedule = s, callbacks = { { stage_ends = function(run)
        if run.stage ~= 1 then return end
        s[2].blocks = nil
        s[2].train = "all"
        s[2].epochs, s[2].lr, s[3].lr = 1, scion.lr.exponential(1e-4, { factor = 0.5 }), 1e-5
      end, step_ends = function(run) if run.epoch == ends and run.step == 2 then error "ended" end end } } }
    end
    local expected = network()
    fit(expected, editing())
    for ends = 3, 4 do -- in the second stage, and in the third
      os.remove(path)
      local first, again, model = editing(ends), editing(), network()
      first.resume, again.resume = { path, every = 1 }, path
      assert.is_false(pcall(fit, network(), first))
      quietly(function() fit(model, again) end)
      assert.equal(digest(expected), digest(model))
    end
    os.remove(path)
    local first, other = editing(3), editing()
    first.callbacks[1].stage_ends = function(run) if run.stage == 1 then first.schedule[2].optimizer = scion.optim.sgd() end end
    first.resume, other.resume = { path, every = 1 }, path
    assert.is_false(pcall(fit, network(), first))
    assert.matches("fit: resume: stage 2 had another optimizer, sgd(lr = 0.01), which was given to it while the fit ran",
                   messages.refused(function() fit(network(), other) end), 1, true)
  end)

  it("may have more epochs in the stage that it is in, and goes on as if they had been there from the beginning", function()
    local longer, expected, model = schedule(), network(), network()
    longer[3].epochs = 3
    fit(expected, { schedule = longer })
    fit(network(), { resume = path })
    local history
    quietly(function() history = fit(model, { resume = path, schedule = longer }) end)
    assert.equal(7, #history)
    assert.equal(digest(expected), digest(model))
    for number, epochs in pairs { [1] = 3, [3] = 2 } do -- one stage that is over, and one that has had more epochs
      local other = schedule()
      other[number].epochs = epochs
      assert.matches("is of a run with another stage " .. number, messages.refused(function() fit(network(), { resume = path, schedule = other }) end), 1, true)
    end
  end)

  it("has the ranges of int8 in its file, and does not find them anew", function()
    local model, undisturbed_history = network(), nil
    local first = quietly(function() undisturbed_history = fit(model, { precision = "int8" }) end)
    assert.matches("measuring the ranges", first, 1, true)
    assert.equal(#data(), undisturbed_history.int8.images)
    for _, ends in ipairs { 2, 7, 12 } do -- in the first stage, and in the second one, where less is frozen
      os.remove(path)
      local count, again, history = 0, network(), nil
      local ended = { step_ends = function() count = count + 1 if count == ends then error "ended" end end }
      quietly(function() assert.is_false(pcall(fit, network(), { precision = "int8", resume = { path, every = 1 }, callbacks = { ended } })) end)
      local told = quietly(function() history = fit(again, { precision = "int8", resume = path, callbacks = { {} } }) end)
      assert.is_nil(told:find("measuring the ranges", 1, true), told)
      assert.equal(digest(model), digest(again))
      assert.equal(undisturbed_history.int8.cosine, history.int8.cosine)
    end
  end)

  it("makes the folder of the file, and raises where it cannot be written, before anything runs", function()
    local model = network()
    local file = support.spit(folder .. "/file", "no folder")
    assert.matches("fit: resume: " .. file, messages.refused(function() fit(model, { resume = file .. "/run.ckpt" }) end), 1, true)
    assert.equal(0, model.steps)
    fit(model, { resume = folder .. "/new/run.ckpt" })
    assert.equal(whole, digest(model))
  end)

  it("has its file for itself: another fit is refused, in the same process and in others, and nothing is left that stands in the way", function()
    local text = ("fit: resume: another fit goes on with %s now: wait until it ends, or give this fit a file of its own"):format(path)
    local script = support.spit(folder .. "/other.lua", ([[
      local scion = require "scion"
      local model = scion.sequential { scion.nn.input(4), scion.nn.dense(2, "softmax", { name = "out" }) }
      local data = scion.data.tensors(scion.ones(4, 4), { 1, 2, 1, 2 }, { batch = 2 })
      print(select(2, pcall(function() model:fit(data, { resume = "%s", verbose = false, quiet = true }) end)))
    ]]):format(path))
    local asked, model = 0, network()
    fit(model, { resume = { path, every = 1 }, callbacks = { step_begins = function()
      asked = asked + 1
      if asked > 2 then return end
      assert.equal(text, messages.refused(function() fit(network(), { resume = path }) end))
      assert.matches(text, (support.shell("lua5.4 " .. script)), 1, true)
    end } })
    assert.equal(whole, digest(model))
    assert.matches("is of a run with another network", (support.shell("lua5.4 " .. script))) -- and not that it is in use
    support.spit(path .. ".lock", "") -- as a killed process leaves it
    quietly(function() fit(network(), { resume = path }) end)
    assert.is_nil(lfs.attributes(path .. ".lock"))
  end)

  it("goes on in its files, and with its callbacks in theirs, where a callback changes the folder", function()
    local here, place, away = lfs.currentdir(), support.folder(), support.folder()
    local C, moved = scion.callbacks, false
    local function with(count)
      local move = { step_ends = function()
        if count and not moved then moved = lfs.chdir(away) end
      end, epoch_ends = function(run)
        if run.epoch == count then error "ended" end
      end }
      return { resume = { "run.ckpt", every = 1 }, validate = validation, callbacks = { move, C.csv_logger "logs/log.csv", C.tensorboard "board",
                                                                                       C.model_checkpoint "models/{epoch}.safetensors" } }
    end
    fit(network(), with()) -- what is loaded late is loaded from here
    for _, made in ipairs { "run.ckpt", "logs", "board", "models" } do support.shell("rm -r " .. made) end
    assert(lfs.chdir(place))
    local ended, message = pcall(fit, network(), with(3))
    assert(lfs.chdir(place))
    assert.is_false(ended)
    assert.matches("ended$", message)
    local model = network()
    quietly(function() fit(model, with()) end)
    assert(lfs.chdir(here))
    assert.equal(whole, digest(model))
    assert.equal("", (support.shell("ls " .. away)))
    assert.equal("board\nlogs\nmodels\nrun.ckpt\n", (support.shell("ls " .. place)))
    assert.equal(6, select(2, support.slurp(place .. "/logs/log.csv"):gsub("\n", "")))
    assert.equal("1.safetensors\n2.safetensors\n3.safetensors\n4.safetensors\n5.safetensors\n", (support.shell("ls " .. place .. "/models")))
  end)

  it("goes on in the same process, with the same model", function()
    local steps, model = 0, network()
    local ended = { step_ends = function()
      steps = steps + 1
      if steps == 7 then error "ended" end
    end }
    assert.is_false(pcall(fit, model, { resume = { path, every = 1 }, callbacks = { ended } }))
    local history
    quietly(function() history = fit(model, { resume = { path, every = 1 } }) end)
    assert.same({ whole, 5, 5 }, { digest(model), #history, #model.history })
  end)

  it("refuses other callbacks that keep something, another validation set, and a file that is damaged", function()
    local C = scion.callbacks
    local boom = { epoch_ends = function(run) if run.epoch == 2 then error "ended" end end }
    pcall(fit, network(), { resume = path, callbacks = { C.ema { decay = 0.9 }, C.reduce_lr_on_plateau { monitor = "loss" }, boom } })
    local function refused(text, o)
      o.resume = path
      assert.matches(text, messages.refused(function() fit(network(), o) end), 1, true)
    end
    refused("another list of callbacks that keep something (now in another order)", { callbacks = { C.reduce_lr_on_plateau { monitor = "loss" }, C.ema { decay = 0.9 } } })
    refused("another list of callbacks that keep something (now without ema(decay = 0.9), with ema(decay = 0.8))",
            { callbacks = { C.ema { decay = 0.8 }, C.reduce_lr_on_plateau { monitor = "loss" } } })
    refused("another list of callbacks that keep something (now without ema(decay = 0.9), without reduce_lr_on_plateau(monitor = loss))", {})
    refused("another validation set", { validate = data { seed = 8 }, callbacks = { C.ema { decay = 0.9 }, C.reduce_lr_on_plateau { monitor = "loss" } } })
    local bytes = support.slurp(path)
    for i = 1, 12 do
      local at = #bytes * i // 13
      support.spit(path, bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 4) .. bytes:sub(at + 1))
      refused("fit: resume: " .. path, { callbacks = { C.ema { decay = 0.9 }, C.reduce_lr_on_plateau { monitor = "loss" } } })
    end
    refused("is the file of model_checkpoint", { callbacks = { C.model_checkpoint(path) } })
  end)

  it("may have other logs, or none", function() -- the file is that of the first epoch
    local C, log = scion.callbacks, folder .. "/log.csv"
    local boom = { epoch_ends = function(run) if run.epoch == 2 then error "ended" end end }
    local function rows(of)
      local _, count = support.slurp(of):gsub("\n%d+,", "")
      return count
    end
    for _, case in ipairs { { log, 5 }, { folder .. "/moved.csv", 4 }, {} } do
      os.remove(path)
      pcall(fit, network(), { resume = path, callbacks = { C.csv_logger(log), C.ema { decay = 0.9 }, boom } })
      local model, callbacks = network(), { C.ema { decay = 0.9 } }
      if case[1] then table.insert(callbacks, 1, C.csv_logger(case[1])) end
      quietly(function() fit(model, { resume = path, callbacks = callbacks }) end)
      if case[1] then assert.equal(case[2], rows(case[1])) end
      local undisturbed_one = network()
      fit(undisturbed_one, { callbacks = { C.ema { decay = 0.9 } } })
      assert.equal(digest(undisturbed_one), digest(model))
    end
  end)

  it("has a file that is no model and no weights: what reads these says so", function()
    local model = network()
    fit(model, { resume = path })
    for _, f in ipairs { function() scion.load(path) end, function() model:load_weights(path) end } do
      assert.matches(("%s: this is a checkpoint of a fit, not a file of weights; the same call of model:fit, with resume = '%s', goes on from it"):format(path, path),
                     messages.refused(f), 1, true)
    end
  end)

  it("takes a callback's state only with what restores it", function()
    for has, lacks in pairs { state = "restore", restore = "state" } do
      assert.matches(("has %s and not %s: a fit that goes on gives to restore what state gave"):format(has, lacks), messages.refused(function()
        fit(network(), { callbacks = { { [has] = function() return {} end } } })
      end), 1, true)
    end
  end)

  it("tells which callback's state a file cannot keep", function()
    for _, state in ipairs { { f = print }, { s = "\255" }, { [1] = 1, [5] = 2 }, { [true] = 1 } } do
      os.remove(path)
      assert.matches("fit: resume: callbacks: the state of callback 1 holds what a file cannot keep", messages.refused(function()
        fit(network(), { resume = path, callbacks = { { state = function() return state end, restore = print } } })
      end), 1, true)
    end
    local states = { [1] = "1", ["0.5"] = "'0.5'", [false] = "nil" }
    for state, text in pairs(states) do
      assert.equal(("fit: resume: callbacks: the state of callback 2 is a table, such as { best = 0.9 }, not %s"):format(text), messages.refused(function()
        local first, second = { state = function() return {} end, restore = print }, { state = function() return state or nil end, restore = print }
        fit(network(), { resume = path, callbacks = { first, second } })
      end))
    end
  end)
end)

describe("a fit that fails", function()
  it("leaves no metrics behind, and no labels or loss where no step was made", function()
    local model = network()
    local broken = { name = "mine", compute = function(p) return p.foo.bar end }
    assert.is_false(pcall(fit, model, { metrics = { broken } }))
    assert.is_nil(model.metrics)
    model = network()
    assert.is_false(pcall(fit, model, { loss = "categorical", callbacks = { { fit_begins = function() error "no" end } } }))
    assert.same({}, { model.labels, model.loss, model.metrics })
  end)
end)

describe("a process that is killed", function()
  teardown(support.done)

  it("goes on to the same bits when it is started again, at any moment", function()
    local sanitized = (os.getenv "SCION_BUILD" or ""):find "sanitize" -- a process then takes seconds
    local kills = tonumber(os.getenv "KILLS") or sanitized and 3 or 12
    local seed = os.time()
    math.randomseed(seed)
    print(("resume_spec: %d kills, seed %d"):format(kills, seed))
    local of = support.folder()
    for k, class in ipairs { "left", "right" } do
      support.shell(("mkdir -p %q"):format(of .. "/pictures/" .. class))
      for i = 1, 11 do assert(scion.image.save(("%s/pictures/%s/%d.png"):format(of, class, i), pictures.pattern(12, 12, 40 * k + i))) end
    end
    local script = support.spit(of .. "/train.lua", ([[
      local scion, core = require "scion", require "scion.core"
      local nn = scion.nn
      scion.threads(tonumber(arg[2]) or 2)
      local train = scion.data.folder("%s/pictures", { size = 12, batch = 3, seed = 2, augment = { zoom = 0.2, flip = "horizontal" } })
      local val = scion.data.folder("%s/pictures", { size = 12, batch = 5, shuffle = false, labels = train.labels })
      scion.seed(4)
      local base = scion.sequential { nn.input(12, 12, 3), nn.conv2d(6, 3, { name = "b1/conv", activation = "relu" }), nn.batch_norm { name = "b1/norm" },
                                      nn.conv2d(6, 3, { name = "b2/conv", activation = "relu" }) }
      local model = base:graft { nn.flatten(), nn.dropout(0.3), nn.dense(16, "relu"), nn.dense(2, "softmax") }
      local s = scion.schedule { { epochs = 3, train = "head", optimizer = scion.optim.adam() }, { epochs = 3, blocks = 1, lr = scion.lr.cosine(3e-4) },
                                 { epochs = 3, train = "all", optimizer = scion.optim.adamw { lr = 1e-4 } } }
      local callbacks = {}
      if pcall(function() return scion.callbacks end) then callbacks[1] = scion.callbacks.ema { decay = 0.9 } end
      model:fit(train, { schedule = s, validate = val, accumulate = 2, clip = 1, verbose = false, quiet = true, callbacks = callbacks,
                         resume = arg[1] ~= "-" and { arg[1], every = 2 } or nil })
      local parts = {}
      for _, node in ipairs(model.order) do
        for _, p in ipairs(node.layer.parameters) do parts[#parts + 1] = p.tensor:bytes() end
      end
      print((core.hash(table.concat(parts)):gsub(".", function(c) return ("%%02x"):format(c:byte()) end)))
    ]]):format(of, of))
    local start = scion.clock()
    local expected = support.shell(("(lua5.4 %s - 2>/dev/null)"):format(script))
    local seconds, killed, checkpoint = scion.clock() - start, 0, of .. "/run.ckpt"
    assert.matches("^%x+\n$", expected)
    while killed < kills do
      local signal = math.random(2) == 1 and "KILL" or "INT"
      local out, status = support.shell(("(timeout -s %s %.3f lua5.4 %s %s %d 2>/dev/null)"):format(signal, math.random() * seconds, script, checkpoint, math.random(3)))
      if status == 0 then
        assert.equal(expected, out)
        os.remove(checkpoint)
      else
        killed = killed + 1
      end
    end
    local out = support.shell(("(lua5.4 %s %s 2>/dev/null)"):format(script, checkpoint))
    assert.equal(expected, out)
  end)
end)
