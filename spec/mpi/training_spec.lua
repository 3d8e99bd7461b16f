-- Several processes train one model: the bits are those of any other number of them.
local mpi = dofile "spec/support/mpi.lua"
local pictures = dofile "spec/support/images.lua"

local most = 4 -- ranks; each is started with as many threads as make two with the others, or one

describe("a model that several processes train", function()
  teardown(function()
    mpi.done()
    pictures.done()
  end)

  -- 35 files, of which two are no images
  local function photographs()
    local scion, folder = require "scion", pictures.folder()
    for _, class in ipairs { "a", "b", "c" } do assert(require "lfs".mkdir(folder .. "/" .. class)) end
    for i = 1, 33 do assert(scion.image.save(("%s/%s/%02d.png"):format(folder, ("abc"):sub(i % 3 + 1, i % 3 + 1), i), pictures.pattern(10, 14, i * 29))) end
    pictures.spit(folder .. "/a/10_broken.png", "no image")
    pictures.spit(folder .. "/c/11_broken.png", "no image")
    return folder
  end

  local folder
  local function train(ranks)
    folder = folder or photographs()
    local out = pictures.folder()
    local result = mpi.start(("-n %d lua5.4 spec/mpi/training.lua %s %s %d"):format(ranks, folder, out, ranks == 1 and 2 or 1))
    assert.equal(0, result.status, result.all)
    local lines, sums = {}, pictures.shell(("cd %s && sha256sum *"):format(out))
    for line in result.err:gmatch "[^\n]+" do lines[#lines + 1] = line end
    table.sort(lines)
    return { out = result.out, err = table.concat(lines, "\n"), files = sums }
  end

  local one
  local function same(ranks)
    mpi.needed(pending)
    one = one or train(1)
    local several = train(ranks)
    assert.equal(one.out, several.out)
    assert.equal(one.files, several.files)
    assert.equal(one.err, several.err)
  end

  for ranks = 2, most, 2 do
    it(("by %d ranks gives the files and the numbers of one process, and the same notices once"):format(ranks), function() same(ranks) end)
  end

  it("has seen all that it was to see", function()
    mpi.needed(pending)
    one = one or train(1)
    local _, files = one.files:gsub("%.safetensors", "")
    assert.equal(13, files, one.files)
    assert.matches("broken skipped 2, problems 10_broken.png 11_broken.png\n", one.out, 1, true)
    assert.matches("broken: told of 10_broken.png 11_broken.png\n", one.out, 1, true)
    local _, told = one.err:gsub("left out [^\n]*1%d_broken%.png", "")
    assert.equal(8, told, one.err) -- of two files: by the recipe's two data sets, by the one that is evaluated and by that of features
  end)
end)
