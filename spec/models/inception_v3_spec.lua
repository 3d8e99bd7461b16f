-- Inception V3 against Keras's table of layers and torchvision's outputs in double precision, on the real weights.
local core = require "scion.core"
local scion = require "scion"
local data = os.getenv "SCION_TEST_DATA"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function sha256(path)
  local pipe <close> = assert(io.popen(("sha256sum %q"):format(path)))
  return pipe:read "a":match "^%x+"
end

local function sha256_of(bytes)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(bytes):close()
  local sum = sha256(path)
  os.remove(path)
  return sum
end

local kinds = { InputLayer = "input", Conv2D = "conv2d", BatchNormalization = "batch_norm", Activation = "activation",
                MaxPooling2D = "max_pool", AveragePooling2D = "avg_pool", Concatenate = "concatenate" }

--- Keras's layers: class, shape and weights, in its order.
local function keras_layers()
  local list = {}
  for line in io.lines(data .. "/reference/keras_inception_v3_notop_224.tsv") do
    local class, shape, weights = line:match "^%d+\t[^\t]*\t([^\t]*)\t([^\t]*)\t?(.*)$"
    if class then list[#list + 1] = { kind = kinds[class], shape = shape, weights = weights } end
  end
  return list
end

--- "kernel:3x3x3x32" and so on, as the table writes it.
local function weights_text(row)
  local parts = {}
  for _, name in ipairs { "kernel", "beta", "moving_mean", "moving_variance" } do
    local t = row.weights[name]
    if t then parts[#parts + 1] = name .. ":" .. table.concat(t:shape(), "x") end
  end
  return table.concat(parts, " ")
end

local golden = core.json_decode(read "spec/fixtures/inception_v3.json")

--- The largest deviation from the golden outputs over these blocks, as a share of each block's maximum.
local function deviation(model, image, blocks)
  local worst, where = 0, nil
  for _, block in ipairs(blocks) do
    local flat = model:features(image, block.name):reshape { -1 }
    for i, place in ipairs(block.places) do
      local d = math.abs(flat:get(place + 1) - block.values[i]) / block.max
      if d > worst or d ~= d then worst, where = d == d and d or math.huge, block.name end
    end
  end
  return worst, where
end

describe("Inception V3", function()
  it("takes inputs from 75, and has the published number of parameters with its top", function()
    local model = scion.models.inception_v3 { input = 75, top = true }
    local all, trainable = 0, 0
    for _, row in ipairs(model:layers()) do all, trainable = all + row.parameters, trainable + row.trainable end
    assert.equal(23851784, all)
    assert.equal(23817352, trainable)
    assert.same({ 1, 1, 2048 }, model:layer("mixed10").shape)
    assert.has_error(function() scion.models.inception_v3 { input = 74 } end)
  end)

  if not data then
    print "skipped: Inception V3 on real weights needs SCION_TEST_DATA"
    pending "real weights (SCION_TEST_DATA is not set)"
    return
  end

  local weights = data .. "/" .. golden.weights
  local base

  setup(function() base = scion.models.inception_v3 { weights = weights, input = 224 } end)

  it("has Keras's 311 layers, shapes and weights, in Keras's order", function()
    local expected, rows = keras_layers(), base:layers()
    assert.equal(311, #expected)
    assert.equal(#expected, #rows)
    for i, row in ipairs(rows) do
      assert.same({ expected[i].kind, expected[i].shape, expected[i].weights },
        { row.kind, table.concat(row.shape, "x"), weights_text(row) }, row.name)
    end
    assert.same({ 1, 1, 1280, 448 }, rows[250].weights.kernel:shape())
  end)

  it("gives torchvision's outputs at every block, and would show a wrong epsilon, padding rule or branch order", function()
    assert.equal(golden.weights_sha256, sha256(weights))
    local image = assert(scion.image.load(data .. "/" .. golden.photo))
    local small = core.image_resize(image, golden.size, golden.size)
    assert.equal(golden.pixels_sha256, sha256_of(small:bytes()))
    local x = small:reshape { 1, golden.size, golden.size, 3 }
    local worst, where = deviation(base, x, golden.blocks)
    assert.is_true(worst < 1e-4, ("%s deviates by %g"):format(where, worst))

    local function wrong(change)
      local model = scion.models.inception_v3 { weights = weights, input = 224 }
      local by_name = {}
      for _, node in ipairs(model.order) do by_name[node.layer.name] = node end
      change(by_name)
      assert.is_true(deviation(model, x, { golden.blocks[#golden.blocks] }) > 1e-4)
    end
    wrong(function(nodes) nodes["mixed9/branch3x3/norm"].layer.options.epsilon = 1e-5 end)
    wrong(function(nodes) nodes["mixed5/branch_pool/pool"].layer.options.include_padding = true end)
    wrong(function(nodes)
      local inputs = nodes["mixed10/branch3x3/concat"].inputs
      inputs[1], inputs[2] = inputs[2], inputs[1]
    end)
  end)

  it("has the tutorial's trainable parameters in both prongs", function()
    local function trainable(model)
      local n = 0
      for _, row in ipairs(model:layers()) do n = n + row.trainable end
      return n
    end
    local model = base:graft { scion.nn.global_avg_pool(), scion.nn.dense(1024, "relu"), scion.nn.dense(6, "softmax") }
    base:freeze()
    assert.equal(2104326, trainable(model))
    assert.equal(2104326, model:plan().trainable)
    model:freeze { first = 249 }
    assert.equal(13219206, trainable(model))
    model:thaw():freeze { upto = "mixed8" }
    assert.equal(13219206, trainable(model))
    assert.equal("mixed8", model:plan().frontier)
    model:thaw()
  end)

  it("refuses weights of another architecture, and names the first layer that does not fit", function()
    local ok, message = pcall(scion.models.inception_v3, { weights = data .. "/weights/squeezenet1_1_notop.h5" })
    assert.is_false(ok)
    assert.matches("squeezenet1_1_notop.h5", message, 1, true)
    assert.matches("stem/conv", message, 1, true)
    ok, message = pcall(scion.models.inception_v3, { weights = data .. "/weights/inception_v3_notop.h5", top = true })
    assert.is_false(ok)
    assert.matches("inception_v3_notop.h5", message, 1, true)
    ok, message = pcall(scion.models.inception_v3, { weights = "nowhere/inception.h5" })
    assert.is_false(ok)
    assert.matches("nowhere/inception.h5", message, 1, true)
  end)
end)
