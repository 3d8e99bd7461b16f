-- GELU, layer norm and PReLU in PyTorch's and Keras's files: networks predict what they did there, and go back.
local core = require "scion.core"
local models = dofile "spec/support/models.lua"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local weights = require "scion.weights"
local nn = scion.nn

local fixtures = "spec/fixtures/weights/"
local golden = core.json_decode(support.slurp(fixtures .. "layers.json"))
local folder = support.folder()

--- The networks of make_layers.py.
local function torchs()
  return scion.sequential {
    nn.input(8, 9, 3), nn.conv2d(6, { 3, 2 }, { name = "conv" }), nn.layer_norm { epsilon = 1e-6, name = "norm" }, nn.gelu(),
    nn.prelu { name = "bend" }, nn.max_pool(2), nn.flatten(), nn.layer_norm { epsilon = 1e-5, center = false, name = "vector" },
    nn.prelu { name = "curve" }, nn.prelu("one", { name = "one" }), nn.dense(5, { name = "out" }),
  }
end

local function kerass(slopes)
  return scion.sequential {
    nn.input(8, 9, 3), nn.conv2d(6, { 3, 2 }), nn.layer_norm(), nn.gelu_tanh(), nn.prelu(), nn.prelu(slopes or "element"),
    nn.layer_norm { center = false }, nn.prelu "one", nn.global_avg_pool(), nn.dense(5, { name = "out" }),
  }
end

describe("GELU, layer norm and PReLU", function()
  teardown(support.done)

  for _, case in ipairs { { "layers.pth", torchs, golden.torch, "again.safetensors" }, { "layers.weights.h5", kerass, golden.keras, "again.weights.h5" },
                          { "layers.weights.h5", kerass, golden.keras, "again.h5" } } do
    local file, network, expected, name = table.unpack(case)
    it(("load from %s, and go into %s"):format(file, name), function()
      local model, again = network(), network()
      assert.is_true(models.deviation(model, support.pattern(8, 9), expected, "out") > 1e-3)
      local report = weights.load(model, fixtures .. file)
      assert.same({ 0, 0, 0 }, { #report.missing, #report.misfits, #report.unexpected })
      assert.is_true(models.deviation(model, support.pattern(8, 9), expected, "out") < 2e-6)
      model:export(folder .. "/" .. name)
      weights.load(again, folder .. "/" .. name)
      assert.is_true(models.deviation(again, support.pattern(8, 9), expected, "out") < 2e-6)
      model:save(folder .. "/saved.safetensors")
      assert.is_true(models.deviation(scion.load(folder .. "/saved.safetensors"), support.pattern(8, 9), expected, "out") < 2e-6)
    end)
  end

  it("are refused where a PReLU has other slopes", function()
    assert.error_matches(function() weights.load(kerass "channel", fixtures .. "layers.weights.h5") end,
                         "layer 'p_re_lu_1' has slope 6x8x6, but prelu_2 expects 1x1x6", 1, true)
  end)
end)
