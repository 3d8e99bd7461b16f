-- Usage: lua5.4 spec/bench/freeze_schedules.lua DATA WEIGHTS [SEEDS [EPOCHS]], such as 0,1,2,3,4 and 5
-- Four ways to fine-tune Inception V3, beside each other: the head first and then the top (two-pronged), a block more in every epoch
-- (gradual), head first and then rates that fall with depth (discriminative), and head and top at once (one-go). All train the same number
-- of epochs, with the same head and the same order of images for each seed. DATA holds train/ and val/, each with a folder of pictures for every
-- class. WEIGHTS is Keras's inception_v3 file without the top.
local scion = require "scion"
local interval = require "spec.support.interval"

local folder, weights, seeds, epochs = arg[1], arg[2], {}, math.tointeger(arg[4] or 5)
for seed in (arg[3] or "0,1,2,3,4"):gmatch "%d+" do seeds[#seeds + 1] = math.tointeger(seed) end
if not (weights and seeds[1] and epochs) or epochs < 4 then
  print "usage: freeze_schedules.lua DATA WEIGHTS [SEEDS [EPOCHS]], with seeds such as 0,1,2,3,4 and 4 epochs or more"
  os.exit(2)
end

local optim, lr = scion.optim, scion.lr
local function fine(rate) return optim.sgd { lr = rate, momentum = 0.9 } end

local ways = {
  { "two-pronged", function() return scion.schedule.two_pronged { from = "mixed9", epochs = { 2, epochs - 2 } } end },
  { "gradual", function()
    return scion.schedule { { epochs = 1, train = "head", optimizer = optim.rmsprop() }, { epochs = 1, blocks = 1, optimizer = fine(1e-4) },
                            { epochs = epochs - 2, blocks = 2 } }
  end },
  { "discriminative", function()
    return scion.schedule { { epochs = 2, train = "head", optimizer = optim.rmsprop() },
                            { epochs = epochs - 2, from = "mixed9", optimizer = fine(lr.by_depth(1e-3, 1e-4)) } }
  end },
  { "one-go", function() return scion.schedule { { epochs = epochs, from = "mixed9", optimizer = fine(1e-3) } } end },
}

local function prepare(seed)
  scion.seed(seed)
  local train = scion.data.folder(folder .. "/train", { size = 224, batch = 32, seed = seed })
  local test = scion.data.folder(folder .. "/val", { size = 224, batch = 32, labels = train.labels, shuffle = false })
  return train, test, scion.models.inception_v3 { weights = weights, input = 224 }
end

-- Trains one way; returns its validation accuracy, and the seconds of each stage: predicted and measured.
local function run(schedule, seed)
  local train, test, base = prepare(seed)
  local model = base:graft { scion.nn.global_avg_pool(), scion.nn.dense(1024, "relu"), scion.nn.dense(#train.labels, "softmax") }
  local predicted, measured, began = schedule:plan(model, train, { validate = test }), {}, nil
  local timer = {
    fit_begins = function() began = scion.clock() end,
    stage_ends = function()
      measured[#measured + 1] = scion.clock() - began
      began = scion.clock()
    end,
  }
  local history = model:fit(train, { schedule = schedule, validate = test, verbose = false, callbacks = { timer } })
  return history[#history].val_accuracy, predicted, measured
end

-- What the frozen part gives for each image is kept; made first, it is there for all ways alike.
local train, test, base = prepare(0)
local began = scion.clock()
for _, data in ipairs { train, test } do base:features(data, "mixed8") end
print(("the frozen part, once for every image: %.0f seconds"):format(scion.clock() - began))

local accuracies, seconds = {}, {}
for _, seed in ipairs(seeds) do
  for i, way in ipairs(ways) do
    local accuracy, predicted, measured = run(way[2](), seed)
    accuracies[i], seconds[i] = accuracies[i] or {}, (seconds[i] or 0)
    table.insert(accuracies[i], accuracy)
    local stages = {}
    for s, took in ipairs(measured) do
      seconds[i] = seconds[i] + took / #seeds
      stages[s] = ("%.1f (%.1f)"):format(took, predicted[s].seconds)
    end
    io.stdout:write(("seed %d  %-14s  accuracy %.3f  seconds of each stage, measured (predicted): %s\n"):format(seed, way[1], accuracy, table.concat(stages, ", "))):flush()
  end
end

print(("\n%-14s  %-20s  %-28s  seconds"):format("", "validation accuracy", "less that of two-pronged"))
for i, way in ipairs(ways) do
  local differences = {}
  for s, accuracy in ipairs(accuracies[i]) do differences[s] = accuracy - accuracies[1][s] end
  local mean, around = interval(accuracies[i])
  local less, less_around = interval(differences)
  print(("%-14s  %.3f +- %.3f       %-28s  %.0f"):format(way[1], mean, around, i == 1 and "" or ("%+.3f +- %.3f"):format(less, less_around), seconds[i]))
end
