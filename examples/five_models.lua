-- Usage: lua5.4 five_models.lua DATA WEIGHTS [SEED [EPOCHS]]
-- Five ways to a classifier, on one test set: a small network from scratch, with dropout, and with augmentation too; a classifier on the
-- features of a pretrained SqueezeNet; and the same network fine-tuned. DATA holds train/ and val/, each with a folder of pictures for every
-- class. WEIGHTS is a weights file for SqueezeNet 1.1.
local scion = require "scion"
local nn, optim = scion.nn, scion.optim

local folder, weights, seed, epochs = arg[1], arg[2], math.tointeger(arg[3]) or 7, math.tointeger(arg[4]) or 20
if not weights then
  print "usage: five_models.lua DATA WEIGHTS [SEED [EPOCHS]]"
  os.exit(2)
end
local size = 150
local train = scion.data.folder(folder .. "/train", { size = size, batch = 32, seed = seed })
local test = scion.data.folder(folder .. "/val", { size = size, batch = 32, labels = train.labels, shuffle = false })
local augmented = train:with { augment = { shear = 11.5, zoom = 0.2, flip = "horizontal" } }

-- Three convolutions and two dense layers, each from random weights.
local function small(dropout)
  scion.seed(seed)
  local layers = { nn.input { shape = { size, size, 3 }, preprocess = "unit" } }
  local function add(layer) layers[#layers + 1] = layer end
  for _, filters in ipairs { 32, 32, 64 } do
    add(nn.conv2d(filters, 3, { activation = "relu" }))
    add(nn.max_pool(2))
  end
  add(nn.flatten())
  add(nn.dense(64, "relu"))
  if dropout then add(nn.dropout(0.5)) end
  add(nn.dense(#train.labels, "softmax"))
  return scion.sequential(layers)
end

local function fit(model, data)
  model:fit(data, { epochs = epochs, validate = test, optimizer = optim.rmsprop() })
  return model
end

local function pretrained()
  scion.seed(seed)
  local base = scion.models.squeezenet1_1 { weights = weights, input = size }
  base:freeze()
  return base:graft { nn.global_avg_pool(), nn.dense(#train.labels, "softmax") }
end

local comparison = scion.compare({
  { "from scratch", function() return fit(small(false), train) end },
  { "with dropout", function() return fit(small(true), train) end },
  { "and augmentation", function() return fit(small(true), augmented) end },
  { "bottleneck features", function() return fit(pretrained(), train) end },
  { "fine-tuned", function()
    local model = fit(pretrained(), train)
    model:freeze { upto = "fire8" }
    model:fit(augmented, { epochs = epochs // 2, validate = test, optimizer = optim.sgd { lr = 1e-4, momentum = 0.9 } })
    return model
  end },
}, test)
print(comparison)
comparison:report "five_models.html" -- the same as a page, with all pairs and the curves of each
