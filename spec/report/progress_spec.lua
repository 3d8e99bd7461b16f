-- What fit and the others show of their progress: on terminals, in a pipe, and after each epoch.
local results = require "scion.report.results"
local support = dofile "spec/support/images.lua"
local terminal = dofile "spec/support/terminal.lua"

local function has(lines, pattern)
  for _, line in ipairs(lines) do
    if line:find(pattern) then return true end
  end
  return false
end

describe("an epoch's line", function()
  it("writes epochs of any length", function()
    local entry = { epoch = 3, loss = 0.51234, accuracy = 0.8, val_loss = 0.6, val_accuracy = 0.75, images_per_second = 41.26 }
    local function shown(seconds)
      entry.seconds = seconds
      return results.epoch_text(entry):match "images/s  (.*)$"
    end
    assert.equal("0s", shown(0.3))
    assert.equal("2:05 min", shown(124.7))
    assert.equal("1:02:05 h", shown(3725.2))
    assert.equal("?", shown(0 / 0))
    assert.equal("epoch 3  loss 0.5123  accuracy 0.8000  val_loss 0.6000  val_accuracy 0.7500  41.3 images/s  0s", (function()
      shown(0.3)
      return results.epoch_text(entry)
    end)())
  end)
end)

-- A model, and a data set over which every pass takes some tenths of a second; with sanitizers a tenth of the images do.
local images = (os.getenv "SCION_BUILD" or ""):find "sanitize" and 40 or 400
local slow = ([==[
local scion = require "scion"
local nn = scion.nn
local labels = {}
for i = 1, N do labels[i] = i % 2 + 1 end
local data = scion.data.tensors(scion.full({ N, 64, 64, 3 }, 9, "u8"), labels, { batch = 8, labels = { "a", "b" } })
local model = scion.sequential { nn.input(64, 64, 3), nn.conv2d(32, 3), nn.conv2d(32, 3, { name = "last" }), nn.global_avg_pool(), nn.dense(2, "softmax") }
model:fit(data, { validate = data, quiet = true, cache = false })
model:evaluate(data, { cache = false })
model:predict(data)
model:features(data, "last", { pool = "avg", cache = false })
model:lr_find(data, { to = 1e-4, steps = 40 })
print "that was all"
]==]):gsub("%f[%a]N%f[%A]", images)

describe("the progress", function()
  teardown(support.done)
  local folder = support.folder()

  --- What the script wrote to a terminal, as it was written, and what the terminal shows in the end.
  local function watch(columns, before)
    local script = support.spit(folder .. "/slow.lua", slow)
    local at <close> = terminal.open(columns, before .. " lua5.4 " .. script, folder)
    local lines = at:wait("end", function(lines) return has(lines, "^that was all$") and lines end)
    return support.slurp(at.raw), lines
  end

  for _, columns in ipairs { 100, 40 } do
    it(("is drawn and cleared, in %d columns"):format(columns), function()
      if not terminal.there(pending) then return end
      local raw, lines = watch(columns, "")
      local seen = {}
      for line in raw:gmatch "\r([^\r\n]-)\27%[K" do
        assert.is_true(#line < columns, line)
        seen[line:match "^epoch 1/1 validation" or line:match "^[%l_]*"] = true
        if line:find "^epoch 1/1 [^v]" then assert.matches("%d%%  loss %d", line) end
      end
      assert.same({ epoch = true, ["epoch 1/1 validation"] = true, evaluate = true, predict = true, features = true, lr_find = true, [""] = true }, seen)
      assert.is_nil(raw:find "\27%[[%d;]*m") -- no colours
      for _, line in ipairs(lines) do assert.is_nil(line:find "%%", line) end
    end)
  end

  it("is not drawn on a terminal that cannot, nor in a pipe", function()
    local out = support.shell("lua5.4 " .. support.spit(folder .. "/slow.lua", slow))
    assert.matches("^epoch 1/1  loss [^\n]*  val_loss [^\n]*  %d+s\nthat was all\n$", out)
    if not terminal.there(pending) then return end
    local raw = watch(80, "env TERM=dumb"):gsub("\r\n", "\n")
    assert.is_nil(raw:find "[\r\27]")
    assert.matches("^epoch 1/1  loss ", raw)
  end)

  it("follows a window that becomes narrower", function()
    if not terminal.there(pending) then return end
    local script = support.spit(folder .. "/long.lua", (slow:gsub("{ validate", "{ epochs = 1000, validate")))
    local at <close> = terminal.open(120, "lua5.4 " .. script, folder)
    local function drawn(pattern)
      return function(lines)
        local line = lines[#lines]
        return line and line:find(pattern) and line
      end
    end
    assert.is_true(#at:wait("wide line", drawn "^epoch %d+/1000 %[[=.]+%] +%d+%%  loss .* images/s") > 70)
    at:tmux "resize-window -x 45 -y 50"
    at:wait("narrow line", drawn "^epoch %d+/1000 +%d+%%  loss %d[%d.]+$")
  end)
end)

describe("a line of progress", function()
  local progress = require "scion.report.progress"
  local others = { "loss 0.5123", "accuracy 0.812", "1:02 min left", "43 images/s", "480/1768" }
  local function line(width) return progress.line(width, "epoch 12/100", 480, 1768, others) end

  it("fits any width, and loses what matters least first", function()
    local last = 0
    for width = 18, 200 do
      local shown = line(width)
      assert.is_true(#shown <= width and #shown >= last or shown:find "%]" ~= nil, shown)
      last = #shown
      assert.matches("^epoch 12/100 .*27%%", shown)
    end
    assert.equal("epoch 12/100  27%  loss 0.5123", line(39))
    assert.equal("epoch 12/100  27%  loss 0.5123  accuracy 0.812", line(59))
    assert.equal("epoch 12/100 [==......]  27%  loss 0.5123  accuracy 0.812  1:02 min left", line(72))
    assert.equal("epoch 12/100 [========......................]  27%  loss 0.5123  accuracy 0.812  1:02 min left  43 images/s  480/1768", line(200))
    assert.equal("epoc.. 27%", progress.line(10, "epoch 12/100", 480, 1768, others))
  end)
end)
