-- What training_spec.lua runs under mpirun: lua5.4 spec/mpi/training.lua PHOTOGRAPHS OUT THREADS [NAME..]. Several fits and evaluations, of which
-- rank 0 writes the models into the folder OUT, and one line of each fit's and evaluation's numbers to standard output, in hexadecimal.
local comm = require "scion.mpi"
local scion = require "scion"
local nn, augment = scion.nn, scion.augment
local photographs, out, threads = arg[1], arg[2], tonumber(arg[3])
scion.threads(threads)

local runs = {}

-- ---- data and networks ------------------------------------------------------------------------------------------------

local function images(n, seed)
  scion.seed(seed)
  return scion.uniform({ n, 12, 12, 3 }, 0, 255):to "u8"
end

local names = { "a", "b", "c" }

local function classes(n)
  local list = {}
  for i = 1, n do list[i] = i * 7 % 3 == 0 and "a" or i % 2 == 0 and "b" or "c" end
  return list
end

local function data(n, o)
  local given = { batch = 16, seed = 5, labels = names }
  for key, value in pairs(o or {}) do given[key] = value end
  return scion.data.tensors(images(n, 3), classes(n), given)
end

local validation = scion.data.tensors(images(37, 4), classes(37), { batch = 8, labels = names, shuffle = false })

local function trunk()
  scion.seed(9)
  return scion.sequential { nn.input(12, 12, 3), nn.conv2d(6, 3, { name = "b1/conv" }), nn.batch_norm { name = "b1/norm" }, nn.relu(),
                            nn.conv2d(6, 3, { name = "b2/conv" }), nn.batch_norm { name = "b2/norm" }, nn.relu(),
                            nn.conv2d(8, 3, { name = "b3/conv", activation = "relu" }) }
end

local function grafted()
  local base = trunk()
  base:freeze()
  return base:graft { nn.global_avg_pool(), nn.dropout(0.3), nn.dense(3, "softmax") }
end

local function whole(activation)
  scion.seed(9)
  return scion.sequential { nn.input(12, 12, 3), nn.conv2d(8, 3), nn.batch_norm(), nn.relu(), nn.conv2d(8, 3), nn.batch_norm(), nn.relu(), nn.dropout(0.3),
                            nn.global_avg_pool(), nn.dense(3, activation or "softmax") }
end

-- ---- what is told ------------------------------------------------------------------------------------------------------

local function text(value)
  if math.type(value) == "float" then return ("%a"):format(value) end
  if type(value) == "table" and getmetatable(value) == nil then
    local keys, words = {}, {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for i, key in ipairs(keys) do words[i] = tostring(key) .. "=" .. text(value[key]) end
    return "{" .. table.concat(words, " ") .. "}"
  end
  return tostring(value)
end

--- An epoch's or an evaluation's numbers but for the seconds.
local function numbers(of, fields)
  local words = {}
  for _, field in ipairs(fields) do
    local value = rawget(of, field)
    if type(value) == "userdata" then value = value:totable() end
    if value ~= nil then words[#words + 1] = field .. "=" .. text(value) end
  end
  return table.concat(words, " ")
end

local function tell(name, what)
  -- every rank has the same numbers
  local all = comm:broadcast(what)
  comm:agree(all ~= what and ("%s: rank %d has %s, and rank 0 %s"):format(name, comm.rank, what, all) or nil)
  print(name .. " " .. what)
end

local of_an_epoch = { "epoch", "loss", "accuracy", "lr", "val_loss", "val_accuracy", "f1_macro", "val_f1_macro", "roc_auc", "val_roc_auc", "cached" }
local of_an_evaluation = { "loss", "accuracy", "exact_match", "examples", "left_out", "not_finite", "confusion", "top_2", "roc_auc", "f1_macro" }

local digest = dofile("spec/support/models.lua").digest

--- What a process that has no others finds.
local function alone(model, set, o)
  local given = {}
  for key, value in pairs(o or {}) do given[key] = value end
  given.distributed = nil
  return model:evaluate(set, given)
end

local function fit(name, model, set, o)
  local given = { verbose = false, quiet = true, distributed = comm }
  for key, value in pairs(o) do given[key] = value end
  local history = model:fit(set, given)
  if o.validate then
    local found, last = alone(model, o.validate, { precision = o.precision }), history[#history]
    assert(found.loss == last.val_loss and found.accuracy == last.val_accuracy, name .. ": the validation is that of one process")
  end
  for _, entry in ipairs(history) do tell(name, numbers(entry, of_an_epoch)) end
  tell(name, "weights " .. digest(model):gsub(".", function(c) return ("%02x"):format(c:byte()) end))
  model:export(("%s/%s.safetensors"):format(out, name))
  return history
end

local function evaluate(name, model, set, o)
  local given = { distributed = comm }
  for key, value in pairs(o or {}) do given[key] = value end
  local function words(found)
    local bins = {}
    for i, bin in ipairs(found.calibration or {}) do bins[i] = { bin.examples, bin.accuracy or "-", bin.confidence or "-" } end
    return numbers(found, of_an_evaluation) .. " calibration=" .. text(bins)
  end
  local found = words(model:evaluate(set, given))
  tell(name, found)
  assert(found == words(alone(model, set, o)), name .. ": one process finds the same")
end

-- ---- the runs ----------------------------------------------------------------------------------------------------------

--- All layers, with dropout, augmentation and moving averages; a last batch of 13, and a validation set of 37.
function runs.whole()
  fit("whole", whole(), data(77, { augment = { flip = "horizontal", rotation = 20, zoom = 0.2 } }),
    { epochs = 3, optimizer = scion.optim.adam(), validate = validation, metrics = { "f1_macro", "roc_auc" }, class_weights = "balanced" })
end

local function folder(o)
  local given = { size = 12, batch = 16, seed = 2 }
  for key, value in pairs(o or {}) do given[key] = value end
  return scion.data.folder(photographs, given)
end

--- The recipe: a frozen trunk whose outputs are kept, then the top of it as well. The last batch has three images, so that most parts have none.
function runs.recipe()
  local set, model = folder { augment = { flip = "horizontal" } }, grafted()
  local schedule = scion.schedule.two_pronged { from = "b3", epochs = { 3, 2 }, head = scion.optim.adam() }
  local history = fit("recipe", model, set, { schedule = schedule, validate = folder { shuffle = false, batch = 4 }, cache = 2 })
  assert(not rawget(history[2], "cached") and history[3].cached and history[5].cached, "all was kept from the third epoch on")
  evaluate("recipe evaluation", model, validation, { metrics = { "top_2", "roc_auc", "f1_macro" } })
end

--- Several batches make a step, gradients are clipped, a block with a batch norm thaws that takes its statistics from the batch; the second
--- step of each epoch has one batch less.
function runs.accumulate()
  fit("accumulate", grafted(), data(77), { schedule = scion.schedule { { epochs = 1, train = "head" }, { epochs = 2, train = "all" } }, accumulate = 3, clip = 0.5,
                                       optimizer = scion.optim.sgd { lr = 0.05, momentum = 0.9 } })
end

--- Two of the images cannot be read.
function runs.broken()
  local told, set = {}, folder { augment = { flip = "horizontal" } }
  function set.warn(message) told[#told + 1] = message:match "[^/:]*%.png" end
  local model = whole()
  fit("broken", model, set, { epochs = 2, optimizer = scion.optim.adam() })
  evaluate("broken evaluation", model, folder { batch = 5, shuffle = false })
  local problems = {}
  for i, problem in ipairs(set.problems) do problems[i] = problem.file:match "[^/]*$" end
  table.sort(problems)
  table.sort(told)
  tell("broken", ("skipped %d, problems %s"):format(set.skipped, table.concat(problems, " ")))
  print("broken: told of " .. table.concat(told, " "))
end

--- Images that are blended with others of their part.
function runs.mixup()
  fit("mixup", whole(), data(40, { augment = { augment.mixup(), augment.cutmix() } }), { epochs = 2, distributed = { comm, shards = 8 }, optimizer = scion.optim.adam() })
end

--- Several labels of an image, and numbers to predict.
function runs.labels()
  local rows = {}
  for i = 1, 21 do rows[i] = { i % 2, i % 3 == 0 and 1 or 0, i % 5 == 0 and 1 or 0 } end
  local model = whole "sigmoid"
  local set = scion.data.tensors(images(21, 6), rows, { batch = 8, labels = names, multi = true, seed = 1 })
  fit("labels", model, set, { epochs = 2, validate = set, distributed = { comm, shards = 8 } })
  evaluate("labels evaluation", model, set)
  local numbers_of = scion.data.tensors(images(21, 6), scion.tensor(rows) * 0.5, { batch = 8, seed = 1 })
  fit("numbers", whole "linear", numbers_of, { epochs = 1, loss = "huber" })
end

--- In bf16 as far as that goes.
function runs.bf16()
  fit("bf16", grafted(), data(33), { schedule = scion.schedule.two_pronged { from = "b3", epochs = { 1, 1 } }, precision = "bf16", validate = validation })
end

--- Sums of gradients that travel in half the bytes.
function runs.halves()
  fit("halves", whole(), data(77), { epochs = 2, distributed = { comm, wire = "bf16" }, optimizer = scion.optim.adam() })
end

--- Gradients of two million numbers, the first of which leave while others of the part are computed. The last batch has three images, so that some
--- ranks have none of it.
function runs.wide()
  for _, wire in ipairs { "f32", "bf16" } do
    scion.seed(9)
    local model = scion.sequential { nn.input(12, 12, 3), nn.flatten(), nn.dense(1200), nn.batch_norm(), nn.relu(), nn.dropout(0.3), nn.dense(900, "relu"),
                                     nn.dense(900, "relu"), nn.dense(3, "softmax") }
    fit("wide_" .. wire, model, data(35), { epochs = 2, distributed = { comm, wire = wire }, optimizer = scion.optim.adam() })
  end
end

--- A callback thaws all layers after a step of an epoch whose frozen part's values are kept: from there on images are read.
function runs.thaw()
  local found = {}
  for i, cache in ipairs { true, false } do
    local model = grafted()
    local function step_ends(run) if run.step == 2 then model:thaw() end end
    local set = scion.data.tensors(images(44, 8), classes(44), { batch = 10, seed = 5, labels = names })
    fit("thaw_" .. i, model, set, { epochs = 1, cache = cache, callbacks = { step_ends = step_ends }, distributed = { comm, shards = 5 } })
    found[i] = digest(model)
  end
  assert(found[1] == found[2], "thaw: the cache changes nothing")
end

--- Features of a layer, with images that cannot be read, and a probe of them.
function runs.features()
  local model, set = trunk(), folder { shuffle = false }
  local layer = model.output.layer.name
  local together, _, failures = model:features(set, layer, { distributed = comm, pool = "avg", batch = 4 })
  local again = folder { shuffle = false }
  function again.warn() end
  local own = model:features(again, layer, { pool = "avg", batch = 4 })
  assert(together:bytes() == own:bytes() and #failures == 2, "features: one process computes the same")
  local unlabeled = scion.data.tensors(images(20, 3))
  assert(model:features(unlabeled, layer, { distributed = comm }):bytes() == model:features(unlabeled, layer):bytes(), "features without labels")
  local found = {}
  for _, given in ipairs { { distributed = comm, folds = 3 }, { folds = 3 } } do found[#found + 1] = tostring(model:probe(data(45), given)) end
  assert(found[1] == found[2], "probe: one process finds the same")
  tell("features", (found[1]:gsub("%s+", " ")))
end

for name in (arg[4] or "whole recipe accumulate broken mixup labels bf16 halves wide thaw features"):gmatch "%S+" do runs[name]() end
