-- Saved models: they predict what they predicted, and damaged files say so.
local scion = require "scion"
local core = require "scion.core"
local small = dofile "spec/small_network.lua"
local safetensors = require "scion.weights.safetensors"

local path = os.tmpname()
after_each(function() os.remove(path) end)

describe("a saved model", function()
  it("predicts bit-identically, and remembers labels, preprocessing, freezes and epochs", function()
    local model, batch = small.model "stored", small.batch()
    local data = scion.data.tensors(batch.images, { "paper", "glass", "tin" }, { labels = { "glass", "paper", "tin", "wood" }, batch = 2 })
    model:freeze { upto = "block" }
    model:fit(data, { epochs = 2, verbose = false })
    model:save(path)
    local loaded = scion.load(path)
    assert.is_true(model:features(batch.images, "out"):equal(loaded:features(batch.images, "out")))
    assert.same(model:predict(batch.images, { top = 4 }), loaded:predict(batch.images, { top = 4 }))
    assert.same({ "glass", "paper", "tin", "wood" }, loaded.labels)
    assert.equal(2, loaded.epoch)
    assert.equal(2, #loaded.history)
    assert.same(model.input.layer.options, loaded.input.layer.options)
    local a, b = model:layers(), loaded:layers()
    assert.equal(#a, #b)
    for i, row in ipairs(a) do
      assert.same({ row.name, row.kind, row.frozen, row.trainable }, { b[i].name, b[i].kind, b[i].frozen, b[i].trainable })
      for name, t in pairs(row.weights) do assert.is_true(t:equal(b[i].weights[name])) end
    end
    loaded:fit(data, { epochs = 1, verbose = false })
    assert.equal(3, loaded.epoch)
  end)

  it("opens in Python's library, with every weight under its name", function()
    local python = os.getenv "PYTHON" or "python3"
    if not os.execute(python .. " -c 'import safetensors.numpy' 2>/dev/null") then
      print("\nskipped: " .. python .. " has no safetensors; PYTHON names another one")
      return pending "no safetensors in Python"
    end
    local model = small.model "stored"
    model.labels = { "Glas", "Größe", "tin", "wood" }
    model:save(path)
    local pipe <close> = assert(io.popen(([[%s -c '
import json, sys, safetensors
with safetensors.safe_open(sys.argv[1], "np") as f:
    m = f.metadata()
    print(m["format"], json.loads(m["labels"])["labels"][1], len(json.loads(m["architecture"])["layers"]))
    for name in sorted(f.keys()): print(name, "%%.6f" %% f.get_tensor(name).astype("f8").sum())
' %s 2>&1]]):format(python, path)))
    local expected, names = { ("scion Größe %d"):format(#model:layers()) }, {}
    for _, row in ipairs(model:layers()) do
      for name, t in pairs(row.weights) do names[#names + 1] = { row.name .. "/" .. name, t:sum() } end
    end
    table.sort(names, function(a, b) return a[1] < b[1] end)
    for _, entry in ipairs(names) do expected[#expected + 1] = ("%s %.6f"):format(entry[1], entry[2]) end
    assert.equal(table.concat(expected, "\n") .. "\n", pipe:read "a")
  end)

  it("loads as weights of the same architecture", function()
    local model, other = small.model "stored", small.model "stored"
    model:save(path)
    other:layer("out").weights.kernel:fill(0)
    require("scion.weights").load(other, path)
    assert.is_true(other:layer("out").weights.kernel:equal(model:layer("out").weights.kernel))
  end)

  it("is refused with its path when it is missing, damaged, or none", function()
    local function refused(pattern)
      local ok, message = pcall(scion.load, path)
      assert.is_false(ok)
      assert.matches(path, message, 1, true)
      assert.matches(pattern, message)
    end
    os.remove(path)
    refused "No such file"
    local t = { weight = scion.zeros { 2 } }
    assert(safetensors.write(path, t))
    refused "not a model saved by Scion"
    assert(safetensors.write(path, t, { format = "scion", version = "99" }))
    refused "format version 99"
    assert(safetensors.write(path, t, { format = "scion", version = "1" }))
    refused "'architecture' is missing"
    assert(safetensors.write(path, t, { format = "scion", version = "1", architecture = "{", history = "{}" }))
    refused "damaged"
    local description = { layers = { { kind = "../../evil", name = "x", options = {}, inputs = "" } }, output = "x" }
    assert(safetensors.write(path, t, { format = "scion", version = "1", architecture = core.json_encode(description), history = "{}" }))
    refused "cannot be rebuilt"

    small.model("stored"):save(path)
    local file = assert(io.open(path, "rb"))
    local bytes = file:read "a"
    file:close()
    for _, length in ipairs { 0, 7, 100, #bytes // 2, #bytes - 1 } do
      file = assert(io.open(path, "wb"))
      file:write(bytes:sub(1, length)):close()
      refused "."
    end
  end)

  it("does not replace the old file when it cannot be written", function()
    local model = small.model "stored"
    local ok, message = pcall(model.save, model, path .. ".folder/model.safetensors")
    assert.is_false(ok)
    assert.matches(path .. ".folder", message, 1, true)
  end)
end)
