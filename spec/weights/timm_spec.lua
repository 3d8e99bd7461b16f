-- timm's names: each weight of a network has the one that timm's own network gives it.
local core = require "scion.core"
local graph = require "scion.graph"
local rule = dofile "spec/models/rule.lua"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local timm = require "scion.weights.timm"
local torchvision = require "scion.weights.torchvision"

local golden = core.json_decode(support.slurp "spec/fixtures/models/timm_names.json")

describe("timm's names", function()
  teardown(support.done)

  for name, expected in pairs(golden) do
    it("fit " .. name, function()
      local layers = graph.layers(scion.models[name]({ top = true, variant = name:find "^[em]" and "torchvision" or nil }).order)
      local theirs = name:find "^vgg" and "pre_logits.fc1.weight" or name:find "^regnet" and "s1.b1.conv1.conv.weight" or
                     name:find "^[em]" and "conv_stem.weight" or "conv1.weight"
      local before, lines = torchvision.expected(layers), {}
      for i, weight in ipairs(timm.rename(torchvision.expected(layers), { { name = theirs } })) do
        lines[i] = ("%s %s %s"):format(before[i].name, weight.name, table.concat(weight.shape, "x"))
      end
      table.sort(lines)
      assert.equal(expected, ("%d %08x"):format(#lines, rule.stream(table.concat(lines, "\n"))))
      for i, weight in ipairs(timm.rename(torchvision.expected(layers))) do
        lines[i] = ("%s %s %s"):format(before[i].name, weight.name, table.concat(weight.shape, "x"))
      end
      table.sort(lines)
      assert.equal(expected, ("%d %08x"):format(#lines, rule.stream(table.concat(lines, "\n"))), "for export")
    end)
  end

  it("lead a file's arrays to their weights", function()
    local path <close> = setmetatable({ name = os.tmpname() }, { __close = function(self) os.remove(self.name) end })
    local options = { top = true, input = 32, classes = 3, variant = "torchvision" }
    local model = scion.models.efficientnet_b0(options)
    local expected = torchvision.expected(graph.layers(model.order))
    local arrays = torchvision.tensors(graph.layers(model.order))
    for i, weight in ipairs(timm.rename(expected, { { name = "conv_stem.weight" } })) do arrays[i].name = weight.name end
    assert(core.safetensors_write(path.name, arrays, { format = "pt" }))
    options.weights, options.preprocess = path.name, "torch"
    local loaded = scion.models.efficientnet_b0(options)
    for i, node in ipairs(model.order) do
      for k, p in ipairs(node.layer.parameters) do assert.is_true(p.tensor:equal(loaded.order[i].layer.parameters[k].tensor), node.layer.name) end
    end
  end)
end)
