--- What spec/faults/run.lua makes fail: each scenario is a function of a new folder, and returns
---   act()      the call, as a script makes it, and no tail call, so that messages stand at its line; returns what the call returns
---   outcome(result)   all that it is to do, as a string: the same after every call that succeeds
---   prepare()  before each call: everything as it was before
---   state()    what a call that fails must leave as it was, or as a successful one leaves it: { name = string, .. }
---   goes_on    true: after a failed call that has left everything as it was, the next one is made without prepare()
---   path       the file that it reads or writes, which messages about the disk name
local core = require "scion.core"
local files = dofile "spec/support/files.lua"
local scion = require "scion"
local support = dofile "spec/support/images.lua"
local nn = scion.nn

local scenarios = {}

local fixtures = "spec/fixtures/weights/"

local digest = dofile("spec/support/models.lua").digest

local function content(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a" or "none"
end

local function network(seed)
  scion.seed(seed)
  return scion.sequential { nn.input(6, 6, 3), nn.conv2d(4, 3, { activation = "relu", name = "conv" }), nn.batch_norm { name = "norm" },
                            nn.flatten(), nn.dropout(0.3), nn.dense(3, "softmax", { name = "out" }) }
end

local function images(count)
  scion.seed(1)
  local labels = {}
  for i = 1, count do labels[i] = i % 3 + 1 end
  return scion.uniform({ count, 6, 6, 3 }, 0, 255):to "u8", labels
end

-- ---- reading --------------------------------------------------------------------------------------------------------

function scenarios.load(folder)
  local path = folder .. "/model.safetensors"
  local model = network(1)
  model.labels = { "a", "b", "c" }
  model:save(path)
  return { path = path, act = function() return (scion.load(path)) end,
           outcome = function(loaded) return digest(loaded) .. table.concat(loaded.labels) .. #loaded.order end,
           prepare = function() end, state = function() return { file = content(path) } end }
end

--- Weights of another library, read into a network that has others.
local function weights_from(path, build)
  local model, before = build(), {}
  for i, node in ipairs(model.order) do
    for j, p in ipairs(node.layer.parameters) do before[i .. " " .. j] = { p.tensor, p.tensor:copy() } end
  end
  return { path = path, act = function() return (model:load_weights(path)) end, outcome = function(report) return report.loaded .. digest(model) end,
           prepare = function() for _, pair in pairs(before) do core.copy(pair[2], pair[1]) end end,
           state = function() return { weights = digest(model) } end }
end

function scenarios.torch()
  return weights_from(fixtures .. "layers.pth", function()
    return scion.sequential {
      nn.input(8, 9, 3), nn.conv2d(6, { 3, 2 }, { name = "conv" }), nn.layer_norm { epsilon = 1e-6, name = "norm" }, nn.gelu(),
      nn.prelu { name = "bend" }, nn.max_pool(2), nn.flatten(), nn.layer_norm { epsilon = 1e-5, center = false, name = "vector" },
      nn.prelu { name = "curve" }, nn.prelu("one", { name = "one" }), nn.dense(5, { name = "out" }),
    }
  end)
end

local function small_keras()
  return scion.sequential {
    nn.input(8, 9, 3), nn.conv2d(6, { 3, 2 }), nn.layer_norm(), nn.gelu_tanh(), nn.prelu(), nn.prelu "element",
    nn.layer_norm { center = false }, nn.prelu "one", nn.global_avg_pool(), nn.dense(5, { name = "out" }),
  }
end

function scenarios.keras() return weights_from(fixtures .. "layers.weights.h5", small_keras) end

--- The same from an archive, which is unpacked into memory first.
function scenarios.keras_zip()
  return weights_from(fixtures .. "rescaled.keras", function()
    return scion.sequential { nn.input { shape = { 8, 9, 3 }, preprocess = "tf" }, nn.conv2d(4, 3), nn.global_avg_pool(), nn.dense(3, "softmax") }
  end)
end

--- A folder of photographs, looked through by the doctor, who reads all of them.
function scenarios.doctor(folder)
  local path, lfs = folder .. "/photographs", require "lfs"
  assert(lfs.mkdir(path))
  for class = 1, 2 do
    assert(lfs.mkdir(path .. "/" .. class))
    for i = 1, 3 do assert(scion.image.save(("%s/%d/%d.%s"):format(path, class, i, i == 1 and "jpg" or "png"), support.pattern(40, 40, 7 * i + class))) end
  end
  return { path = path, act = function()
             local findings = scion.data.doctor(scion.data.folder(path, { size = 8, batch = 4 }))
             return findings
           end, outcome = function(findings) return (tostring(findings):gsub("[%d%.]+ m?s\n", "")) end, prepare = function() end, state = function() return {} end }
end

-- ---- writing --------------------------------------------------------------------------------------------------------

--- A file that is written over an older one.
local function written(path, model, write)
  return { path = path, act = function() write(model, path) end, outcome = function() return content(path) end,
           prepare = function() files.spit(path, "the old one") end, state = function() return { file = content(path), weights = digest(model) } end }
end

function scenarios.save(folder) return written(folder .. "/model.safetensors", network(1), function(model, path) model:save(path) end) end

function scenarios.export(folder) return written(folder .. "/torch.safetensors", network(1), function(model, path) model:export(path) end) end

function scenarios.image(folder)
  local x = images(1):reshape { 6, 6, 3 }
  return written(folder .. "/image.png", network(1), function(_, path)
    local saved, message = scion.image.save(path, x)
    if not saved then error(message) end
  end)
end

function scenarios.export_keras(folder) return written(folder .. "/model.weights.h5", small_keras(), function(model, path) model:export(path) end) end

-- ---- training -------------------------------------------------------------------------------------------------------

--- One step, and no file.
local function one_step(optimizer)
  local x, y = images(4)
  local model
  return { goes_on = true, act = function()
             local data = scion.data.tensors(x, y, { batch = 4, shuffle = false })
             model:fit(data, { optimizer = optimizer(), verbose = false, quiet = true })
           end,
           outcome = function() return digest(model) end, prepare = function() model = network(2) end,
           state = function() return { weights = digest(model) } end }
end

function scenarios.step() return one_step(scion.optim.adam) end

function scenarios.step_of_lamb() return one_step(scion.optim.lamb) end

--- A fit that writes its checkpoint after each step; after a fault the same call goes on, and ends with the same weights. The file may be of
--- any step.
---@param half boolean whether there is a file of the first step at first
---@param one_model boolean whether the same model goes on, in whatever state the call that failed has left it
---@param log string? a file to which a line is added after each epoch
local function run(folder, half, one_model, log)
  local path, steps, kept, model = folder .. "/run.ckpt", 0, nil, nil
  local x, y = images(8)
  local function train(callback)
    model = one_model and model or network(2)
    model:fit(scion.data.tensors(x, y, { batch = 4, seed = 3 }), { optimizer = scion.optim.adam(), epochs = 2, resume = { path, every = 1 },
      verbose = false, quiet = true, callbacks = { log and scion.callbacks.csv_logger { path = log } or {}, callback } })
    return model
  end
  if half then
    local ended = pcall(train, { step_begins = function()
      steps = steps + 1
      if steps == 2 then error "ended" end
    end })
    assert(not ended)
    kept = content(path)
  end
  local function outcome(trained)
    local _, lines = content(log or ""):gsub("\n", "")
    return digest(trained) .. lines
  end
  return { path = log and folder or path, any_file = true, act = function() return (train()) end, outcome = outcome, state = function() return {} end, prepare = function()
    model = nil
    if kept then files.spit(path, kept) else os.remove(path) end
    if log then files.spit(log, "what another run has written\n") end
  end }
end

function scenarios.checkpoint(folder) return run(folder, false, false) end

function scenarios.resume(folder) return run(folder, true, false) end

function scenarios.same_model(folder) return run(folder, true, true) end

function scenarios.log(folder) return run(folder, true, false, folder .. "/log.csv") end

-- ---- images and rows ------------------------------------------------------------------------------------------------

--- Image files through the loader's threads. A fault is not the image's, so that the call raises and leaves none out.
function scenarios.predict(folder)
  local x = images(6)
  local list = {}
  for i = 1, 6 do
    list[i] = ("%s/%d.%s"):format(folder, i, i % 2 == 0 and "png" or "jpg")
    scion.image.save(list[i], x:slice(1, i, i):reshape { 6, 6, 3 })
  end
  for _, one in ipairs(dofile "spec/fixtures/image/formats.lua") do
    -- libwebp itself breaks down over alpha where memory is short
    if one.name == "lossy.webp" or one.name == "palette.gif" then list[#list + 1] = files.spit(folder .. "/" .. one.name, support.unhex(one.file)) end
  end
  local model = network(1)
  model.labels = { "a", "b", "c" }
  return { act = function() return (model:predict(list)) end, outcome = function(found)
             local parts = {}
             for i, one in ipairs(found) do parts[i] = ("%s %s %s %.9g"):format(one.file, one.error, one.label, one.confidence or 0) end
             return table.concat(parts, "\n")
           end, prepare = function() end, state = function() return { weights = digest(model) } end, path = folder }
end

--- The rows of the cache. A fault of the disk is told, and does not end a call: then the rows are in memory alone.
function scenarios.cache(folder)
  local path = package.searchpath("scion.cache.store", package.path)
  local count, store = 0, nil
  return { path = folder, act = function()
             local rows = store.open("rows" .. count, { 4 }, "f32")
             rows:expect(2)
             rows:put({ ("%16d"):format(1), ("%16d"):format(2) }, { core.full({ 4 }, 1.5), core.full({ 4 }, 2.5) })
             return rows
           end,
           outcome = function(rows)
             return rows:get(("%16d"):format(1)):bytes() .. rows:get(("%16d"):format(2)):bytes()
           end,
           -- a new process has no rows in memory, and has told nothing yet
           prepare = function()
             count = count + 1
             store = dofile(path)
           end, state = function() return {} end, forgives = true }
end

return scenarios
