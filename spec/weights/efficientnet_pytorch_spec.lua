-- EfficientNet-PyTorch's names: each weight has the one that the package gives it, and a file with them is of the authors' network.
local core = require "scion.core"
local graph = require "scion.graph"
local layer = require "scion.layer"
local rule = dofile "spec/models/rule.lua"
local scion = require "scion"
local support = dofile "spec/support/files.lua"
local torchvision = require "scion.weights.torchvision"

describe("EfficientNet-PyTorch's names", function()
  teardown(support.done)

  for name, golden in pairs(rule.golden().tf) do
    it("fit " .. name, function()
      if not golden.efficientnet_pytorch then return end
      local model = layer.without_initial_values(function() return scion.models[name] { top = true, variant = "tf" } end)
      local lines = {}
      for i, weight in ipairs(torchvision.expected(graph.layers(model.order), "efficientnet_pytorch")) do
        lines[i] = ("%s %s"):format(weight.name, table.concat(weight.shape, "x"))
      end
      table.sort(lines)
      assert.equal(golden.efficientnet_pytorch, ("%d %08x"):format(#lines, rule.stream(table.concat(lines, "\n"))))
    end)
  end

  it("lead a file's arrays to their weights, in the authors' variant", function()
    local path = support.folder() .. "/net.safetensors"
    local model = scion.models.efficientnet_b1 { top = true, input = 32, classes = 3, variant = "tf" }
    local layers = graph.layers(model.order)
    local arrays = torchvision.tensors(layers)
    for i, weight in ipairs(torchvision.expected(layers, "efficientnet_pytorch")) do arrays[i].name = weight.name end
    assert(core.safetensors_write(path, arrays, { format = "pt" }))
    local loaded = scion.models.efficientnet_b1 { top = true, input = 32, classes = 3, weights = path }
    assert.equal("tf", loaded.variant)
    for i, node in ipairs(model.order) do
      for k, p in ipairs(node.layer.parameters) do assert.is_true(p.tensor:equal(loaded.order[i].layer.parameters[k].tensor), node.layer.name) end
    end
    local _, report = scion.models.efficientnet_b1 { input = 32, weights = path } -- without its head
    assert.same({ {}, { "_fc.bias", "_fc.weight" } }, { report.missing, report.unused })
  end)
end)
