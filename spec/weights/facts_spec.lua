-- What files that Scion wrote tell beside their weights is heeded wherever they are loaded, and not by scion.load alone.
local messages = require "spec.support.messages"
local safetensors = require "scion.weights.safetensors"
local scion = require "scion"
local support = dofile "spec/support/files.lua"
local nn = scion.nn

local images = scion.uniform({ 2, 48, 48, 3 }, 0, 255):to "u8"

-- The outputs of the last layer.
local function outputs(model)
  local layers, values = model:layers()
  support.stderr_of(function() values = model:features(images, layers[#layers].name) end)
  return values
end

local function small(given)
  local o = { input = 48, top = true, classes = 3, variant = "keras" }
  for key, value in pairs(given) do o[key] = value end
  return scion.models.squeezenet1_1(o)
end

describe("a file that Scion wrote", function()
  local folder
  setup(function() folder = support.folder() end)
  teardown(support.done)

  it("brings its preprocessing and its labels into any model that takes its weights", function()
    local model = small { preprocess = "unit", labels = { "a", "b", "c" } }
    local expected = outputs(model)
    for _, name in ipairs { "saved.safetensors", "exported.safetensors", "exported.weights.h5", "exported.h5" } do
      local path = folder .. "/" .. name
      if name:find "^saved" then model:save(path) else model:export(path) end
      local other = small {}
      other:load_weights(path)
      for _, loaded in ipairs { small { weights = path }, other } do
        assert.is_true(expected:equal(outputs(loaded)), name)
        assert.same({ "a", "b", "c" }, loaded.labels, name)
      end
      local own = small { weights = path, preprocess = "tf", labels = { "x", "y", "z" } } -- what is given counts
      assert.is_false(expected:equal(outputs(own)), name)
      assert.same({ "x", "y", "z" }, own.labels, name)
    end
  end)

  it("builds its own variant, and is refused in another", function()
    local path = folder .. "/variant.safetensors"
    local model = scion.models.mobilenet_v2 { input = 48, width = 0.25, variant = "torchvision" }
    model:save(path)
    assert.is_true(outputs(model):equal(outputs(scion.models.mobilenet_v2 { input = 48, width = 0.25, weights = path })))
    local other = scion.models.mobilenet_v2 { input = 48, width = 0.25, variant = "keras" }
    assert.matches("it was exported from the variant 'torchvision', and this mobilenet_v2 is of the variant 'keras'",
                   messages.refused(function() other:load_weights(path) end), 1, true)
  end)

  it("tells how many layers rescale its images", function()
    local path, one = folder .. "/two.safetensors", folder .. "/one.safetensors"
    scion.models.efficientnet_b0({ input = 48, variant = "keras" }):export(path)
    local tensors, metadata = safetensors.read(path)
    local list = {}
    for name, tensor in pairs(tensors) do list[#list + 1] = { name = name, tensor = tensor } end
    assert.equal("2", metadata.rescalings)
    metadata.rescalings = "1" -- as of a network that Keras builds without weights='imagenet'
    assert(safetensors.write(one, list, metadata))
    local count = 0
    for _, layer in ipairs(scion.models.efficientnet_b0({ input = 48, weights = one }):layers()) do count = count + (layer.kind == "rescaling" and 1 or 0) end
    assert.equal(1, count)
    local two = scion.models.efficientnet_b0 { input = 48, weights = path }
    local before = outputs(two)
    assert.matches("the file's network has 1 of the layers nn.rescaling, and this one 2", messages.refused(function() two:load_weights(one) end), 1, true)
    assert.is_true(before:equal(outputs(two)))
  end)

  it("may have damaged notes, which then tell nothing", function()
    local path = folder .. "/damaged.safetensors"
    small({ preprocess = "unit" }):export(path)
    local tensors, metadata = safetensors.read(path)
    local list = {}
    for name, tensor in pairs(tensors) do list[#list + 1] = { name = name, tensor = tensor } end
    for _, damaged in ipairs { "", "[]", '{"scale":[1],"shift":[],"reverse":0}', "{", "-" } do
      metadata.preprocessing, metadata.labels, metadata.rescalings = damaged, damaged, damaged
      assert(safetensors.write(path, list, metadata))
      assert.same(small({}).input.layer.options.preprocess, small({ weights = path }).input.layer.options.preprocess)
    end
  end)
end)

describe("weights that are no numbers", function()
  it("are told, by the file's names", function()
    local folder = support.folder()
    local function network() return scion.sequential { nn.input(4), nn.dense(2, { name = "a" }), nn.dense(2, { name = "b" }) } end
    for _, ending in ipairs { ".safetensors", ".weights.h5" } do
      local path, model = folder .. "/odd" .. ending, network()
      model:layer("b").weights.kernel:set(1, 2, 0 / 0)
      model:export(path)
      local report
      local told = support.stderr_of(function() report = network():load_weights(path) end)
      local name = ending == ".safetensors" and "b.weight" or report.notes[1]:match "^%S+"
      assert.equal(name .. " holds numbers that are NaN, infinite or too large for f32, and what the network computes may be so, too", report.notes[1])
      assert.matches(report.notes[1], told, 1, true)
      network():export(path)
      assert.equal("", support.stderr_of(function() report = network():load_weights(path) end))
      assert.same({}, report.notes)
    end
    support.done()
  end)

  it("or become none, as variances below 0 do, are told as well", function()
    local folder = support.folder()
    local function network() return scion.sequential { nn.input(4), nn.dense(2, { name = "a" }), nn.batch_norm { name = "norm", statistics = "stored" }, nn.dense(2) } end
    local names = { ["x.safetensors"] = "norm.running_var", ["x.weights.h5"] = "norm/", ["x.h5"] = "norm/moving_variance:0", ["saved.safetensors"] = "norm/moving_variance" }
    for ending, name in pairs(names) do
      local path, model = folder .. "/" .. ending, network()
      model:layer("norm").weights.moving_variance:set(1, -1e-3)
      if ending:find "saved" then model:save(path) else model:export(path) end
      local report
      local told = support.stderr_of(function() report = network():load_weights(path) end)
      assert.matches(name .. ".* holds variances below 0, which no images have; from those below %-epsilon a batch norm computes NaN$", report.notes[1])
      assert.matches(report.notes[1], told, 1, true)
    end
    support.done()
  end)
end)

describe("load_weights with the option preprocess", function()
  it("leaves the model's own where the file is refused", function()
    local model = scion.sequential { nn.input(8, 8, 3), nn.flatten(), nn.dense(2) }
    local before = model.input.layer.options.preprocess
    local path = support.folder() .. "/other.safetensors"
    scion.sequential({ nn.input(8, 8, 3), nn.flatten(), nn.dense(3) }):save(path)
    messages.refused(function() model:load_weights(path, { preprocess = "tf" }) end)
    assert.same(before, model.input.layer.options.preprocess)
    support.done()
  end)
end)
