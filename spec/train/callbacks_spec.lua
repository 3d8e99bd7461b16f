-- Scion's callbacks, in real fits: beside Keras's own at the same numbers, their files by other readers, and what a resumed run has.
local core = require "scion.core"
local event_file = require "scion.train.event_file"
local lfs = require "lfs"
local messages = require "spec.support.messages"
local scion = require "scion"
local support = require "spec.support.files"
local models = dofile "spec/support/models.lua"
local nn, C = scion.nn, scion.callbacks

local golden = core.json_decode(support.slurp "spec/fixtures/callbacks.json")

local function data(count)
  scion.seed(4)
  local labels = {}
  for i = 1, count or 6 do labels[i] = i % 2 + 1 end
  return scion.data.tensors(scion.uniform({ count or 6, 8, 8, 3 }, 0, 255):to "u8", labels, { batch = 3, seed = 2 })
end

local function network()
  scion.seed(1)
  return scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 3, { name = "a/conv" }), nn.batch_norm { name = "a/norm" }, nn.relu(), nn.global_avg_pool(),
                            nn.dense(2, "softmax", { name = "head" }) }
end

local function fit(callbacks, options, model)
  local o = { epochs = 4, verbose = false, callbacks = callbacks, quiet = true }
  for name, value in pairs(options or {}) do o[name] = value or nil end
  model = model or network()
  return model:fit(o.data and o.data or data(), (function() o.data = nil return o end)()), model
end

--- Gives each epoch a number of its own, and the model a weight that tells the epoch.
local function scripted(values, name)
  local epoch = 0
  return {
    fit_begins = function() epoch = 0 end,
    epoch_ends = function(run)
      epoch = epoch + 1
      run.entry[name or "mine"] = values[epoch]
      run.model:layer("head").weights.bias:fill(epoch)
    end,
  }
end

local function weights_of(model) return model:layer("head").weights.bias:get(1) end

local function refused(text, f) assert.matches(text, messages.refused(f), 1, true) end

describe("scion.callbacks", function()
  teardown(support.done)

  it("may end the fit before an epoch's first step, which is then none", function()
    for _, epoch in ipairs { 1, 3 } do
      local model = network()
      local history = model:fit(data(8), { epochs = 4, verbose = false, quiet = true, callbacks = { { epoch_begins = function(run)
        if run.epoch == epoch then run:stop() end
      end } } })
      assert.same({ epoch - 1, epoch - 1 }, { #history, model.epoch })
      assert.equal(1, #model:fit(data(8), { verbose = false, quiet = true }))
    end
  end)

  it("prints what a callback is, which cannot be set nor called", function()
    assert.equal("early_stopping(monitor = val_loss, patience = 3)", tostring(C.early_stopping { patience = 3 }))
    assert.equal("early_stopping(monitor = val_loss)", tostring(C.early_stopping()))
    assert.equal("model_checkpoint(every = 2, monitor = val_loss, path = a.safetensors)", tostring(C.model_checkpoint("a.safetensors", { every = 2 })))
    assert.equal("ema(decay = 0.99)", tostring(C.ema(0.99)))
    local one = C.early_stopping()
    refused("early_stopping: 'options' cannot be set", function() one.options = {} end)
    refused("early_stopping: options: 'patience' cannot be set: to change one, make another callback", function() one.options.patience = 3 end)
    assert.equal(0, one.options.patience)
    refused("early_stopping has no field 'patiense'", function() local _ = one.patiense end)
    refused("it stands in fit's list of callbacks", function() one() end)
    refused("element 1 is the function that makes a callback: write scion.callbacks.ema(), with its options", function() fit { C.ema } end)
    refused("scion.callbacks has no 'EarlyStopping': did you mean 'early_stopping'?", function() local _ = C.EarlyStopping end)
  end)

  it("stops, restores and lowers rates where Keras does", function()
    for i, case in ipairs(golden.early_stopping) do
      local o = case.options
      o.mode, o.monitor = o.monitor == "val_loss" and "min" or "max", "mine"
      local stopping = C.early_stopping(o)
      local history, model = fit({ scripted(case.values), stopping }, { epochs = #case.values })
      assert.same({ i, case.epochs, case.weights_of }, { i, #history, math.tointeger(weights_of(model)) })
      assert.equal(case.stopped and case.epochs or nil, stopping.stopped_epoch)
    end
    for i, case in ipairs(golden.reduce_lr_on_plateau) do
      local o = case.options
      o.mode, o.monitor = o.monitor == "val_loss" and "min" or "max", "mine"
      local rates, optimizer = {}, scion.optim.sgd { lr = 1 }
      fit({ scripted(case.values), C.reduce_lr_on_plateau(o), { epoch_ends = function(run) rates[#rates + 1] = run.optimizer.lr end } },
          { epochs = #case.values, optimizer = optimizer })
      for k, rate in ipairs(case.rates) do
        assert.is_true(math.abs(rates[k] - rate) < 1e-7 * rate, ("case %d, epoch %d: %g, not %g"):format(i, k, rates[k], rate))
      end
    end
  end)
end)

describe("early_stopping", function()
  it("tells, once, which stages of a schedule have not begun when it ends the fit", function()
    local function stages_left(count)
      local stages, told = { { epochs = 3, train = "head" } }, {}
      for i = 2, count do stages[i] = { epochs = 1, train = "all" } end
      local history = fit({ scripted { 1, 2, 3 }, C.early_stopping { monitor = "mine", mode = "min", patience = 1 } },
                    { epochs = false, schedule = scion.schedule(stages), quiet = false, warn = function(message, rule) told[rule] = message end })
      assert.equal(2, #history)
      return told.stages_left, history.warnings[#history.warnings]
    end
    local told, warning = stages_left(3)
    assert.equal("early_stopping ended the whole schedule in stage 1: stages 2 to 3 have not begun; a stage's own option, such as patience = 3, ends that " ..
                 "stage alone", told)
    assert.same({ "stages_left", told }, { warning.rule, warning.message })
    assert.matches("stage 1: stage 2 has not begun", (stages_left(2)), 1, true)
    assert.is_nil((stages_left(1)))
  end)

  it("puts weights and moving averages back into the same tensors, as they were to the bit", function()
    local snapshots, tensors = {}, {}
    local model = network()
    for i, node in ipairs(model.order) do
      for k, p in ipairs(node.layer.parameters) do tensors[i * 10 + k] = p.tensor end
    end
    local values = { 3, 2, 5, 4 }
    local stopping = C.early_stopping { monitor = "mine", mode = "min", patience = 2 }
    local told = support.stderr_of(function()
      fit({ { epoch_ends = function(run)
        snapshots[#snapshots + 1] = models.bytes(model)
        run.entry.mine = values[#snapshots]
      end }, stopping }, { epochs = 9 }, model)
    end)
    assert.equal("", told) -- nothing is told where verbose is false
    assert.same({ 4, 2, 2, 4 }, { #snapshots, stopping.best, stopping.best_epoch, stopping.stopped_epoch })
    assert.same(snapshots[2], models.bytes(model))
    assert.not_same(snapshots[2]["a/norm/moving_mean"], snapshots[4]["a/norm/moving_mean"])
    for i, node in ipairs(model.order) do
      for k, p in ipairs(node.layer.parameters) do assert.is_true(rawequal(tensors[i * 10 + k], p.tensor)) end
    end
    assert.equal(snapshots[2]["head/bias"], model:layer("head").weights.bias:bytes())
    assert.equal(4, model.epoch)
  end)

  it("leaves the last epoch's weights on request, and begins anew in each fit", function()
    local stopping = C.early_stopping { monitor = "mine", mode = "max", restore_best = false }
    for _ = 1, 2 do
      local history, model = fit({ scripted { 1, 3, 2, 9 }, stopping })
      assert.same({ 3, 3, 2, 3 }, { #history, weights_of(model), stopping.best_epoch, stopping.stopped_epoch })
    end
    local history = fit({ scripted { 1, 2, 3, 4 }, stopping })
    assert.same({ 4, 4 }, { #history, stopping.best_epoch })
    assert.is_nil(stopping.stopped_epoch)
  end)

  it("takes NaN for no better value, even as the first", function()
    local nan = 0 / 0
    local stopping = C.early_stopping { monitor = "mine", mode = "min", patience = 3 }
    local _, model = fit({ scripted { nan, 2, 1, nan }, stopping })
    assert.same({ 3, 3 }, { weights_of(model), stopping.best_epoch })
    local history, last = fit({ scripted { nan, nan, nan, nan }, stopping })
    assert.same({ 3, 3 }, { #history, weights_of(last) })
    assert.is_nil(stopping.best)
  end)

  it("says what it watches, before the first step where it can", function()
    local steps = { step_begins = function() error "a step" end }
    refused("early_stopping: there is no 'val_loss' without a validation set: give fit one, validate = …, or take 'loss'", function()
      fit { C.early_stopping(), steps }
    end)
    refused("early_stopping: 'mine' is not among the numbers of an epoch: accuracy, epoch, images_per_second, loss, lr, seconds", function()
      fit { C.early_stopping { monitor = "mine", mode = "min" } }
    end)
    refused("early_stopping: 'mine' is 'x', and no number", function() fit { scripted { "x" }, C.early_stopping { monitor = "mine", mode = "min" } } end)
    refused("scion.callbacks.early_stopping: monitor 'val_los' is no number that Scion knows (did you mean 'val_loss'?)", function()
      C.early_stopping { monitor = "val_los" }
    end)
    refused("unknown option 'restore_best_weights' (did you mean 'restore_best'?)", function() C.early_stopping { restore_best_weights = true } end)
    for _, monitor in ipairs { "loss", "accuracy", "val_top_5", "f1_macro", "val_mse", "kappa" } do C.early_stopping { monitor = monitor } end
    local told = support.stderr_of(function()
      local before = io.stdout
      io.stdout = assert(io.open("/dev/null", "w")) -- luacheck: ignore 122
      fit({ scripted { 1, 2, 3 }, C.early_stopping { monitor = "mine", mode = "min" } }, { verbose = true })
      io.stdout:close()
      io.stdout = before -- luacheck: ignore 122
    end)
    assert.equal("scion: early_stopping: ended the fit after epoch 2; mine was best in epoch 1, 1, and the model has the weights of that epoch\n", told)
  end)
end)

describe("reduce_lr_on_plateau", function()
  it("lowers the rates of groups, too, and goes on in a resumed run", function()
    local groups = { { layers = "a/*", lr = 0.5 } }
    local optimizer = scion.optim.sgd { lr = 1, groups = groups }
    local plateau = C.reduce_lr_on_plateau { monitor = "mine", mode = "min", factor = 0.5, patience = 2 }
    fit({ scripted { 1, 2, 3, 4 }, plateau }, { optimizer = optimizer })
    assert.same({ 0.5, 0.25 }, { optimizer.lr, optimizer.groups[1].lr })
    assert.equal(1, optimizer.scale)
    optimizer = scion.optim.sgd { lr = scion.lr.cosine(1) }
    local history = fit({ scripted { 1, 2, 3, 4 }, plateau }, { optimizer = optimizer })
    assert.equal(0.5, optimizer.scale)
    assert.is_true(math.abs(history[4].lr / (0.5 * optimizer.lr:at { step = 8, steps = 8 }) - 1) < 1e-12)
    local state = plateau.state()
    assert.same({ best = 1, cooling = 0, waited = 1 }, state)
    fit({ { fit_begins = function() end }, plateau, { fit_begins = function() plateau.restore(state) end }, }, { epochs = 0 })
    assert.same(state, plateau.state())
  end)
end)

describe("model_checkpoint", function()
  it("saves epochs under names of their numbers", function()
    local folder = support.folder() .. "/new"
    local saving = C.model_checkpoint(folder .. "/m-{epoch:03d}-{loss:.2f}-{mine:5.1f}-{mine}.safetensors", { every = 2, monitor = "mine" })
    local history, model = fit { scripted { 0.25, 7.04, 1e-7, 0.125 }, saving }
    local expected = {}
    for _, e in ipairs { 2, 4 } do expected[#expected + 1] = ("m-%03d-%.2f-%5.1f-%.14g.safetensors"):format(e, history[e].loss, history[e].mine, history[e].mine) end
    local there = {}
    for name in lfs.dir(folder) do
      if name:find "safetensors" then there[#there + 1] = name end
    end
    table.sort(there)
    assert.same(expected, there)
    assert.equal(folder .. "/" .. expected[2], saving.saved)
    local again = scion.load(saving.saved)
    assert.same(models.bytes(model), models.bytes(again))
    assert.same({ 4, 4 }, { again.epoch, #again.history })
  end)

  it("finds out before the first step whether its files can be written", function()
    local folder, steps = support.folder(), 0
    local function refuses(text, path)
      refused(text, function() fit { C.model_checkpoint(path), { step_begins = function() steps = steps + 1 end } } end)
    end
    support.spit(folder .. "/file", "")
    refuses("model_checkpoint: " .. folder .. "/file/a cannot be made", folder .. "/file/a/{epoch}.safetensors")
    refuses("model_checkpoint: /proc/0.safetensors.part: ", "/proc/{epoch}.safetensors")
    lfs.mkdir(folder .. "/taken.safetensors")
    refuses("taken.safetensors is a folder", folder .. "/taken.safetensors")
    support.spit(folder .. "/mine.safetensors.part", "of somebody's own")
    fit({ C.model_checkpoint(folder .. "/mine.safetensors") }, { epochs = 0 })
    assert.equal("of somebody's own", support.slurp(folder .. "/mine.safetensors.part"))
    os.remove(folder .. "/mine.safetensors.part")
    assert.equal(0, steps)
    for name in lfs.dir(folder) do assert.is_nil(name:find "part$") end
  end)

  it("saves the best alone on request", function()
    local path = support.folder() .. "/best.safetensors"
    local saving = C.model_checkpoint { path = path, save_best = true, monitor = "mine", mode = "max" }
    for _ = 1, 2 do
      fit { scripted { 1, 3, 3, 2 }, saving }
      assert.same({ 2, 2, 3 }, { weights_of(scion.load(path)), saving.best_epoch, saving.best })
      os.remove(path)
    end
    local told = support.stderr_of(function() fit { scripted { 0 / 0, 0 / 0, 0 / 0, 0 / 0 }, saving } end)
    assert.equal("scion: model_checkpoint: nothing was saved: mine was NaN in all epochs\n", told)
    assert.is_nil(lfs.attributes(path))
  end)

  it("refuses to watch a metric that is not asked for, at once", function()
    local steps = 0
    local count = { step_begins = function() steps = steps + 1 end }
    refused("early_stopping: there will be no 'f1_macro': ask fit for it, metrics = { 'f1_macro' }", function() fit { C.early_stopping { monitor = "f1_macro" }, count } end)
    refused("model_checkpoint: there will be no 'top_2': ask fit for it", function() fit { C.model_checkpoint("a-{top_2}.safetensors"), count } end)
    assert.equal(0, steps)
    fit({ C.early_stopping { monitor = "f1_macro" } }, { metrics = { "f1_macro" } })
  end)

  it("refuses names that will not be, at once", function()
    refused("path: no epoch has a number '{epcoh}' (did you mean 'epoch'?)", function() C.model_checkpoint "m-{epcoh}.safetensors" end)
    refused("path: {val_loss:d} has no format such as {epoch:02d} or {val_loss:.3f}", function() C.model_checkpoint "m-{val_loss:d}.safetensors" end)
    refused("path: {epoch:.2f} has no format", function() C.model_checkpoint "m-{epoch:.2f}.safetensors" end)
    refused("has a brace without its other", function() C.model_checkpoint "m-{epoch.safetensors" end)
    refused("m.h5: saved models are .safetensors files", function() C.model_checkpoint "m.h5" end)
    refused("scion.callbacks.model_checkpoint: path is missing", function() C.model_checkpoint() end)
    refused("model_checkpoint: there is no 'val_loss' without a validation set", function() fit { C.model_checkpoint "m-{val_loss}.safetensors" } end)
    local file = support.spit(support.folder() .. "/file", "x")
    refused(file .. " cannot be made", function() fit { C.model_checkpoint(file .. "/m.safetensors") } end)
  end)
end)

describe("csv_logger", function()
  it("writes what a reader of CSV reads back", function()
    local path = support.folder() .. "/log.csv"
    local note = 'a "quoted", one\nand more'
    local seen = {}
    local history = fit({ scripted({ 0.1, 1 / 3, 1e300, 0 / 0 }, "odd, name"), { epoch_ends = function(run) run.entry.note = note end },
                          C.csv_logger(path), { epoch_ends = function() seen[#seen + 1] = select(2, support.slurp(path):gsub("\n%d", "")) end } })
    assert.same({ 1, 2, 3, 4 }, seen) -- a line is there as soon as its epoch has ended
    local csv = assert(require("scion.data.source.csv_reader").open(support.slurp(path)))
    assert.same({ "epoch", "accuracy", "images_per_second", "loss", "lr", "note", "odd, name", "seconds" }, csv.columns)
    local i = 0
    for row in csv.rows do
      i = i + 1
      assert.equal(note, row[6])
      for k, name in ipairs(csv.columns) do
        local value = history[i][name]
        if name ~= "note" and value == value then assert.equal(value, tonumber(row[k])) end
      end
    end
    assert.equal(4, i)
    assert.matches(",nan,[%d.e-]+\n$", support.slurp(path))
  end)

  it("begins anew in each fit, or goes on in the columns that are there", function()
    local path = support.folder() .. "/log.csv"
    for _ = 1, 2 do fit({ C.csv_logger(path) }, { epochs = 2 }) end
    assert.equal(3, select(2, support.slurp(path):gsub("\n", "")))
    support.spit(path, 'epoch,gone,loss\n1,2,"3"') -- without the last line's end
    local told = support.stderr_of(function() fit({ C.csv_logger { path = path, append = true } }, { epochs = 2 }) end)
    assert.matches('^epoch,gone,loss\n1,2,"3"\n1,NA,[%d.]+\n2,NA,[%d.]+\n$', support.slurp(path))
    assert.equal(1, select(2, told:gsub("the file has no column for accuracy, which is left out", "")))
    support.spit(path, "a,b\n1,2\n")
    refused("its first column is not 'epoch', so it is no such log", function() fit { C.csv_logger(path, { append = true }) } end)
    assert.equal("a,b\n1,2\n", support.slurp(path))
    local steps = { step_begins = function() error "a step" end }
    refused(("csv_logger: %s/x/log.csv: Not a directory"):format(path), function() fit { C.csv_logger(path .. "/x/log.csv"), steps } end)
  end)

  it("has each line once where a run is resumed", function()
    local path = support.folder() .. "/log.csv"
    local logger, state, whole = C.csv_logger(path), nil, nil
    fit { logger, { epoch_ends = function(run)
      if run.epoch == 2 then state, whole = core.json_decode(core.json_encode(logger.state())), support.slurp(path) end
    end } }
    local again = C.csv_logger(path)
    local model = network()
    model.epoch = 2
    fit({ again, { fit_begins = function() again.restore(state) end } }, { epochs = 1 }, model)
    local text = support.slurp(path)
    assert.equal(whole, text:sub(1, #whole))
    assert.matches("^3,[^\n]*\n$", text:sub(#whole + 1))
  end)
end)

describe("tensorboard", function()
  it("writes records as TensorBoard's own writer does", function()
    local of = golden.events
    local parts = { event_file.header(of.time) }
    for i, scalar in ipairs(of.scalars) do parts[i + 1] = event_file.scalar(of.time, scalar[2], scalar[1], scalar[3]) end
    local encoded = support.spit(support.folder() .. "/base64", of.bytes)
    assert.equal(support.shell("base64 -d " .. encoded), table.concat(parts))
  end)

  --- What TensorBoard's reader finds in a folder: { tag, step, value } in order; nil where Python lacks it.
  local function read(folder)
    local script = support.spit(support.folder() .. "/read.py", [[
import json, sys
try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util
except ImportError:
    print("no tensorboard"); sys.exit()
events = EventAccumulator(sys.argv[1], size_guidance={"tensors": 0, "scalars": 0})
events.Reload()
out = []
for tag in sorted(events.Tags()["scalars"]):
    out += [[tag, e.step, e.value] for e in events.Scalars(tag)]
for tag in sorted(events.Tags()["tensors"]):
    out += [[tag, e.step, float(tensor_util.make_ndarray(e.tensor_proto))] for e in events.Tensors(tag)]
print(json.dumps(out))
]])
    local out = support.shell(("%s %s %s 2>/dev/null"):format(support.quoted(os.getenv "SCION_TENSORBOARD_PYTHON" or os.getenv "PYTHON" or "python3"), script, folder))
    if out:find "no tensorboard" then return nil end
    return core.json_decode(out)
  end

  it("is read by TensorBoard's own reader", function()
    local folder = support.folder() .. "/runs/one"
    local losses = {}
    local history = fit({ C.tensorboard(folder, { update = "step" }), { step_ends = function(run) losses[#losses + 1] = run.loss end } },
                        { validate = data(4), epochs = 3 })
    local train, validation = read(folder .. "/train"), read(folder .. "/validation")
    if not train then pending "Python has no tensorboard: pip install tensorboard, and PYTHON or SCION_TENSORBOARD_PYTHON names it" end
    local by_tag = {}
    for where, list in pairs { train = train, validation = validation } do
      for _, e in ipairs(list) do by_tag[("%s %s %d"):format(where, e[1], e[2])] = e[3] end
    end
    local function close(expected, tag)
      assert.is_true(by_tag[tag] and math.abs(by_tag[tag] - expected) <= 1e-6 * math.abs(expected), ("%s: %s, not %g"):format(tag, by_tag[tag], expected))
    end
    for i, e in ipairs(history) do
      close(e.loss, ("train epoch_loss %d"):format(i))
      close(e.accuracy, ("train epoch_accuracy %d"):format(i))
      close(e.lr, ("train epoch_learning_rate %d"):format(i))
      close(e.val_loss, ("validation epoch_loss %d"):format(i))
      close(e.val_accuracy, ("validation epoch_accuracy %d"):format(i))
    end
    for i, loss in ipairs(losses) do close(loss, ("train batch_loss %d"):format(i)) end
    assert.same({ 6, 3 * 5 + 6, 3 * 2 }, { #losses, #train, #validation })
  end)

  it("writes every n-th step, a file for each fit, and no event twice where a run is resumed", function()
    local folder = support.folder()
    local function files()
      local list = {}
      for name in lfs.dir(folder .. "/train") do
        if name:find "tfevents" then list[#list + 1] = folder .. "/train/" .. name end
      end
      table.sort(list)
      return list
    end
    local board, state = C.tensorboard { folder = folder, update = 2 }, nil
    fit({ board, { epoch_ends = function(run) if run.epoch == 2 then state = board.state() state.train = { path = state.train.path, bytes = state.train.bytes } end end } })
    assert.equal(1, #files())
    local whole = support.slurp(files()[1])
    local _, steps = whole:gsub("batch_loss", "")
    assert.equal(4, steps) -- of eight
    local again = C.tensorboard { folder = folder, update = 2 }
    fit({ again, { fit_begins = function() again.restore(state) end } }, { epochs = 2 })
    assert.equal(2, #files()) -- the second has a header alone
    local resumed = support.slurp(state.train.path)
    assert.equal(#whole, #resumed)
    assert.equal(whole:sub(1, state.train.bytes > 0 and 100), resumed:sub(1, 100))
    local file = support.spit(support.folder() .. "/file", "x")
    refused(file .. "/train cannot be made", function() fit { C.tensorboard(file) } end)
    assert.is_nil(lfs.attributes(folder .. "/validation"))
  end)
end)

describe("ema", function()
  --- Averages in double precision, from the weights after each step.
  local function expected(decay, warmup, model, options)
    local averages, t = {}, 0
    local function each(f)
      for _, node in ipairs(model.order) do
        for _, p in ipairs(node.layer.parameters) do f(node.layer.name .. "/" .. p.name, p.tensor:reshape(-1):totable()) end
      end
    end
    each(function(name, values) averages[name] = values end)
    fit({ { step_ends = function()
      t = t + 1
      local d = warmup and math.min(decay, (1 + t) / (10 + t)) or decay
      each(function(name, values)
        for i, v in ipairs(values) do averages[name][i] = d * averages[name][i] + (1 - d) * v end
      end)
    end } }, options, model)
    return averages
  end

  local function check(averages, model)
    for _, node in ipairs(model.order) do
      for _, p in ipairs(node.layer.parameters) do
        local name = node.layer.name .. "/" .. p.name
        for i, v in ipairs(p.tensor:reshape(-1):totable()) do
          assert.is_true(math.abs(v - averages[name][i]) <= 2e-6 * (1 + math.abs(v)), ("%s[%d]: %g, not %g"):format(name, i, v, averages[name][i]))
        end
      end
    end
  end

  it("ends with the averages that double precision gives, of moving averages too", function()
    for _, case in ipairs { { 0.999, true }, { 0.5, true }, { 0.9, false } } do
      local options = { optimizer = scion.optim.sgd { lr = 0.5 }, epochs = 3 }
      local averages = expected(case[1], case[2], network(), options)
      local ema = C.ema { decay = case[1], warmup = case[2] }
      local _, model = fit({ ema }, options)
      assert.equal(6, ema.updates)
      check(averages, model)
    end
  end)

  it("begins an average where a layer is thawed, and leaves what is frozen as it is", function()
    local function options()
      return { optimizer = scion.optim.sgd { lr = 0.5 }, epochs = 2 }
    end
    local model = network()
    model:freeze { layers = "a/*" }
    local frozen = models.bytes(model)
    local ema = C.ema { decay = 0.9 }
    fit({ ema, { epoch_ends = function() assert.is_nil(ema.state().averages["a/conv/kernel"]) end } }, options(), model)
    assert.equal(frozen["a/conv/kernel"], models.bytes(model)["a/conv/kernel"])
    assert.not_equal(frozen["head/kernel"], models.bytes(model)["head/kernel"])
    -- thawed after an epoch: its average until then is what it was
    local function thawing() return { epoch_ends = function(run) run.model:thaw() end } end
    local first = network()
    first:freeze { layers = "a/*" }
    local averages, t = {}, 0
    local kernel = first:layer("a/conv").weights.kernel
    local start = kernel:reshape(-1):totable()
    fit({ thawing(), { step_ends = function()
      t = t + 1
      local d = math.min(0.9, (1 + t) / (10 + t))
      for i, v in ipairs(kernel:reshape(-1):totable()) do averages[i] = d * (averages[i] or start[i]) + (1 - d) * v end
    end } }, options(), first)
    local second = network()
    second:freeze { layers = "a/*" }
    fit({ thawing(), C.ema { decay = 0.9 } }, options(), second)
    for i, v in ipairs(second:layer("a/conv").weights.kernel:reshape(-1):totable()) do assert.is_true(math.abs(v - averages[i]) < 2e-6) end
  end)

  it("keeps the epochs' validation to the model's own weights, and is exact where a run is resumed", function()
    local plain = fit({}, { validate = data(4) })
    local ema, state, weights = C.ema(0.9), nil, nil
    local own, model = fit({ ema, { epoch_ends = function(run)
      if run.epoch ~= 2 then return end
      state, weights = { updates = ema.state().updates, averages = {} }, {}
      for name, tensor in pairs(ema.state().averages) do state.averages[name] = tensor:copy() end
      for _, node in ipairs(run.model.order) do
        for _, p in ipairs(node.layer.parameters) do weights[node.layer.name .. "/" .. p.name] = p.tensor:copy() end
      end
    end } }, { validate = data(4), optimizer = scion.optim.sgd() })
    assert.equal(#plain, #own)
    local again, resumed = C.ema(0.9), network()
    for _, node in ipairs(resumed.order) do
      for _, p in ipairs(node.layer.parameters) do core.copy(weights[node.layer.name .. "/" .. p.name], p.tensor) end
    end
    resumed.epoch = 2
    local goes_on = fit({ again, { fit_begins = function() again.restore(state) end } }, { epochs = 2, validate = data(4), optimizer = scion.optim.sgd() }, resumed)
    assert.equal(own[4].val_loss, goes_on[2].val_loss)
    assert.same(models.bytes(model), models.bytes(resumed))
    assert.equal(8, again.updates)
  end)

  it("refuses to share the model's end with early_stopping", function()
    local best = C.early_stopping { monitor = "loss" }
    refused("ema: the model cannot end with the averages and with the weights of early_stopping's best epoch", function() fit { best, C.ema() } end)
    fit { C.early_stopping { monitor = "loss", restore_best = false }, C.ema() }
  end)
end)

describe("callbacks of a run that goes on from its file", function()
  it("end as those of a run that was never ended", function()
    local columns = { "epoch", "accuracy", "images_per_second", "loss", "lr", "mine", "seconds" }
    --- The rows of a log, without the times.
    local function rows_of(path)
      local csv = assert(require("scion.data.source.csv_reader").open(support.slurp(path)))
      assert.same(columns, csv.columns)
      local rows = {}
      for row in csv.rows do rows[#rows + 1] = { row[1], row[2], row[4], row[5], row[6] } end
      return rows
    end
    --- How often each tag's number is in the event files of a folder.
    local function events_of(folder)
      local counts = {}
      for name in lfs.dir(folder .. "/train") do
        local text = name:find "tfevents" and support.slurp(folder .. "/train/" .. name) or ""
        for length, tag in text:gmatch "\n(.)([a-z_]+)\21" do -- fields 1 and 2 of Summary.Value; times and checksums may look like anything else
          if #tag == length:byte() then counts[tag] = (counts[tag] or 0) + 1 end
        end
      end
      return counts
    end
    local values = { 5, 4, 6, 6, 3, 7 }
    --- Fits until a callback raises after so many steps, and again until it is done.
    local function run(restore_best, ends)
      local folder, left, runs = support.folder(), ends or math.huge, 0
      local function callbacks()
        local list = {
          { epoch_ends = function(of) of.entry.mine = values[of.epoch] end },
          C.reduce_lr_on_plateau { monitor = "mine", mode = "min", patience = 2, factor = 0.5 },
          C.early_stopping { monitor = "mine", mode = "min", patience = 9, restore_best = restore_best },
          C.csv_logger(folder .. "/log.csv"), C.tensorboard(folder, { update = "step" }),
          C.model_checkpoint(folder .. "/best.safetensors", { save_best = true, monitor = "mine", mode = "min" }),
          { step_ends = function()
            left = left - 1
            if left == 0 then error "ended" end
          end },
        }
        if not restore_best then table.insert(list, C.ema(0.9)) end
        return list
      end
      while true do
        runs = runs + 1
        local model, list = network(), callbacks()
        local ok, message = pcall(fit, list, { epochs = 6, optimizer = scion.optim.adam { lr = 0.1 }, resume = { folder .. "/run.ckpt", every = 1 } }, model)
        if ok then
          return { weights = models.bytes(model), best = models.bytes(scion.load(folder .. "/best.safetensors")), rows = rows_of(folder .. "/log.csv"),
                   events = events_of(folder), runs = runs, states = { list[2].state(), list[6].best_epoch, list[3].best_epoch } }
        end
        assert.matches("ended", message)
      end
    end
    for _, restore_best in ipairs { true, false } do
      local whole = run(restore_best)
      assert.same({ 1, 6, 12 }, { whole.runs, #whole.rows, whole.events.batch_loss })
      for _, ends in ipairs { 2, 3, 4, 7, 10, 12 } do
        local again
        support.stderr_of(function() again = run(restore_best, ends) end) -- it tells that it goes on
        assert.equal(2, again.runs)
        again.runs = 1
        assert.same(whole, again)
      end
    end
  end)
end)
