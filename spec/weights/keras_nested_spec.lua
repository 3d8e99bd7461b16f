-- Keras's models that hold another one as a layer, as transfer learning makes them: a network of the same layers predicts what they did.
local core = require "scion.core"
local messages = dofile "spec/support/messages.lua"
local models = dofile "spec/support/models.lua"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local weights = require "scion.weights"
local nn = scion.nn

local fixtures = "spec/fixtures/weights/"
local golden = core.json_decode(support.slurp(fixtures .. "nested.json"))
for name, expected in pairs(core.json_decode(support.slurp(fixtures .. "frozen.json"))) do golden[name] = expected end

local image = support.pattern(8, 9)

local function norm(x) return nn.relu()(nn.batch_norm { scale = false, epsilon = 1e-3, statistics = "stored" }(x)) end

local function base(x)
  x = norm(nn.conv2d(4, 3, { padding = "same", bias = false })(x))
  return norm(nn.conv2d(4, 3, { padding = "same", bias = false })(nn.add() { x, nn.conv2d(4, 1)(x) }))
end

local function input() return nn.input { shape = { 8, 9, 3 }, preprocess = "unit" } end
local function head(x, ...)
  x = nn.global_avg_pool()(x)
  for _, units in ipairs { ... } do x = nn.dense(units)(x) end
  return scion.model { output = x }
end

local function loads(name, model, count)
  assert.is_true(models.deviation(model, image, golden[name]) > 1e-3)
  assert.equal(count, weights.load(model, fixtures .. name).loaded)
  assert.is_true(models.deviation(model, image, golden[name]) < 1e-5, name .. models.deviation(model, image, golden[name]))
end

describe("Keras's models within models", function()
  teardown(support.done)

  it("load by class and order: beside an augmentation without weights", function()
    loads("nested.weights.h5", head(base(input()), 5, 3), 14)
  end)

  it("load when they lie deeper, behind a layer and a Lambda whose code nobody runs", function()
    local archive <close> = assert(core.zip_open(fixtures .. "nested.keras"))
    assert.matches('"Lambda"', archive:read("config.json", 0, archive:entries()["config.json"].bytes):bytes(), 1, true)
    loads("nested.keras", head(base(nn.conv2d(3, 3, { padding = "same" })(input())), 5), 14)
  end)

  it("load from Keras 2's files, although weights that were frozen are listed last", function()
    loads("nested.h5", head(base(input()), 5, 3), 14)
  end)

  it("load in the order of layers where equal ones were frozen whole, by the model's description or the numbers in names", function()
    for _, name in ipairs { "frozen.h5", "frozen_first.h5", "frozen_weights.h5" } do
      local x = input()
      for _ = 1, 4 do x = nn.conv2d(3, 3, { padding = "same", activation = "relu" })(x) end
      loads(name, head(x, 3), 10)
    end
  end)

  it("load by name where the order is not told", function()
    local function net(first, second)
      local x = nn.conv2d(3, 3, { padding = "same", name = first })(input())
      x = nn.global_avg_pool()(nn.conv2d(3, 3, { padding = "same", name = second })(x))
      return scion.model { output = nn.dense(5, { name = "out" })(x) }
    end
    loads("named.weights.h5", net("first", "second"), 6)
    assert.has_error(function() weights.load(net("a", "b"), fixtures .. "named.weights.h5") end, fixtures ..
      "named.weights.h5: its layers fit in more than one order, which it does not tell; give the model's layers the names of the file's")
  end)

  it("are refused by the layer that does not fit, and load as far as they fit", function()
    for _, name in ipairs { "nested.weights.h5", "nested.h5" } do
      local message = messages.refusal(function() weights.load(head(base(input()), 5), fixtures .. name) end)
      assert.matches(("^%s%s: layer 'dense[_1]*' has no counterpart in the model %%(the file has 7 layers with weights, the model 6%%)"):format(
        fixtures:gsub("%p", "%%%0"), name:gsub("%p", "%%%0")), message)
      message = messages.refusal(function() weights.load(head(base(input()), 5, 4), fixtures .. name) end)
      assert.matches("has kernel 5x3, but dense_2 expects 5x4", message, 1, true)
      local report = weights.load(scion.model { output = base(input()) }, fixtures .. name, { strict = false })
      assert.same({ 10, 2, {} }, { report.loaded, #report.unused, report.missing })
    end
  end)

  it("put what was frozen where the numbers in names tell, and are refused where nothing tells", function()
    local path = support.folder() .. "/passes.h5"
    -- two convolutions of one shape and a batch norm, of which one convolution was frozen, so that it is listed in the second pass
    local function file(trained, frozen)
      local listed = { trained .. "/kernel:0", "n/gamma:0", "n/beta:0", frozen .. "/kernel:0", "n/moving_mean:0", "n/moving_variance:0" }
      local datasets = {}
      for k, name in ipairs(listed) do
        datasets[k] = { path = "base/" .. name, tensor = scion.full(name:find "kernel" and { 1, 1, 3, 3 } or { 3 }, name:sub(1, #frozen + 1) == frozen .. "/" and 2 or 1) }
      end
      assert(core.hdf5_write(path, datasets, { { path = "/", name = "layer_names", value = { "base" } }, { path = "/base", name = "weight_names", value = listed } }))
    end
    local function load()
      local model = scion.sequential { nn.input(4, 4, 3), nn.conv2d(3, 1, { bias = false, name = "first" }), nn.conv2d(3, 1, { bias = false, name = "second" }),
                                       nn.batch_norm() }
      weights.load(model, path)
      return { model:layer("first").weights.kernel:max(), model:layer("second").weights.kernel:max() }
    end
    file("conv2d", "conv2d_1")
    assert.same({ 1, 2 }, load())
    file("conv2d_1", "conv2d")
    assert.same({ 2, 1 }, load())
    file("one", "other")
    assert.matches("its layers fit in more than one order, which it does not tell", messages.refused(load), 1, true)
  end)
end)
