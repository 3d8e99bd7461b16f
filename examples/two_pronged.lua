-- Usage: lua5.4 two_pronged.lua DATA WEIGHTS [SEED]
-- Fine-tunes Inception V3 in two stages: a new head on the frozen network, then the head and the top blocks. DATA holds train/ and val/,
-- each with a folder of pictures for every class. WEIGHTS is Keras's inception_v3 file without the top.
local scion = require "scion"

local folder, weights, seed = arg[1], arg[2], math.tointeger(arg[3]) or 7
if not weights then
  print "usage: two_pronged.lua DATA WEIGHTS [SEED]"
  os.exit(2)
end
scion.seed(seed)
local train = scion.data.folder(folder .. "/train", { size = 224, batch = 32, seed = seed, augment = { zoom = 0.2, flip = "horizontal" } })
local test = scion.data.folder(folder .. "/val", { size = 224, batch = 32, labels = train.labels, shuffle = false })

local base = scion.models.inception_v3 { weights = weights, input = 224 }
local model = base:graft {
  scion.nn.global_avg_pool(),
  scion.nn.dense(1024, "relu"),
  scion.nn.dense(#train.labels, "softmax"),
}

-- stage one: the head alone
base:freeze()
print(model:plan(train))
model:fit(train, { epochs = 2, validate = test, optimizer = scion.optim.rmsprop() })

-- stage two: the head and the top two Inception blocks; the first 249 layers stay frozen
model:freeze { first = 249 }
print(model:plan(train))
model:fit(train, { epochs = 3, validate = test, optimizer = scion.optim.sgd { lr = 1e-4, momentum = 0.9 } })

print(model:evaluate(test))
model:save "two_pronged.safetensors"
print "saved as two_pronged.safetensors"
print("both stages are told of in " .. model.history:report "two_pronged.html")
