-- A transfer that is built to be negative: a trunk that has learned to look for colours and at nothing else, and pictures of faint grey noise,
-- which any random weights tell apart.
local scion = require "scion"
local nn = scion.nn

local negative = {}

local directions = { { 0, 1 }, { 1, 0 }, { 1, 1 }, { 1, -1 } }

--- Patterns of noise that differ in the direction in which neighbours resemble each other.
function negative.patterns(count, seed)
  scion.seed(seed)
  local pictures, labels = {}, {}
  for i = 1, count do
    labels[i] = (i - 1) % #directions + 1
    local x, down, right = scion.randn { 34, 34, 3 }, table.unpack(directions[labels[i]])
    local function part(y, at) return x:slice(1, y, y + 31):slice(2, at, at + 31) end
    pictures[i] = ((part(2, 2) + part(2 + down, 2 + right) * 0.4) * 4 + 128):clamp(0, 255):to "u8"
  end
  return scion.data.tensors(scion.stack(pictures), labels, { batch = 60, seed = seed, labels = { "across", "down", "falling", "rising" } })
end

--- The trunk.
function negative.trunk(seed)
  scion.seed(seed)
  local pictures, labels = {}, {}
  for i = 1, 120 do
    labels[i] = i % 3 + 1
    local x = scion.randn { 32, 32, 3 } * 30 + 90
    x:slice(3, labels[i], labels[i]):fill(200)
    pictures[i] = x:clamp(0, 255):to "u8"
  end
  local trunk = scion.sequential { nn.input { shape = { 32, 32, 3 }, preprocess = "tf" }, nn.conv2d(8, 3, { name = "trunk/conv_1", activation = "relu" }),
                                   nn.conv2d(8, 3, { name = "trunk/conv_2", activation = "relu" }) }
  trunk:graft { nn.global_avg_pool(), nn.dense(3, "softmax") }:fit(scion.data.tensors(scion.stack(pictures), labels, { seed = seed }),
    { epochs = 20, optimizer = scion.optim.adam { lr = 1e-2 }, verbose = false, quiet = true })
  return trunk
end

return negative
