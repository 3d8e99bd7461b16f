-- What a script calls itself of require "scion.mpi": results on 1, 2 and 4 ranks, and misuse.
local messages = dofile "spec/support/messages.lua"
local mpi = dofile "spec/support/mpi.lua"

local begins = [[
local comm = require "scion.mpi"
local scion = require "scion"
local r = comm.rank
-- what is raised, without its place
local function raised(f, ...)
  local ok, message = pcall(f, ...)
  assert(not ok, "nothing was raised")
  return (tostring(message):gsub("^[^\n]-:%d+: ", ""))
end
]]

--- What all ranks found as one text, which rank 0 prints.
local ends = [[
local function tell(found)
  for rank = 0, comm.size - 1 do -- each in turn is rank 0's
    local mine = scion.full({ 400 }, 0)
    if rank == r then
      for i = 1, #found do mine:set(i, found:byte(i)) end
    end
    local list = comm:reduce(mine):totable()
    local bytes = {}
    for i, code in ipairs(list) do bytes[i] = code > 0 and string.char(math.tointeger(code)) or "" end
    print(rank .. ": " .. table.concat(bytes))
  end
end
]]

local function on_each(ranks, script)
  local result = mpi.run(ranks, begins .. ends .. script)
  assert.equal(0, result.status, result.all)
  assert.equal("", result.err, result.all)
  local of = {}
  for rank, text in result.out:gmatch "(%d+): ([^\n]*)\n" do of[tonumber(rank) + 1] = text end
  assert.equal(ranks, #of, result.all)
  return of
end

describe("scion.mpi", function()
  teardown(mpi.done)

  it("knows the ranks, and threads that share a machine's cores", function()
    mpi.needed(pending)
    local of = on_each(4, [[tell(("%d of %d, %s, %d threads or more"):format(r, comm.size, tostring(comm):gsub(", on .*", ""), math.min(1, scion.threads())))]])
    for rank = 0, 3 do assert.equal(("%d of 4, rank %d of 4, 1 threads or more"):format(rank, rank), of[rank + 1]) end
  end)

  it("sums tensors to the same bits on all ranks, of any shape, and views", function()
    mpi.needed(pending)
    local script = [[
      scion.seed(r + 1)
      local t = (scion.randn { 3, 1, 50 } * 1000)
      local expected = t * 0
      for rank = 0, comm.size - 1 do
        scion.seed(rank + 1)
        expected = expected + (scion.randn { 3, 1, 50 } * 1000)
      end
      local whole = t:copy()
      assert(comm:reduce(t) == t and t:shape()[3] == 50 and (t - expected):abs():max() < 1e-2)
      -- a part of a tensor is changed where it lies
      local wide = scion.full({ 4, 6 }, 1)
      comm:reduce(wide:slice(2, 2, 4))
      assert(wide:sum() == 12 + 12 * comm.size, wide)
      -- none, one, and more than a segment of messages
      assert(#comm:reduce(scion.full({ 0, 2 }, 1)):totable() == 0)
      assert(comm:reduce(scion.tensor { 2.5 }):get(1) == 2.5 * comm.size)
      assert(comm:reduce(scion.full({ 100001 }, 1)):sum() == 100001 * comm.size)
      local bytes = require "scion.core".hash(t):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
      tell(bytes)]]
    for ranks = 2, 4, 2 do
      local of = on_each(ranks, script)
      for rank = 2, ranks do assert.equal(of[1], of[rank]) end
    end
  end)

  it("gives rank 0's text or tensor to all", function()
    mpi.needed(pending)
    local of = on_each(4, [[
      local text = comm:broadcast(r == 0 and ("a\0b"):rep(3) or nil)
      assert(text == ("a\0b"):rep(3))
      assert(comm:broadcast(r == 0 and "" or "another") == "")
      local t = scion.full({ 2, 3 }, r)
      assert(comm:broadcast(t) == t and t:sum() == 0)
      local bytes = scion.full({ 2, 5 }, r + 1):to "u8"
      comm:broadcast(bytes:slice(2, 2, 3))
      tell(table.concat(bytes:select(1):totable(), " "))]])
    for rank = 0, 3 do assert.equal(("%d 1 1 %d %d"):format(rank + 1, rank + 1, rank + 1), of[rank + 1]) end
  end)

  it("waits for all at a barrier", function()
    mpi.needed(pending)
    local result = mpi.run(2, begins .. [[
      local path = arg[0] .. ".there"
      if r == 1 then
        for i = 1, 2e7 do r = r + i * 0 end -- rank 0 is there long before
        assert(io.open(path, "w")):close()
      end
      comm:barrier()
      assert(io.open(path)):close()
      print "both"]])
    assert.equal("both\n", result.out, result.all)
  end)

  it("raises on all what one complains of, and goes on where that is caught", function()
    mpi.needed(pending)
    local of = on_each(4, [[
      comm:agree()
      comm:agree(nil)
      local message = raised(comm.agree, comm, r >= 2 and "there is no folder " .. r or nil)
      comm:barrier()
      tell(message)]])
    for rank = 0, 1 do assert.matches("^there is no folder 2 %(rank 2, on [^)]+%)$", of[rank + 1]) end
    for rank = 2, 3 do assert.equal("there is no folder " .. rank, of[rank + 1]) end
  end)

  it("raises on all ranks where one misuses it", function()
    mpi.needed(pending)
    local of = on_each(2, [[
      local list = {}
      local function try(f, ...) list[#list + 1] = raised(f, comm, ...) end
      try(comm.reduce, r == 0 and scion.full({ 2 }, 1) or scion.full({ 3 }, 1))
      try(comm.broadcast, r == 0 and scion.full({ 2 }, 1) or scion.full({ 3 }, 1))
      try(comm.broadcast, r == 0 and scion.full({ 2 }, 1) or nil)
      comm:barrier()
      tell(table.concat(list, " | "))]])
    assert.matches("comm:reduce: rank 1 gives a tensor of 3 numbers, and rank 0 one of 2", of[1], 1, true)
    assert.matches("comm:broadcast: rank 0 gives f32 2, and this rank a tensor of f32 3", of[1], 1, true)
    assert.matches("comm:broadcast: rank 0 gives a tensor, f32 2: give one of this shape, into which it is written", of[1], 1, true)
    assert.matches("comm:reduce: rank 0 gives a tensor of 2 numbers, and rank 1 one of 3", of[2], 1, true)
  end)

  it("tells what is wrong with an argument, with one process, too", function()
    local comm, scion = require "scion.mpi", require "scion"
    for _, case in ipairs {
      { "comm:reduce takes an f32 tensor, not 'x'", function() comm:reduce "x" end },
      { "comm:reduce takes an f32 tensor, not a tensor (i32 2)", function() comm:reduce(scion.tensor({ 1, 2 }, "i32")) end },
      { "comm:broadcast takes a tensor or a string, not 5", function() comm:broadcast(5) end },
      { "comm:agree: the complaint", function() comm:agree(5) end },
      { "barier", function() comm:barier() end },
    } do assert.matches(case[1], messages.refusal(case[2]), 1, true) end
    assert.equal("one process, which mpirun has not started", tostring(comm))
    comm:barrier()
    comm:agree(nil)
    assert.equal("no folder", (messages.of(comm.agree, comm, "no folder")))
    assert.equal("x", comm:broadcast "x")
    assert.equal(3, comm:reduce(scion.tensor { 1, 2 }):sum())
  end)

  it("says of a plan that its network lies within one machine, unless it is given another", function()
    mpi.needed(pending)
    local of = on_each(2, [[
      local data = scion.data.tensors(scion.zeros { 8, 3 }, { 1, 2, 1, 2, 1, 2, 1, 2 }, { batch = 4 })
      local model = scion.sequential { scion.nn.input(3), scion.nn.dense(2, "softmax") }
      local function words(o) return (tostring(comm:plan(model, data, o)):gsub("%s+", " ")) end
      local here, other = words(), words { bandwidth = 1e9, latency = 1e-4, wire = "bf16" }
      assert(here:find("That is between processes of one machine", 1, true), here)
      assert(not other:find("between processes", 1, true) and other:find("sent as half of that", 1, true), other)
      tell "fine"]])
    assert.same({ "fine", "fine" }, of)
  end)

  it("draws no bars where mpirun writes to a file", function()
    mpi.needed(pending)
    local result = mpi.run(2, begins .. [[
      local data = scion.data.tensors(scion.zeros { 8, 3 }, { 1, 2, 1, 2, 1, 2, 1, 2 }, { batch = 4 })
      local model = scion.sequential { scion.nn.input(3), scion.nn.dense(2, "softmax") }
      model:fit(data, { epochs = 2, distributed = comm, quiet = true })]])
    assert.equal(0, result.status, result.all)
    assert.matches("^epoch 1/2  loss [^\n]*\nepoch 2/2  loss [^\n]*\n$", result.out)
    assert.is_nil(result.out:find "%c%c" or result.out:find "\27", result.out)
  end)

  it("is missed by a fit of several ranks that does not share its work, and by no other call", function()
    mpi.needed(pending)
    local result = mpi.run(2, begins .. [[
      local nn = scion.nn
      local data = scion.data.tensors(scion.uniform({ 8, 3 }), { 1, 2, 1, 2, 1, 2, 1, 2 }, { batch = 8 })
      local model = scion.sequential { nn.input(3), nn.dense(2, "softmax") }
      local function rules(o)
        o.epochs, o.verbose = 1, false
        local list = {}
        for i, warning in ipairs(model:fit(data, o).warnings) do list[i] = warning.rule end
        return table.concat(list, " ")
      end
      local settings = {}
      for _, pair in ipairs(model:fit(data, { epochs = 1, verbose = false, quiet = true, distributed = { comm, shards = 4, wire = "bf16" } }).settings) do
        local name, value = table.unpack(pair)
        settings[name] = value
      end
      assert(settings.processes == "2" and settings["shards of a batch"] == "4" and settings["gradients are sent as"] == "bf16")
      print(rules { distributed = comm, quiet = true } .. "|" .. rules { quiet = true } .. "|" .. rules {})
      model:evaluate(data)]])
    assert.equal(0, result.status, result.all)
    assert.matches("^([%w_ ]*)|undistributed ?%1|undistributed ?%1\n$", result.out)
    local _, told = result.err:gsub("scion: fit: each of the 2 ranks does all of it: distributed = comm shares it\n", "")
    assert.equal(1, told, result.err)
  end)
end)
