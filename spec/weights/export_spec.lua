-- What model:export writes, read back by the readers of PyTorch's and Keras's layouts.
local keras = require "scion.weights.keras"
local safetensors = require "scion.weights.safetensors"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local torch = require "scion.weights.torch"
local weights = require "scion.weights"
local nn = scion.nn

-- The network of make_torchvision.py.
local function small()
  local x = nn.input { shape = { 8, 9, 3 }, preprocess = "unit", name = "input" }
  x = nn.conv2d(6, { 3, 2 }, { bias = false, name = "features/0" })(x)
  x = nn.batch_norm { epsilon = 1e-5, statistics = "stored", name = "norm", origin = { torchvision = "features.1" } }(x)
  x = nn.depthwise_conv2d(3, { padding = "same", name = "features/3" })(nn.relu()(x))
  x = nn.flatten()(nn.max_pool(2)(x))
  return scion.model { output = nn.dense(5, { name = "out", origin = { torchvision = "classifier.1", image = { 3, 4, 6 } } })(x) }
end

describe("model:export", function()
  local folder
  setup(function() folder = support.folder() end)
  teardown(function()
    support.remove(folder)
    support.done()
  end)

  it("gives PyTorch's file back, array by array", function()
    local model, path = small(), folder .. "/small.safetensors"
    local fixture = "spec/fixtures/weights/torchvision.pth"
    weights.load(model, fixture)
    assert.equal(model, model:export(path))
    local written, metadata = safetensors.read(path)
    assert.same({ format = "pt" }, metadata)
    local count = 0
    for name, tensor in pairs(assert(torch.read(fixture))) do
      if not name:find "aux" and not name:find "num_batches" then
        assert.is_true(tensor:equal(written[name]), name)
        count = count + 1
      end
    end
    for _ in pairs(written) do count = count - 1 end
    assert.equal(0, count)
  end)

  it("writes Keras's layout, which loads back", function()
    local model, path = small(), folder .. "/small.h5"
    model:export(path)
    local names = {}
    for i, layer in ipairs(assert(keras.read(path))) do names[i] = layer.name .. " " .. layer.weights[1].name end
    assert.same({ "features_0 features_0/kernel:0", "norm norm/gamma:0", "features_3 features_3/depthwise_kernel:0", "out out/kernel:0" }, names)
    local other = small()
    weights.load(other, path)
    for _, row in ipairs(model:layers()) do
      for name, tensor in pairs(row.weights) do assert.is_true(tensor:equal(other:layer(row.name).weights[name])) end
    end
    assert.equal("small.h5\nsmall.safetensors\n", support.list(folder))
  end)

  it("cuts lists of names that an attribute has no room for, as Keras does", function()
    local x = nn.input(1, 1, 1)
    for i = 1, 400 do x = nn.batch_norm { scale = false, name = ("layer"):rep(34) .. i }(x) end
    local model, path = scion.model { output = x }, folder .. "/long.h5"
    model:export(path)
    local file <close> = assert(require("scion.hdf5").open(path))
    assert.is_false(file:has("/", "layer_names"))
    assert.is_true(file:has("/", "layer_names1"))
    assert.equal(400, #keras.read(path))
    weights.load(model, path)
  end)

  it("says which folder or layer stands against it", function()
    local function refused(model, path, pattern)
      local ok, message = pcall(model.export, model, path)
      assert.is_false(ok)
      assert.matches(path, message, 1, true)
      assert.matches(pattern, message)
    end
    refused(small(), folder .. "/none/x.h5", "cannot be written")
    refused(small(), folder .. "/none/x.safetensors", "No such file")
    refused(small(), folder .. "/x.onnx", "%.safetensors")
  end)

  it("turns rows by height, width, channel into columns by channel, height, width", function()
    local kernel = small():layer("out").weights.kernel
    local layer = { kind = "dense", name = "out", origin = { image = { 3, 4, 6 } }, parameters = { { name = "kernel", tensor = kernel } } }
    local published = assert(require("scion.weights.torchvision").tensors { layer })[1].tensor
    for _, place in ipairs { { 1, 1, 1, 1 }, { 3, 2, 5, 4 }, { 2, 4, 6, 5 } } do
      local h, w, c, o = table.unpack(place)
      assert.equal(kernel:get(((h - 1) * 4 + w - 1) * 6 + c, o), published:get(o, ((c - 1) * 3 + h - 1) * 4 + w))
    end
  end)
end)
