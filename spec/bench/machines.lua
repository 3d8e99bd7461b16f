-- Usage: lua5.4 spec/bench/machines.lua DATA WEIGHTS [SVG]. How long a step of the recipe takes on 1 to 64 machines, as comm:plan works it out
-- from the time of a part on this machine, measured, at 1, 10 and 25 Gbit/s: the head alone, the top two blocks of Inception V3 with it, and
-- all layers. A batch has 128 images, in 8 parts or as many as there are machines; one machine computes it as a whole. SVG: a picture of the
-- second of them.
local scion = require "scion"
local comm = require "scion.mpi"
local line = require "scion.report.charts.line"
local svg = require "scion.report.svg"

local folder, weights, picture = arg[1], arg[2], arg[3]
if not weights then
  print "usage: machines.lua DATA WEIGHTS [SVG]"
  os.exit(2)
end

local batch, most = 128, 64
local networks = { { "1 Gbit/s", 1e9, 2e-4 }, { "10 Gbit/s", 1e10, 5e-5 }, { "25 Gbit/s", 2.5e10, 2e-5 } }
local train = scion.data.folder(folder .. "/train", { size = 224, batch = batch, seed = 7, augment = { zoom = 0.2, flip = "horizontal" } })
local base = scion.models.inception_v3 { weights = weights, input = 224 }
local model = base:graft { scion.nn.global_avg_pool(), scion.nn.dense(1024, "relu"), scion.nn.dense(#train.labels, "softmax") }

local stages = {
  { "the head", function() base:freeze() end },
  { "from mixed9 up", function() model:freeze { upto = "mixed8" } end },
  { "all layers", function() model:thaw() end },
}

local machines = require "scion.report.machines"
local ranks, curves = {}, {}
for k = 0, math.tointeger(math.log(most, 2)) do ranks[#ranks + 1] = 1 << k end

for _, stage in ipairs(stages) do
  stage[2]()
  local costs = {} -- by the number of parts
  local function cost_of(parts)
    costs[parts] = costs[parts] or comm:plan(model, train, { shards = parts, ranks = { 1 }, bandwidth = 1e9, latency = 0 }).cost
    return costs[parts]
  end
  local alone = machines.step(cost_of(1), 1, 0, 1).seconds
  print(("\n%s: %.2f s for a batch on one machine, %.1f MB a step"):format(stage[1], alone, cost_of(1).bytes / 1e6))
  io.write(("%-10s"):format "machines")
  for _, n in ipairs(ranks) do io.write(("%7d"):format(n)) end
  print()
  for _, network in ipairs(networks) do
    io.write(("%-10s"):format(network[1]))
    local points = {}
    for i, n in ipairs(ranks) do
      local efficiency = n == 1 and 1 or alone / n / machines.step(cost_of(math.max(8, n)), n, network[3], network[2]).seconds
      io.write(("%6.0f%%"):format(100 * efficiency))
      points[i] = { n, efficiency }
    end
    print()
    if stage[1] == "from mixed9 up" and network[1] ~= "25 Gbit/s" then curves[#curves + 1] = { name = network[1], points = points } end
  end
end

if picture then
  local drawing = line { title = "Efficiency of more machines", x = "machines", series = curves, share = true,
                         text = "Inception V3 from mixed9 up: how fast n machines are, divided by n times the speed of one." }
  assert(require "scion.core".write_file(picture, svg.document(drawing)))
end
