-- Scion's side of the bench (see side.lua): lua5.4 scion_side.lua THREADS
--   step NETWORK KIND            a batch of 32 through forward, prong_one, prong_two or full, as users have it: predict and fit
--   layer H W CI CO KH KW ..     a convolution with bias and ReLU of 32 images (see shapes.lua)
--   pipeline WORKERS MEMORY FOLDER   an epoch of a folder's images: decoded, resized to 224, flipped, warped
--   crops WORKERS MEMORY FOLDER      the same by a list: a random crop resized to 224, flipped, its colours jittered
--   cache FOLDER                 an epoch of prong one on a folder's images, as they are, with the cache of frozen values
-- The caches are off in all but the last, and in pipeline unless MEMORY says so.
local core = require "scion.core"
local graph = require "scion.graph"
local plan = require "scion.plan"
local scion = require "scion"

local batch = 32
local precisions = { "fp32", core.bf16() ~= "f32" and "bf16" or nil } -- bf16 where there are instructions for it
scion.threads(math.tointeger(arg[1]))
scion.seed(1)

--- Seconds that f takes, told to the driver.
local function timed(f, times)
  local wall, cpu = core.clock(), os.clock()
  for _ = 1, times or 1 do f() end
  return { wall = (core.clock() - wall) / (times or 1), cpu = (os.clock() - cpu) / (times or 1) }
end

-- ---- steps

local function network(name)
  if name ~= "inception_v3" then return scion.models[name] { input = 224, top = true, batch_norm = "stored" }, 1000 end
  local base = scion.models.inception_v3 { input = 224, batch_norm = "stored" }
  return base:graft { scion.nn.global_avg_pool(), scion.nn.dense(1024, "relu"), scion.nn.dense(6, "softmax") }, 6
end

--- Freezes as the kind of step wants it; returns its optimizer, with so low a rate that random weights never run away.
local function optimizer_for(model, kind)
  if kind == "prong_one" then
    model:freeze { upto = "mixed10" }
    return scion.optim.rmsprop { lr = 1e-9 }
  end
  if kind == "prong_two" then model:freeze { upto = "mixed8" } end
  return scion.optim.sgd { lr = 1e-9, momentum = 0.9 }
end

--- The three kernels that took longest since it was last asked, with their share.
local function kernels(made)
  local by_name, total, list = {}, 0, {}
  for i, seconds in ipairs(made.program:seconds()) do
    local name = made.calls[i][1]
    by_name[name], total = (by_name[name] or 0) + seconds, total + seconds
  end
  for name, seconds in pairs(by_name) do list[#list + 1] = { name, seconds } end
  table.sort(list, function(a, b) return a[2] > b[2] end)
  for i = 1, #list do list[i] = i <= 3 and ("%s %.0f%%"):format(list[i][1], 100 * list[i][2] / total) or nil end
  return table.concat(list, ", ")
end

local works = {}

function works.step(name, kind)
  local model, classes = network(name)
  local optimizer = optimizer_for(model, kind)
  local report = model:plan { batch = batch, mode = kind == "forward" and "infer" or "train" }
  local labels, names = {}, {}
  for i = 1, classes do names[i] = tostring(i) end
  for i = 1, batch do labels[i] = i % classes + 1 end
  local function round(variant)
    model.precision = variant == "fp32" and "f32" or variant
    local drawn <close> = scion.uniform({ batch, 224, 224, 3 }, 0, 255) -- freed at once: memory is measured, too
    local images <close> = drawn:to "u8"
    local data = scion.data.tensors(images, labels, { labels = names, batch = batch, shuffle = false })
    local taken = timed(function()
      if kind == "forward" then model:predict(data) else model:fit(data, { epochs = 1, optimizer = optimizer, cache = false, verbose = false }) end
    end)
    taken.kernels = kernels(model.plans[1].plan)
    return taken
  end
  local variants = { table.unpack(precisions) }
  if kind ~= "full" then variants[#variants + 1] = "int8" end -- else there is nothing frozen
  for _, variant in ipairs(variants) do round(variant) end
  return { variants = variants, flops = 2 * batch * (report.forward + report.backward) }, round
end

-- ---- one convolution

local function algorithm(node, precision)
  local ops = plan.operations(graph.order(node), node, precision == "bf16" and "bf16" or "f32")
  return ops[#ops].algorithm
end

function works.layer(...)
  local n = table.pack(...)
  for i = 1, n.n do n[i] = math.tointeger(n[i]) end
  local h, w, ci, co, kh, kw, sh, sw, top, bottom, left, right = table.unpack(n)
  local node = scion.nn.conv2d(co, { kh, kw }, { stride = { sh, sw }, padding = { top, left, bottom, right } })(scion.nn.input(h, w, ci))
  local window, oh, ow = node.layer.window, node.shape[1], node.shape[2]
  local kernel = scion.uniform({ kh, kw, ci, co }, -0.1, 0.1)
  local x, y, made = scion.uniform({ batch, h, w, ci }, -1, 1), scion.zeros(batch, oh, ow, co), {}
  for _, precision in ipairs(precisions) do
    local name = algorithm(node, precision) -- as a network has it
    local dtype = precision == "bf16" and "bf16" or "f32"
    local packed = core.new({ core[name .. "_packed"](kernel, false) }, dtype)
    core.run { name .. "_pack", kernel = kernel, packed = packed }
    local call = { name .. "_forward", x = x:to(dtype), packed = packed, bias = scion.zeros(co), y = y:to(dtype), window = window,
                   activation = "relu" }
    local function run() core.run(call) end
    run()
    local times = math.ceil(0.03 / timed(run).wall)
    made[precision] = function() return timed(run, times) end
  end
  return { variants = precisions, flops = 2 * batch * oh * ow * co * kh * kw * ci }, function(variant) return made[variant]() end
end

-- ---- the input pipeline

local function loading(workers, memory, folder, augment)
  local data = scion.data.folder(folder, { size = 224, batch = batch, seed = 1, workers = math.tointeger(workers), memory = tonumber(memory),
    augment = augment })
  local epoch = 0
  local function pass()
    epoch = epoch + 1
    for _ in data:batches(epoch) do end -- luacheck: ignore 542
  end
  pass()
  return { variants = { "u8" }, images = #data }, function() return timed(pass) end
end

function works.pipeline(workers, memory, folder)
  return loading(workers, memory, folder, { flip = "horizontal", shear = 11, zoom = 0.2 })
end

function works.crops(workers, memory, folder)
  local A = scion.augment
  return loading(workers, memory, folder, { A.random_resized_crop(), A.flip(), A.jitter { brightness = 0.4, contrast = 0.4, saturation = 0.4, hue = 0.1 } })
end

-- ---- the cache of frozen values; nothing is run beforehand, since that would fill it

function works.cache(folder)
  local model = network "inception_v3"
  local data = scion.data.folder(folder, { size = 224, batch = batch, seed = 1 })
  local optimizer = optimizer_for(model, "prong_one")
  return { variants = { "fp32" }, images = #data }, function()
    return timed(function() model:fit(data, { epochs = 1, optimizer = optimizer, verbose = false }) end)
  end
end

-- ---- answers

--- The most memory that this process ever had; nothing where the system does not tell.
local function peak_bytes()
  local file = io.open "/proc/self/status"
  local kilobytes = file and file:read "a":match "VmHWM:%s*(%d+) kB"
  if file then file:close() end
  return { bytes = kilobytes and 1024 * math.tointeger(kilobytes) }
end

io.stdout:setvbuf "line"
print(core.json_encode { name = "scion", version = scion.version })
local prepared = {}
for line in io.lines() do
  local verb, work, rest = line:match "^(%S+) ?(%S*) ?(.*)$"
  if verb == "end" then break end
  if verb == "prepare" then
    prepared.round = nil -- what it holds makes room for what comes
    collectgarbage()
    local words = {}
    if work == "pipeline" or work == "crops" then
      words = { rest:match "^(%S+) (%S+) (.*)$" }
    elseif work == "cache" then
      words = { rest }
    else
      for word in rest:gmatch "%S+" do words[#words + 1] = word end
    end
    local told
    told, prepared.round = works[work](table.unpack(words))
    print(core.json_encode(told))
  else
    print(core.json_encode(verb == "bytes" and peak_bytes() or prepared.round(work)))
  end
end
