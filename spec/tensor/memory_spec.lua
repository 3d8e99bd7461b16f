local core = require "scion.core"
local tensor = require "scion.tensor"

describe("a tensor's memory", function()
  local function live()
    collectgarbage()
    collectgarbage()
    return core.live_bytes()
  end

  it("goes with the last view", function()
    local before = live()
    local t = tensor.zeros(1000, 1000)
    local view = t[1]:reshape(10, 100)
    assert.equal(before + 4000000, live())
    t = nil -- luacheck: ignore 311
    assert.equal(before + 4000000, live())
    assert.equal(0, view:sum())
    view = nil -- luacheck: ignore 311
    assert.equal(before, live())
  end)

  it("goes at the end of a block on request, and the handle knows", function()
    local before = live()
    local kept
    do
      local t <close> = tensor.zeros(1000, 1000)
      kept = t
    end
    assert.equal(before, live())
    assert.error_matches(function() return kept:get(1, 1) end, "the tensor was closed")
    assert.error_matches(function() return kept + 1 end, "the tensor was closed")
    assert.equal("tensor, closed", tostring(kept))
  end)

  -- in a process of its own: the limit follows what other specs kept alive
  it("does not outgrow what is alive: temporaries are collected before memory is taken", function()
    local script = [[
      local core, most = require "scion.core", 0
      local kept = core.zeros(64, 1024, 1024, "u8")
      for i = 1, 3000 do
        local t = core.zeros(1024, 1024, "u8")
        most = math.max(most, core.live_bytes())
      end
      print(most >> 20, #kept)]]
    local pipe = assert(io.popen(("%s -e '%s'"):format(os.getenv "LUA" or "lua5.4", script)))
    local most = tonumber(pipe:read "a":match "^(%d+)%s+64%s*$")
    assert.is_true(pipe:close() and most >= 65 and most <= 400, most .. " MB were alive at once")
  end)

  it("comes back when a constructor raises half-way", function()
    local before = live()
    for _ = 1, 20 do
      pcall(tensor.tensor, { { 1, 2 }, { 3, {} } })
      pcall(core.from_bytes, "abc", { 100000 })
      pcall(tensor.full, { 100000 }, 1, "x")
      pcall(function() return tensor.zeros(100000) + tensor.zeros(99999) end)
      pcall(core.fill_normal, tensor.zeros(100000), 1, -1)
      pcall(function() tensor.zeros(3, 100000):reshape(7, -1) end)
    end
    assert.equal(before, live())
  end)
end)
