-- Everything in scion.core with arguments that make no sense: see fuzz.lua. SCION_FUZZ_CALLS, SCION_FUZZ_SECONDS and SCION_FUZZ_SEED for more.
local files = dofile "spec/support/files.lua"

describe("scion.core", function()
  teardown(files.done)

  it("takes any arguments at all without crashing or hanging", function()
    local folder, here = files.folder(), os.getenv "PWD"
    local seed, seconds = os.getenv "SCION_FUZZ_SEED" or os.time(), tonumber(os.getenv "SCION_FUZZ_SECONDS" or 10)
    local calls = os.getenv "SCION_FUZZ_CALLS" or math.maxinteger
    local command = ("cd %s && exec timeout %d lua5.4 %s/spec/binding/fuzz.lua %s %d %s 2>&1"):format(folder, seconds + 60, here, calls, seconds, seed)
    print(("  fuzz.lua %s %d %s"):format(calls, seconds, seed))
    local pipe = assert(io.popen(command))
    local out = pipe:read "a"
    local good, how, code = pipe:close()
    local last = io.open(folder .. "/last_call")
    assert.is_true(good, ("seed %s, ended by %s %s\n%s\nthe last call: %s"):format(seed, how, code, out:sub(1, 4000), last and last:read "l" or "none"))
    local counted, raised = out:match "(%d+) calls, (%d+) raised"
    assert.is_true(tonumber(counted) > 500 and raised / counted < 0.75, out) -- most calls are to get past the first check
  end)
end)
