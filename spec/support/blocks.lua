-- Networks and pictures of which it is known what each block can tell.
local scion = require "scion"
local nn = scion.nn

local blocks = {}

--- Images of one colour each, red or green or blue, with noise.
function blocks.colours(count, seed)
  scion.seed(seed or 1)
  local x, labels = scion.uniform({ count, 8, 8, 3 }, 0, 120), {}
  for i = 1, count do
    labels[i] = (i - 1) % 3 + 1
    x:select(i):slice(3, labels[i], labels[i]):fill(200)
  end
  return scion.data.tensors(x:to "u8", labels, { batch = 8, labels = { "red", "green", "blue" } })
end

--- Images of noise, which tell nothing of their two classes, each of them so many times (once).
function blocks.noise(count, times)
  scion.seed(4)
  local x, images, labels = scion.uniform({ count, 8, 8, 3 }, 0, 255):to "u8", {}, {}
  for i = 1, count * (times or 1) do
    local number = (i - 1) % count
    images[i], labels[i] = x:select(number + 1), number % 2 + 1
  end
  return scion.data.tensors(scion.stack(images), labels, { labels = { "a", "b" } })
end

--- A network whose first two blocks keep the colours, and whose last one, unless it is left out, throws all but their sum away.
function blocks.forgetful(without_last)
  scion.seed(2)
  local layers = { nn.input(8, 8, 3), nn.conv2d(6, 1, { name = "first/conv" }), nn.relu { name = "first/relu" },
                   nn.conv2d(6, 1, { name = "second/conv" }), nn.relu { name = "second/relu" }, nn.conv2d(2, 1, { name = "last/conv" }) }
  if without_last then layers[6] = nil end
  local model = scion.sequential(layers)
  for _, name in ipairs { "first/conv", "second/conv" } do
    local kernel = model:layer(name).weights.kernel
    kernel:fill(0)
    for c = 1, 6 do kernel:set(1, 1, name == "first/conv" and (c - 1) % 3 + 1 or c, c, 0.01) end
  end
  if not without_last then model:layer("last/conv").weights.kernel:fill(1e-3) end
  return model
end

return blocks
