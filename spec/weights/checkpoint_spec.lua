-- One network's weights in all that PyTorch writes: what it predicts against PyTorch's own numbers.
local core = require "scion.core"
local messages = dofile "spec/support/messages.lua"
local models = dofile "spec/support/models.lua"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local weights = require "scion.weights"
local nn = scion.nn

local fixtures = "spec/fixtures/weights/"
local golden = core.json_decode(support.slurp "spec/fixtures/weights/torchvision.json")

local function small()
  local x = nn.input { shape = { 8, 9, 3 }, preprocess = "unit", name = "input" }
  x = nn.conv2d(6, { 3, 2 }, { bias = false, name = "features/0" })(x)
  x = nn.relu()(nn.batch_norm { epsilon = 1e-5, statistics = "stored", name = "features/1" }(x))
  x = nn.max_pool(2)(nn.depthwise_conv2d(3, { padding = "same", name = "features/3" })(x))
  return scion.model { output = nn.dense(5, { name = "classifier/1" })(nn.flatten()(x)) }
end

describe("PyTorch's", function()
  local folder
  setup(function() folder = support.folder() end)
  teardown(support.done)

  local function predicts(name, dict)
    local model = small()
    local report = weights.load(model, fixtures .. name)
    assert.same({ 9, dict }, { report.loaded, report.dict })
    assert.is_true(models.deviation(model, support.pattern(8, 9), golden.small) < 1e-5)
    return report
  end

  it("checkpoints load beside whatever else is in them, in any protocol", function()
    predicts("checkpoint_1.pth", "model")
    predicts("checkpoint_4.pth", "model")
  end)

  it("parameters, buffers and tensors with attributes load, beside dtypes that are not read", function()
    predicts "attributes.pth"
    local tensors, message = require("scion.weights.torch").read(fixtures .. "attributes.pth")
    assert.is_nil(tensors)
    assert.matches("attributes.pth: [%w._]+ has dtype [%w_]+, which is not read", message)
  end)

  it("networks of torch.jit.save load by their attributes, and the report tells that their code does not count", function()
    local report = predicts "script.pt"
    assert.same({ "a network of torch.jit: only its tensors are read, and its code, which tells what it computes, is not looked at" }, report.notes)
    assert.same({}, predicts("checkpoint_1.pth", "model").notes)
  end)

  it("integers are refused as weights, before a weight changes", function()
    local model, path = small(), folder .. "/whole.safetensors"
    local arrays = require("scion.weights.torchvision").tensors(require("scion.graph").layers(model.order))
    for i, a in ipairs(arrays) do arrays[i] = { name = a.name, tensor = i == #arrays and a.tensor:to "i32" or a.tensor } end
    assert(core.safetensors_write(path, arrays, { format = "pt" }))
    local kernel = model:layer("features/0").weights.kernel
    local before = kernel:bytes()
    assert.equal(path .. ": classifier.1.bias holds integers (I32), as quantized weights are; in Python, save the network before it is quantized",
      messages.refusal(function() model:load_weights(path) end))
    assert.equal(before, kernel:bytes())
  end)

  -- An archive of those entries, without compression.
  local function archive_of(names)
    local body, directory = "", ""
    for _, name in ipairs(names) do
      local common = string.pack("<I2I2I2I2I2I4I4I4I2I2", 20, 0, 0, 0, 0x21, 0, 0, 0, #name, 0)
      directory = directory .. "PK\1\2\20\0" .. common .. string.pack("<I2I2I2I4I4", 0, 0, 0, 0, #body) .. name
      body = body .. "PK\3\4" .. common .. name
    end
    return body .. directory .. "PK\5\6" .. string.pack("<I2I2I2I2I4I4I2", 0, 0, #names, #names, #directory, #body, 0)
  end

  it("programs of torch.export are told, with what to do", function()
    for _, names in ipairs { { "x/version", "x/archive_format", "x/models/model.json" }, { "serialized_exported_program.json", "serialized_state_dict.pt" } } do
      local path = support.spit(folder .. "/x.pt2", archive_of(names))
      assert.equal(path .. ": a program of torch.export; in Python: torch.save(torch.export.load('x.pt2').state_dict, 'weights.pth')",
        messages.refusal(function() weights.load(small(), path) end))
    end
    local path = support.spit(folder .. "/x.zip", archive_of { "a/b" })
    assert.equal(path .. ": a zip archive without data.pkl: not written by torch.save; in Python: torch.save(net.state_dict(), 'weights.pth')",
                 messages.refusal(function() weights.load(small(), path) end))
  end)
end)
