-- Usage: lua5.4 linear_probe.lua DATA WEIGHTS [SEED [NETWORK]]
-- Trains a linear classifier on the features of a frozen, pretrained network. DATA holds train/ and val/, each with a folder of pictures
-- for every class. WEIGHTS is a weights file for NETWORK, which is a name in scion.models (default: squeezenet1_1).
local scion = require "scion"

local folder, weights, seed, network = arg[1], arg[2], math.tointeger(arg[3]) or 7, arg[4] or "squeezenet1_1"
if not weights then
  print "usage: linear_probe.lua DATA WEIGHTS [SEED [NETWORK]]"
  os.exit(2)
end
scion.seed(seed)
local train = scion.data.folder(folder .. "/train", { size = 224, batch = 32, seed = seed })
local test = scion.data.folder(folder .. "/val", { size = 224, batch = 32, labels = train.labels, shuffle = false })

local base = scion.models[network] { weights = weights, input = 224 }
local model = base:graft { scion.nn.global_avg_pool(), scion.nn.dense(#train.labels, "softmax") }
base:freeze()

-- Each picture goes through the frozen trunk only once. Its features are kept: later epochs compute the classifier alone.
model:fit(train, { epochs = 20, validate = test, optimizer = scion.optim.adam { lr = 1e-3 } })
print(model:evaluate(test))
