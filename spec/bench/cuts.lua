-- Usage: lua5.4 spec/bench/cuts.lua DATA NETWORK WEIGHTS [SEEDS [BLOCK ..]], such as 0,1,2 and mixed2 mixed5
-- The probe beside brute force: a network is cut at each of its blocks, or at those that are named, and fine-tuned there with a head of its own,
-- once for each seed. Then a probe tells where to cut, from features alone. DATA holds train/ and val/, each with a folder of pictures for every
-- class. Seconds are of all threads together (CPU), so that they mean the same on a busy machine. HEAD=norm in the environment puts a batch norm before the
-- dense layer of the head: without it, features of small variance are learned slowly, and the cut that has them looks worse than it is.
local scion = require "scion"
local interval = require "spec.support.interval"

local folder, network, weights, seeds, wanted = arg[1], arg[2], arg[3], {}, { table.unpack(arg, 5) }
for seed in (arg[4] or "0,1,2"):gmatch "%d+" do seeds[#seeds + 1] = math.tointeger(seed) end
if not (weights and seeds[1]) then
  print "usage: cuts.lua DATA NETWORK WEIGHTS [SEEDS [BLOCK ..]]"
  os.exit(2)
end

local function data(seed)
  local train = scion.data.folder(folder .. "/train", { size = 224, batch = 32, seed = seed })
  return train, scion.data.folder(folder .. "/val", { size = 224, batch = 32, labels = train.labels, shuffle = false })
end

local function open() return scion.models[network] { weights = weights, input = 224 } end

-- The network cut at a block, with a new head: first the head trains, then the last block with it.
local function fine_tune(block, seed)
  scion.seed(seed)
  local train, test = data(seed)
  local head = { scion.nn.global_avg_pool(), scion.nn.dense(#train.labels, "softmax") }
  if os.getenv "HEAD" == "norm" then table.insert(head, 2, scion.nn.batch_norm { statistics = "batch" }) end
  local model = open():upto(block):graft(head)
  local history = model:fit(train, { validate = test, verbose = false, schedule = scion.schedule {
    { epochs = 20, train = "head", optimizer = scion.optim.adam { lr = scion.lr.cosine(2e-3) } },
    { epochs = 4, blocks = 1, optimizer = scion.optim.sgd { lr = scion.lr.cosine(2e-4), momentum = 0.9 } } } })
  return history[#history].val_accuracy
end

local began = os.clock()
local train = data(0)
local probe = open():probe(train)
local probed = os.clock() - began
print(probe)
print(("the probe: %.0f seconds\n"):format(probed))

local cuts, chosen = {}, {}
for _, block in ipairs(wanted) do chosen[block] = true end
for _, row in ipairs(probe) do
  if not wanted[1] or chosen[row.block] or row.block == probe.recommended then cuts[#cuts + 1] = { row = row, accuracies = {} } end
end

began = os.clock()
for _, cut in ipairs(cuts) do
  for s, seed in ipairs(seeds) do
    cut.accuracies[s] = fine_tune(cut.row.block, seed)
    io.stdout:write(("%-20s seed %d  accuracy %.3f\n"):format(cut.row.block, seed, cut.accuracies[s])):flush()
  end
  cut.mean, cut.around = interval(cut.accuracies)
end
local forced = os.clock() - began

local best, taken = cuts[1], nil
for _, cut in ipairs(cuts) do
  if cut.mean > best.mean then best = cut end
  if cut.row.block == probe.recommended then taken = cut end
end
print(("\n%-20s  %-12s  %-20s"):format("cut at", "probe", "fine-tuned"))
for _, cut in ipairs(cuts) do
  local marks = (cut == best and "  best" or "") .. (cut == taken and "  recommended" or "")
  print(("%-20s  %.3f         %.3f +- %.3f%s"):format(cut.row.block, cut.row.accuracy, cut.mean, cut.around, marks))
end
local differences = {}
for s, accuracy in ipairs(best.accuracies) do differences[s] = (taken or best).accuracies[s] - accuracy end
print(("recommended less best, of pairs with the same seed: %+.3f +- %.3f; the probe took %.1f%% of brute force's %.0f seconds"):format(
  select(1, interval(differences)), select(2, interval(differences)), 100 * probed / forced, forced))
