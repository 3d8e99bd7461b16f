-- The README's Lua, run as it stands: scripts in processes of their own, in a folder laid out as the README says.
local data = os.getenv "SCION_TEST_DATA"

local function blocks()
  local file <close> = assert(io.open "README.md")
  local list = {}
  for block in file:read("a"):gmatch "```lua\n(.-)```" do list[#list + 1] = block end
  return list
end

local function shell(command)
  local pipe = assert(io.popen(command .. " 2>&1; echo status $?"))
  local out = pipe:read "a"
  pipe:close()
  return out, tonumber(out:match "status (%d+)%s*$")
end

--- A folder with a few photographs of each class under trash/train and trash/test, and the weights.
local function lay_out(folder)
  local script = [[
    set -e; cd %q; ln -s %q inception_v3_notop.h5
    for part in train:train val:test; do
      for class in %q/data/trashnet/${part%%:*}/*; do
        into=trash/${part#*:}/$(basename $class); mkdir -p $into
        ln -s $class/$(ls $class | head -n 1) $into/
      done
    done
    cp %q/data/trashnet/val/glass/glass112.jpg bottle.jpg
    cp %q/data/images/pngsuite/basn2c08.png can.png]]
  local out, status = shell(script:format(folder, data .. "/weights/inception_v3_notop.h5", data, data, data))
  assert(status == 0, out)
end

describe("the README", function()
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
    if not data then
      print "\nskipped: the README's recipe needs photographs and weights from SCION_TEST_DATA"
      pending "SCION_TEST_DATA is not set"
      return
    end
    local folder = os.tmpname() .. ".readme"
    assert(shell(("mkdir %q"):format(folder)))
    lay_out(folder)
    for i = 1, 2 do
      local file = assert(io.open(("%s/%d.lua"):format(folder, i), "w"))
      file:write(scripts[i]):close()
      local out, status = shell(("cd %q && lua5.4 %d.lua"):format(folder, i))
      assert.equal(0, status, out)
      if i == 1 then
        assert.matches("epoch 12/12", out, 1, true)
        assert.matches("precision", out, 1, true)
      else
        assert.matches("bottle.jpg\t%l+\t0%.%d+\ncan.png\t%l+\t0%.%d+\n", out)
      end
    end
    shell(("rm -rf %q"):format(folder))
  end)
end)
