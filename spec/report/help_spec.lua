-- scion.help: its text is that of the comments, and each example in it runs.
local docs = require "scion.report.docs"
local scion = require "scion"
local messages = dofile "spec/support/messages.lua"
local support = dofile "spec/support/images.lua"

local pages = docs.load()

-- What examples are about: run in a folder with two classes of pictures, and two more beside them.
local before = [==[
scion = require "scion"
local lfs = require "lfs"
lfs.chdir(arg[1])
scion.seed(1)
data = scion.data.folder("photos", { size = 32, batch = 4, seed = 7 })
train, val = data:split(0.5)
base = scion.sequential{ scion.nn.input(32, 32, 3), scion.nn.conv2d(4, 3, { stride = 2, name = "block1/conv" }), scion.nn.relu{ name = "block1/relu" },
  scion.nn.conv2d(4, 3, { name = "block2/conv" }) }
model = base:graft{ scion.nn.global_avg_pool(), scion.nn.dense(2, "softmax") }
images = scion.uniform({ 10, 32, 32, 3 })
comm = require "scion.mpi"
statistics = scion.data.statistics(images, { featurewise_center = true })
model:save "pets.safetensors"
local failures = io.open("failures.txt", "w")
for line in io.lines "examples.txt" do
  local name, code = line:match "^(%S+) (.*)$"
  local run = assert(load(code:gsub("\0", "\n"), "=" .. name, "t", setmetatable({}, { __index = _G })))
  local ok, message = pcall(run)
  if not ok then failures:write(name, ": ", message, "\n") end
end
failures:close()
]==]

--- All functions with an example, and those without.
local function sorted()
  local with, without = {}, {}
  for _, page in ipairs(pages) do
    for _, item in ipairs(page.items) do
      if item.doc.example then
        with[#with + 1] = item
      elseif item.kind == "function" or item.kind == "layer" then
        without[#without + 1] = item.name
      end
    end
  end
  return with, without
end

describe("help", function()
  teardown(support.done)

  it("has an example of each function, and they run", function()
    local with, without = sorted()
    for _, name in ipairs(without) do -- methods of tensors, layers and reports are shown by what gives them
      assert.matches("^%l+:", name)
      assert.matches("^[tlr]", name)
    end
    assert.is_true(#with > 100)
    local folder, lines = support.folder(), {}
    for k, class in ipairs { "cat", "dog" } do
      support.shell(("mkdir -p %q/photos/%s"):format(folder, class))
      for i = 1, 4 do assert(scion.image.save(("%s/photos/%s/%d.png"):format(folder, class, i), support.pattern(32, 32, 40 * k + i))) end
      assert(scion.image.save(("%s/%s.png"):format(folder, class), support.pattern(32, 32, k)))
    end
    support.spit(folder .. "/pets.csv", "image,kind\ncat.png,cat\ndog.png,dog\n")
    support.shell(("cp spec/fixtures/weights/from_keras/adapted.keras %q/net.keras"):format(folder))
    for i, item in ipairs(with) do lines[i] = ("%s %s"):format(item.name, table.concat(item.doc.example, "\0")) end
    support.spit(folder .. "/examples.txt", table.concat(lines, "\n") .. "\n")
    support.spit(folder .. "/run.lua", before)
    local out, status = support.shell(("lua5.4 %q %q"):format(folder .. "/run.lua", folder))
    assert.equal(0, status, out)
    assert.equal("", support.slurp(folder .. "/failures.txt"))
  end)

  it("tells what a function does, its options with their defaults, what it raises and an example", function()
    local text = scion.help "fit"
    assert.matches("^model:fit%(data, given%?%)\n\nTrains the model", text)
    assert.matches("\n    epochs%? integer: how many epochs to train.*%(1%)\n", text)
    assert.matches("\n    optimizer%? scion.Optimizer: ", text)
    assert.matches("\nreturns\n  scion.History\n", text)
    assert.matches("\nexample\n  history = model:fit%(train, ", text)
    assert.matches("\nerrors\n  Raises ", scion.help "data.folder")
    assert.matches("\n  kernel integer | integer%[%]: ", scion.help "conv2d")
    assert.matches("^model:freeze%(", scion.help " Model:freeze() ")
  end)

  it("finds functions, pages, options, activations, architectures and classes", function()
    local first = { sgd = "optim.sgd{", ["augment.flip"] = "augment.flip(", flip = "augment.flip(", ["scion.nn.conv2d"] = "nn.conv2d(", relu = "nn.activation(",
                    data = "data: ", model = "model: ", ["scion.model"] = "scion.model(", epochs = "epochs is an option of model:fit",
                    resnet18 = "scion.models.resnet18{", history = "scion.History", ["t:sum"] = "t:sum(" }
    for topic, start in pairs(first) do assert.equal(start, scion.help(topic):sub(1, #start)) end
    for _, page in ipairs(pages) do assert.is_truthy(scion.help():find(page.name .. " ", 1, true)) end
    assert.matches("\nsee also image.load, weights.load$", scion.help "load")
  end)

  it("lists all that have an option, also callbacks, optimizers, layers and the stages of a schedule", function()
    for topic, wanted in pairs {
      patience = { "schedule.gradual\n", "StageOptions\n", "callbacks.early_stopping\n", "callbacks.reduce_lr_on_plateau\n" },
      monitor = { "callbacks.early_stopping,", "callbacks.reduce_lr_on_plateau" }, save_best = { "callbacks.model_checkpoint\n" },
      min_lr = { "callbacks.reduce_lr_on_plateau\n" }, epsilon = { "nn.batch_norm, ", "optim.adam, ", "optim.rmsprop\n" }, beta1 = { "optim.adam, ", "optim.lion\n" },
      train = { "scion.StageOptions\n" }, batch = { "Batch\n", "scion.data.folder" },
    } do
      for _, each in ipairs(wanted) do assert.matches(each, scion.help(topic):gsub("\n  scion", " scion"), 1, true) end
    end
    assert.matches("\n  patience%? integer: the stage ends early", scion.help "schedule")
  end)

  it("translates what other libraries and keyboards call a thing", function()
    for topic, wanted in pairs { learning_rate = "^learning_rate is called lr here\n\nlr: ", lr_scheduler = "\n\nlr: ", losses = "\n\nloss: ",
                                 ["Ctrl-C"] = "^Ctrl%-C ends a fit .*\n\non_interrupt is an option of model:fit\n", interrupt = "\n\non_interrupt is an option",
                                 stage = "\n\nscion.StageOptions\n", compile = "^there is no compile: .*\n\nmodel:fit%(" } do
      assert.matches(wanted, scion.help(topic))
    end
  end)

  it("names the nearest topics where it knows none", function()
    assert.matches("^no help on 'frezze'; the nearest topics are freeze, ", scion.help "frezze")
    assert.matches("nearest topics are patience,", scion.help "patiense", 1, true)
    assert.matches("^no help on '%%'", scion.help "%")
    assert.equal("scion.help: the topic is a string or nil, not 3", messages.refusal(function() scion.help(3) end))
  end)

  for _, columns in ipairs { 40, 60, 100 } do
    it("fits " .. columns .. " columns", function()
      local topics = {}
      for _, page in ipairs(pages) do
        topics[#topics + 1] = page.name
        for _, item in ipairs(page.items) do topics[#topics + 1] = item.name end
      end
      local place = support.folder()
      support.spit(place .. "/topics.txt", table.concat(topics, "\n") .. "\n")
      support.spit(place .. "/show.lua", [[
        local scion = require "scion"
        print(scion.help())
        for topic in io.lines(arg[1]) do print(scion.help(topic)) end]])
      local out, status = support.shell(("COLUMNS=%d lua5.4 %q %q"):format(columns, place .. "/show.lua", place .. "/topics.txt"))
      assert.equal(0, status, out)
      local in_example = false
      for line in out:gmatch "[^\n]*" do
        in_example = line == "example" or in_example and line:find "^  " ~= nil -- code stands as it is
        local words = line:match "^%s*(.*)$"
        if not in_example and words:find " " then assert.is_true(utf8.len(line) <= columns, line) end
      end
    end)
  end
end)
