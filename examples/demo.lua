-- Usage: lua5.4 demo.lua [FOLDER [RUNS]]. The pictures and the networks of the first run are written to FOLDER.
-- Does transfer learning help? A small network is trained to tell eight shapes apart. Then its trunk gets a new head and is fine-tuned on
-- five other shapes, with eight pictures of each: first the head alone, then the upper blocks as well. For comparison the same network is
-- trained on these pictures from scratch, with as many steps.
local scion = require "scion"
local nn = scion.nn

local here = arg[0]:match "^(.*)/[^/]*$" or "."
local folder, runs = arg[1] or here .. "/../build/demo", tonumber(arg[2]) or 3
local start = scion.clock()
assert(os.execute(("mkdir -p %q"):format(folder)))
assert(os.execute(("%s %s/draw_shapes.lua %q"):format(arg[-1], here, folder)))

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

local function with_head(base, classes) return base:graft { nn.global_avg_pool(), nn.dense(classes, "softmax") } end

local head_epochs, top_epochs, gain, shown = 30, 30, 0, nil
local options = { size = 32, batch = 20, augment = { rotation = 30, zoom = 0.1, flip = "horizontal" } }
for seed = 1, runs do
  scion.seed(seed)
  options.seed, options.labels = seed, nil
  local source = scion.data.folder(folder .. "/source/train", options)
  local train = scion.data.folder(folder .. "/target/train", options)
  local test = scion.data.folder(folder .. "/target/test", { size = 32, batch = 50, labels = train.labels, shuffle = false })

  local base = trunk()
  with_head(base, #source.labels):fit(source, { epochs = 8, optimizer = scion.optim.adam { lr = 2e-3 }, verbose = seed == 1 })
  if seed == 1 then base:save(folder .. "/trunk.safetensors") end

  local graft, validate = with_head(base, #train.labels), seed == 1 and test or nil -- only in the first run
  base:freeze()
  graft:fit(train, { epochs = head_epochs, validate = validate, optimizer = scion.optim.adam { lr = 1e-2 }, verbose = false })
  graft:freeze { upto = "block2" }
  graft:fit(train, { epochs = top_epochs, validate = validate, optimizer = scion.optim.adam { lr = 1e-3 }, verbose = false })

  local scratch = with_head(trunk(), #train.labels)
  scratch:fit(train, { epochs = head_epochs + top_epochs, validate = validate, optimizer = scion.optim.adam { lr = 2e-3 }, verbose = false })
  local a, b = graft:evaluate(test), scratch:evaluate(test)
  print(("seed %d: grafted %.1f%%, from scratch %.1f%%"):format(seed, 100 * a.accuracy, 100 * b.accuracy))
  gain = gain + 100 * (a.accuracy - b.accuracy) / runs
  if seed == 1 then
    shown = a
    graft:save(folder .. "/grafted.safetensors")
    scratch:save(folder .. "/from scratch.safetensors")
  end
end
print(shown)
print(("the graft wins by %.1f points of accuracy (%d seeds, %.0f s in all)"):format(gain, runs, scion.clock() - start))
if gain < 10 then
  print "that is less than the 10 points it should win by"
  os.exit(1)
end
