-- The examples that run on photographs, as users start them, on a part of TrashNet. (The demo makes its own pictures: make demo.)
local support = dofile "spec/support/images.lua"

describe("an example", function()
  teardown(support.done)

  -- Runs one with so many photographs of each class; returns what it printed.
  local function run(name, weights, train, val)
    local data = support.test_data(pending)
    if not data then return end
    local folder, here = support.folder(), require("lfs").currentdir()
    support.photographs(data, "train", folder .. "/train", train)
    support.photographs(data, "val", folder .. "/val", val)
    local out, status = support.shell(("cd %q && lua5.4 %q . %q"):format(folder, ("%s/examples/%s.lua"):format(here, name), data .. "/weights/" .. weights))
    assert.equal(0, status, out)
    return out
  end

  it("classifies what SqueezeNet makes of photographs, far above chance", function()
    local out = run("linear_probe", "squeezenet1_1_notop.h5", 24, 8)
    if not out then return end
    local accuracy, count = out:match "\nloss %S+  accuracy (%S+)  %((%d+) examples%)"
    assert.equal("48", count, out)
    assert.is_true(tonumber(accuracy) > 0.4, out) -- by chance 0.17, and up to 0.31 on a trunk that was never trained
  end)

  it("trains Inception V3 in two prongs, and saves it", function()
    local out = run("two_pronged", "inception_v3_notop.h5", 1, 1)
    if not out then return end
    assert.matches("nothing trains up to global_avg_pool_1\n", out, 1, true)
    assert.matches("nothing trains up to mixed8\n", out, 1, true)
    assert.matches("epoch 5/5", out, 1, true)
    assert.matches("\nsaved as two_pronged.safetensors\n$", out)
  end)

  it("says how it is used", function()
    for _, name in ipairs { "linear_probe", "two_pronged" } do
      local out, status = support.shell(("lua5.4 examples/%s.lua"):format(name))
      assert.same({ ("usage: %s.lua DATA WEIGHTS [SEED%s]\n"):format(name, name == "linear_probe" and " [NETWORK]" or ""), 2 }, { out, status })
    end
  end)
end)
