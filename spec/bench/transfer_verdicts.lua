-- Usage: lua5.4 spec/bench/transfer_verdicts.lua [REPETITIONS [TRASHNET SQUEEZENET]]
-- Whether insight.transfer calls transfer what it is where that is known: of trunks that were pretrained on drawn shapes, or on shapes whose
-- labels were shuffled, onto other shapes; of small trunks that have learned labels without sense by heart, onto noise, of which random weights tell
-- most; of one that knows colours alone, onto the same noise; and of SqueezeNet 1.1 onto photographs. TRASHNET is a
-- folder with a folder of photographs for each class, SQUEEZENET its ImageNet weights. Trunks, noise and choices of photographs are drawn anew
-- for each repetition, and shapes for every fifth.
local scion = require "scion"
local negative = dofile "spec/support/negative.lua"
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

-- A trunk that has learned labels without sense by heart: it is so small that it has to give up all else for that.
local function learned_by_heart(x, seed)
  local rows, senseless = {}, {}
  for i = 1, 100 do rows[i], senseless[i] = math.random(#x), i % 4 + 1 end
  scion.seed(seed)
  local base = scion.sequential {
    nn.input { shape = { 32, 32, 3 }, preprocess = "tf" }, nn.conv2d(32, 3, { name = "trunk/conv_1", activation = "relu" }), nn.max_pool(2, { name = "trunk/pool" }),
    nn.conv2d(32, 3, { name = "trunk/conv_2", activation = "relu" }), nn.conv2d(32, 3, { name = "trunk/conv_3", activation = "relu" }),
  }
  local history = base:graft { nn.global_avg_pool(), nn.dense(4, "softmax") }:fit(scion.data.tensors(x:gather(1, rows), senseless, { batch = 20, seed = seed }),
    { epochs = 150, optimizer = scion.optim.adam { lr = 5e-3 }, verbose = false, quiet = true })
  if history[#history].accuracy < 0.8 then return learned_by_heart(x, seed + 1000) end -- it lost too many of its ReLUs to learn them
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
  io.stdout:write(("%-42s %s%s\n"):format(case, tostring(found):gsub("\n%s*", " "), fits and "" or "   WRONG")):flush()
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
  local function transfer(base) return scion.insight.transfer(base, shapes.target, { repeats = 8 }) end
  count("shapes, onto shapes", transfer(pretrained(x, classes, labels, seed)), "helps")
  count("shapes with shuffled labels, onto shapes", transfer(pretrained(x, shuffled(classes), labels, seed)), "hurts|nothing|unclear")
  local noise = negative.patterns(800, seed)
  count("labels without sense, by heart, onto noise", scion.insight.transfer(learned_by_heart(x, seed), noise, { repeats = 8 }), "hurts|nothing")
  count("colours, onto noise", scion.insight.transfer(negative.trunk(seed), noise, { repeats = 8 }), "hurts")
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
  print(("%-42s %d of %d wrong (%s), mean difference %+.1f points"):format(of.case, of.wrong, of.n, table.concat(verdicts, ", "), 100 * of.sum / of.n))
end
os.exit(wrong <= 1)
