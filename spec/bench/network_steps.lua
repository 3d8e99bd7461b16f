-- lua5.4 spec/bench/network_steps.lua PHOTOGRAPHS WEIGHTS NETWORK [SIZE] [BATCH] [STEPS] [THREADS], by network.lua or by mpirun: the recipe's two prongs
-- and a fine-tune of all layers of a pretrained network, a few steps each. Prints the milliseconds of a step: measured; what comm:plan says, and how
-- much of that is computing; CPU; waiting for messages; sums of gradients from leaving to arriving, and of these what was waited for: means of rank 0.
-- The hash of the weights is to be the same for any number of hosts.
local comm, scion = require "scion.mpi", require "scion"
local photographs, weights, network, size, batch, steps, threads = arg[1], arg[2], arg[3], table.unpack(arg, 4)
size, batch, steps = tonumber(size or 96), tonumber(batch or 16), tonumber(steps or 12)
scion.threads(tonumber(threads or 1))
local nn = scion.nn

local digest = dofile((arg[0]:gsub("bench/network_steps%.lua$", "support/models.lua"))).digest

local function hex(bytes) return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

local latency, bandwidth = comm:network()
if latency then print(("%d hosts: latency %.3f ms, %.1f Mbit/s, %d threads each"):format(comm.size, latency * 1e3, bandwidth / 1e6, scion.threads())) end

local function images()
  return scion.data.folder(photographs, { size = size, batch = batch, seed = 1, augment = { flip = "horizontal" }, memory = 1e9 }):take(batch * steps)
end

local cases = {
  { "prong one", function(base) base:freeze() end, scion.optim.adam() },
  { "prong two", function(base, model) model:freeze { first = #base:layers() * 3 // 4 } end, scion.optim.sgd { lr = 1e-4, momentum = 0.9 } },
  { "all layers", function() end, scion.optim.sgd { lr = 1e-4, momentum = 0.9 } },
}

print(("%-12s %9s %9s %9s %9s %9s %9s %9s %9s  %s"):format("ms a step", "measured", "planned", "computing", "CPU", "waited", "sums", "of these", "bytes", "weights"))
for _, case in ipairs(cases) do
  local name, freeze, optimizer = table.unpack(case)
  scion.seed(1)
  local set = images()
  local base = scion.models[network] { weights = weights, input = size }
  local model = base:graft { nn.global_avg_pool(), nn.dropout(0.2), nn.dense(#set.labels, "softmax") }
  freeze(base, model)
  local plan = comm:plan(model, set, { ranks = { comm.size }, latency = latency or 0, bandwidth = bandwidth or 1e12 })
  local function so_far() return { os.clock(), comm:seconds() } end
  -- no callback of one's own: what is frozen is computed while sums travel only where nobody may freeze layers in between
  local function epoch()
    return model:fit(set, { epochs = 1, optimizer = optimizer, distributed = comm, verbose = false, quiet = true, cache = false })[1].seconds
  end
  epoch() -- reads files and allocates
  local before = so_far()
  local seconds, after = epoch(), so_far()
  for i, value in ipairs(after) do after[i] = (value - before[i]) / steps * 1e3 end
  local cpu, waited, sums, of_these = table.unpack(after)
  local row = "%-12s %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f %9.1f %9d  %s"
  print(row:format(name, seconds / steps * 1e3, plan[1].seconds * 1e3, plan[1].compute * 1e3, cpu, waited, sums, of_these,
    plan.cost.bytes, hex(digest(model)):sub(1, 12)))
end
