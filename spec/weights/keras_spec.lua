local core = require "scion.core"
local keras = require "scion.weights.keras"
local safetensors = require "scion.weights.safetensors"
local support = dofile "spec/files/support.lua"

local FIXTURE = support.fixtures .. "keras.h5"

local function load(path, layers)
  local opened <close>, message = keras.open(path)
  if not opened then return nil, message end
  return keras.load(opened, layers, true)
end

-- A model that fits the fixtures, with a layer without weights as models have them; every tensor holds `value`.
local function model(value)
  local function layer(name, ...)
    local weights = {}
    for i, weight in ipairs { ... } do
      local elements = 1
      for _, size in ipairs(weight[2]) do elements = elements * size end
      local numbers = {}
      for k = 1, elements do numbers[k] = value end
      weights[i] = { name = weight[1], tensor = support.floats(weight[2], numbers) }
    end
    return { name = name, kind = "any", parameters = weights }
  end
  return {
    layer("input"), layer("stem/conv", { "kernel", { 2, 2, 3, 4 } }, { "bias", { 4 } }),
    layer("stem/norm", { "gamma", { 4 } }, { "beta", { 4 } }, { "moving_mean", { 4 } }, { "moving_variance", { 4 } }),
    layer("relu"), layer("depthwise", { "kernel", { 3, 3, 4, 1 } }), layer("head", { "kernel", { 4, 2 } }, { "bias", { 2 } }),
  }
end

local function each_tensor(layers, visit)
  for _, layer in ipairs(layers) do
    for _, weight in ipairs(layer.parameters) do visit(weight.tensor) end
  end
end

describe("scion.weights.keras", function()
  local folder
  setup(function() folder = support.folder() end)
  teardown(support.done)

  it("lists the layers that have weights, from weights and from whole models", function()
    for name, root in pairs { ["keras.h5"] = "/", ["keras_model.h5"] = "/model_weights/" } do
      local layers = assert(keras.read(support.fixtures .. name))
      local names = {}
      for i, layer in ipairs(layers) do names[i] = layer.name end
      assert.same({ "conv2d_1", "block/norm_1", "depthwise", "dense_1" }, names)
      assert.same({
        { name = "conv2d_1/kernel:0", shape = { 2, 2, 3, 4 }, path = root .. "conv2d_1/conv2d_1/kernel:0" },
        { name = "conv2d_1/bias:0", shape = { 4 }, path = root .. "conv2d_1/conv2d_1/bias:0" },
      }, layers[1].weights)
      assert.equal(4, #layers[2].weights)
      assert.equal("block/norm_1/moving_variance:0", layers[2].weights[4].name)
      assert.equal("uniform1", layers[4].weights[1].name)
    end
  end)

  it("loads them in order", function()
    local expected = assert(safetensors.read(support.fixtures .. "keras.safetensors"))
    local order = {
      "conv2d_1:conv2d_1/kernel:0", "conv2d_1:conv2d_1/bias:0", "block/norm_1:block/norm_1/gamma:0", "block/norm_1:block/norm_1/beta:0",
      "block/norm_1:block/norm_1/moving_mean:0", "block/norm_1:block/norm_1/moving_variance:0", "depthwise:depthwise/depthwise_kernel:0",
      "dense_1:uniform1", "dense_1:dense_1_b",
    }
    for _, name in ipairs { "keras.h5", "keras_model.h5" } do
      local layers, i = model(7), 0
      local versions = {}
      each_tensor(layers, function(tensor) versions[tensor] = tensor:version() end)
      assert.is_truthy(load(support.fixtures .. name, layers))
      each_tensor(layers, function(tensor)
        i = i + 1
        assert.equal(support.bytes(expected[order[i]]), support.bytes(tensor))
        assert.is_true(tensor:version() > versions[tensor])
      end)
      assert.equal(#order, i)
    end
  end)

  it("names the first layer that does not fit, and changes nothing", function()
    local function refused(expected, change)
      local layers = model(7)
      change(layers)
      local versions = {}
      each_tensor(layers, function(tensor) versions[tensor] = tensor:version() end)
      local done, message = load(FIXTURE, layers)
      assert.is_nil(done)
      assert.equal(FIXTURE .. ": " .. expected, message)
      each_tensor(layers, function(tensor)
        assert.equal(versions[tensor], tensor:version())
        assert.equal((string.pack("<f", 7)):rep(#support.bytes(tensor) // 4), support.bytes(tensor))
      end)
    end
    local function sevens(shape, count)
      local numbers = {}
      for i = 1, count do numbers[i] = 7 end
      return support.floats(shape, numbers)
    end
    refused("layer 'depthwise' has kernel 3x3x4x1, but depthwise expects 3x3x1x4", function(layers)
      layers[5].parameters[1].tensor = sevens({ 3, 3, 1, 4 }, 36)
    end)
    refused("layer 'dense_1' has kernel 4x2, but head expects 2x4", function(layers)
      layers[6].parameters[1].tensor = sevens({ 2, 4 }, 8)
    end)
    refused("layer 'block/norm_1' has beta 4, but stem/norm expects gamma 4", function(layers)
      local weights = layers[3].parameters
      weights[1], weights[2] = weights[1], { name = "gamma", tensor = weights[2].tensor }
    end)
    refused("layer 'block/norm_1' has 4 weights (gamma 4, beta 4, moving_mean 4, moving_variance 4), " ..
      "but stem/norm expects 3 weights (beta 4, moving_mean 4, moving_variance 4)", function(layers)
      table.remove(layers[3].parameters, 1)
    end)
    refused("layer 'conv2d_1' has 2 weights (kernel 2x2x3x4, bias 4), but stem/conv expects 1 weight (kernel 2x2x3x4)", function(layers)
      table.remove(layers[2].parameters)
    end)
    refused("has no weights for more (the file has 4 layers with weights, the model 5)", function(layers)
      layers[7] = { name = "more", kind = "any", parameters = { { name = "bias", tensor = sevens({ 1 }, 1) } } }
    end)
    refused("layer 'depthwise' has 1 weight (kernel 3x3x4x1), but head expects 2 weights (kernel 4x2, bias 2) " ..
      "(the file has 4 layers with weights, the model 3)", function(layers)
      table.remove(layers, 5)
    end)
  end)

  it("names the file when it cannot be read", function()
    local text = support.spit(folder .. "/text.h5", "text")
    for path, pattern in pairs {
      ["none.h5"] = "No such file", [text] = "not an HDF5 file", [support.fixtures .. "hostile.h5"] = "an attribute layer_names",
    } do
      for _, call in ipairs { keras.read, function(file) return load(file, model(0)) end } do
        local done, message = call(path)
        assert.is_nil(done)
        assert.equal(path .. ": ", message:sub(1, #path + 2))
        assert.matches(pattern, message)
      end
    end
  end)

  -- A name in an attribute that leads nowhere: the fixture with one letter changed.
  it("names a layer or a weight that the file lists but does not hold", function()
    local whole, path = support.slurp(FIXTURE), folder .. "/renamed.h5"
    local function changed(from, to)
      local place = assert(whole:find(from, 1, true))
      support.spit(path, whole:sub(1, place - 1) .. to .. whole:sub(place + #to))
      return keras.read(path)
    end
    local layers, message = changed("conv2d_1\0\0\0\0block/norm_1", "conv2d_X")
    assert.is_nil(layers)
    assert.equal(path .. ": damaged: layer 'conv2d_X' has no attribute weight_names; download or copy it again", message)
    layers, message = changed("conv2d_1/kernel:0conv2d_1/bias:0", "conv2d_1/kernel:X")
    assert.is_nil(layers)
    assert.equal(path .. ": has no object '/conv2d_1/conv2d_1/kernel:X'", message)
  end)

  describe("on real weights", function()
    local function real(name)
      if support.data then return support.data .. "/weights/" .. name end
      print("\nskipped: " .. name .. " lies in SCION_TEST_DATA, which is not set")
    end

    it("finds all layers and parameters", function()
      for name, expected in pairs {
        ["inception_v3_notop.h5"] = { 188, 21802784 }, ["mobilenet_v1_upto_conv_dw_13.h5"] = { 52, 2176192 },
        ["squeezenet1_1_notop.h5"] = { 25, 722496 },
      } do
        local path = real(name)
        if not path then return pending "SCION_TEST_DATA is not set" end
        local parameters, layers = 0, assert(keras.read(path))
        for _, layer in ipairs(layers) do
          for _, weight in ipairs(layer.weights) do
            local elements = 1
            for _, size in ipairs(weight.shape) do elements = elements * size end
            parameters = parameters + elements
          end
        end
        assert.same(expected, { #layers, parameters })
      end
    end)

    -- Keras's own table of the network, in the order of its layers: the file loads into it, number by number.
    it("loads Inception V3 in the order of Keras's layers", function()
      local path = real "inception_v3_notop.h5"
      if not path then return pending "SCION_TEST_DATA is not set" end
      local layers, by_name = {}, {}
      for line in io.lines(support.data .. "/reference/keras_inception_v3_notop_224.tsv") do
        local name, list = line:match "^%d+\t(%S+)\t%S+\t%S+\t(.*)$"
        local weights = {}
        for weight, shape in (list or ""):gmatch "([%w_]+):([%dx]+)" do
          local sizes = {}
          for size in shape:gmatch "%d+" do sizes[#sizes + 1] = math.tointeger(size) end
          weights[#weights + 1] = { name = weight, tensor = core.new(sizes) }
        end
        layers[#layers + 1] = { name = name, kind = "any", parameters = weights }
        by_name[name or ""] = weights
      end
      assert.equal(312, #layers) -- the first line is a heading
      assert.is_truthy(load(path, layers))
      -- sums by numpy, of the file's conv2d_1, conv2d_94, batch_normalization_94's moving_variance, and conv2d_82, which is zeros
      local function sum(name, i)
        local bytes, total, place = support.bytes(by_name[name][i].tensor), 0, 1
        while place <= #bytes do
          local number
          number, place = string.unpack("<f", bytes, place)
          total = total + number
        end
        return total
      end
      for _, case in ipairs {
        { "conv2d", 1, -0.6727434537024237 },
        { "conv2d_93", 1, -179.27503993354426 },
        { "batch_normalization_93", 3, 2.292124517261982 },
        { "conv2d_81", 1, 0.0 },
      } do
        assert.is_near(case[3], sum(case[1], case[2]), 1e-6 * math.abs(case[3]))
      end
    end)
  end)
end)
