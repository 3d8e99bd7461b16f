-- A Keras file whose network is joined otherwise than the model it is loaded into, though names and shapes of the weights are the same.
local core = require "scion.core"
local messages = dofile "spec/support/messages.lua"
local models = dofile "spec/support/models.lua"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local weights = require "scion.weights"
local nn = scion.nn

local file = "spec/fixtures/weights/graph.keras"
local golden = core.json_decode(support.slurp "spec/fixtures/weights/graph.json")
local image = support.pattern(8, 9)

--- The network of the file, written with fewer layers, but for the parts in o.
local function net(o)
  local x = nn.conv2d(4, 3, { padding = "same", activation = o.stem, name = "stem" })(nn.input { shape = o.shape or { 8, 9, 3 } })
  if o.before then x = o.before(x) end
  x = nn.conv2d(4, 3, { stride = 2, padding = o.padding or { 0, 0, 1, 1 }, bias = false, name = "down" })(x)
  local function norm(y) return nn.batch_norm { epsilon = 1e-3, statistics = "stored", name = "norm" }(y) end
  x = o.swapped and norm(nn.relu()(x)) or nn.relu()(norm(x))
  x = (o.pool or nn.max_pool(3, { stride = 1, padding = 1 }))(x)
  local short = x
  x = nn.conv2d(4, 3, { padding = "same", name = "inner", activation = "hard_swish" })(x)
  local gate = nn.global_avg_pool { keep_dims = true }(x)
  gate = nn.conv2d(4, 1, { activation = "sigmoid", name = "excite" })(nn.conv2d(2, 1, { activation = o.squeezed or "relu", name = "squeeze" })(gate))
  x = o.gate and o.gate(x, gate) or nn.multiply() { x, gate }
  x = o.join and o.join(short, x) or nn.add() { x, short }
  local branch = nn.conv2d(3, 1, { name = "branch", activation = "relu" })(x)
  x = nn.relu()(x)
  x = nn.concatenate()(o.order and { branch, x } or { x, branch })
  x = nn.crop(o.crop or { 1, 0, 0, 1 })(x)
  x = nn.global_avg_pool()(nn.conv2d(5, 2, { name = "last", activation = o.last or "relu" })(x))
  return scion.model { output = nn.dense(3, "softmax", { name = "out" })(x) }
end

local function refusal(o)
  local model = net(o)
  local before = models.bytes(model)
  local message = messages.refusal(function() weights.load(model, file) end)
  assert.same(before, models.bytes(model))
  return message
end

describe("A file of Keras's", function()
  it("loads where the same is written with other layers", function()
    local ways = {
      {},
      { padding = "valid", before = function(x) return nn.zero_pad { 0, 0, 1, 1 }(nn.dropout(0.2)(x)) end },
      { pool = function(x) return nn.max_pool(3, { stride = 1 })(nn.zero_pad(1)(x)) end },
      { join = function(short, x) return nn.scaled_add { scale = 1 } { short, nn.rescaling(1)(x) } end },
      { before = function(x) return nn.crop(1)(nn.zero_pad(1)(x)) end },
    }
    for i, o in ipairs(ways) do
      local model = net(o)
      assert.is_true(models.deviation(model, image, golden) > 1e-3)
      local report = weights.load(model, file)
      assert.same({}, report.notes, "way " .. i)
      assert.is_true(models.deviation(model, image, golden) < 1e-5, "way " .. i)
    end
  end)

  it("is refused where the network is another one, with the first layer and both of what it is computed from", function()
    local pooled = "max_pool 3x3 by 1x1 with padding {1, 1, 1, 1}(relu('norm'))"
    local gated = "multiply('inner', relu6('inner' + 3), sigmoid('excite'))"
    local function twice(x) return nn.crop { 0, 1, 0, 1 }(nn.zero_pad { 1, 0, 1, 0 }(x)) end
    local cases = {
      { { join = function(_, x) return x end }, "'branch' is computed from " .. pooled .. " + 0.16667 * " .. gated .. ", here 0.16667 * " .. gated .. " (and 1 more layer)" },
      { { join = function(short, x) return nn.multiply() { short, x } end }, "here 0.16667 * multiply(max_pool 3x3 by 1x1 with padding {1, 1, 1, 1}(relu(…)), 'inner', " },
      { { join = function(short, x) return nn.scaled_add { scale = 0.5 } { short, x } end }, "here " .. pooled .. " + 0.083333 * multiply(" },
      { { gate = function(x, gate) return nn.multiply() { x, nn.multiply() { gate, gate } } end }, "'branch' is computed from " .. gated .. ", here " ..
        "multiply('inner', relu6('inner' + 3), sigmoid('excite'), sigmoid('excite'))" },
      { { swapped = true }, "'norm' is computed from 'down', here relu('down') (and 3 more layers)" },
      { { stem = "relu" }, "'down' is computed from 'stem', here relu('stem')" },
      { { squeezed = "tanh" }, "'excite' is computed from relu('squeeze'), here tanh('squeeze')" },
      { { last = "relu6" }, "'out' is computed from relu('last'), here relu6('last')" },
      { { order = true }, "'last' is computed from concatenate(relu(add(…)), relu('branch')), here concatenate(relu('branch'), relu(add(…)))" },
      { { crop = { 0, 1, 0, 1 } }, "'last' is computed from crop {1, 0, 0, 1}(concatenate(relu(…), relu(…))), here crop {0, 1, 0, 1}(concatenate(relu(…), relu(…)))" },
      { { before = nn.crop(1) }, "'down' is computed from 'stem', here crop {1, 1, 1, 1}('stem')" },
      { { before = twice }, "'down' is computed from 'stem', here zero_pad and crop {1, -1, 1, -1}('stem')" },
      { { padding = 1 }, "'down' has padding {0, 0, 1, 0}, here {1, 1, 0, 1}" },
      { { before = nn.zero_pad(1) }, "'down' has padding {0, 0, 1, 0}, here {1, 1, 2, 1}" },
      { { pool = nn.max_pool(3, { stride = 2, padding = 1 }), crop = 0 }, ", here max_pool 3x3 by 2x2 with padding {1, 1, 0, 0}(relu('norm'))" },
      { { pool = nn.max_pool(1), crop = { 1, 0, 0, 1 } }, "'inner' is computed from " .. pooled .. ", here max_pool 1x1 by 1x1(relu('norm'))" },
      { { pool = nn.avg_pool(3, { stride = 1, padding = 1 }) }, "here avg_pool 3x3 by 1x1 with padding {1, 1, 1, 1}(relu('norm')) (and 2 more layers)" },
    }
    for _, case in ipairs(cases) do
      local message = refusal(case[1])
      assert.matches("^" .. file:gsub("%p", "%%%0") .. ": the file's model computes something else with these weights: its layer '", message)
      assert.matches(case[2], message, 1, true)
      assert.matches("; scion.models.from_keras '" .. file .. "' builds the file's own network, and strict = false loads the weights all the same", message, 1, true)
    end
  end)

  it("is loaded with a note with strict = false", function()
    local model = net { swapped = true }
    local report = weights.load(model, file, { strict = false })
    assert.equal(19, report.loaded)
    assert.matches("its layer 'norm' is computed from 'down', here relu('down') (and 3 more layers)", report.notes[1], 1, true)
    assert.is_true(models.deviation(model, image, golden) > 1e-3)
  end)

  it("loads at another size of images, where zeros around them are not compared, and all else is", function()
    assert.same({}, weights.load(net { shape = { 12, 12, 3 } }, file).notes)
    assert.matches("'down' is computed from 'stem', here relu('stem')", refusal { shape = { 12, 12, 3 }, stem = "relu" }, 1, true)
  end)

  it("loads into a trunk, behind whose last layer with weights nothing is compared", function()
    local trunk = net { last = "tanh" }
    assert.same({}, weights.load(scion.model { output = nn.global_max_pool()(trunk:upto "last".output) }, file).notes)
  end)
end)
