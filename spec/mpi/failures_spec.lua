-- What one process of several gets wrong: all end soon, with one sentence.
local files = dofile "spec/support/files.lua"
local mpi = dofile "spec/support/mpi.lua"

local begins = [[
local comm, scion = require "scion.mpi", require "scion"
local core, nn, r = require "scion.core", scion.nn, comm.rank
scion.seed(3)
local images, classes = scion.uniform({ 45, 12, 12, 3 }, 0, 255):to "u8", {}
for i = 1, 45 do classes[i] = i % 3 + 1 end
local function data(o)
  local given = { batch = 16, seed = 5, labels = { "a", "b", "c" } }
  for key, value in pairs(o or {}) do given[key] = value end
  return scion.data.tensors(images, classes, given)
end
local function network()
  scion.seed(4)
  return scion.sequential { nn.input(12, 12, 3), nn.conv2d(4, 3, { activation = "relu", name = "conv" }), nn.flatten(), nn.dense(3, "softmax", { name = "head" }) }
end
local model = network()
local function fit(o)
  local given = { epochs = 2, verbose = false, quiet = true, distributed = comm, optimizer = scion.optim.adam() }
  for key, value in pairs(o or {}) do given[key] = value end
  model:fit(given.data or data(), (function() given.data = nil return given end)())
  print "trained"
end
local function in_step(number, rank, f)
  return { step = function(state) if state.step == number and state.epoch == 1 and r == rank then f() end end }
end
]]

--- Without the interpreter's name, the stack, and the place: "fit: …".
local function sentences(result)
  local list = {}
  for line in result.err:gmatch "[^\n]+" do
    if line ~= "stack traceback:" and not line:find "^\t" and line:find "%S" then list[#list + 1] = (line:gsub("^lua5%.4: ", ""):gsub("^[^\n ]-:%d+: ", "")) end
  end
  return list
end

local function check(result, ...)
  assert.not_equal(0, result.status, result.all)
  assert.is_true(result.seconds < 15, ("it took %g seconds"):format(result.seconds))
  assert.is_nil(result.out:find("trained", 1, true), result.all)
  local told, wanted = sentences(result), { ... }
  assert.equal(#wanted, #told, result.err)
  for i, pattern in ipairs(wanted) do -- what several processes say comes in any order
    for k = i + 1, told[i]:find(pattern) and 0 or #told do
      if told[k]:find(pattern) then told[i], told[k] = told[k], told[i] end
    end
    assert.matches(pattern, told[i])
  end
end

describe("where one of several processes", function()
  teardown(function()
    mpi.done()
    files.done()
  end)

  local function photographs()
    local folder, pictures = files.folder(), dofile "spec/support/images.lua"
    for _, class in ipairs { "a", "b", "c" } do
      assert(require "lfs".mkdir(folder .. "/" .. class))
      assert(require "scion".image.save(("%s/%s/1.png"):format(folder, class), pictures.pattern(10, 12)))
    end
    return folder
  end

  --- Each case: what it does, the script's lines, and patterns of what is told.
  local cases = {
    { "has other data", "fit { data = data { seed = r == 2 and 6 or 5 } }", "^fit: rank 2 has another data set than rank 0, seed 6 and not seed 5$" },
    { "has another network", "if r == 1 then model = scion.sequential { nn.input(12, 12, 3), nn.flatten(), nn.dense(3, 'softmax') } end fit()",
      "^fit: rank 1 has another network than rank 0, " },
    { "has other weights", "if r == 1 then core.copy(scion.full({ 3 }, 1), model:layers()[4].weights.bias) end fit()", "^fit: rank 1 has another set of weights than rank 0" },
    { "has frozen another layer", "if r == 3 then model:freeze { upto = 'conv' } end fit()",
      "^fit: rank 3 has another choice of what is frozen than rank 0, conv frozen and not conv thawed$" },
    { "goes on from another file", "fit { resume = FOLDER .. (r == 1 and '/b.ckpt' or '/a.ckpt') }",
      "^fit: rank 1 has another file in resume than rank 0, [^ ]*/b.ckpt and not [^ ]*/a.ckpt$" },
    { "fails after an error that was caught", "assert(not pcall(fit, { epohcs = 1 })) local t = 0 for i = 1, 100 do t = t + i end if r == 2 then error 'no luck' end fit()",
      "^no luck$", "^scion.mpi: rank 2 has ended its script, so that all end$" },
    { "goes on with the optimizer of another fit", [[
      local optimizers = { scion.optim.adam(), scion.optim.adam() }
      model:fit(data(), { epochs = 1, verbose = false, quiet = true, distributed = comm, optimizer = optimizers[1] })
      model:fit(data(), { epochs = 1, verbose = false, quiet = true, distributed = comm, optimizer = optimizers[r == 1 and 2 or 1] })]],
      "^fit: rank 1 has another optimizer's state than rank 0, %x+ and not %x+$" },
    { "changes a weight in a callback", [[
      fit { epochs = 1, callbacks = { epoch_ends = function() if r == 1 then core.copy(scion.full({ 3 }, 1), model:layers()[4].weights.bias) end end } }]],
      "^scion.mpi: at the end of fit rank 1 differs from rank 0 in its weights: callbacks have to do the same" },
    { "fails at the end of an evaluation",
      "model:evaluate(data(), { distributed = comm, metrics = { { name = 'mine', compute = function() return r == 2 and error('trouble', 0) or 1 end } } })",
      "^trouble %(rank 2, on [^ ]+%)$" },
    { "fails twice with the same words", [[
      assert(not pcall(comm.agree, comm, r == 1 and "no file" or nil))
      comm:barrier()
      assert(not pcall(comm.agree, comm, r == 1 and "no file" or nil))
      comm:agree(r == 1 and "no file" or nil)]], "^no file %(rank 1, on [^ ]+%)$" },
    { "evaluates by another loss", "model:evaluate(data(), { distributed = comm, loss = r == 1 and scion.loss.focal() or nil })",
      "^evaluate: rank 1 has another loss than rank 0, " },
    { "pools otherwise", "model:features(data(), 'conv', { distributed = comm, pool = r == 1 and 'max' or 'avg' })",
      "^scion: features: layer conv has random weights", "^features: rank 1 has another pool than rank 0, max and not avg$" },
    { "is interrupted while it adds up", [[
      if r == 1 then os.execute "(sleep 0.5; kill -TERM $PPID) &" end
      local t = scion.zeros { 2000000 } -- so that hardly any time is spent between two calls
      while true do comm:reduce(t) end]], "^comm:reduce: Ctrl%-C ended it, so that there is no result$" },
    { "has another option", "fit { accumulate = r == 3 and 2 or 1 }", "^fit: rank 3 has another accumulate than rank 0, 2 and not 1$" },
    { "cuts batches otherwise", "fit { distributed = { comm, shards = r == 1 and 4 or 8 } }",
      "^fit: rank 1 has another number of shards of a batch than rank 0, 4 and not 8$" },
    { "sends otherwise", "fit { distributed = { comm, wire = r == 2 and 'bf16' or 'f32' } }",
      "^fit: rank 2 has another wire than rank 0, bf16 and not f32$" },
    { "mixes instruction sets", "fit { distributed = { comm, mixed = r == 1 } }",
      "^fit: rank 1 has another instruction set than rank 0, any, by mixed = true and not %w+: mixed = true, as in distributed = " },
    { "is interrupted while features are computed", [[
      local big = scion.data.tensors(scion.uniform({ 200, 12, 12, 3 }, 0, 255):to "u8")
      for _ = 1, 1000 do
        if r == 1 then os.execute "(sleep 0.2; kill -INT $PPID) &" end
        for _ = 1, 50 do model:features(big, "conv", { distributed = comm, cache = false, batch = 4 }) end
      end]], "^scion: features: layer conv has random weights", "^features: Ctrl%-C ended it, so that there is no result$" },
    { "gives a string to be added up", "comm:reduce(r == 1 and 'oops' or scion.zeros { 3 })", "^comm:reduce takes an f32 tensor, not 'oops' %(rank 1, on [^ ]+%)$" },
    { "evaluates other data", "model:evaluate(data { seed = r }, { distributed = comm })", "^evaluate: rank 1 has another data set than rank 0, seed 1 and not seed 0$" },
    { "computes features of other images", "images:set(1, 1, 1, 1, r) model:features(data(), 'conv', { distributed = comm, cache = false })",
      "^scion: features: layer conv has random weights", "^features: rank 1 has another data set than rank 0, images %x+ and not images %x+$" },
    { "is elsewhere", "if r == 1 then model:evaluate(data(), { distributed = comm }) else fit() end",
      "^scion.mpi: the ranks do not do the same %(rank 0 at fit, rank 1 at evaluate, rank 2 at fit, rank 3 at fit%)" },
    { "ends early", "if r ~= 1 then fit() end", "^scion.mpi: rank 1 has ended its script, so that all end$" },
    { "has ended while the others fail", "if r ~= 1 then fit { epohcs = 1 } end", "^fit: unknown option 'epohcs' %(did you mean 'epochs'%?%)$" },
    { "raises in its script", "if r == 1 then error 'no luck' end fit()", "^no luck$", "^scion.mpi: rank 1 has ended its script, so that all end$" },
    { "does not find its images", "fit { data = scion.data.folder(r == 1 and '/no/such/folder' or FOLDER, { size = 12 }) }",
      "^scion.data.folder: the folder /no/such/folder does not exist$", "^scion.mpi: rank 1 has ended its script, so that all end$" },
    { "has an unknown option", "fit { [r == 2 and 'epohcs' or 'clip'] = 1 }", "^fit: unknown option 'epohcs' %(did you mean 'epochs'%?%) %(rank 2, on [^ ]+%)$" },
    { "and all others have an unknown option", "fit { epohcs = 1 }", "^fit: unknown option 'epohcs' %(did you mean 'epochs'%?%)$" },
    { "has a callback that raises", "fit { callbacks = in_step(2, 2, function() error 'my own' end) }", "^my own %(rank 2, on [^ ]+%)$" },
    { "gets NaN", "fit { callbacks = in_step(1, 2, function() core.copy(scion.full({ 3 }, 0 / 0), model:layers()[4].weights.bias) end) }",
      "^the loss is NaN in epoch 1, step 2; the weights are those of the step before%. [^\n]*head/bias holds numbers that are NaN or infinite[^\n]*%(rank 2, on [^ ]+%)$" },
    { "runs out of memory between two messages", [[
      local t = scion.full({ 20 * 1000 * 1000 }, 1)
      local size = io.open "/proc/self/status":read "a":match "VmSize:%s*(%d+)"
      if r == 1 then os.execute(("prlimit --pid $PPID --as=%d"):format((size + 100000) * 1024)) end
      comm:reduce(t)]], "^scion: out of memory: [^\n]*%(rank 1, on [^ ]+%), while the others await its part, so that all end$" },
    { "freezes a layer for itself", "fit { epochs = 4, callbacks = { epoch_ends = function() if r == 1 then model:freeze { upto = 'conv' } end end } }",
      "^scion.mpi: at a step rank 1 differs from rank 0 in what is frozen, the learning rate" },
    { "sets a learning rate for itself", "fit { callbacks = { step_ends = function(run) if r == 2 then run.optimizer.lr = 0.5 end end } }",
      "^scion.mpi: at a step rank 2 differs from rank 0 in what is frozen, the learning rate" },
    { "plans for other shards", "comm:plan(model, data(), { shards = r == 2 and 4 or 8 })",
      "^comm:plan: rank 2 has another number of shards than rank 0, 4 and not 8" },
    { "is not there to measure the network", "if r == 0 then comm:plan(model, data()) end", "^scion.mpi: rank 1 has ended its script, so that all end$" },
    { "goes on where rank 0 has ended", "if r > 0 then fit() end", "^scion.mpi: rank 0 has ended its script, so that all end$" },
    { "is left by os.exit", "fit { callbacks = in_step(2, 2, function() os.exit(0) end) }" },
    { "is killed", "fit { callbacks = in_step(2, 1, function() os.execute 'kill -KILL $PPID' end) }" },
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      mpi.needed(pending)
      if case[1]:find "memory" and (os.getenv "SCION_BUILD" or ""):find "sanitize" then return pending "AddressSanitizer has terabytes of addresses" end
      check(mpi.run(4, begins .. (case[2]:gsub("FOLDER", ("%q"):format(photographs())))), table.unpack(case, 3))
    end)
  end

  it("fails while gradients of its last part leave, the others give up the step, too, and can train again", function()
    mpi.needed(pending)
    -- a loss of one's own, whose first parts are fine: in the last part of the second step rank 1 raises, or has a gradient that makes NaN
    local script = begins .. [[
      model = scion.sequential { nn.input(12, 12, 3), nn.flatten(), nn.dense(1200), nn.dense(900), nn.dense(900), nn.dense(3, 'softmax') }
      for _, how in ipairs { "raises", "NaN" } do
        local parts, before = 0, model:layers()[3].weights.kernel:copy()
        local function loss(output, y)
          parts = parts + 1
          if r == 1 and parts == 4 and how == "raises" then error "my own" end
          return r == 1 and parts == 4 and output:sum(2) * (0 / 0) or output:sum(2) * 0 + 1, output * 0
        end
        local ok, message = pcall(fit, { loss = loss, optimizer = scion.optim.sgd() })
        assert(not ok)
        print((tostring(message):gsub("^[^\n]-:%d+: ", ""):gsub("; .*", "")))
        assert(model:layers()[3].weights.kernel:bytes() == before:bytes())
      end
      fit()]]
    local result = mpi.run(4, script)
    assert.equal(0, result.status, result.all)
    assert.matches("^my own %(rank 1, on [^ ]+%)\nthe loss is NaN in epoch 1, step 2\ntrained\n$", result.out)
  end)

  it("has a metric of its own that raises, no rank changes its weights", function()
    mpi.needed(pending)
    local result = mpi.run(3, begins .. [[
      local mine = { name = "mine", compute = function() return r == 1 and error("my own", 0) or 1 end }
      local ok, message = pcall(fit, { metrics = { mine } })
      print(message)
      fit()]])
    assert.equal(0, result.status, result.all)
    assert.matches("^my own %(rank 1, on [^ ]+%)\ntrained\n$", result.out)
  end)

  it("has another instruction set or version, it is refused, unless instruction sets may be mixed", function()
    mpi.needed(pending)
    if require "scion.core".isa() == "portable" then pending "this CPU has one instruction set" end
    local same, mixed = mpi.script(begins .. "fit()"), mpi.script(begins .. "fit { distributed = { comm, mixed = true } }")
    local old = mpi.script("require 'scion.core'.version = '0.0.1'\n" .. begins .. "fit()")
    local function two(first, second, environment) return mpi.start(("-n 1 lua5.4 %s : -n 1 env %s lua5.4 %s"):format(first, environment or "", second)) end
    check(two(same, same, "SCION_ISA=portable"), "^fit: rank 1 has another instruction set than rank 0, '?portable'? and not '?avx2?%w*'?: mixed = true")
    check(two(same, old), "^fit: rank 1 has another version of Scion than rank 0, 0%.0%.1 and not [^;]+$")
    local result = two(mixed, mixed, "SCION_ISA=portable")
    assert.equal("trained\n", result.out, result.all)
  end)

  it("has a full disk, and that is the one that writes", function()
    mpi.needed(pending)
    local folder = files.folder()
    local script = mpi.script(begins .. ("fit { resume = %q }"):format(folder .. "/run.ckpt"))
    -- over TCP: Open MPI's memory that processes share is a file too, and mpirun may read what it has freed where it tells that it has none
    check(mpi.start(("-n 2 bash -c 'ulimit -f 4; trap \"\" XFSZ; exec lua5.4 %s'"):format(script), { variables = "OMPI_MCA_btl=self,tcp" }),
      "^fit: resume: [^\n]*/run.ckpt: [^\n]*File too large$")
    assert.equal("", files.list(folder))
  end)

  it("is told to end, the fit ends between two steps, and what it wrote is whole", function()
    mpi.needed(pending)
    local path = files.folder() .. "/run.ckpt"
    for _, signal in ipairs { "INT", "TERM" } do
      -- mpirun, which is the processes' parent, hands signals on to all
      local result = mpi.run(2, begins .. ([[fit { epochs = 5000, resume = %q, callbacks = in_step(2, 1, function()
        local parent = io.open "/proc/self/stat":read "a":match "^%%d+ %%(.-%%) %%a (%%d+)"
        os.execute("kill -%s " .. parent)
      end) }]]):format(path, signal))
      check(result, "^fit: Ctrl%-C ended it in epoch %d+ of 5000, after step %d; the same call goes on from [^\n]*/run.ckpt$")
      os.remove(path)
    end
  end)
end)
