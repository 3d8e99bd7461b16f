-- Images per second of Inception V3 at 224, batch 32: forward, and the three kinds of training step, each the median of `rounds`
-- steps on images that differ; and which kernels the time went to. lua5.4 steps.lua [ROUNDS]
local core = require "scion.core"
local scion = require "scion"

local batch, rounds = 32, math.tointeger(arg and arg[1]) or 5
scion.seed(1)
local base = scion.models.inception_v3 { input = 224, batch_norm = "stored" }
local model = base:graft { scion.nn.global_avg_pool(), scion.nn.dense(1024, "relu"), scion.nn.dense(6, "softmax") }
local labels = core.from_one { 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 1, 2 }

local function median(list)
  table.sort(list)
  return list[#list // 2 + 1]
end

--- The three kernels that took longest, with their share.
local function shares(plan)
  local by_name, total, list = {}, 0, {}
  for i, seconds in ipairs(plan.program:seconds()) do
    local name = plan.steps[i][1]
    by_name[name], total = (by_name[name] or 0) + seconds, total + seconds
  end
  for name, seconds in pairs(by_name) do list[#list + 1] = { name, seconds } end
  table.sort(list, function(a, b) return a[2] > b[2] end)
  for i = 1, #list do list[i] = i <= 3 and ("%s %.0f%%"):format(list[i][1], 100 * list[i][2] / total) or nil end
  return table.concat(list, ", ")
end

local function measure(name, mode, optimizer)
  local plan = model:plan_for { mode = mode, batch = batch, input_dtype = "u8", loss = mode == "train" and "categorical" or nil }
  local seconds = {}
  for round = 0, rounds do
    local images = scion.uniform({ batch, 224, 224, 3 }, 0, 255):to "u8"
    local start = scion.clock()
    model:execute(plan, { images = images, labels = labels, step = round })
    for _, g in ipairs(plan.gradients) do optimizer:update(g.parameter, core.place(model.arena, g.place)) end
    seconds[round] = scion.clock() - start
    if round == 0 then plan.program:seconds() end -- the first packs weights
  end
  print(("%-10s %6.1f images/s  %7.1f MB  %s"):format(name, batch / median(seconds), plan.arena_bytes / 1e6, shares(plan)))
end

print(("Inception V3, 224, batch %d, %s threads"):format(batch, scion.threads()))
measure("forward", "infer")
base:freeze()
measure("prong one", "train", scion.optim.rmsprop())
model:freeze { first = 249 }
measure("prong two", "train", scion.optim.sgd { lr = 1e-4, momentum = 0.9 })
model:thaw()
measure("full step", "train", scion.optim.sgd { lr = 1e-4, momentum = 0.9 })
