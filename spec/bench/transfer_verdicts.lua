-- Usage: lua5.4 spec/bench/transfer_verdicts.lua [REPETITIONS [TRASHNET SQUEEZENET]]
-- Whether insight.transfer calls transfer what it is where that is known: of trunks that were pretrained on drawn shapes, or on shapes whose
-- labels were shuffled, and of targets that are drawn shapes, or patterns of noise. What noise is worth to a trunk is measured: with many
-- patterns and many random networks. TRASHNET is a folder with a folder of photographs for each class, SQUEEZENET the ImageNet weights of
-- SqueezeNet 1.1. Trunks, patterns and choices of photographs are drawn anew for each repetition, and shapes for every fifth.
local scion = require "scion"
local noise = dofile "spec/support/noise.lua"
local nn = scion.nn

local repetitions, photographs, weights = tonumber(arg[1]) or 20, arg[2], arg[3]

local function trunk()
  local x = nn.input { shape = { 32, 32, 3 }, preprocess = "tf" }
  for block, filters in ipairs { 16, 32, 64 } do
    for part = 1, 2 do
      local name = ("block%d/%%s_%d"):format(block, part)
      x = nn.conv2d(filters, 3, { padding = "same", bias = false, name = name:format "conv" })(x)
      x = nn.relu { name = name:format "relu" }(nn.batch_norm { momentum = 0.9, name = name:format "norm" }(x))
    end
    x = nn.max_pool(2, { name = ("block%d/pool"):format(block) })(x)
  end
  return scion.model { output = x }
end

-- The pictures of a folder in memory, their classes, and the names of these.
local function pictures(path)
  local data, list = scion.data.folder(path, { size = 32, shuffle = false }), {}
  for i, file in ipairs(data.files) do list[i] = assert(scion.image.load(file)) end
  return scion.stack(list), data.classes:totable(), data.labels
end

local function shuffled(list)
  local copy = { table.unpack(list) }
  for i = #copy, 2, -1 do
    local j = math.random(i)
    copy[i], copy[j] = copy[j], copy[i]
  end
  return copy
end

local function pretrained(x, classes, labels, seed)
  scion.seed(seed)
  local base = trunk()
  base:graft { nn.global_avg_pool(), nn.dense(#labels, "softmax") }:fit(
    scion.data.tensors(x, classes, { batch = 20, seed = seed, labels = labels, augment = { rotation = 30, zoom = 0.1, flip = "horizontal" } }),
    { epochs = 4, optimizer = scion.optim.adam { lr = 2e-3 }, verbose = false, quiet = true })
  return base
end

local counts, wrong = {}, 0

-- Counts a verdict, and whether it is one of those that are right.
local function count(case, found, right)
  counts[case] = counts[case] or { case = case, n = 0, wrong = 0, verdicts = {}, sum = 0 }
  local of, fits = counts[case], ("|" .. right .. "|"):find("|" .. found.verdict .. "|", 1, true)
  if of.n == 0 then counts[#counts + 1] = of end
  of.n, of.wrong, of.sum, of.verdicts[found.verdict] = of.n + 1, of.wrong + (fits and 0 or 1), of.sum + found.difference, (of.verdicts[found.verdict] or 0) + 1
  wrong = wrong + (fits and 0 or 1)
  io.stdout:write(("%-46s %s%s\n"):format(case, tostring(found):gsub("\n%s*", " "), fits and "" or "   WRONG")):flush()
end

-- The accuracy by the last block's features.
local function accuracy(model, data)
  local found = model:probe(data, { cache = false })
  return found[#found].accuracy
end

local plenty, by_chance, clear = noise(2000, 32, 1000), 0, 0.1
for seed = 1, 40 do
  scion.seed(1000 + seed)
  by_chance = by_chance + accuracy(trunk(), plenty) / 40
end

-- The verdicts that are right for a trunk on noise.
local function truth(base)
  local difference = accuracy(base, plenty) - by_chance
  return difference < -clear and "hurts" or difference > clear and "helps" or difference < 0 and "hurts|nothing|unclear" or "helps|nothing|unclear", difference
end

local shapes

local function drawn(seed, folder)
  if not shapes or seed % 5 == 1 then
    assert(os.execute(("%s examples/draw_shapes.lua %q %d"):format(arg[-1], folder, seed)))
    shapes = { source = { pictures(folder .. "/source/train") } }
    local some, of_some = pictures(folder .. "/target/train")
    local more, of_more, kinds = pictures(folder .. "/target/test")
    shapes.target = scion.data.tensors(scion.concat { some, more }, table.move(of_more, 1, #of_more, #of_some + 1, of_some), { batch = 60, seed = seed, labels = kinds })
  end
  local x, classes, labels = table.unpack(shapes.source)
  local patterns = noise(960, 32, seed)
  for kind, base in pairs { shapes = pretrained(x, classes, labels, seed), ["shuffled labels"] = pretrained(x, shuffled(classes), labels, seed) } do
    count(kind .. ", onto shapes", scion.insight.transfer(base, shapes.target, { repeats = 8 }), kind == "shapes" and "helps" or "hurts|nothing|unclear")
    local right, difference = truth(base)
    count(("%s, onto noise%s"):format(kind, difference < -clear and ", which hurts" or ""), scion.insight.transfer(base, patterns, { repeats = 16 }).whole, right)
    print(("    in truth %+.1f points"):format(100 * difference))
  end
end

-- Some 200 photographs, drawn by the seed.
local function photographed(seed)
  local all = scion.data.folder(photographs, { size = 224, batch = 40, seed = seed })
  local part = all:split(200 / #all)
  local base = scion.models.squeezenet1_1 { weights = weights, input = 224 }
  count("SqueezeNet 1.1, onto photographs", scion.insight.transfer(base, part, { repeats = 5 }), "helps")
end

local folder = os.tmpname()
os.remove(folder)
for seed = 1, repetitions do
  math.randomseed(seed)
  drawn(seed, folder)
  if photographs then photographed(seed) end
end
os.execute(("rm -r %q"):format(folder))
for _, of in ipairs(counts) do
  local verdicts = {}
  for verdict, n in pairs(of.verdicts) do verdicts[#verdicts + 1] = ("%s %d"):format(verdict, n) end
  table.sort(verdicts)
  print(("%-46s %d of %d wrong (%s), mean difference %+.1f points"):format(of.case, of.wrong, of.n, table.concat(verdicts, ", "), 100 * of.sum / of.n))
end
os.exit(wrong <= 1)
