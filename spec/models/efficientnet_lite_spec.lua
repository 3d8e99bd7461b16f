-- EfficientNet-Lite0 with its authors' weights says of photographs what timm's network says in PyTorch (spec/peers/photographs.py).
local core = require "scion.core"
local scion = require "scion"
local support = dofile "spec/support/images.lua"

describe("EfficientNet-Lite0", function()
  it("says in words what timm's says of photographs, by the file's own names", function()
    local data = support.test_data(pending)
    if not data then return end
    local model, report = scion.models.efficientnet_lite0 { top = true, weights = data .. "/weights/efficientnet_lite0.pth" }
    assert.same({ "tf", 247, {}, {} }, { model.variant, report.loaded, report.missing, report.unexpected })
    local files, expected = {}, core.json_decode(support.slurp "spec/fixtures/models/photographs.json")
    for name in pairs(expected) do files[#files + 1] = name end
    table.sort(files)
    for i, name in ipairs(files) do files[i] = data .. "/data/trashnet/val/" .. name end
    local said = model:predict(files)
    model.output.layer.options.activation = false
    local logits = model:features(files, "predictions", { cache = false })
    for i, entry in ipairs(said) do
      local label, best = table.unpack(expected[entry.file:match "[^/]+/[^/]+$"])
      assert.equal(label, entry.label)
      local largest = -math.huge
      for k = 1, 1000 do largest = math.max(largest, logits:get(i, k)) end
      assert.is_true(math.abs(largest - best) < 1e-4 * best, ("%s: %.6g, not %.6g"):format(entry.file, largest, best))
    end
  end)
end)
