-- Usage: lua5.4 spec/bench/recipe.lua DATA WEIGHTS [PRECISION]. examples/two_pronged.lua as a benchmark has it: in a precision, and nothing is saved.
-- DATA holds train/ and val/; WEIGHTS is Keras's inception_v3 file without the top.
local scion = require "scion"

local folder, weights, precision = arg[1], arg[2], arg[3] or "f32"
scion.seed(0)
local train = scion.data.folder(folder .. "/train", { size = 224, batch = 32, seed = 0, augment = { zoom = 0.2, flip = "horizontal" } })
local test = scion.data.folder(folder .. "/val", { size = 224, batch = 32, labels = train.labels, shuffle = false })
local base = scion.models.inception_v3 { weights = weights, input = 224 }
local model = base:graft { scion.nn.global_avg_pool(), scion.nn.dense(1024, "relu"), scion.nn.dense(#train.labels, "softmax") }
model.precision = precision

base:freeze()
model:fit(train, { epochs = 2, validate = test, optimizer = scion.optim.rmsprop() })
model:freeze { first = 249 }
model:fit(train, { epochs = 3, validate = test, optimizer = scion.optim.sgd { lr = 1e-4, momentum = 0.9 } })
