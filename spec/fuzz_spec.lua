-- A bounded run of spec/fuzz/calls.lua, with another seed each time; make fuzz is the long one.
local files = dofile "spec/support/files.lua"

describe("calls with nasty arguments", function()
  it("succeed, or raise a sentence at the line that called", function()
    local seed = os.time()
    local paths = ("LUA_PATH=%s LUA_CPATH=%s"):format(files.quoted(package.path), files.quoted(package.cpath))
    local output, code = files.shell(("SCION_CACHE_DISK=0 %s lua5.4 spec/fuzz/calls.lua 1000000 %d 10"):format(paths, seed))
    print("\n" .. (output:match "fuzz: %d+ calls[^\n]*" or "fuzz: no result") .. ", seed " .. seed)
    assert.equal(0, code, output)
  end)
end)
