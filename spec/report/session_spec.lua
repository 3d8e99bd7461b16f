-- The session in README.md, typed into real terminals of several widths; and what else is drawn on a terminal, and in a pipe.
local scion = require "scion"
local support = dofile "spec/support/images.lua"
local terminal = dofile "spec/support/terminal.lua"

local folder

--- A folder with what make demo leaves there, only smaller: pictures in classes, and a network.
local function lay_out()
  if folder then return folder end
  folder = support.folder()
  for k, class in ipairs { "corner", "flower", "moon", "star", "tee" } do
    local place = ("%s/build/demo/target/train/%s"):format(folder, class)
    support.shell(("mkdir -p %q"):format(place))
    for i = 1, 8 do assert(scion.image.save(("%s/%03d.png"):format(place, i), support.pattern(32, 32, 40 * k + i))) end
  end
  local nn = scion.nn
  local trunk = scion.sequential { nn.input(32, 32, 3), nn.conv_norm(8, 3, { name = "block1" }), nn.max_pool(2, { name = "block1/pool" }),
                                   nn.conv_norm(16, 3, { name = "block2" }), nn.max_pool(2, { name = "block2/pool" }), nn.conv_norm(16, 3, { name = "block3" }) }
  trunk:save(folder .. "/build/demo/trunk.safetensors")
  return folder
end

--- The session of the README: its lines after "> ", and whether Ctrl-C is pressed while each runs.
local function session()
  local steps = {}
  for line in support.slurp "README.md":gmatch "[^\n]+" do
    local typed = line:match "^    > (.*)$"
    if typed then steps[#steps + 1] = { typed = typed } end
    if line:find "^    .*%^C$" then steps[#steps].interrupted = true end
  end
  return steps
end

local prompt = "> "

--- How many prompts there are, the one that waits included.
local function prompts(lines)
  local n = 0
  for i, line in ipairs(lines) do
    if line:sub(1, #prompt) == prompt or line == ">" and i == #lines then n = n + 1 end
  end
  return n
end

--- Types a line, and waits for the next prompt.
local function enter(at, line, interrupted)
  local before = prompts(at:lines())
  at:type(line)
  if interrupted then
    at:wait("epoch", function(lines)
      for i = #lines, 1, -1 do
        if lines[i]:sub(1, #prompt) == prompt then return false end
        if lines[i]:find "^epoch %d+/%d+ " then return true end
      end
    end)
    at:press "C-c"
  end
  return at:wait("prompt after " .. line, function(lines) return lines[#lines] == ">" and prompts(lines) > before and lines end)
end

--- Asserts what holds for every screen: what is printed fits, and nothing prints as an address or ends in a traceback.
local function check_screen(lines, width)
  for _, line in ipairs(lines) do
    local typed = line:sub(1, #prompt) == prompt or line:find "%^C$" or line:find "^Lua 5" -- Lua's own line is longer than 40
    assert.is_truthy(typed or utf8.len(line) <= width, ("%d columns: %s"):format(utf8.len(line), line))
    assert.is_nil(line:find "%f[%w]0x%x%x%x")
    assert.is_nil(line:find "traceback", table.concat(lines, "\n"))
  end
end

local function has(lines, pattern)
  for _, line in ipairs(lines) do
    if line:find(pattern) then return true end
  end
  return false
end

describe("a session in a terminal", function()
  teardown(support.done)

  for _, width in ipairs { 100, 60, 40 } do
    it(("of %d columns goes as in the README"):format(width), function()
      if not terminal.there(pending) then return end
      local at <close> = terminal.open(width, "lua5.4 -i -e 'require \"scion.report.repl\" ()'", lay_out()) -- as make repl
      at:wait("prompt", function(lines) return lines[#lines] == ">" end)
      local steps, interrupted, lines = session(), 0, nil
      for _, step in ipairs(steps) do
        lines = enter(at, step.typed, step.interrupted)
        interrupted = interrupted + (step.interrupted and 1 or 0)
      end
      assert.is_true(#steps >= 8 and interrupted == 1)
      check_screen(lines, width)
      assert.matches("^Scion " .. scion.version, lines[2])
      assert.is_true(has(lines, "^corner  8$"))
      assert.is_true(has(lines, "^plan for a training step"))
      assert.is_true(has(lines, "nothing trains up to"))
      assert.is_true(has(lines, "^epoch 1/2  loss %d%.%d+"))
      assert.is_true(has(lines, "^scion: fit: Ctrl%-C ended it in"))
      assert.is_true(has(lines, "^true$")) -- history.interrupted
      assert.is_true(has(lines, "^model: %d+ layers"))
      assert.equal(#steps + 1, prompts(lines))
      assert.equal("scion.Model", getmetatable(scion.load(folder .. "/build/demo/shapes.safetensors")).__name)
      os.remove(folder .. "/build/demo/shapes.safetensors")
    end)
  end

  it("outlives Ctrl-C at the prompt, where nothing runs", function()
    if not terminal.there(pending) then return end
    local at <close> = terminal.open(80, "lua5.4 -i -e 'require \"scion.report.repl\" ()'", lay_out())
    at:wait("prompt", function(lines) return lines[#lines] == ">" end)
    enter(at, "x = 41")
    for times = 1, 2 do
      at:press "C-c"
      at:wait("what Ctrl-C is for", function(lines)
        local told = 0
        for _, line in ipairs(lines) do told = told + (line == "Nothing runs that Ctrl-C could end; Ctrl-D ends the prompt." and 1 or 0) end
        return told == times and lines[#lines] == ">"
      end)
    end
    assert.is_true(has(enter(at, "x + 1"), "^42$"))
    assert.is_true(has(enter(at, "x + 2"), "^43$"))
  end)

  it("goes on in plain Lua, whose print is its own", function()
    if not terminal.there(pending) then return end
    local at <close> = terminal.open(80, "lua5.4", lay_out())
    at:wait("prompt", function(lines) return lines[#lines] == ">" end)
    local lines
    for _, step in ipairs { { 'scion = require "scion"' }, { 'train = scion.data.folder("build/demo/target/train", { size = 32, batch = 20 })' }, { "train.labels" },
                            { "train:class_counts()" }, { 'model = scion.load "build/demo/trunk.safetensors"' }, { "model:layer(2).shape" }, { "train.files" },
                            { 'model = model:graft{ scion.nn.global_avg_pool(), scion.nn.dense(5, "softmax") }' },
                            { "model:fit(train, { epochs = 100000, quiet = true, cache = false })", true },
                            { "model:predict(train.files[1])" } } do
      lines = enter(at, step[1], step[2])
    end
    check_screen(lines, 80)
    assert.is_true(has(lines, "^{ 'corner', 'flower', 'moon', 'star', 'tee' }$"))
    assert.is_true(has(lines, "^corner  8$"))
    assert.is_true(has(lines, "^interrupted"))
    assert.is_true(has(lines, "corner/001.png  0%.%d+"))
  end)
end)
