-- Usage: mpirun -n 8 lua5.4 cluster.lua DATA WEIGHTS [SEED]; or without mpirun, on this machine alone. The two-pronged recipe on several machines:
-- DATA holds train/ and val/, each with a folder of pictures for every class; WEIGHTS are Inception V3's, as Keras publishes them without the top.
-- Each machine has both at the same path, in a shared folder or in a copy. Under mpirun the model is the same
-- to the bit for any number of machines.
local scion = require "scion"
local comm = require "scion.mpi"

local folder, weights = arg[1], arg[2]
if not weights then
  print "usage: mpirun -n 8 lua5.4 cluster.lua DATA WEIGHTS [SEED]"
  os.exit(2)
end
scion.seed(tonumber(arg[3]) or 7)

local train = scion.data.folder(folder .. "/train", { size = 224, batch = 64, seed = 7, augment = { zoom = 0.2, flip = "horizontal" } })
local val = scion.data.folder(folder .. "/val", { size = 224, batch = 64, labels = train.labels, shuffle = false })
local base = scion.models.inception_v3 { weights = weights, input = 224 }
local model = base:graft { scion.nn.global_avg_pool(), scion.nn.dense(1024, "relu"), scion.nn.dense(#train.labels, "softmax") }

base:freeze()
model:fit(train, { epochs = 2, validate = val, optimizer = scion.optim.rmsprop(), distributed = comm })

model:freeze { upto = "mixed8" }
if comm.size > 1 then print(comm:plan(model, train)) end
model:fit(train, { epochs = 3, validate = val, optimizer = scion.optim.sgd { lr = 1e-4, momentum = 0.9 }, distributed = comm,
                   resume = { "cluster.ckpt", every = 50 } })

print(model:evaluate(val, { distributed = comm }))
model:save "cluster.safetensors"
