-- Several processes that are killed, and others in another number that go on: to the same bits.
local mpi = dofile "spec/support/mpi.lua"
local files = dofile "spec/support/files.lua"

-- arg: the folder, the name of the model's file, how many steps after which rank KILLED is killed, of which file it goes on ("" is none)
local script = [[
local comm, scion = require "scion.mpi", require "scion"
local nn = scion.nn
local folder, name, last, checkpoint, victim, signal = table.unpack(arg)
scion.seed(7)
local images, classes = scion.uniform({ 45, 10, 10, 3 }, 0, 255):to "u8", {}
for i = 1, 45 do classes[i] = i % 3 + 1 end
local labels = { "a", "b", "c" }
local data = scion.data.tensors(images, classes, { batch = 16, seed = 5, labels = labels, augment = { flip = "horizontal", rotation = 20 } })
local val = scion.data.tensors(images, classes, { batch = 8, labels = labels, shuffle = false })
local model = scion.sequential { nn.input(10, 10, 3), nn.conv2d(4, 3, { name = "b1/conv" }), nn.batch_norm(), nn.relu(), nn.flatten(), nn.dropout(0.3),
                                 nn.dense(3, "softmax") }
local steps = 0
local function count()
  steps = steps + 1
  if steps == tonumber(last) and comm.rank == tonumber(victim) then
    os.execute("kill -" .. signal .. " $PPID")
  end
end
model:fit(data, { epochs = 3, validate = val, optimizer = scion.optim.adam(), accumulate = 2, clip = 1.0, metrics = { "f1_macro" }, verbose = false, quiet = true,
                  distributed = comm, resume = checkpoint ~= "" and { folder .. "/" .. checkpoint, every = 1 } or nil,
                  callbacks = { { step_ends = count }, scion.callbacks.reduce_lr_on_plateau { patience = 1 } } })
model:export(folder .. "/" .. name)
print "trained"
]]

describe("a fit of several processes that is resumed", function()
  teardown(function()
    mpi.done()
    files.done()
  end)

  local folder, path
  local function run(ranks, ...)
    path = path or mpi.script(script)
    return mpi.start(("-n %d lua5.4 %s %s %s"):format(ranks, path, folder, ("%s %s '%s' %s %s"):format(...)))
  end

  --- The file of a fit that nobody disturbs.
  local function undisturbed()
    if not folder then
      folder = files.folder()
      local result = run(2, "whole.safetensors", 0, "", 0, 0)
      assert.equal("trained\n", result.out, result.all)
    end
    return files.slurp(folder .. "/whole.safetensors")
  end

  -- the epoch has two steps, of which the second has one batch; the run has six
  for _, case in ipairs { { 8, 3, 3, 5, "KILL" }, { 4, 2, 4, 0, "KILL" }, { 2, 4, 1, 1, "TERM" } } do
    local first, second, step, victim, signal = table.unpack(case)
    it(("goes on with %d ranks where %d were, after SIG%s in step %d of rank %d"):format(second, first, signal, step, victim), function()
      mpi.needed(pending)
      local whole = undisturbed()
      local checkpoint = ("%d.ckpt"):format(first)
      local killed = run(first, "no.safetensors", step, checkpoint, victim, signal)
      assert.not_equal(0, killed.status)
      assert.is_nil(killed.out:find "trained", killed.all)
      assert.is_true(killed.seconds < 30, killed.seconds)
      local resumed = run(second, "resumed.safetensors", 0, checkpoint, 0, 0)
      assert.equal("trained\n", resumed.out, resumed.all)
      assert.matches("goes on from [^\n]*/" .. checkpoint .. ": epoch %d, after step %d", resumed.err)
      assert.is_true(files.slurp(folder .. "/resumed.safetensors") == whole, "the file is another one")
    end)
  end

  it("is refused where the batches are cut into another number of parts", function()
    mpi.needed(pending)
    undisturbed()
    assert.not_equal(0, run(2, "no.safetensors", 3, "parts.ckpt", 1, "KILL").status)
    local cut = files.spit(folder .. "/cut.lua", (script:gsub("distributed = comm", "distributed = { comm, shards = 4 }")))
    local refused = mpi.start(("-n 2 lua5.4 %s %s no.safetensors 0 parts.ckpt 0 0"):format(cut, folder))
    assert.equal(1, refused.status)
    assert.matches("fit: resume: [^\n]*/parts.ckpt is of a run with another number of shards of a batch %(8; now 4%)", refused.err)
    local alone, status = files.shell(("lua5.4 %s %s no.safetensors 0 parts.ckpt 0 0"):format(path, folder))
    assert.equal(1, status)
    assert.matches("go on with what it is of (mpirun, with any number of processes, and distributed = comm)", alone, 1, true)
    local _, sentences = refused.err:gsub("lua5%.4: ", "")
    assert.equal(1, sentences, refused.err)
  end)
end)
