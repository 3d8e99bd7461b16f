-- Usage: SCION_BF16=emulate lua5.4 spec/bench/narrow_training.lua DATA NAME WEIGHTS FROM [PRECISION [SEEDS [EPOCHS]]]
-- Training in a precision (bf16) beside training in f32: a network of scion.models with a head of its own, which trains for 2 epochs by itself (RMSprop), and then
-- for EPOCHS (4) with everything from the block FROM on (SGD 1e-3, momentum 0.9), for each of the seeds (1,2,3). Both have the same weights to begin with
-- and the same order of images. DATA holds train/ and val/. On a CPU without instructions for bf16, SCION_BF16=emulate computes as they would,
-- but for the order of sums.
local scion = require "scion"
local interval = require "spec.support.interval"

local folder, name, weights, from, word, seeds, epochs = arg[1], arg[2], arg[3], arg[4], arg[5] or "bf16", {}, math.tointeger(arg[7] or 4)
for seed in (arg[6] or "1,2,3"):gmatch "%d+" do seeds[#seeds + 1] = math.tointeger(seed) end
if not (from and seeds[1] and epochs) then
  print "usage: narrow_training.lua DATA NAME WEIGHTS FROM [PRECISION [SEEDS [EPOCHS]]], such as inception_v3 inception_v3_notop.h5 mixed9 bf16 1,2,3 4"
  os.exit(2)
end

local function prepare(seed)
  scion.seed(seed)
  local train = scion.data.folder(folder .. "/train", { size = 224, batch = 32, seed = seed })
  local test = scion.data.folder(folder .. "/val", { size = 224, batch = 32, labels = train.labels, shuffle = false })
  local base = scion.models[name] { weights = weights, input = 224 }
  return train, test, base:graft { scion.nn.global_avg_pool(), scion.nn.dense(#train.labels, "softmax") }
end

local function memory(precision)
  local _, _, model = prepare(1)
  model:thaw { from = from }
  model.precision = precision
  local plan = model:plan { batch = 32 }
  return plan.memory, plan
end

local function run(precision, seed)
  local train, test, model = prepare(seed)
  local schedule = scion.schedule { { epochs = 2, train = "head", optimizer = scion.optim.rmsprop() },
                                    { epochs = epochs, from = from, optimizer = scion.optim.sgd { lr = 1e-3, momentum = 0.9 } } }
  local began = os.clock()
  local history = model:fit(train, { schedule = schedule, validate = test, precision = precision, verbose = false })
  local text = {}
  for i, entry in ipairs(history) do text[i] = ("%.4f/%.4f/%.3f"):format(entry.loss, entry.val_loss, entry.val_accuracy) end
  io.stdout:write(("seed %d  %-5s %5.0f s of CPU  loss/validation's/accuracy %s\n"):format(seed, precision, os.clock() - began, table.concat(text, " "))):flush()
  return history[#history].val_accuracy
end

local wide, narrow = memory "f32", memory(word)
print(("memory of a step of 32 from %s on: f32 %.1f MB, %s %.1f MB, %.3f of it"):format(from, wide / 1e6, word, narrow / 1e6, narrow / wide))
print(select(2, memory(word)))
local found = { f32 = {}, [word] = {} }
for _, seed in ipairs(seeds) do
  for _, precision in ipairs { "f32", word } do table.insert(found[precision], run(precision, seed)) end
end
for _, precision in ipairs { "f32", word } do print(("%-5s accuracy %.4f +- %.4f"):format(precision, interval(found[precision]))) end
local less = {}
for i, accuracy in ipairs(found[word]) do less[i] = accuracy - found.f32[i] end
print(("%s less f32: %+.4f +- %.4f"):format(word, interval(less)))
