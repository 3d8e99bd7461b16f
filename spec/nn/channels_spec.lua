-- A network of slices, shuffled and padded channels: losses and gradients against PyTorch in double precision.
local core = require "scion.core"
local kernels = dofile("spec/support/plans.lua").kernels
local precision = require "scion.precision"
local gradients = dofile "spec/support/gradients.lua"
local rule = dofile "spec/models/rule.lua"
local scion = require "scion"
local small = dofile "spec/small_network.lua"
local nn = scion.nn

local golden = gradients.golden "channels"

--- The network of fixtures/models/channels.py. Values that several layers read, as a whole or in part, show that gradients add up.
local function network()
  local x = nn.conv2d(8, 3, { padding = 1, name = "first" })(nn.input { shape = { 9, 9, 3 }, preprocess = "unit" })
  local right = nn.conv2d(4, 3, { padding = 1, activation = "relu", name = "branch" })(nn.slice(5, 8)(x))
  x = nn.channel_shuffle(2)(nn.concatenate() { nn.slice(1, 4)(x), right })
  local shortcut = nn.pad_channels(3, 5)(nn.max_pool(1, { stride = 2 })(x))
  x = nn.conv2d(16, 3, { stride = 2, padding = 1, name = "second" })(x)
  x = nn.add { activation = "relu" } { x, shortcut }
  x = nn.add() { x, nn.channel_shuffle(8)(x) }
  x = nn.add() { nn.slice(1, 12)(x), nn.slice(3, 14)(x) }
  local part = nn.flatten()(nn.slice(2, 5)(x))
  x = nn.concatenate() { part, nn.global_avg_pool()(x), nn.flatten()(nn.max_pool(3)(x)), part }
  local model = scion.model { output = nn.dense(4, "softmax", { name = "out" })(x) }
  rule.fill(model, "torchvision", { 0.8, 1.2 })
  return model
end

describe("a network of split and shuffled channels", function()
  it("has PyTorch's losses and gradients", function() gradients.all(network, golden) end)
  it("has the same gradients whatever is frozen below", function() gradients.frozen(network, golden, { first = 5, branch = 3 }) end)
  it("is rebuilt from a saved file", function() gradients.rebuilt(network, golden) end)

  it("carries bf16, and converts nothing for it", function()
    local before, model = precision.emulates, network()
    finally(function() precision.emulates = before end)
    precision.emulates = true
    local function output(wanted)
      local plan = model:plan_for { mode = "infer", batch = 2, input_dtype = "u8", precision = wanted }
      assert(model:execute(plan, { images = rule.images(9) }))
      local kept = 0
      for _, call in ipairs(plan.calls) do
        if call[1]:find "channel" and call.x.dtype == "bf16" and call.y.dtype == "bf16" then kept = kept + 1 end
      end
      return core.place(model.arena, plan.output, 2):copy():reshape { -1 }, kept, plan
    end
    local wide = output "f32"
    local narrow, kept, plan = output "bf16"
    assert.equal(3, kept)
    assert.equal(6, kernels(plan).copy) -- slices and flattened values on their way into concatenations, and one flattened with gaps
    assert.is_true(small.distance(narrow, wide:totable()) < 0.02)
  end)
end)
