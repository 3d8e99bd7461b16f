-- What rows of the cache are found by holds all that they depend on: one thing is changed at a time, and the name has to change too.
local core = require "scion.core"
local support = require "spec.support.files"

local script = [[
local scion = require "scion"
local nn, key, core = scion.nn, require "scion.cache.key", require "scion.core"
scion.seed(1)
local x = nn.conv2d(4, 3, { name = "conv" })(nn.input { shape = { 12, 12, 3 }, preprocess = PREPROCESS or "tf" })
local model = scion.model { output = nn.relu()(x) }
print(key.of_node(model.output, PRECISION or "f32"))
print((key.of_images(scion.data.tensors(scion.zeros({ 1, 30, 30, 3 }, "u8"), nil, { size = SIZE or 12 }))[1]:gsub(".", function(c) return ("%02x"):format(c:byte()) end)))
]]

--- The names of a node and of an image, as a process of its own finds them.
local function names(before, environment)
  local out, code = support.shell(("SCION_CACHE_DISK=0 %s lua5.4 -e %s"):format(environment or "", support.quoted((before or "") .. script)))
  assert.equal(0, code, out)
  local node, image = out:match "^(%x+)\n(%x+)\n$"
  assert(image, out)
  return node, image
end

describe("the names of rows of the cache", function()
  local node, image = names()
  teardown(support.done)

  it("are the same in another process", function() assert.same({ node, image }, { names() }) end)

  it("depend on the layers' options and on the images' size", function()
    local other, same_image = names "PREPROCESS = 'caffe' "
    assert.not_equal(node, other)
    assert.equal(image, same_image)
    local same, other_image = names "SIZE = 13 "
    assert.equal(node, same)
    assert.not_equal(image, other_image)
    assert.not_equal(image, (select(2, names "SIZE = { 8, 18 } ")))
  end)

  it("depend on how a JPEG is decoded", function()
    local files = [[
      local image, data, key, core = require "scion.image", require "scion.data", require "scion.cache.key", require "scion.core"
      local path = os.tmpname()
      image.save(path .. ".png", core.new({ 3, 3, 3 }, "u8"))
      for _, o in ipairs { { size = 12 }, { size = 12, reducing_gap = 3 }, { size = 12, reducing_gap = false },
                           { size = 12, truncated = "keep" }, { size = 12, background = "white" }, { size = { 12, 13 } }, { size = 12 } } do
        io.write(key.of_images(data.files({ path .. ".png" }, o))[1]:byte(1, 4))
        io.write("\n")
      end
      os.remove(path) os.remove(path .. ".png")]]
    local out, lines = support.shell("SCION_CACHE_DISK=0 lua5.4 -e " .. support.quoted(files)), {}
    for line in out:gmatch "%d+" do lines[#lines + 1] = line end
    assert.equal(7, #lines, out)
    for i = 1, 6 do
      for j = i + 1, 6 do assert.not_equal(lines[i], lines[j]) end
    end
    assert.equal(lines[1], lines[7])
  end)

  it("depend on the instruction set, and in bf16 on the instructions for bf16", function()
    local isa = core.isa()
    if isa ~= "portable" then assert.not_equal(node, (names("", "SCION_ISA=portable"))) end
    assert.not_equal(node, (names "PRECISION = 'bf16' "))
    if core.bf16() ~= "amx" then return print "\nskipped: AMX against AVX512_BF16 needs a CPU with both" end
    local amx, vdpbf16ps = names("PRECISION = 'bf16' ", "SCION_ISA=amx"), names("PRECISION = 'bf16' ", "SCION_ISA=avx512bf16")
    assert.not_equal(amx, vdpbf16ps)
    assert.equal(node, (names("", "SCION_ISA=avx512bf16"))) -- f32 is computed alike on both
  end)

  it("depend on Scion's own code, in Lua too", function()
    local copy = support.folder()
    support.shell("cp -r lua " .. copy)
    local environment = ("LUA_PATH='%s/lua/?.lua;%s/lua/?/init.lua;;'"):format(copy, copy)
    assert.same({ node, image }, { names("", environment) })
    for _, file in ipairs { "nn/conv2d.lua", "plan.lua", "machine.lua", "graph.lua" } do
      local path = copy .. "/lua/scion/" .. file
      local code = support.slurp(path)
      support.spit(path, "-- another one\n" .. code)
      assert.not_equal(node, (names("", environment)), file)
      support.spit(path, code)
    end
    assert.equal(node, (names("", environment)))
  end)
end)
