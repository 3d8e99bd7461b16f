-- A Keras file whose network has a layer without weights that a model of the same weights lacks.
local core = require "scion.core"
local keras = dofile "spec/support/keras.lua"
local messages = dofile "spec/support/messages.lua"
local models = dofile "spec/support/models.lua"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local nn = scion.nn

-- Rescaling, Conv2D, GlobalAveragePooling2D and Dense, of images of 8x9 pixels.
local published = "spec/fixtures/weights/rescaled.h5"

local function net(sizes, activation)
  return scion.sequential { nn.input { shape = sizes or { 8, 9, 3 }, preprocess = "tf" }, nn.conv2d(4, 3, { name = "conv2d" }), nn.activation(activation or "linear"),
                            nn.global_avg_pool(), nn.dense(3, "softmax", { name = "dense" }) }
end

-- The file with more layers, each { before which class of layer, its class, its options, its module, the name by which Keras finds it }.
local function file_with(...)
  local described = keras.description(published)
  local list = described.config.layers
  for number, more in ipairs { ... } do
    local before, class, config, module, registered = table.unpack(more)
    config = config or {}
    config.name = "layer_" .. number
    for i, layer in ipairs(list) do
      if layer.class_name == before then
        table.insert(list, i, { class_name = class, config = config, module = module or "keras.layers", registered_name = registered or core.null })
        break
      end
    end
  end
  return keras.write(support.folder() .. "/lacking.h5", described, nil, net())
end

local function model_notes(file) return table.concat(net():load_weights(file).notes, "\n") end

describe("A layer of a Keras file that has no weights", function()
  teardown(support.done)

  it("is named in the refusal where the model lacks it, and in a note with strict = false", function()
    local cases = {
      { { "Rescaling", "Resizing", { height = 6, width = 7 } }, "Resizing 6x7(input), here input; layer 'layer_1' (Resizing) resizes images of 8x9x3 to 6x7, " ..
        "which no layer here does; an input of 6x7 does without it, since files are resized to that" },
      { { "Rescaling", "RandomCrop", { height = 6, width = 7 } }, "RandomCrop 6x7(input), here input; layer 'layer_1' (RandomCrop) resizes images of 8x9x3 to 6x7" },
      { { "GlobalAveragePooling2D", "Resizing", { height = 3, width = 2 } }, "layer 'layer_1' (Resizing) resizes images of 6x7x4 to 3x2, which no layer here does" },
      { { "Rescaling", "CenterCrop", { height = 6, width = 7 } }, "crop {1, 1, 1, 1}(input)), here input; ", built = true },
      { { "Conv2D", "Equalization" }, "Equalization 'layer_1'(input), here input; Scion has no layer for 'layer_1' (Equalization)" },
      { { "Dense", "UnitNormalization", { axis = -1 } }, "UnitNormalization 'layer_1'(global_avg_pool('conv2d')), here global_avg_pool('conv2d')" },
      { { "GlobalAveragePooling2D", "Activation", { activation = "mish" } }, "mish('conv2d'), here 'conv2d'; Scion has no activation 'mish'" },
      { { "GlobalAveragePooling2D", "ELU", { alpha = 1 } }, "ELU 'layer_1'('conv2d')" },
      { { "GlobalAveragePooling2D", "MaxPooling2D", { pool_size = 2 } }, "max_pool 2x2 by 2x2('conv2d')", built = true },
      { { "Conv2D", "ZeroPadding2D", { padding = 1 } }, "padding {1, 1, 1, 1}, here {0, 0, 0, 0}", built = true },
    }
    for _, case in ipairs(cases) do
      local file, model = file_with(case[1]), net()
      local before = models.bytes(model)
      local message = messages.refusal(function() model:load_weights(file) end)
      assert.matches(": the file's model computes something else with these weights: its layer '", message, 1, true)
      assert.matches(case[2], message, 1, true)
      assert.same(before, models.bytes(model))
      local report = model:load_weights(file, { strict = false })
      assert.equal(4, report.loaded)
      assert.equal(1, #report.notes)
      assert.matches(case[2], report.notes[1], 1, true)
      assert.equal(case.built or false, report.notes[1]:find("builds the file's own network", 1, true) ~= nil)
    end
  end)

  it("does not count where it does nothing in a prediction, or nothing at the model's size", function()
    local file = file_with({ "Rescaling", "RandomFlip" }, { "Rescaling", "RandomRotation", { factor = 0.1 } }, { "GlobalAveragePooling2D", "GaussianNoise", { stddev = 0.1 } },
      { "Dense", "Dropout", { rate = 0.2 } }, { "Dense", "Identity" }, { "Rescaling", "Resizing", { height = 8, width = 9 } })
    assert.same({}, net():load_weights(file).notes)
    assert.same({}, net { 6, 7, 3 }:load_weights(file_with { "Rescaling", "Resizing", { height = 6, width = 7 } }).notes)
    assert.same({}, net(nil, "tanh"):load_weights(file_with { "GlobalAveragePooling2D", "Activation", { activation = "tanh" } }).notes)
  end)

  it("is noted where the network cannot be told, since it has code of someone's own", function()
    local function noted(...)
      return net():load_weights(file_with({ "Rescaling", "Own", {}, "own" }, ...)).notes
    end
    local note = "the file's model computes something else with these weights: its layer%s here; scion.models.from_keras cannot build the file's own network"
    local function resizing() return { "Rescaling", "Resizing", { height = 6, width = 7 } } end
    local function permuting() return { "Rescaling", "Permute", { dims = { 2, 1, 3 } } } end
    assert.same({ note:format " 'layer_1' (Own) has no counterpart" }, noted())
    assert.same({ note:format "s 'layer_1' (Own) and 'layer_2' (Resizing) have no counterpart" }, noted(resizing()))
    assert.same({ note:format "s 'layer_1' (Own), 'layer_2' (Permute), 'layer_3' (Permute), 'layer_4' (Resizing) and 1 more have no counterpart" },
      noted(permuting(), permuting(), resizing(), permuting()))
  end)

  it("is one's own, whatever it is called, where the file tells no module of it", function()
    for class, registered in pairs { ReLU = "ReLU", Activation = "my>Activation", Rescaling = "Rescaling" } do
      local file, model = file_with { "GlobalAveragePooling2D", class, {}, core.null, registered }, nil
      local name = registered:find ">" and registered or "Custom>" .. class
      local note = model_notes(file)
      assert.equal(("the file's model computes something else with these weights: its layer 'layer_1' (%s) has no counterpart here; " ..
        "scion.models.from_keras cannot build the file's own network"):format(name), note)
      assert.matches(("layer 'layer_1' (%s) is not known here"):format(name), messages.refusal(function() model = scion.models.from_keras(file) end), 1, true)
      assert.is_nil(model)
    end
  end)

  it("is refused by from_keras, with what works, where it resizes images", function()
    local function refusal(path) return messages.refusal(function() return (scion.models.from_keras(path)) end) end
    local resizing = { "Rescaling", "Resizing", { height = 6, width = 7 } }
    assert.matches("layer 'layer_1' (Resizing): it resizes images of 8x9x3 to 6x7, and a network here does not: files are resized to its input; in Keras, save it " ..
      "without the layer and with keras.Input((6, 7, 3))", refusal(file_with(resizing)), 1, true)
    local open = file_with(resizing)
    local described = keras.description(open)
    described.config.layers[1].config.batch_shape = { core.null, core.null, core.null, 3 }
    keras.write(open, described, nil, net())
    assert.matches("input = { 6, 7 } does it", messages.refusal(function() return (scion.models.from_keras(open, { input = { 8, 9 } })) end), 1, true)
    assert.same({ 6, 7, 3 }, scion.models.from_keras(open, { input = { 6, 7 } }).input.shape)
    local deep = file_with { "GlobalAveragePooling2D", "Resizing", { height = 3, width = 2 } }
    assert.matches("resizes images of 6x7x4 to 3x2, and a network here does not", refusal(deep), 1, true)
  end)
end)
