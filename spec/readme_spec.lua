-- The README's Lua, run as it stands: scripts in processes of their own, in a folder laid out as the README says.
local lfs = require "lfs"
local support = dofile "spec/support/images.lua"

local function blocks()
  local file <close> = assert(io.open "README.md")
  local list = {}
  for block in file:read("a"):gmatch "```lua\n(.-)```" do list[#list + 1] = block end
  return list
end

--- A folder with a photograph of each class under trash/train and trash/test, two others, and the weights.
local function lay_out(data)
  local folder = support.folder()
  support.shell(("mkdir %q/trash"):format(folder))
  support.photographs(data, "train", folder .. "/trash/train", 1)
  support.photographs(data, "val", folder .. "/trash/test", 1)
  local links = { ["inception_v3_notop.h5"] = "weights/inception_v3_notop.h5", ["bottle.jpg"] = "data/trashnet/val/glass/glass112.jpg",
                  ["can.png"] = "data/images/pngsuite/basn2c08.png" }
  for name, target in pairs(links) do assert(lfs.link(data .. "/" .. target, folder .. "/" .. name, true)) end
  return folder
end

describe("the README", function()
  teardown(support.done)
  local scripts = blocks()

  it("names the commands and holds three scripts", function()
    assert.equal(3, #scripts)
    for i, script in ipairs(scripts) do assert(load(script, "README block " .. i)) end
  end)

  it("has a network from scratch that prints", function()
    local out = {}
    local environment = setmetatable({ print = function(x) out[#out + 1] = tostring(x) end }, { __index = _G })
    assert(load(scripts[3], "README", "t", environment))()
    assert.matches("conv2d", out[1], 1, true)
  end)

  it("has scripts that train, save, load and predict", function()
    local data = support.test_data(pending)
    if not data then return end
    local folder = lay_out(data)
    for i = 1, 2 do
      local file = assert(io.open(("%s/%d.lua"):format(folder, i), "w"))
      file:write(scripts[i]):close()
      local out, status = support.shell(("cd %q && lua5.4 %d.lua"):format(folder, i))
      assert.equal(0, status, out)
      if i == 1 then
        assert.matches("epoch 12/12", out, 1, true)
        assert.matches("precision", out, 1, true)
      else
        assert.matches("bottle.jpg\t%l+\t0%.%d+\ncan.png\t%l+\t0%.%d+\n", out)
      end
    end
  end)
end)
