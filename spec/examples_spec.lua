-- The examples, as users start them: two on a part of TrashNet, one on an image of its own. (The demo makes its own pictures: make demo.)
local core = require "scion.core"
local files = dofile "spec/files/support.lua"
local scion = require "scion"
local support = dofile "spec/support/images.lua"

describe("an example", function()
  teardown(support.done)

  -- Runs one with so many photographs of each class; returns what it printed.
  local function run(name, weights, train, val, more)
    local data = support.test_data(pending)
    if not data then return end
    local folder, here = support.folder(), require("lfs").currentdir()
    support.photographs(data, "train", folder .. "/train", train)
    support.photographs(data, "val", folder .. "/val", val)
    local out, status = support.shell(("cd %q && lua5.4 %q . %q %s"):format(folder, ("%s/examples/%s.lua"):format(here, name), data .. "/weights/" .. weights, more or ""))
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

  it("compares five ways to train on one test set", function()
    if (os.getenv "SCION_BUILD" or ""):find "sanitize" then return pending "it takes minutes under sanitizers, and its parts have specs of their own" end
    local out = run("five_models", "squeezenet1_1_notop.h5", 4, 4, "7 2")
    if not out then return end
    for _, name in ipairs { "from scratch", "with dropout", "and augmentation", "bottleneck features", "fine-tuned" } do
      assert.matches("\n[> ] " .. name:gsub("%-", "%%-") .. " +%d+%.%d%%", out)
    end
    assert.matches("All tell the same 24 images", out, 1, true)
  end)

  it("trains Inception V3 in two prongs, and saves it", function()
    local out = run("two_pronged", "inception_v3_notop.h5", 1, 1)
    if not out then return end
    assert.matches("nothing trains up to global_avg_pool_1\n", out, 1, true)
    assert.matches("nothing trains up to mixed8\n", out, 1, true)
    assert.matches("epoch 5/5", out, 1, true)
    assert.matches("\nsaved as two_pronged.safetensors\nboth stages are told of in two_pronged.html\n$", out)
  end)

  it("sees in an image what PyTorch's ResNet-20 for CIFAR does", function()
    local data = support.test_data(pending)
    if not data then return end
    local golden, image = core.json_decode(files.slurp "spec/fixtures/weights/torchvision.json").resnet20, support.folder() .. "/pattern.png"
    assert(scion.image.save(image, files.pattern(32, 32):select(1)))
    local out, status = support.shell(("lua5.4 examples/cifar_resnet20.lua %q %q"):format(data .. "/weights/resnet20_cifar10.th", image))
    assert.equal(0, status, out)
    local sum = 0
    for _, logit in ipairs(golden) do sum = sum + math.exp(logit) end
    assert.matches(("%%.png  %.4f  bird\n$"):format(math.exp(golden[3]) / sum), out)
  end)

  it("says how it is used", function()
    for name, usage in pairs { linear_probe = "DATA WEIGHTS [SEED [NETWORK]]", two_pronged = "DATA WEIGHTS [SEED]",
                               five_models = "DATA WEIGHTS [SEED [EPOCHS]]", cifar_resnet20 = "WEIGHTS IMAGE.." } do
      local out, status = support.shell(("lua5.4 examples/%s.lua"):format(name))
      assert.same({ ("usage: %s.lua %s\n"):format(name, usage), 2 }, { out, status })
    end
  end)
end)
