-- precision = "fast": what is chosen on this machine, that it is what it says, and where it changes nothing.
local core = require "scion.core"
local fastest = require "scion.fastest"
local machine = require "scion.machine"
local precision = require "scion.precision"
local scion = require "scion"
local nn = scion.nn

--- Convolutions over one pixel, which minimal filtering cannot help, or over nine, where it does in f32.
local function network(kernel)
  scion.seed(3)
  return scion.sequential { nn.input(24, 24, 3), nn.conv2d(64, kernel, { padding = "same", activation = "relu" }),
                            nn.conv2d(64, kernel, { padding = "same", activation = "relu" }), nn.global_avg_pool(), nn.dense(2, "softmax") }
end

local function images(n)
  local classes = {}
  for i = 1, n do classes[i] = i % 2 + 1 end
  return scion.data.tensors(scion.uniform({ n, 24, 24, 3 }, 0, 255):to "u8", classes, { batch = 8 })
end

local rate = machine.narrow.int8[core.int8()]

describe("precision = 'fast'", function()
  local worth = fastest.worth_images
  before_each(function() fastest.worth_images = 32 end)
  after_each(function() fastest.worth_images = worth end)

  it("is int8 for what is frozen where bytes are multiplied faster by a tenth, and f32 else", function()
    local found = fastest.of(network(1))
    if core.bf16() == "f32" then
      assert.equal(rate and "int8" or "f32", found.frozen)
      assert.is_true(math.abs(found.gain - (rate or 1)) < 0.01 * found.gain) -- all but the dense layer's 128
    end
    assert.equal(core.bf16() == "f32" and "f32" or "bf16", found.trained)
    local filtered = fastest.of(network(3))
    assert.is_true(filtered.gain <= found.gain)
    if core.int8() == "avx2" then
      assert.equal("f32", filtered.frozen)
      assert.equal(1.0, filtered.gain)
    end
  end)

  it("is the precision that it stands for, in a fit, an evaluation and a plan", function()
    local model, other, data = network(1), network(1), images(32)
    local name = precision.in_use("fast", model, 32)
    local function run(given, as)
      given:freeze { upto = "conv2d_2" }
      given.precision = as
      local history = given:fit(data, { epochs = 1, verbose = false, quiet = true, cache = false })
      return history, given:evaluate(data)
    end
    scion.seed(7)
    local fast, evaluation = run(model, "fast")
    scion.seed(7)
    local named, same = run(other, name)
    assert.equal(named[1].loss, fast[1].loss)
    assert.equal(same.loss, evaluation.loss)
    local settings = {}
    for _, pair in ipairs(fast.settings) do settings[pair[1]] = pair[2] end
    assert.equal(name, settings.precision)
    local plan = model:plan()
    assert.equal(fastest.of(model), plan.fast)
    assert.matches(plan.fast.frozen == "f32" and "f32, than which nothing is faster" or plan.fast.frozen .. " for what is frozen, by " .. plan.fast.instructions,
                   (tostring(plan):gsub("%s+", " ")), 1, true)
    assert.is_nil(other:plan().fast)
  end)

  it("takes no bytes for images that do not make up for finding their ranges, and says so, unless these are known", function()
    local model = network(1)
    model.precision = "fast"
    fastest.worth_images = 33
    if rate and core.bf16() == "f32" then
      assert.equal("f32", (precision.in_use("fast", model, 32)))
      assert.equal("int8", (precision.in_use("fast", model, 33)))
      assert.matches("fast f32, since 33 images or more make up", (tostring(model:plan(images(32))):gsub("%s+", " ")), 1, true)
      model:evaluate(images(32), { precision = "int8" })
      assert.equal("int8", (precision.in_use("fast", model, 32)))
      model = network(1)
      model.precision = "fast"
    end
    local frozen = precision.parts(precision.in_use("fast", model, 8))
    assert.not_equal("int8", frozen)
    model:evaluate(images(8))
    assert.equal(3, #model:predict(scion.uniform({ 3, 24, 24, 3 }, 0, 255):to "u8"))
  end)
end)
