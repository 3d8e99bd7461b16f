-- Architectures of one channel: weights for three are summed, those for one are taken as they are.
local core = require "scion.core"
local graph = require "scion.graph"
local messages = dofile "spec/support/messages.lua"
local models = dofile "spec/support/models.lua"
local rule = dofile "spec/models/rule.lua"
local scion = require "scion"
local support = dofile "spec/support/images.lua"

--- The same grey images in one channel.
local function grey() return scion.uniform({ 2, 64, 64, 1 }, 0, 256):to "u8" end

local function difference(a, b) return (a - b):abs():max() / b:abs():max() end

describe("architectures of one channel", function()
  local folder
  setup(function() folder = support.folder() end)
  teardown(support.done)

  --- A file of random weights of an architecture, and the model.
  local function exported(name, file, options)
    local given = { input = 64 }
    for key, value in pairs(options or {}) do given[key] = value end
    local model = scion.models[name](given)
    rule.fill(model, "torchvision", { 0.8, 1.2 })
    model:export(folder .. "/" .. file)
    return folder .. "/" .. file, model
  end

  it("have the features that three equal channels have, where the preprocessing treats these alike", function()
    local path, coloured = exported("mobilenet", "mobilenet.h5", { width = 0.25 })
    local model, report = scion.models.mobilenet { weights = path, width = 0.25, input = 64, channels = 1 }
    assert.same({ 64, 64, 1 }, model.input.shape)
    assert.same({ 3, 3, 1, 8 }, model:layer("conv1").weights.kernel:shape())
    assert.matches("conv1 was summed over red, green and blue, for 1 channel$", report.notes[#report.notes])
    local images, last = grey(), model.output.layer.name
    assert.is_true(difference(model:features(images, last), coloured:features(images, last)) < 1e-5)
  end)

  it("have nearly the same features where it does not, which the report tells", function()
    local path, coloured = exported("squeezenet1_1", "squeezenet.safetensors")
    local model, report = scion.models.squeezenet1_1 { weights = path, input = 64, channels = 1 }
    assert.matches("standardized by the means of the channels' numbers", report.notes[#report.notes], 1, true)
    local images, last = grey(), model.output.layer.name
    local off = difference(model:features(images, last), coloured:features(images, last))
    assert.is_true(off > 1e-4 and off < 0.15, ("they differ by %g"):format(off))
  end)

  it("take a file of one channel as it is, which those of three refuse", function()
    local path, source = exported("squeezenet1_1", "grey.safetensors", { channels = 1 })
    local model, report = scion.models.squeezenet1_1 { weights = path, input = 64, channels = 1 }
    assert.same(models.bytes(source), models.bytes(model))
    assert.is_true(report:complete())
    assert.matches("64x1x3x3, but the model expects 64x3x3x3", messages.refused(function() scion.models.squeezenet1_1 { weights = path, input = 64 } end), 1, true)
  end)

  it("are what the refusal of such a file names, which one of another first kernel does not", function()
    local path = exported("squeezenet1_1", "told.safetensors", { channels = 1 })
    local remedy = "the file is of a network for grey images: channels = 1 builds scion.models.* for them"
    assert.matches(remedy, messages.refused(function() scion.models.squeezenet1_1 { weights = path, input = 64 } end), 1, true)
    local arrays = assert(require("scion.weights.safetensors").read(path))
    local list = {}
    for name, tensor in pairs(arrays) do list[#list + 1] = { name = name, tensor = name == "features.0.weight" and scion.zeros { 64, 2, 3, 3 } or tensor } end
    assert(core.safetensors_write(path, list, { format = "pt" }))
    local said = messages.refused(function() scion.models.squeezenet1_1 { weights = path, input = 64 } end)
    assert.matches("64x2x3x3", said, 1, true)
    assert.is_nil(said:find("channels = 1", 1, true))
  end)

  it("keep a first kernel of one channel with strict = false, and do not say that one was summed that was not loaded", function()
    local path, source = exported("squeezenet1_1", "loose.safetensors", { channels = 1, top = true, classes = 2 })
    local model, report = scion.models.squeezenet1_1 { weights = path, input = 64, channels = 1, top = true, classes = 3, strict = false }
    assert.is_true(model:layer("conv1").weights.kernel:equal(source:layer("conv1").weights.kernel))
    assert.equal(2, #report.misfits)
    for _, note in ipairs(report.notes) do assert.is_nil(note:find("summed", 1, true)) end
    local coloured, its = exported("squeezenet1_1", "coloured.safetensors", { top = true, classes = 2 })
    model, report = scion.models.squeezenet1_1 { weights = coloured, input = 64, channels = 1, top = true, classes = 3, strict = false }
    assert.is_true(difference(model:layer("conv1").weights.kernel, its:layer("conv1").weights.kernel:sum(3):reshape { 3, 3, 1, 64 }) < 1e-6)
    assert.matches("conv1 was summed", report.notes[#report.notes], 1, true)
  end)

  it("are built where config.json tells of one channel", function()
    local _, source = exported("squeezenet1_1", "grey.safetensors", { channels = 1 })
    local path = folder .. "/timm.safetensors" -- without a note of Scion's about the network
    assert(core.safetensors_write(path, require("scion.weights.torchvision").tensors(graph.layers(source.order)), { format = "pt" }))
    support.spit(folder .. "/config.json", core.json_encode { pretrained_cfg = { input_size = { 1, 64, 64 }, mean = { 0.25 }, std = { 0.5 } } })
    local model = scion.models.squeezenet1_1 { weights = path }
    os.remove(folder .. "/config.json")
    assert.same({ 64, 64, 1 }, model.input.shape)
    assert.same(models.bytes(source), models.bytes(model))
    assert.is_true(math.abs(model.input.layer.options.preprocess.scale[1] - 1 / (255 * 0.5)) < 1e-9)
    local timms = { architecture = "squeezenet1_1", model_args = { in_chans = 1, num_classes = 1000 } } -- as timm's save_for_hf writes them
    support.spit(folder .. "/config.json", core.json_encode(timms))
    model = scion.models.squeezenet1_1 { weights = path }
    os.remove(folder .. "/config.json")
    assert.same(models.bytes(source), models.bytes(model))
    timms.pretrained_cfg = { input_size = { 3, 64, 64 }, mean = { 0.25, 0.5, 0.75 }, std = { 0.5, 0.5, 0.5 } } -- as older ones do
    support.spit(folder .. "/config.json", core.json_encode(timms))
    model = scion.models.squeezenet1_1 { weights = path }
    os.remove(folder .. "/config.json")
    assert.same({ 64, 64, 1 }, model.input.shape)
    local images, last = grey(), source.output.layer.name
    source.input.layer.options.preprocess = require("scion.preprocessing").resolve { mean = { 0.5, 0.5, 0.5 }, std = { 0.5, 0.5, 0.5 } }
    assert.is_true(difference(model:features(images, last), source:features(images, last)) < 1e-5)
  end)

  it("are not those that standardize three channels within", function()
    assert.matches("Keras's EfficientNet standardizes red, green and blue", messages.refused(function() scion.models.efficientnet_b0 { channels = 1 } end), 1, true)
    assert.matches("channels is 1 or 3, not 2", messages.refused(function() scion.models.efficientnet_b0 { channels = 2 } end), 1, true)
  end)
end)
