-- Saved models: they predict what they predicted, and damaged files say so.
local scion = require "scion"
local core = require "scion.core"
local messages = dofile "spec/support/messages.lua"
local small = dofile "spec/small_network.lua"
local support = dofile "spec/support/files.lua"
local safetensors = require "scion.weights.safetensors"

local path = os.tmpname()
after_each(function() os.remove(path) end)

local nn = scion.nn

-- A small saved model whose metadata a function changes: change(architecture, history, labels) on the decoded parts.
local function changed(change, model)
  model = model or scion.sequential { nn.input(6, 6, 3), nn.conv2d(2, 3), nn.max_pool(2), nn.flatten(), nn.dropout(0.5), nn.dense(3, "softmax") }
  model.labels = { "a", "b", "c" }
  model:save(path)
  local tensors, metadata = safetensors.read(path)
  local parts = { core.json_decode(metadata.architecture), core.json_decode(metadata.history), core.json_decode(metadata.labels) }
  change(table.unpack(parts))
  metadata.architecture, metadata.history, metadata.labels = core.json_encode(parts[1]), core.json_encode(parts[2]), core.json_encode(parts[3])
  assert(safetensors.write(path, tensors, metadata))
end

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

  it("predicts in int8 what it predicted, without new ranges, unless a weight was changed since they were found", function()
    local model = small.model "stored"
    local size = model.input.shape
    scion.seed(5)
    local images = scion.uniform({ 20, size[1], size[2], 3 }, 0, 255):to "u8"
    local few = images:slice(1, 1, 2):copy()
    model.precision = "int8"
    model:predict(images)
    model:save(path)
    local loaded = scion.load(path)
    loaded.precision = "int8"
    assert.same(model:predict(few), loaded:predict(few))
    assert.same(require("scion.calibration").report(model), require("scion.calibration").report(loaded))
    loaded:save(path)
    local again = scion.load(path)
    again.precision = "int8"
    assert.same(model:predict(few), again:predict(few))

    local tensors, metadata = safetensors.read(path)
    local function damaged(change)
      local told = core.json_decode(metadata.int8)
      change(told)
      assert(safetensors.write(path, tensors, { format = metadata.format, version = metadata.version, architecture = metadata.architecture, history = metadata.history,
                                                int8 = core.json_encode(told) }))
      local ok, message = pcall(scion.load, path)
      assert.is_false(ok)
      return tostring(message)
    end
    local what = "what was found for precision \"int8\" cannot be used: "
    assert.matches(what .. "its range 1 is of layer 'nowhere', which there is not", damaged(function(t) t.ranges[1].node = "nowhere" end), 1, true)
    assert.matches("does not fit it", damaged(function(t) t.ranges[1].channels = 4 end), 1, true)
    assert.matches(what, damaged(function(t) t.ranges[1].low = 3 end), 1, true)
    assert.matches("the means of channels are damaged", damaged(function(t) t.means = t.means:sub(3) end), 1, true)
    assert.matches("the means of channels are damaged", damaged(function(t) t.means = "0000c07f" .. t.means:sub(9) end), 1, true)
    assert.matches("its report", damaged(function(t) t.report.layer = nil end), 1, true)

    for _, row in ipairs(model:layers()) do
      if row.kind == "conv2d" then
        model:layer(row.name).weights.kernel:fill(0.1)
        break
      end
    end
    model:save(path)
    local changed_since = scion.load(path)
    changed_since.precision = "int8"
    assert.has_error(function() changed_since:predict(few) end)
    assert.is_nil(select(2, safetensors.read(path)).int8)
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
    local text = messages.refusal(function() model:save "Makefile/none/model.safetensors" end)
    assert.matches("Makefile/none/model.safetensors: cannot be written in its folder: Not a directory", text, 1, true)
  end)

  it("is refused, with its path and the part, where what it describes is of another kind than it has to be", function()
    local function refused(expected, change)
      changed(change)
      local text = messages.refusal(function() local m = scion.load(path) return m end)
      assert.equal(path .. ": ", text:sub(1, #path + 2))
      assert.matches(expected, text, 1, true)
    end
    changed(function() end)
    assert.equal(3, #scion.load(path).labels)
    -- history
    refused("the history cannot be used: the history: epoch is a whole number from 0", function(_, h) h.epoch = "2" end)
    refused("steps is a whole number from 0", function(_, h) h.steps = -1 end)
    refused("steps is a whole number from 0", function(_, h) h.steps = 1e300 end)
    refused("epoch is missing", function(_, h) h.epoch = nil end)
    refused("the history: unknown option 'past'", function(_, h) h.past = 1 end)
    refused("the history: entries is ", function(_, h) h.entries = "none" end)
    refused("the history: entries is a list, each a table, but element 1 is 5", function(_, h) h.entries = { 5 } end)
    refused("is none of a list's positions", function(_, h) h.entries = { loss = 1 } end)
    refused("the history's entry 2: loss is a number, not 'low'", function(_, h) h.entries = { { loss = 1.5 }, { loss = "low" } } end)
    refused("the history's entry 1: epoch is a whole number from 0", function(_, h) h.entries = { { epoch = 1.5 } } end)
    refused("the history's entry 1: val_accuracy is a number, not a list", function(_, h) h.entries = { { val_accuracy = { 1 } } } end)
    -- labels
    refused("the labels cannot be used: the model: labels is a list of labels, not 'a'", function(_, _, l) l.labels = "a" end)
    refused("is a list of labels, but element 2 is 3", function(_, _, l) l.labels = { "a", 3 } end)
    refused("labels have 'a' twice", function(_, _, l) l.labels = { "a", "b", "a" } end)
    refused("labels are 4, but the model has 3 outputs", function(_, _, l) l.labels = { "a", "b", "c", "d" } end)
    -- the architecture
    refused("the model: variant is 'keras', 'torchvision', 'tf' or 'timm', not 'other'", function(a) a.variant = "other" end)
    refused("the model: name is a string, not 5", function(a) a.name = 5 end)
    refused("the model: output is missing", function(a) a.output = nil end)
    refused("the output layer is not described", function(a) a.output = "x" end)
    refused("the model: layers is a list, each a table", function(a) a.layers = "none" end)
    refused("layer 2: name is a string, not 7", function(a) a.layers[2].name = 7 end)
    refused("layer 'conv2d_1': options is a table, not true", function(a) a.layers[2].options = true end)
    refused("layer 'conv2d_1': kind is missing", function(a) a.layers[2].kind = nil end)
    refused("layer 'conv2d_1': unknown option 'code'", function(a) a.layers[2].code = "os.exit()" end)
    refused("layer 'conv2d_1': frozen is true or false, not 'yes'", function(a) a.layers[2].frozen = "yes" end)
    refused("layer 'conv2d_1': origin is a table, not 5", function(a) a.layers[2].origin = 5 end)
    refused("layer 'conv2d_1': inputs is a string, not a list", function(a) a.layers[2].inputs = { "input_1" } end)
    refused("layer 'conv2d_1': its input 'x' is not described before it", function(a) a.layers[2].inputs = "x" end)
    refused("two layers are named 'conv2d_1'", function(a) a.layers[3].name = "conv2d_1" end)
    refused("layer 'dropout_1': draws", function(a) a.layers[5].draws = { seed = "x", stream = 1 } end)
    for _, kind in ipairs { "init", "conv_norm", "residual", "squeeze_excite", "relu", "nothing", "../x", "os", "" } do
      refused("the architecture cannot be rebuilt: layer 'max_pool_1': ", function(a) a.layers[3].kind = kind end)
    end
    refused("layer 'max_pool_1': ", function(a) a.layers[3].options = {} end)
    refused("layer 'max_pool_1': ", function(a) a.layers[3].options.kernel = {} end)
    refused("layer 'conv2d_1': ", function(a) a.layers[2].options.filters = "many" end)
    refused("layer 'input_1': ", function(a) a.layers[1].options.shape = 5 end)
    refused("layer 'dropout_1': ", function(a) a.layers[5].options.rate = 1.5 end)
    refused("has more than 2^40 elements", function(a) -- 2^64, which wrap round to none
      a.layers[3].kind, a.layers[3].options = "zero_pad", { padding = { 0, 0, (1 << 31) - 8, (1 << 31) - 8 } }
    end)
    refused("layer 'dense_1': ", function(a) a.layers[6].options.activation = "sontmax" end)
  end)

  it("names no line of code for what makes no sense", function()
    for _, options in ipairs { { 1, 2, 3 }, { shape = { "a" } }, { shape = { a = 1 }, preprocess = {} }, { preprocess = { scale = 5 } } } do
      changed(function(a) a.layers[1].options = options end)
      messages.refusal(function() local m = scion.load(path) return m end)
    end
  end)

  it("keeps a history with losses that are no numbers, and what users put there", function()
    local model = scion.sequential { nn.input(6, 6, 3), nn.flatten(), nn.dense(3, "softmax") }
    local nan, more = 0 / 0, { list = { 1, 2.5, math.huge }, text = "Größe", flag = false, nested = { deep = { -math.huge } } }
    model.history = { { epoch = 1, loss = nan, val_loss = math.huge, lr = 0.1 + 0.2, seconds = 1e-300 }, { epoch = 2, loss = 0.1, notes = more } }
    model.epoch, model.steps = 2, 5
    model:save(path)
    local loaded = scion.load(path)
    assert.same({ 2, 5, 2 }, { loaded.epoch, loaded.steps, #loaded.history })
    local first = loaded.history[1]
    assert.is_true(first.loss ~= first.loss)
    assert.same({ 1, math.huge, 0.1 + 0.2, 1e-300 }, { first.epoch, first.val_loss, first.lr, first.seconds })
    assert.same(model.history[2], loaded.history[2])
    loaded:save(path)
    assert.same(model.history[2], scion.load(path).history[2])
  end)

  it("leaves out what a file cannot hold, and says so", function()
    local output, status = support.shell(("LUA_PATH=%s LUA_CPATH=%s lua5.4 -e %s"):format(support.quoted(package.path), support.quoted(package.cpath),
      support.quoted(([[
        local scion = require "scion"
        local m = scion.sequential { scion.nn.input(6, 6, 3), scion.nn.flatten(), scion.nn.dense(3, "softmax") }
        m.history = { { epoch = 1, loss = "low", f = print, t = scion.zeros { 2 }, text = "\xff", [5] = 1, ok = 7 }, { epoch = 2 }, { epoch = 3 } }
        rawset(m.history, 2, 5)
        m.history[1].self = m.history
        m.labels = { "a", "b", "c" }
        m.labels[2] = "a"
        m:save(%q)]]):format(path))))
    assert.equal(path .. ": left out, as a file cannot hold it or another kind is expected: history[1].f, history[1].loss, history[1].self[1], " ..
      "history[1].t, history[1].text, history[1][5], history[2], labels\n", output)
    assert.equal(0, status)
    local loaded = scion.load(path)
    assert.equal(7, loaded.history[1].ok)
    assert.same({ {}, { epoch = 3 } }, { loaded.history[2], loaded.history[3] })
    assert.is_nil(loaded.labels)
  end)

  it("keeps the loss that fit was given, and with it what logits mean", function()
    local images = scion.uniform({ 4, 4, 4, 3 }, 0, 255):to "u8"
    local model = scion.sequential { nn.input(4, 4, 3), nn.flatten(), nn.dense(2) }
    model:fit(scion.data.tensors(images, { "a", "b", "a", "b" }), { epochs = 1, loss = "categorical", verbose = false })
    model:save(path)
    local loaded = scion.load(path)
    assert.equal("categorical", loaded.loss)
    assert.same(model:predict(images)[1].label, loaded:predict(images)[1].label)
  end)

  it("draws in dropout what the model that was saved would have drawn", function()
    local data = scion.data.tensors(small.batch().images, { 1, 2, 3 }, { labels = { "a", "b", "c", "d" }, batch = 3 })
    local function network()
      scion.seed(5)
      local shape = small.batch().images:shape()
      return scion.sequential { nn.input(shape[2], shape[3], shape[4]), nn.conv2d(4, 3), nn.global_avg_pool(), nn.dropout(0.5), nn.dense(4, "softmax") }
    end
    local function fit(model)
      model:fit(data, { epochs = 2, verbose = false, optimizer = scion.optim.sgd { lr = 0.1 } })
      return model
    end
    local whole, half = fit(fit(network())), fit(network())
    half:save(path)
    scion.seed(99)
    local loaded = fit(scion.load(path))
    for i, row in ipairs(whole:layers()) do
      for name, t in pairs(row.weights) do assert.is_true(t:equal(loaded:layer(i).weights[name]), row.name) end
    end
    changed(function(a) a.layers[5].draws = nil end) -- a file of before
    assert.equal(6, #scion.load(path):layers())
  end)

  it("is saved with the history of a long training and many labels, however small the network", function()
    local model = scion.sequential { nn.input(1, 1, 1), nn.flatten(), nn.dense(2) }
    for i = 1, 20000 do
      model.history[i] = { epoch = i, loss = 1 / i, accuracy = 1 / (i + 1), val_loss = 2 / i, val_accuracy = 1 / (i + 2), seconds = i / 7,
                           images_per_second = i / 3, lr = 1e-3 / i }
    end
    model:save(path)
    assert.same(model.history[20000], scion.load(path).history[20000])
    for i = 1, 100000 do model.history[i] = { epoch = i, loss = 1 / i, accuracy = 1 / (i + 1), val_loss = 2 / i } end
    model:save(path)
    local read = scion.load(path).history
    assert.equal(100000, #read)
    assert.same(model.history[77777], read[77777])
    local labels = {}
    for i = 1, 100000 do labels[i] = "label " .. i end
    local wide = scion.sequential { nn.input(1, 1, 1), nn.flatten(), nn.dense(100000) }
    wide.labels = labels
    wide:save(path)
    assert.equal("label 100000", scion.load(path).labels[100000])
  end)

  it("is saved with thousands of layers without weights, in a file that is large enough to be read again", function()
    local layers = { nn.input(4, 4, 3) }
    for i = 1, 5000 do layers[i + 1] = nn.relu() end
    layers[#layers + 1] = nn.flatten()
    scion.sequential(layers):save(path)
    local loaded = scion.load(path)
    assert.equal(5002, #loaded:layers())
    local tensors, metadata = safetensors.read(path)
    assert.same({}, tensors) -- its zeros are none of the model's
    local file <close> = io.open(path, "rb")
    local size, head = file:seek "end", string.unpack("<i8", file:seek "set" and file:read(8))
    file:seek("set", 8 + head)
    assert.is_nil(file:read "a":find "[^%z]")
    local room = 2 * size + (64 << 20) - 128 * #metadata.architecture -- what a reader gives it, less what that takes
    assert.is_true(room >= 0 and room < 3 * head, room)
  end)

  it("is saved as .safetensors alone, at a path", function()
    local model = scion.sequential { nn.input(6, 6, 3), nn.flatten() }
    for _, ending in ipairs { "h5", "H5", "keras", "pth", "pt", "onnx", "tflite" } do
      local name = path .. "." .. ending
      local text = messages.refusal(function() model:save(name) end)
      assert.matches("model:save: " .. name .. ": saved models are .safetensors files, which scion.load reads; ", text, 1, true)
      assert.matches("model:export", text, 1, true)
      assert.is_nil(io.open(name))
    end
  end)
end)
