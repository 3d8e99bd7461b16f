-- What the environment says is checked as options are: a wrong value is told, with the values that there are.
local core = require "scion.core"
local support = require "spec.support.files"

local fit = [[
local scion = require "scion"
local nn = scion.nn
local x = nn.conv2d(16, 3, { name = "a" })(nn.conv2d(16, 3)(nn.input(24, 24, 3)))
local model = scion.model { output = nn.dense(2, "softmax")(nn.global_avg_pool()(x)) }:freeze { upto = "a" }
model:fit(scion.data.tensors(scion.zeros({ 2, 24, 24, 3 }, "u8"), { 1, 2 }), { verbose = false, precision = PRECISION })
print "done"]]

local function run(environment, script) return support.shell(("env -u SCION_BF16 %s lua5.4 -e %s"):format(environment, support.quoted(script or fit))) end

describe("the environment", function()
  it("may name an instruction set that this CPU has", function()
    for _, wrong in ipairs { "AVX2", "avx3", "best", "sse" } do
      for _, script in ipairs { fit, "require 'scion'", "require 'scion.core'" } do
        local out, code = run("SCION_ISA=" .. wrong, script)
        assert.not_equal(0, code)
        assert.matches(("the environment's SCION_ISA is '%s', but on this CPU it can be portable"):format(wrong), out, 1, true)
      end
    end
    if core.bf16() ~= "amx" then assert.matches("SCION_ISA is 'amx', but on this CPU it can be", (run "SCION_ISA=amx"), 1, true) end
    assert.matches("done\n$", (run "SCION_ISA="))
    assert.matches("done\n$", (run "SCION_ISA=portable"))
    local program = (os.getenv "SCION_BUILD" or "build/release") .. "/spec/csrc/optimizer_test"
    local out, code = run("SCION_ISA=AVX2", ("local ok, _, code = os.execute %q os.exit(code)"):format("SCION_ISA=AVX2 " .. program))
    assert.not_equal(0, code)
    assert.matches("SCION_ISA is 'AVX2'", out, 1, true)
  end)

  it("may ask for bf16 to be emulated", function()
    local out, code = run("SCION_BF16=x", "PRECISION = 'bf16' " .. fit)
    assert.not_equal(0, code)
    assert.matches("the environment: SCION_BF16 is 'emulate', not 'x'", out, 1, true)
    assert.matches("done\n$", (run("SCION_BF16=emulate", "PRECISION = 'bf16' " .. fit)))
    assert.matches("done\n$", (run "SCION_BF16="))
  end)

  it("may give the cache's budgets", function()
    for _, name in ipairs { "SCION_CACHE_MEMORY", "SCION_CACHE_DISK" } do
      for _, wrong in ipairs { "much", "-1", "nan", "1e999", "1GB" } do
        local out, code = run(name .. "=" .. wrong)
        assert.not_equal(0, code)
        assert.matches(("%s is a number of GB from 0 up, not '%s'"):format(name, wrong), out, 1, true)
        assert.not_matches("store.lua", out:match "^[^\n]*")
      end
    end
    assert.matches("done\n$", (run "SCION_CACHE_DISK=0 SCION_CACHE_MEMORY=0.5"))
  end)
end)
