-- Every public function that reads or writes weights and models, with a table of wrong arguments: a sentence at the line of the call.
local core = require "scion.core"
local messages = dofile "spec/support/messages.lua"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local nn = scion.nn

local function network() return scion.sequential { nn.input(8, 8, 3), nn.flatten(), nn.dense(2) } end

local liar = setmetatable({}, { __tostring = function() return {} end, __index = function() error "asked" end, __len = function() return -1 end })

-- What is no path, and the word that a message has for it.
local no_paths = {
  { nil, "not nil" }, { true, "not true" }, { 5, "not 5" }, { 0 / 0, "not NaN" }, { {}, "not an empty table" }, { { "a.h5" }, "not a list" }, { "", "not ''" },
  { "a\0b", "not 'a\\x00b'" }, { print, "not a function" }, { io.stdout, "not a value of kind 'FILE*'" }, { core.new { 2, 3 }, "not a tensor (f32 2x3)" },
  { liar, "not an empty table" }, { coroutine.create(print), "not a thread" },
}

-- Each calls one function at a line of its own, which is no tail call.
local takers = {
  ["scion.load"] = function(path) local m = scion.load(path) return m end,
  ["scion.weights.load"] = function(path) local r = scion.weights.load(network(), path) return r end,
  ["model:load_weights"] = function(path) local r = network():load_weights(path) return r end,
  ["scion.weights.publisher"] = function(path) local p = scion.weights.publisher(path) return p end,
  ["model:save"] = function(path) local m = network():save(path) return m end,
  ["model:export"] = function(path) local m = network():export(path) return m end,
  ["scion.weights.torch"] = function(path) local t = require("scion.weights.torch").read(path) return t end,
  ["scion.weights.keras.read"] = function(path) local l = require("scion.weights.keras").read(path) return l end,
  ["scion.weights.safetensors.read"] = function(path) local t = require("scion.weights.safetensors").read(path) return t end,
  ["scion.weights.safetensors.arrays"] = function(path) local t = require("scion.weights.safetensors").arrays(path) return t end,
  ["scion.weights.safetensors.write"] = function(path) local t = require("scion.weights.safetensors").write(path, {}) return t end,
}

describe("A wrong argument", function()
  local folder, path
  setup(function()
    folder = support.folder()
    path = folder .. "/x.safetensors"
    network():save(path)
  end)
  teardown(support.done)

  for where, take in pairs(takers) do
    it("in place of a path is told by " .. where, function()
      for _, case in ipairs(no_paths) do
        local text = messages.refusal(take, case[1])
        assert.equal(where .. ": ", text:sub(1, #where + 2))
        assert.matches("is a path, " .. case[2], text, 1, true)
      end
    end)
  end

  it("is told by scion.weights.load", function()
    local function load(...) local r = scion.weights.load(...) return r end
    for _, value in ipairs { true, 5, "model", {}, print, liar, core.new { 2 }, scion.models.resnet18, nn.relu() } do
      assert.matches("scion.weights.load: its first argument is a model, not ", messages.refusal(load, value, path), 1, true)
    end
    assert.matches("its first argument is a model, not nil", messages.refusal(load), 1, true)
    assert.matches("its first argument is a model, not '", messages.refusal(load, path, network()), 1, true)
    for _, value in ipairs { true, 5, "strict", print, liar, core.new { 2 } } do
      assert.matches("scion.weights.load: options are a table", messages.refusal(load, network(), path, value), 1, true)
    end
    assert.matches("unknown option 'strickt' (did you mean 'strict'?)", messages.refusal(load, network(), path, { strickt = true }), 1, true)
    assert.matches("unknown option 1", messages.refusal(load, network(), path, { false }), 1, true)
    for _, value in ipairs { 0, 1, "false", {}, print } do
      assert.matches("strict is true or false, not ", messages.refusal(load, network(), path, { strict = value }), 1, true)
    end
    assert.matches("model:load_weights: unknown option 'strickt' (did you mean 'strict'?)",
      messages.refusal(function() local r = network():load_weights(path, { strickt = true }) return r end), 1, true)
    assert.equal(2, load(network(), path, {}).loaded)
  end)

  it("is told by scion.models, where it stands for weights", function()
    local function build(given) local m = scion.models.squeezenet1_1(given) return m end
    for _, value in ipairs { true, 5, {}, "", "a\0b", print, core.new { 2 } } do
      assert.matches("weights is the path of a weights file, or 'imagenet', not ", messages.refusal(build, { weights = value }), 1, true)
    end
    assert.equal("none.h5: No such file or directory", messages.refusal(build, { weights = "none.h5" }))
  end)

  it("is told by model:save and model:export, which write nothing", function()
    for _, name in ipairs { "x", "x.h6", "x.keras", "x.pth", "x.safetensors.gz", ".h5.bak" } do
      local file = folder .. "/" .. name
      assert.equal(("model:export: %s: files end in .safetensors (for PyTorch), .weights.h5 (for Keras 3) or .h5 (for Keras 2); "):format(file) ..
                     "model:save writes all of a model for Scion",
                   messages.refusal(function() local m = network():export(file) return m end))
      assert.is_nil(io.open(file))
    end
    for _, value in ipairs { true, 5, {}, "x" } do
      for _, method in ipairs { "save", "export" } do
        messages.refusal(function() local m = network()[method](value, path) return m end)
      end
    end
    local model = network()
    assert.equal(model, model:save(path))
  end)

  it("is told by safetensors.write", function()
    local safetensors = require "scion.weights.safetensors"
    local function write(...) local w = safetensors.write(...) return w end
    local tensor = core.new { 2 }
    for _, case in ipairs {
      { nil, nil, "table expected" }, { 5, nil, "table expected" }, { { 1 }, nil, "a list holds tables {name =, tensor =}" },
      { { x = 5 }, nil, "'x' is a number, not a tensor" },
      { { x = tensor, tensor }, nil, "expected a list of" }, { { { name = 5, tensor = tensor } }, nil, "a tensor's name must be a string" },
      { { { name = "x" } }, nil, "'x' is a nil, not a tensor" }, { { ["a\0"] = tensor }, nil, "without zeros" }, { { ["\xff"] = tensor }, nil, "UTF-8" },
      { { x = tensor }, 5, "table expected" }, { { x = tensor }, { a = 5 }, "keys and values of metadata are strings" }, { { x = tensor }, { 5 }, "strings" },
      { { x = tensor }, { ["\xff"] = "x" }, "UTF-8" }, { { { name = "x", tensor = tensor }, { name = "x", tensor = tensor } }, nil, "two tensors are named 'x'" },
    } do
      local text = messages.refusal(write, folder .. "/w", case[1], case[2])
      assert.equal("scion.weights.safetensors.write: ", text:sub(1, 33))
      assert.matches(case[3], text, 1, true)
      assert.is_nil(io.open(folder .. "/w"))
    end
  end)

  it("that is a name of a file that is not there is told with it", function()
    local none = folder .. "/none"
    assert.equal(none .. ": No such file or directory", messages.refusal(takers["scion.load"], none))
    assert.equal(none .. ": No such file or directory", messages.refusal(takers["scion.weights.load"], none))
    assert.equal(none .. ": No such file or directory", messages.refusal(takers["scion.weights.publisher"], none))
    for _, name in ipairs { "torch", "keras", "safetensors" } do
      local result, message = require("scion.weights." .. name).read(none)
      assert.is_nil(result)
      assert.equal(none .. ": No such file or directory", messages.check(message))
    end
  end)
end)
