-- What users get prints in words, on terminals from 40 columns up: everything that they can reach is walked, in a process whose
-- COLUMNS say how wide its terminal is.
local core = require "scion.core"
local support = dofile "spec/support/images.lua"

-- Prints a line for each value that prints as an address, or too wide.
local walk = [==[
local scion = require "scion"
local nn = scion.nn
local show = require("scion.report.show").print
local folder, columns = arg[1], tonumber(os.getenv "COLUMNS")

local private = {} -- by class: fields that are none of the users' affair
for name, class in pairs((require "docs".classes(require "docs".load "."))) do
  private[name] = {}
  for _, field in ipairs(class.fields) do private[name][field.name] = field.private end
end

local seen = {}
local function look(name, value, depth)
  if type(value) ~= "table" and type(value) ~= "userdata" or seen[value] then return end
  seen[value] = true
  local text = tostring(value)
  if text:find "%f[%w]0x%x%x%x" then print(name .. " prints as " .. text) end
  for line in text:gmatch "[^\n]+" do
    local breakable = line:find "%S%s+%S" and not line:find "md5 %x+$" -- an address of a file cannot be cut, nor can a hash
      and not (type(value) == "userdata" and columns < 60) -- four numbers of a tensor take 51 columns
    if breakable and utf8.len(line) > columns then print(("%s is %d columns wide: %s"):format(name, utf8.len(line), line)) end
  end
  if type(value) == "table" and depth > 0 then
    local hidden = private[(getmetatable(value) or {}).__name] or {}
    for key, part in pairs(value) do
      local given = key == "augment" or key == "preprocess" -- options as the user or the architecture gave them
      if not hidden[key] and not given then look(name .. "." .. tostring(key), part, depth - 1) end
    end
  end
end

look("scion", scion, 1)
for _, name in ipairs { "callbacks", "data", "image", "loss", "lr", "models", "nn", "optim", "weights" } do look("scion." .. name, scion[name], 0) end
for name, make in pairs(scion.optim) do look("optim." .. name, make(), 0) end
for name, make in pairs(scion.loss) do look("loss." .. name, name ~= "check" and make() or make, 0) end
look("models.list()", scion.models.list(), 4)
look("a layer", nn.conv2d(8, 3), 0)
look("a block", nn.conv_norm(8, { 3, 1 }), 0)
look("a residual", nn.residual { nn.conv_norm(8, 3), nn.relu() }, 0)
look("a squeeze", nn.squeeze_excite(), 0)
look("a node", nn.input(8, 8, 3), 0)

local long = "a_block_with_a_long_name_that_goes_on/and_on/convolution"
local model = scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 3, { name = long }), nn.batch_norm(), nn.flatten(), nn.dense(3, "softmax") }
local data = scion.data.folder(folder, { size = 8, batch = 3, augment = { flip = "both" } })
look("a data set", data, 1)
local step, epoch
local history = model:fit(data, { epochs = 2, validate = data, verbose = false, quiet = true,
  metrics = { "accuracy", "top_2", "f1_macro", "balanced_accuracy", "calibration_error", "precision_weighted", "recall_micro" },
  callbacks = { step = function(info) step = info end, epoch = function(entry) epoch = entry end } })
look("a step", step, 0)
look("an epoch", epoch, 1)
look("a history", history, 2)
look("model.history", model.history, 2)
look("a model", model, 0)
look("its labels", model.labels, 1)
look("class counts", data:class_counts(), 1)
look("class weights", data:class_weights(), 1)
look("a shape", scion.zeros(2, 3):shape(), 1)
local said, write = nil, io.stderr -- the line about what could not be read
io.stderr = { write = function(_, line) said = line end }
look("features' failures", (select(3, model:features({ data.files[1], folder .. "/nowhere.png" }, long))), 2)
io.stderr = write
assert(said:find "1 of 2 images could not be read")
look("data.problems", data.problems, 2)
look("model.input", model.input, 0)
look("model.output", model.output, 0)
look("layers", model:layers(), 3)
look("a layer's description", model:layer(long), 2)
look("the summary", setmetatable({}, { __tostring = function() return model:summary() end }), 0)
look("an evaluation", model:evaluate(data), 3)
look("a confusion table", model:evaluate(data).confusion_table, 2)
look("predictions", model:predict({ data.files[1], folder .. "/nowhere.png" }, { top = 2 }), 4)
look("features", (model:features(data, long)), 0)
model:freeze { upto = long }
look("a plan", model:plan(data), 1)
look("a plan of an inference", model:plan { mode = "infer" }, 1)
for batch in scion.data.files({ folder .. "/nowhere.png" }, { size = 8 }):batches() do
  look("failures", batch.failed, 2)
  look("a batch", batch, 1)
end
model:save(folder .. ".safetensors")
look("a report of weights", scion.weights.load(model, folder .. ".safetensors"), 1)
look("a loaded model's history", scion.load(folder .. ".safetensors").history, 2)
os.remove(folder .. ".safetensors")
show({ 1, { "a", b = 2 } }, data.labels, model.output.shape)
]==]

describe("what users get", function()
  teardown(support.done)
  local folder = support.folder()
  for k, class in ipairs { "a class whose name is far longer than a column of a table should be", "b", "c" } do
    support.shell(("mkdir %q"):format(folder .. "/" .. class))
    for i = 1, 4 do core.image_save(("%s/%s/%d.png"):format(folder, class, i), support.pattern(8, 8, 40 * k + i)) end
  end
  local script = support.folder() .. "/walk.lua"
  support.spit(script, walk)

  for _, columns in ipairs { 40, 60, 80, 132 } do
    it("prints in words, in " .. columns .. " columns", function()
      local out, status = support.shell(("LUA_PATH='.make/?.lua;'\"$LUA_PATH\" COLUMNS=%d lua5.4 %q %q"):format(columns, script, folder))
      assert.equal(0, status, out)
      assert.matches("^{ 1, { 'a', b = 2 } }\t{ 'a class whose [^\t]*}\t{ 3 }\n$", out)
    end)
  end

  it("tells of an optimizer what differs from the defaults", function()
    local optim = require "scion.optim"
    assert.equal("sgd(lr = 0.1, momentum = 0.9, nesterov = true)", tostring(optim.sgd { lr = 0.1, momentum = 0.9, nesterov = true }))
    assert.equal("adamw(lr = 0.001)", tostring(optim.adamw()))
    local adam = optim.adam()
    adam.beta1 = 0.5
    assert.equal("adam(lr = 0.001, beta1 = 0.5)", tostring(adam))
  end)

  it("is cut in the middle, and broken between words", function()
    local text = require "scion.report.text"
    assert.equal("mixed..conv", text.cut("mixed10/branch3x3/conv", 11))
    assert.equal("äöü..üöä", text.cut("äöüäöüäöüöä", 8))
    assert.same({ 6, 2, 1, 5 }, { text.length "日本語", text.length "🐕", text.length "e\u{301}", text.length "a\xffbcd" }) -- as wcwidth has them
    assert.equal("日本..版本", text.cut("日本語日本語版本", 10))
    assert.equal("日..本", text.cut("日本語日本語版本", 7))
    assert.same({ "日本    1", "abc     2" }, text.table({ {}, { right = true } }, { { "日本", "  1" }, { "abc", "  2" } }))
    assert.same({ "one two", "  three", "  4 MB" }, text.wrap("one two three 4 MB", 8, 2))
    assert.same({ "a        1", "bc..qrs  2" }, text.table({ { least = 3 }, { right = true } }, { { "a", "1" }, { "bc..qrs", "2" } }))
    assert.same({ "x\\n\\x1by" }, text.table({ {} }, { { "x\n\27y" } }))
  end)
end)
