-- Networks of Keras's that rescale images by layers of their own, and those that are built without: include_preprocessing=False there, the option
-- preprocess here.
local core = require "scion.core"
local export = require "scion.weights.export"
local graph = require "scion.graph"
local keras = require "scion.weights.keras"
local messages = dofile "spec/support/messages.lua"
local names = require "scion.weights.names.keras"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local nn = scion.nn

local function small(options)
  local given = { input = 32, variant = "keras", width = 0.1 }
  for key, value in pairs(options or {}) do given[key] = value end
  return scion.models.mobilenet_v3_small(given)
end

local function rescalings(model)
  local count = 0
  for _, layer in ipairs(model:layers()) do count = count + ((layer.kind == "rescaling" or layer.kind == "normalization") and 1 or 0) end
  return count
end

-- Writes a model's weights as Keras 3's save_weights does, with a group for each layer, also for those without weights: the network within another
-- model, behind a Rescaling of that one's where `before`. In the network are as many layers Rescaling as said.
local function write(path, model, inner, before)
  local root, count, datasets = "layers/functional/layers/", {}, {}
  local function group(place, class)
    local n = count[place .. class] or 0
    count[place .. class] = n + 1
    return place .. class .. (n > 0 and "_" .. n or "") .. "/vars"
  end
  local layers = graph.layers(model.order)
  for i, layer in ipairs(export.keras_layers(model)) do
    local dense = layers[i].kind == "dense"
    local vars = group(dense and "layers/" or root, names.classes[layers[i].kind])
    for k, weight in ipairs(layer.weights) do datasets[#datasets + 1] = { path = ("%s/%d"):format(vars, k - 1), tensor = weight.tensor } end
  end
  local function empty(place, class)
    local vars = group(place, class)
    datasets[#datasets + 1] = { path = vars .. "/seed", tensor = core.new { 1 } } -- no weight, but the group is there
  end
  empty("layers/", "input_layer")
  empty(root, "input_layer")
  for _ = 1, inner do empty(root, "rescaling") end
  for _ = 1, before and 1 or 0 do empty("layers/", "rescaling") end
  assert(core.hdf5_write(path, datasets, {}))
  return path
end

describe("Keras's networks that rescale images", function()
  local folder
  setup(function() folder = support.folder() end)
  teardown(support.done)

  it("are built without the layers that do it where preprocess is given, and with them where it is not", function()
    for name, count in pairs { efficientnet_b0 = 3, efficientnet_v2_b0 = 2, efficientnet_v2_s = 1, mobilenet_v3_small = 1, mobilenet_v3_large = 1 } do
      local function net(preprocess) return scion.models[name] { input = 32, variant = "keras", preprocess = preprocess } end
      local plain, given = net(), net "tf"
      assert.same({ count, 0 }, { rescalings(plain), rescalings(given) })
      assert.equal(#plain:layers() - count, #given:layers())
      assert.same({ 1, 1 / 127.5 }, { plain.input.layer.options.preprocess.scale[1], given.input.layer.options.preprocess.scale[1] })
    end
    local grey = scion.models.efficientnet_b0 { input = 32, variant = "keras", channels = 1, preprocess = "unit" }
    assert.equal(1, grey.input.shape[3])
  end)

  it("come back from model:export as they are", function()
    local net = small { preprocess = "unit" }
    for _, ending in ipairs { ".weights.h5", ".h5", ".safetensors" } do
      local path = folder .. "/without" .. ending
      support.stderr_of(function() net:export(path) end)
      local again, report = scion.models.mobilenet_v3_small { weights = path, input = 32, width = 0.1 }
      assert.same({ 0, report.total, {} }, { rescalings(again), report.loaded, report.notes })
      assert.same(net.input.layer.options.preprocess, again.input.layer.options.preprocess)
    end
    local path = folder .. "/with.weights.h5"
    small():export(path)
    local message = messages.refusal(function() local m = small { weights = path, preprocess = "unit" } return m end)
    assert.equal(path .. ": the file's network rescales images by layers of its own, and this one was built without them, as the option preprocess has it; " ..
      "leave preprocess out", message)
  end)

  it("are told from weights alone, by the layers that the file lists", function()
    local function graft(base) return base:graft { nn.global_avg_pool(), nn.dense(2, "softmax") } end
    local without = "the file's network has no layer that rescales images, as with include_preprocessing=False, and this one rescales them by " ..
      "x * 0.00784314 - 1; scion.models.mobilenet_v3_small{ preprocess = … } builds it without, where preprocess says how the file's images were rescaled"
    local with = "the file's network rescales images by layers of its own, and this one was built without them, as the option preprocess has it; " ..
      "leave preprocess out"
    local made = graft(small())
    for _, before in ipairs { true, false } do
      local path = write(folder .. "/none.weights.h5", made, 0, before)
      local opened = assert(keras.open(path))
      assert.equal(0, keras.rescalings(opened))
      opened.file:close()
      assert.equal(path .. ": " .. without, messages.refusal(function() local m = small { weights = path } return m end))
      assert.matches("mobilenet_v3_small{ preprocess = … } builds it without", messages.refusal(function()
        graft(small()):load_weights(path, { preprocess = "tf" })
      end), 1, true)
      local _, report = small { weights = path, preprocess = "tf" }
      assert.same({}, report.notes)
      report = graft(small { preprocess = "tf" }):load_weights(path)
      assert.same({ report.total, {} }, { report.loaded, report.notes })
      assert.equal(without, graft(small()):load_weights(path, { strict = false }).notes[1])
      path = write(folder .. "/one.weights.h5", made, 1, before)
      report = graft(small()):load_weights(path)
      assert.equal(report.total, report.loaded)
      assert.equal(path .. ": " .. with, messages.refusal(function() local m = small { weights = path, preprocess = "tf" } return m end))
      assert.equal(path .. ": " .. with, messages.refusal(function() graft(small { preprocess = "tf" }):load_weights(path) end))
    end
  end)

  it("say that preprocess comes before what a finished network does itself", function()
    local path, report = write(folder .. "/again.weights.h5", small(), 1), nil
    local said = support.stderr_of(function() report = small():load_weights(path, { preprocess = "unit" }) end)
    local line = "the option preprocess comes before the layers by which this network rescales images itself; leave it out where that is once too " ..
      "often, and " ..
      "scion.models.mobilenet_v3_small{ preprocess = … } builds the network without them"
    assert.equal(path .. ": " .. line .. "\n", said)
    assert.same({ line }, report.notes)
  end)

  it("of EfficientNet, whose Normalization has weights, are not loaded into one without", function()
    local path = folder .. "/b0.weights.h5"
    scion.models.efficientnet_b0({ input = 32, variant = "keras" }):export(path)
    local message = messages.refusal(function() local m = scion.models.efficientnet_b0 { input = 32, weights = path, preprocess = "unit" } return m end)
    assert.matches("layer 'normalization' has no counterpart in the model", message, 1, true)
    assert.matches("; the file's network rescales images by layers of its own, and this one was built without them, as the option preprocess has it; " ..
      "leave preprocess out;",
      message, 1, true)
  end)
end)
