-- Files that want far more memory than they have bytes: each is read in a process of its own, and what that and the HDF5 library's took at
-- their peaks is measured. Twice the file's size and 64 MB have to do.
local safetensors = require "scion.weights.safetensors"
local core = require "scion.core"
local scion = require "scion"
local weights = require "scion.weights"
local support = dofile "spec/files/support.lua"
local messages = dofile "spec/support/messages.lua"

local fixtures = "spec/fixtures/weights/"

-- Reads a file as a user would, and prints the growth of the process and of its child in kilobytes, and the message.
local reader = [[
  local path, how = %q, %q
  local scion, core = require "scion", require "scion.core"
  local function kilobytes(process, key)
    local file <close> = assert(io.open("/proc/" .. process .. "/status"))
    return tonumber((file:read "a":match(key .. ":%%s+(%%d+)")))
  end
  local child = 0
  local function watched(file)
    local pipe = io.open "/proc/thread-self/children"
    local process = pipe:read "n"
    pipe:close()
    local before = kilobytes(process, "VmRSS")
    local function ask(name)
      return function(_, ...)
        local answer = table.pack(file[name](file, ...))
        local found, peak = pcall(kilobytes, process, "VmHWM")
        child = math.max(child, found and peak and peak - before or 0)
        return table.unpack(answer, 1, answer.n)
      end
    end
    return setmetatable({}, { __index = function(_, name) return ask(name) end, __close = function() file:close() end })
  end
  local open = core.hdf5_open
  core.hdf5_open = function(...)
    local file, message = open(...)
    return file and watched(file), message
  end
  local function must(value, message) return value or error(message, 0) end
  local ways = {
    load = function(model) return require "scion.weights".load(model, path) end,
    arrays = function() return must(require("scion.weights.torch").read(path)) end,
    tensors = function() return must(require("scion.weights.safetensors").read(path)) end,
    model = function() return scion.load(path) end,
    datasets = function()
      local archive <close> = must(core.zip_open(path))
      local copy <close> = io.tmpfile()
      must(archive:copy("model.weights.h5", copy))
      local file <close> = must(core.hdf5_open(path, copy))
      for i = 0, 99 do
        local tensor <close> = core.new(must(file:shape("d" .. i)))
        must(file:read_into("d" .. i, tensor))
      end
    end,
  }
  local model = scion.sequential { scion.nn.input(8, 9, 3), scion.nn.conv2d(6, { 3, 2 }), scion.nn.flatten(), scion.nn.dense(2) }
  for _, name in ipairs { "small.keras", "small.weights.h5", "torch_zip.pth", "torch_legacy.pth" } do
    pcall(require "scion.weights".load, model, "spec/fixtures/weights/" .. name)
  end
  child = 0
  collectgarbage() collectgarbage()
  local before = kilobytes("self", "VmRSS")
  local ok, message = pcall(ways[how], model)
  print(("measured %%d %%d %%s"):format(math.max(0, kilobytes("self", "VmHWM") - before), child, ok and "loaded" or tostring(message)))
]]

describe("A hostile file", function()
  local folder, path
  local sanitized = support.resident() == nil
  setup(function()
    folder = support.folder()
    path = folder .. "/x"
  end)
  teardown(function()
    support.remove(folder)
    support.done()
    if sanitized then print "\nskipped: what AddressSanitizer holds back is no measure of memory" end
  end)

  -- Each way to read it takes no more than it may; returns the messages.
  local function bounded(bytes, ...)
    support.spit(path, bytes)
    local sentences = {}
    for i, how in ipairs { ... } do
      local output, status = support.shell(support.lua(reader:format(path, how)))
      local own, child, message = output:match "measured (%d+) (%d+) (.*)\n"
      assert(status == 0 and own, output)
      local most = 2 * #bytes + (64 << 20)
      if not sanitized then assert.is_true((own + child) * 1024 <= most, ("%s: %d + %d kB, %s"):format(how, own, child, message)) end
      sentences[i] = messages.split(message)
    end
    return table.unpack(sentences)
  end

  local function refused(bytes, expected, ...)
    for _, message in ipairs { bounded(bytes, ...) } do
      assert.not_equal("loaded", message)
      assert.equal(path .. ": ", message:sub(1, #path + 2))
      assert.is_truthy(message:find(expected, 1, true), message .. "\n" .. expected)
    end
  end

  -- ---- pickles

  local head = "\x80\2\x8a\10\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.\x80\2}."
  local function chain(object) return head .. "\x80\2" .. object .. ".\x80\2](X\1\0\0\0" .. "0e." .. string.pack("<i8ff", 2, 1.5, -2) end
  local storage = "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000X\3\0\0\0cpuK\2NtQ"
  local function text(name) return "X" .. string.pack("<s4", name) end
  -- A dict of tensors of one shape and strides, called "1", "2", …
  local function dict(shape, strides, count)
    local parts = {}
    for i = 1, count do parts[i] = text(tostring(i)) .. "h\1h\2R" end
    return "ctorch._utils\n_rebuild_tensor_v2\nq\1(" .. storage .. "K\0" .. shape .. strides .. "\x89}tq\2}(" .. table.concat(parts) .. "u"
  end

  local function archive_of(entries, times)
    local body, directory, count = "", "", 0
    for name, e in pairs(entries) do
      local common = string.pack("<I2I2I2I2I2I4I4I4I2I2", 20, 0, e.method or 0, 0, 0x21, e.crc or 0, #e.packed, e.bytes or #e.packed, #name, 0)
      directory = directory .. "PK\1\2\20\0" .. common .. string.pack("<I2I2I2I4I4", 0, 0, 0, 0, #body) .. name
      body, count = body .. "PK\3\4" .. common .. name .. e.packed, count + 1
    end
    directory, count = directory:rep(times or 1), count * (times or 1) & 0xffff
    return body .. directory .. "PK\5\6" .. string.pack("<I2I2I2I2I4I4I2", 0, 0, count, count, #directory, #body, 0)
  end

  -- A deflate stream of 1 + 258 * matches bytes that are all the same, below "\x90".
  local function deflated(byte, matches)
    local literal = ""
    for bit = 7, 0, -1 do literal = literal .. ((0x30 + byte:byte()) >> bit & 1) end
    local bits = "110" .. literal .. ("11000101" .. "00000"):rep(matches) .. "0000000"
    return ((bits .. ("0"):rep(-#bits % 8)):gsub("........", function(eight) return string.char(tonumber(eight:reverse(), 2)) end))
  end

  local function number(n) return "J" .. string.pack("<i4", n) end

  it("that is a pickle is refused, or does nothing", function()
    local states = chain(dict(number(1 << 30) .. "\x85", "K\0\x85", 53)) -- 226 GB, by strides of 0
    assert.is_true(#states < 1600)
    refused(states, "its arrays would take more than twice the memory of the file", "arrays")
    refused(states, "conv2d_1.weight is missing", "load")
    refused(chain(dict(number(1 << 20) .. "\x85", "K\0\x85", 56)), "its arrays would take more than twice", "arrays") -- 235 MB in all
    refused(chain(("}"):rep(249000)), "it stores what the pickle does not mention", "load")
    refused(chain(("}"):rep(2000000)), "more than 250000 objects; in Python, save the state dict alone: torch.save(net.state_dict(), 'weights.pth')", "load")
    refused(chain("N" .. ("N0"):rep(600000)), "more than 1000000 operations; in Python, save the state dict alone", "load")
    refused(chain("ctorch._utils\n_rebuild_tensor_v2\n(" .. storage .. "K\0))\x89}}(" .. ("NN"):rep(65) .. "utR"), "it has too many marks", "load")
    local nothing = "it stores what the pickle does not mention"
    refused(chain(("}"):rep(249000) .. "(" .. ("N"):rep(740000) .. "u"), nothing, "load") -- a large dict
    refused(chain("](" .. ("N"):rep(990000) .. "e"), nothing, "load")
    refused(chain("}(" .. ("N"):rep(990000) .. "u"), nothing, "load")
    refused(chain(("}"):rep(249000) .. "(" .. ("N"):rep(740000) .. "1"), nothing, "load")
    refused(chain("(" .. ("K\1"):rep(100000) .. "tq\3" .. dict("h\3", "h\3", 40000)), "has more than 64 numbers", "load")
    refused(chain(dict("K\2\x85", "K\1\x85", 50000)), "it holds more than 20000 tensors", "load")
    refused(chain(storage:sub(1, -2) .. "q\5" .. ("h\5Q"):rep(120000)), "it holds no tensors by names", "load")
    refused(chain("}(cx\ny\nq\1" .. ("h\1)\x81"):rep(83000)), "it stores what the pickle does not mention", "load") -- placeholders
    local long = {}
    for i = 0, 199 do long[i + 1] = text(("m%03d"):format(i) .. ("x"):rep(120)) .. "r" .. string.pack("<I4", 1000 + i) .. "0" end
    for i = 1, 60000 do long[#long + 1] = "j" .. string.pack("<I4", 1000 + i % 200) .. "j" .. string.pack("<I4", 1000 + i // 200 % 200) .. "\x93" end
    refused(chain("}(" .. table.concat(long)), "it stores what the pickle does not mention", "load") -- long names by STACK_GLOBAL
    refused(chain("ccollections\nOrderedDict\nq\1](" .. ("K\1K\2\x86"):rep(50000) .. "e\x85q\2" .. ("h\1h\2R"):rep(20000)),
      "it makes a dict of what is no list", "load")
  end)

  it("that is an archive is refused", function()
    refused(support.slurp(fixtures .. "dicts.pth"), "more than 250000 objects; in Python, save the state dict alone: torch.save(net.state_dict(), 'weights.pth')", "load")
    refused(archive_of { ["x/data.pkl"] = { packed = "", bytes = 0xfffffffe, method = 8 } }, "would inflate to more than twice its size and 32 MB", "load")
    refused(archive_of({ a = { packed = "" } }, 100000), "a zip archive whose directory is too long", "load")
    refused(archive_of { ["x/data.pkl"] = { packed = deflated("}", 40000), bytes = 1, method = 8 } }, "it is longer than the archive says", "load")
    refused(archive_of { ["a/data.pkl"] = { packed = "." }, ["b/data.pkl"] = { packed = "." } }, "it holds several files data.pkl", "load")
    refused(archive_of { ["model.weights.h5"] = { packed = deflated("}", 40000), bytes = 1 + 258 * 40000, method = 8 } }, "CRC error", "load")
  end)

  it("that is a safetensors file is refused", function()
    refused(support.pack('{"a":[' .. ("{},"):rep(100000) .. "{}]}"), "has no dtype", "load")
    refused(support.pack('{"a":[' .. ("{},"):rep(2000000) .. "{}]}"), "is too long for its size", "load", "tensors", "model")
    local empty = {}
    for i = 1, 7500 do empty[i] = ('"%d":{"dtype":"F32","shape":[],"data_offsets":[%d,%d]}'):format(i, 4 * i - 4, 4 * i) end
    assert.equal("loaded", bounded(support.pack("{" .. table.concat(empty, ",") .. "}", ("\0"):rep(30000)), "tensors"))
    local metadata = "[" .. ("{},"):rep(150000) .. "{}]"
    refused(support.pack('{"__metadata__":{"format":"scion","version":"1","architecture":"' .. metadata .. '"}}'), "'history' is missing", "model")
    local texts = '{"__metadata__":{"format":"scion","version":"1","architecture":"{}","history":"%s"}}'
    refused(support.pack(texts:format("[" .. ("{},"):rep(2000000) .. "{}]")), "what it describes would take more than twice the memory of the file", "model")
    refused(support.pack(texts:format(("x"):rep(12000000))), "the metadata's 'history' is damaged", "model")
  end)

  it("that is a model of Scion is refused", function()
    local nn = scion.nn
    scion.sequential { nn.input(8, 8, 3), nn.flatten(), nn.dense(3), nn.dense(2) }:save(path)
    local tensors, metadata = safetensors.read(path)
    local changed
    metadata.architecture, changed = metadata.architecture:gsub('"units":3', '"units":100000')
    assert.equal(1, changed)
    assert(safetensors.write(path, tensors, metadata))
    refused(support.slurp(path), "its weights would take far more memory than the file has bytes", "model")
  end)

  it("that is HDF5 in an archive is refused", function()
    refused(support.slurp(fixtures .. "sum.keras"), "d64 lies in chunks that are too large", "datasets")
    refused(support.slurp(fixtures .. "names.keras"), "what is read would take more than twice the file's size, at the names in layer_names", "load")
  end)

  it("takes time by its bytes, not by what it claims", function()
    local nn, model = scion.nn, scion.sequential { scion.nn.input(8, 9, 3), scion.nn.conv2d(6, { 3, 2 }) }
    local function quick(expected, load, ...)
      local began = os.clock()
      local ok, message = pcall(load, ...)
      assert.is_false(ok)
      assert.matches(expected, message, 1, true)
      assert.is_true(os.clock() - began < 5, ("%s: %.1f s"):format(message, os.clock() - began)) -- half a second, unless a sanitizer looks
    end
    -- one storage listed, one layer and one weight named, any number of times
    support.spit(path, head .. "\x80\2" .. storage .. ".\x80\2](X\1\0\0\0" .. "0q\1" .. ("h\1"):rep(100000) .. "e." .. ("\0"):rep(8 * 100001))
    quick("storage '0' is stored twice", weights.load, model, path)
    quick("layer_names lists 'a' twice", weights.load, model, fixtures .. "twice.h5")
    -- prefixes, positions and dicts without number
    local many = { {}, {}, {} }
    for i = 1, 18000 do
      many[1][i] = text(("a%d.b%d.c%d.d%d.conv.weight"):format(i % 97, i % 531, i, i)) .. "h\1h\2R"
      many[2][i] = text(("%d.%d.weight"):format(i % 1000, i)) .. "h\1h\2R"
      many[3][i] = text("d" .. i) .. "}(" .. text(("a.b.%d.weight"):format(i % 12)) .. "h\1h\2Ru"
    end
    local first = "ctorch._utils\n_rebuild_tensor_v2\nq\1(" .. storage .. "K\0K\2\x85K\1\x85\x89}tq\00200}("
    for _, list in ipairs(many) do
      support.spit(path, chain(first .. table.concat(list) .. "u"))
      quick("conv2d_1.weight is missing", weights.load, model, path)
    end
    -- names without number
    local parts = {}
    for i = 1, 8000 do parts[i] = ('"n%d":{"dtype":"F32","shape":[8],"data_offsets":[%d,%d]}'):format(i, 32 * i - 32, 32 * i) end
    support.spit(path, support.pack("{" .. table.concat(parts, ",") .. "}", ("\0"):rep(8000 * 32)))
    for _, strict in ipairs { true, false } do quick("conv2d_1.weight", weights.load, model, path, { strict = strict }) end
    quick("not a model saved by Scion", scion.load, path)
    -- saved models: chains, sums of everything, and a layer with any number of inputs
    local function saved(layers, output)
      local input = { kind = "input", name = "i", options = { shape = { 8, 8, 3 } } }
      table.insert(layers, 1, input)
      assert(safetensors.write(path, { x = core.new { 2 } }, { format = "scion", version = "1", history = core.json_encode { epoch = 0, steps = 0 },
        architecture = core.json_encode { layers = layers, output = output } }))
      return path
    end
    local chain_of, sums, wide, names = {}, {}, {}, {}
    for i = 1, 3500 do
      chain_of[i] = { kind = "activation", name = "l" .. i, options = { activation = "relu" }, inputs = i == 1 and "i" or "l" .. i - 1 }
      sums[i] = { kind = "add", name = "l" .. i, options = nn.add().options, inputs = i < 3 and "i\ni" or ("l%d\nl%d"):format(i - 1, i - 2) }
      wide[i], names[i] = { kind = "activation", name = "l" .. i, options = { activation = "relu" }, inputs = "i" }, "l" .. i
    end
    wide[3501] = { kind = "add", name = "sum", options = nn.add().options, inputs = table.concat(names, "\n") }
    quick("x is not among the model's weights", scion.load, saved(chain_of, "l3500"))
    quick("x is not among the model's weights", scion.load, saved(sums, "l3500"))
    quick("x is not among the model's weights", scion.load, saved(wide, "sum"))
    quick("x is not among the model's weights", scion.load, saved({ { kind = "add", name = "a", options = nn.add().options, inputs = ("i\n"):rep(100000) } }, "a"))
    local double = {}
    for i = 1, 3000 do
      double[i] = { kind = "concatenate", name = "l" .. i, options = nn.concatenate().options, inputs = i == 1 and "i\ni" or ("l%d\nl%d"):format(i - 1, i - 1) }
    end
    quick("is too large", scion.load, saved(double, "l3000"))
  end)

  it("has the order of its layers searched for a while only", function()
    -- 100 layers of one shape in two passes, of which none fits our last: no order does, and there are more than could be tried
    local layers, ours, compared = {}, {}, 0
    for i = 1, 100 do layers[i], ours[i] = { name = ("x"):rep(i) .. "_1" }, i end
    local runs = table.move(layers, 1, 50, 1, {})
    runs[51] = layers[1]
    table.move(layers, 51, 100, 52, runs)
    local order, several = require("scion.weights.keras_order").inner(layers, runs, {}, ours, 1, function(_, mine)
      compared = compared + 1
      return mine < 100
    end)
    assert.equal(layers, order)
    assert.is_true(several) -- as far as is known: the file is refused as ambiguous
    assert.is_true(compared <= 500000, compared)
  end)

  it("has fewer prefixes tried, the more names it has", function()
    local function tried(count)
      local arrays, calls = {}, 0
      for i = 1, count do arrays[i] = { name = ("a.b.c.d.e.f.g.h.i%d.weight"):format(i), shape = { 1 } } end
      require("scion.weights.prefix").choose("x", { arrays }, function()
        calls = calls + 1
        return { { name = "conv.weight", shape = { 1 } } }
      end)
      return calls
    end
    assert.equal(9, tried(2000)) -- none and eight
    assert.equal(5, tried(19000))
  end)

  it("that was cut off at any kilobyte is refused", function()
    local model = scion.sequential { scion.nn.input(8, 9, 3), scion.nn.conv2d(6, { 3, 2 }) }
    model:save(path)
    for _, name in ipairs { path, fixtures .. "nested.h5", fixtures .. "small.weights.h5", fixtures .. "torch_legacy.pth", fixtures .. "torchvision.pth" } do
      local whole = support.slurp(name)
      for length = 0, #whole - 1, 1024 do
        support.spit(folder .. "/cut", whole:sub(1, length))
        local message = messages.refusal(function() weights.load(model, folder .. "/cut") end)
        assert.equal(folder .. "/cut: ", message:sub(1, #folder + 6))
      end
    end
  end)
end)
