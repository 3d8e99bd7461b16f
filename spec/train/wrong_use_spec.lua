-- What is wrong about a fit as a whole is told before its first step, in one sentence at the user's line that says what to do; and the
-- model, its history, the data sets and all files are as they were. Single options: fit_spec.
local core = require "scion.core"
local lfs = require "lfs"
local messages = require "spec.support.messages"
local scion = require "scion"
local support = dofile "spec/support/files.lua"
local digest = dofile("spec/support/models.lua").digest
local nn = scion.nn

local images = scion.uniform({ 12, 8, 8, 3 }, 0, 255):to "u8"
local names, numbers, ones = { "a", "b", "c" }, {}, {}
for i = 1, 12 do numbers[i], ones[i] = (i - 1) % 3 + 1, 1 end

local function data(o, of)
  local given = { batch = 4, seed = 1, labels = names }
  for key, value in pairs(o or {}) do given[key] = value end
  return scion.data.tensors(images, of or numbers, given)
end

local function network()
  scion.seed(2)
  local base = scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 3, { name = "conv" }), nn.relu() }
  return base:graft { nn.global_avg_pool(), nn.dense(3, "softmax", { name = "out" }) }
end

local function quiet(o)
  o.verbose, o.quiet = false, true
  return o
end

local folder = support.folder()
local checkpoint, log = folder .. "/run.ckpt", folder .. "/log.csv"

--- The names of all files in the folder, with hashes of what is in them.
local function content()
  local list = {}
  for name in lfs.dir(folder) do
    if not name:find "^%.%.?$" then list[#list + 1] = name .. " " .. core.hash(support.slurp(folder .. "/" .. name)) end
  end
  table.sort(list)
  return table.concat(list, "\n")
end

--- All that a fit may change of a model.
local function state(model)
  return { digest(model), model.steps, model.epoch, #model.history, model:freeze_state(), model.labels or "none", tostring(model.loss) }
end

local no = "no such thing" -- what a callback says

-- name = { what the sentence has in it, options of the fit; or a function that fits a model }
local cases = {
  ["labels of the validation set in another order"] = {
    "fit: labels disagree: class 1 is 'a' in the training set, but 'b' in the validation set; give one data set the labels of the other (labels = train.labels)",
    function() return { validate = data { labels = { "b", "a", "c" } } } end },
  ["a schedule that trains nothing"] = {
    "fit: schedule: stage 2 (first = 5) trains nothing: every layer with weights is frozen",
    function() return { schedule = scion.schedule { { train = "head" }, { first = 5 } } } end },
  ["a stage that names no layer"] = {
    "fit: schedule: stage 2: no layer is named 'mixed9'; the nearest are",
    function() return { schedule = scion.schedule { { train = "head" }, { from = "mixed9" } } } end },
  ["the checkpoint of another model"] = {
    "is of a run with another network", function() return { resume = checkpoint } end,
    function() return scion.sequential { nn.input(8, 8, 3), nn.global_avg_pool(), nn.dense(3, "softmax") } end },
  ["the checkpoint of another data set"] = {
    "is of a run with another data set", function() return { resume = checkpoint } end, nil, function() return data { seed = 3 } end },
  ["the checkpoint of another schedule"] = {
    "is of a run with another stage 1", function() return { resume = checkpoint, schedule = scion.schedule { { train = "head" } } } end },
  ["one class"] = {
    "fit: the data set has 1 class (a), and nothing to tell it from: two or more are needed", nil, nil, function() return data({ labels = { "a" } }, ones) end },
  ["more classes than outputs"] = {
    "the model's last layer distinguishes 3 classes, but the data set has 4 classes (a, b, c, d): the network should end in nn.dense(4, 'softmax')", nil, nil,
    function() return data { labels = { "a", "b", "c", "d" } } end },
  ["images of which none is a number"] = {
    "fit: the data set gave no image that can be read, of 12 (example ", nil, nil,
    function() return scion.data.tensors(scion.full({ 12, 8, 8, 3 }, 0 / 0), numbers, { batch = 4, labels = names }) end },
  ["a name for an optimizer"] = { "fit: optimizer is an optimizer, such as scion.optim.adam(), not 'adam'", function() return { optimizer = "adam" } end },
  ["a share for the validation set"] = {
    "fit: validate is a data set, not 0.2: local train, val = data:split(0.8) divides one by class; then validate = val", function() return { validate = 0.2 } end },
  ["a path for a data set"] = {
    "fit takes a data set, such as scion.data.folder('data/train'), not 'trash/train'; read the folder with scion.data.folder('trash/train')", nil, nil,
    function() return "trash/train" end },
  ["a path for the validation set"] = {
    "fit: validate is a data set, such as scion.data.folder('data/train'), not 'trash/val'; read the folder with scion.data.folder('trash/val')",
    function() return { validate = "trash/val" } end },
}
for _, event in ipairs { "fit_begins", "epoch_begins", "step_begins" } do
  cases["a callback that raises in " .. event] = { no, function() return { callbacks = { [event] = function() error(no) end } } end }
end

describe("a fit that is wrong", function()
  setup(function() network():fit(data(), quiet { resume = checkpoint, callbacks = { scion.callbacks.csv_logger(log) } }) end)
  teardown(support.done)

  for name, case in pairs(cases) do
    it("is refused before its first step, and leaves all as it was: " .. name, function()
      local text, options, make, set = table.unpack(case, 1, 4)
      local model, train, given, stepped = (make or network)(), nil, quiet(options and options() or {}), false
      local told = support.stderr_of(function() train = (set or data)() end)
      local refusal = given.callbacks and messages.of or messages.refused -- what a callback raises stands at its own line
      given.callbacks = given.callbacks or { step_begins = function() stepped = true end }
      local was, files = state(model), content()
      local sentence = refusal(function() model:fit(train, given) end)
      assert.matches(text, sentence, 1, true)
      assert.is_false(stepped)
      assert.same(was, state(model))
      assert.equal(files, content())
      assert.is_true(told == "" or name:find "number" ~= nil, told)
    end)
  end

  it("is refused where its data set is made, if that cannot be one", function()
    local function refused(text, f) assert.matches(text, messages.refused(f), 1, true) end
    refused("images are a u8 tensor NxHxWx3 or NxHxWx1, not a tensor (u8 0x8x8x3): it holds nothing", function()
      scion.data.tensors(scion.zeros({ 0, 8, 8, 3 }, "u8"), {})
    end)
    refused("the number of images is a whole number from 1 to 12, not 0", function() data():take(0) end)
    refused("batch is a whole number from 1 to 2147483647, not 0", function() data { batch = 0 } end)
    refused("scion.data.tensors: class 4, but there are 3 labels", function() data(nil, { 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4 }) end)
    refused("a list of class numbers, which count from 1", function() data(nil, { 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2 }) end)
  end)
end)
