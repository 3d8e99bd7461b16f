-- Safetensors in parts, which an index lists: model.safetensors.index.json, as Hugging Face's libraries write it.
local core = require "scion.core"
local lfs = require "lfs"
local messages = dofile "spec/support/messages.lua"
local models = dofile "spec/support/models.lua"
local safetensors = require "scion.weights.safetensors"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local weights = require "scion.weights"
local nn = scion.nn

local function network()
  return scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 3, { name = "a" }), nn.conv2d(5, 1, { name = "b" }), nn.flatten(), nn.dense(3, { name = "c" }) }
end

describe("An index of parts", function()
  local folder, path
  setup(function()
    folder = support.folder()
    path = folder .. "/model.safetensors.index.json"
  end)
  teardown(support.done)

  local function part(i) return ("model-0000%d-of-00002.safetensors"):format(i) end

  -- Writes a model's state dict in two parts, and the index; `change` may alter the names' parts first.
  local function write(model, change)
    model:export(folder .. "/whole.safetensors")
    local tensors, metadata = assert(safetensors.read(folder .. "/whole.safetensors"))
    local halves, weight_map = { {}, {} }, {}
    for name, tensor in pairs(tensors) do
      local i = name:find "^[ab]" and 1 or 2
      halves[i][name], weight_map[name] = tensor, part(i)
    end
    for i = 1, 2 do assert(safetensors.write(folder .. "/" .. part(i), halves[i], metadata)) end
    if change then change(weight_map) end
    support.spit(path, core.json_encode { metadata = { total_size = 1 }, weight_map = weight_map })
    return model
  end

  local function refused(expected, how)
    local model = network()
    local before = models.bytes(model)
    local text = messages.refusal(function() weights.load(model, how or path) end)
    assert.is_truthy(text:find(expected, 1, true), text .. "\n" .. expected)
    assert.equal(folder, text:sub(1, #folder))
    assert.same(before, models.bytes(model))
  end

  it("is read as one file", function()
    local model, other = write(network()), network()
    local report = weights.load(other, path)
    assert.same({ 6, path }, { report.loaded, report.path })
    assert.same(models.bytes(model), models.bytes(other))
    assert.equal("torchvision", weights.publisher(path))
    local arrays <close> = assert(safetensors.arrays(path))
    assert.same({ 2, 6 }, { #arrays.files, #arrays })
    assert.matches("model.safetensors.index.json: these are weights", messages.refusal(function() local m = scion.load(path) return m end), 1, true)
  end)

  it("may be given by a name without a folder", function()
    local output, status = support.shell(("cd %s && "):format(support.quoted(folder)) .. support.lua [[
      print(#require "scion.weights.safetensors".arrays "model.safetensors.index.json")]])
    assert.same({ 0, "6\n" }, { status, output })
  end)

  it("is refused when it and its parts disagree", function()
    write(network(), function(map) map["a.weight"] = part(2) end)
    refused(("its part %s holds a.weight, which it does not name there"):format(part(1)))
    write(network(), function(map) map["c.weight"] = nil end)
    refused(("its part %s holds c.weight, which it does not name there"):format(part(2)))
    write(network(), function(map) map.more = part(1) end)
    refused(("its part %s lacks more"):format(part(1)))
    write(network())
    os.remove(folder .. "/" .. part(2))
    refused(("model.safetensors.index.json: 1 of its 2 parts are missing, which belong beside it, and come from where it does: %s"):format(part(2)))
    support.spit(folder .. "/" .. part(2), "none")
    refused(part(2))
  end)

  it("is refused when a part lies elsewhere, and when it is none", function()
    assert(lfs.mkdir(folder .. "/sub"))
    for _, name in ipairs { "../x.safetensors", "/etc/x.safetensors", "sub/x.safetensors", "..\\x.safetensors" } do
      write(network(), function(map) map.more = name end)
      refused(("its part '%s' is none in its own folder"):format(name))
    end
    support.spit(path, '{"weight_map":{"a":5}}')
    refused "its part 5 is none in its own folder"
    support.spit(path, '{"weight_map":{"a":"pytorch_model-00001-of-00002.bin"}}')
    refused "is no safetensors file; in Python: safetensors.torch.save_model(model, 'weights.safetensors')"
    for _, text in ipairs { '{"metadata":{}}', '{"weight_map":[1]}', '{"weight_map":{}}', '{"weight_map":', '{"weight_map":"a"}' } do
      support.spit(path, text)
      refused "an index of parts has a weight_map, and this has none"
    end
    local parts = {}
    for i = 1, 257 do parts["a" .. i] = i .. ".safetensors" end
    support.spit(path, core.json_encode { weight_map = parts })
    refused "it has 257 parts, more than 256"
    support.spit(path, '{"weight_map":{}' .. (" "):rep(1 << 20) .. "}")
    refused "bytes are too many for an index"
  end)

  it("leaves no file open when it is refused", function()
    local function open_files()
      local n = 0
      for _ in lfs.dir "/proc/self/fd" do n = n + 1 end
      return n
    end
    write(network(), function(map) map.more = part(1) end)
    refused "lacks more"
    local before = open_files()
    for _ = 1, 5 do refused "lacks more" end
    assert.equal(before, open_files())
  end)

  it("is what the message names where one part alone is given", function()
    write(network())
    local message = messages.refusal(function() weights.load(network(), folder .. "/" .. part(1)) end)
    assert.matches("c%.weight is missing.*; this is part 1 of 2 of a network, which are read together by the index beside them, such as " ..
      "model%.safetensors%.index%.json", message)
  end)
end)
