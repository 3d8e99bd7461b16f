-- What is measured, a function for each part, in the order in which `make bench` runs them.
local core = require "scion.core"
local report = require "report"
local shapes = require "shapes"
local side = require "side"

local parts = { order = { "layers", "steps", "networks", "pipeline", "memory", "startup", "threads", "avx2", "cache" } } -- recipe, which takes long, by name alone

--- What a peer is called, and what a script that uses it begins with.
parts.peers = {
  torch = { title = "torch", import = "torch, torchvision" }, openvino = { title = "OpenVINO", import = "openvino" },
  onnxruntime = { title = "ONNX Runtime", import = "onnxruntime" }, keras = { title = "Keras", import = "keras" },
}
local folder = debug.getinfo(1, "S").source:match "^@(.*/)"

--- Whether this CPU computes in bf16.
function parts.bf16()
  local file = io.open "/proc/cpuinfo"
  local text = file and file:read "a" or ""
  if file then file:close() end
  return text:find("avx512_bf16", 1, true) or text:find("amx_bf16", 1, true)
end

-- ---- sides

local function start_scion(threads, environment)
  local made = side.start(("%s %s %s %d"):format(environment or "", os.getenv "LUA" or "lua5.4", side.quote(folder .. "scion_side.lua"), threads))
  made.title = "Scion"
  return made
end

local function start_peer(peer, threads, environment)
  local script = ("%speers/%s_side.py"):format(folder, peer.name)
  local made = side.start(("%s %s %s %d"):format(environment or "", side.quote(peer.python), side.quote(script), threads))
  made.title = ("%s %s"):format(parts.peers[peer.name].title, made.version:match "^%d+%.%d+")
  return made
end

--- Has the sides prepare a piece of work: an entry for each side and variant.
local function prepare(sides, work)
  local entries = {}
  for _, s in ipairs(sides) do
    local variants, no = s:prepare(work)
    if not variants then print(("  %s: %s"):format(s.title, no)) end
    for _, variant in ipairs(variants or {}) do entries[#entries + 1] = { side = s, variant = variant, seconds = {} } end
  end
  return entries
end

local function start_peak(bench, threads, environment)
  local made = side.start(("%s %s %d"):format(environment or "", side.quote(bench.peak), threads))
  made.entries = prepare({ made }, "")
  return made
end

--- Scion, then the peers, then the peak: all that compute.
local function start_all(bench, environment, peer_environment)
  local all = { start_scion(bench.threads, environment) }
  for _, peer in ipairs(bench.peers) do all[#all + 1] = start_peer(peer, bench.threads, peer_environment) end
  all.peak = start_peak(bench, bench.threads, environment)
  return all
end

local function stop_all(all)
  for _, s in ipairs(all) do s:stop() end
  if all.peak then all.peak:stop() end
end

--- Lets the entries take turns, forwards and backwards, so that none always comes after the same other.
local function alternate(bench, entries, peak)
  for round = 1, bench.rounds do
    for _, list in ipairs { peak and peak.entries or {}, entries } do
      for i = 1, #list do
        local e = list[round % 2 == 1 and i or #list + 1 - i]
        local told = e.side:ask("round " .. e.variant)
        e.seconds[#e.seconds + 1] = told[bench.clock]
        e.kernels = told.kernels
      end
    end
  end
end

--- FLOP/s of the peak in that precision, by all rounds so far; nil where it has none, as of int8.
local function peak_speed(peak, precision)
  for _, e in ipairs(peak.entries) do
    if e.variant == precision then return peak.flops[precision] / report.median(e.seconds) end
  end
end

--- Which share of the peak so many FLOP/s are; nil where that has none.
local function share_of(peak, precision, speed)
  local most = peak_speed(peak, precision)
  return most and speed / most
end

local function print_peak(peak)
  for _, e in ipairs(peak.entries) do
    print(("  peak %s (%s): %.0f GFLOPS"):format(e.variant, e.variant == "fp32" and peak.version or "amx", peak_speed(peak, e.variant) / 1e9))
  end
end

-- ---- parts

--- Each convolution of Inception V3 alone, and all of them: how much of the time they would take at the peak.
function parts.layers(bench)
  local all = start_all(bench)
  local scion = all[1]
  local flops, seconds = 0, {}
  report.heading("layers: the convolutions of Inception V3 at 224, batch 32", "GFLOPS", all[2], true)
  for _, shape in ipairs(shapes()) do
    local entries = prepare(all, shape.work)
    alternate(bench, entries, all.peak)
    local one = scion.flops
    flops = flops + shape.count * one
    for _, e in ipairs(entries) do
      local precision = e.side == scion and e.variant
      if precision then seconds[precision] = (seconds[precision] or 0) + shape.count * report.median(e.seconds) end
    end
    report.row { part = "layers", what = ("%2d x %s"):format(shape.count, shape.what), entries = entries, unit = "GFLOPS",
      rate = function(s) return one / s / 1e9 end,
      share = function(s, precision) return share_of(all.peak, precision, one / s) end }
  end
  for precision, sum in pairs(seconds) do
    local share = share_of(all.peak, precision, flops / sum)
    print(("  all 94, %s: %.0f GFLOPS%s"):format(precision, flops / sum / 1e9, share and (", %.1f%% of the peak"):format(100 * share) or ""))
  end
  print_peak(all.peak)
  stop_all(all)
end

local function measure_step(bench, all, part, what, work)
  local entries = prepare(all, work)
  alternate(bench, entries, all.peak)
  local flops = all[1].flops
  report.row { part = part, what = what, entries = entries, unit = "images/s", rate = function(s) return 32 / s end,
    share = function(s, precision) return share_of(all.peak, precision, flops / s) end }
  return entries
end

local kinds = { { "forward", "forward" }, { "prong one", "prong_one" }, { "prong two", "prong_two" }, { "full step", "full" } }

function parts.steps(bench)
  local all = start_all(bench)
  report.heading("steps: Inception V3 at 224, batch 32", "images/s", all[2], true)
  for _, kind in ipairs(kinds) do
    local entries = measure_step(bench, all, "steps", kind[1], "step inception_v3 " .. kind[2])
    if not all[2] then print("    " .. entries[1].kernels) end
  end
  print_peak(all.peak)
  stop_all(all)
end

function parts.networks(bench)
  local all = start_all(bench)
  report.heading("networks: at 224, batch 32", "images/s", all[2], true)
  for _, name in ipairs { "vgg16", "resnet50", "mobilenet" } do
    for _, kind in ipairs { kinds[1], kinds[4] } do measure_step(bench, all, "networks", name .. " " .. kind[1], ("step %s %s"):format(name, kind[2])) end
  end
  stop_all(all)
end

--- JPEGs of 400x300 in six classes: TrashNet's photographs where the tests' data are, else drawn ones.
local function pictures()
  local data = os.getenv "SCION_TEST_DATA"
  if data then return data .. "/data/trashnet/val" end
  local scion = require "scion"
  local path = "build/bench/pictures"
  for class = 1, 6 do assert(os.execute(("rm -rf %s/%d; mkdir -p %s/%d"):format(path, class, path, class))) end
  for i = 1, 256 do
    local coarse = scion.image.resize(scion.uniform({ 12, 16, 3 }, 0, 255):to "u8", { 300, 400 })
    local fine = scion.image.resize(scion.uniform({ 150, 200, 3 }, 0, 24):to "u8", { 300, 400 })
    assert(scion.image.save(("%s/%d/%03d.jpg"):format(path, i % 6 + 1, i), (coarse:to "f32" * 0.9 + fine:to "f32"):to "u8"))
  end
  return path
end

function parts.pipeline(bench)
  if bench.clock == "cpu" then return print "\npipeline: left out, since torch's workers are processes, whose time CLOCK=cpu does not count" end
  local all = start_all(bench)
  local images = pictures()
  report.heading("pipeline: JPEGs of 400x300, decoded, resized to 224, flipped, warped", "images/s", all[2])
  local count = #require("scion").data.folder(images)
  local workers = ("%d worker%s"):format(bench.threads, bench.threads > 1 and "s" or "")
  for _, line in ipairs { { workers, all, 0, "pipeline" }, { workers .. ", later epochs", { all[1] }, 1e9, "pipeline" },
                          { workers .. ", crop, flip, jitter", all, 0, "crops" } } do
    local entries = prepare(line[2], ("%s %d %g %s"):format(line[4], bench.threads, line[3], images))
    alternate(bench, entries)
    report.row { part = "pipeline", what = line[1], entries = entries, unit = "images/s", rate = function(s) return count / s end }
  end
  stop_all(all)
end

--- Entries that were measured otherwise than in rounds: { side =, variant =, seconds = { value } }.
local function single(what, unit, part, entries, format)
  report.row { part = part, what = what, unit = unit, entries = entries, rate = format, less = true }
end

function parts.memory(bench)
  report.heading("memory: the most that a process of prong two needs", "MB", bench.peers[1])
  local entries = {}
  local function measure(s, work)
    for _, variant in ipairs(s:prepare(work)) do s:ask("round " .. variant) end
    local told = s:ask "bytes"
    entries[#entries + 1] = { side = s, variant = work:match "channels_last" and "channels_last fp32" or s.name == "scion" and "fp32" or "default fp32",
                              seconds = { told.bytes or 0 } }
    s:stop()
  end
  measure(start_scion(bench.threads), "step inception_v3 prong_two")
  for _, peer in ipairs(bench.peers) do
    for _, layout in ipairs(peer.name == "torch" and { "default", "channels_last" } or {}) do
      measure(start_peer(peer, bench.threads), "step inception_v3 prong_two " .. layout)
    end
  end
  single("prong two", "MB", "memory", entries, function(bytes) return bytes / 1e6 end)
end

--- A process that loads the module and ends: what it prints is its CPU time.
local function start_up(command)
  local start = core.clock()
  local pipe = assert(io.popen(command))
  local cpu = pipe:read "n"
  pipe:close()
  return { wall = core.clock() - start, cpu = assert(cpu, command .. " failed") }
end

function parts.startup(bench)
  report.heading("start-up: a process that requires scion and ends", "ms", bench.peers[1])
  local lua = os.getenv "LUA" or "lua5.4"
  local commands = { { side = { name = "scion", title = "Scion" }, command = lua .. [[ -e 'require "scion" print(os.clock())']] } }
  for _, peer in ipairs(bench.peers) do
    local s = start_peer(peer, bench.threads)
    s:stop()
    local script = ("import time, %s; print(time.process_time())"):format(parts.peers[peer.name].import)
    commands[#commands + 1] = { side = s, command = ("%s -c %s 2>/dev/null"):format(side.quote(peer.python), side.quote(script)) }
  end
  for _, clock in ipairs { "cpu", "wall" } do
    local entries = {}
    for i, c in ipairs(commands) do entries[i] = { side = c.side, variant = i == 1 and "fp32" or "import fp32", seconds = {} } end
    for round = 0, bench.rounds do -- the first one warms the disk's cache
      for i, c in ipairs(commands) do
        local told = start_up(c.command)
        if round > 0 then table.insert(entries[i].seconds, told[clock]) end
      end
    end
    single(clock == "cpu" and "CPU time" or "wall time", "ms", "startup", entries, function(s) return 1000 * s end)
  end
end

--- One thread beside all of them, and what multiply-adds in registers gain: on a shared machine a second core may be far from whole.
function parts.threads(bench)
  local numbers = { 1, bench.threads }
  local function row(what, who, one, all) print(("%-25s%-11s%10.2f%12.2f%10.2f"):format(what, who, one, all, all / one)) end
  print(("\nthreads: Inception V3 at 224, batch 32, images/s\n%-36s%10s%12d%10s"):format("", "1 thread", bench.threads, "ratio"))
  local peaks = { start_peak(bench, 1), start_peak(bench, bench.threads) }
  peaks.entries = {} -- those of both
  for i = 1, 2 do table.move(peaks[i].entries, 1, #peaks[i].entries, #peaks.entries + 1, peaks.entries) end
  local groups = { { start_scion(1), start_scion(bench.threads) } }
  for _, peer in ipairs(bench.peers) do groups[#groups + 1] = { start_peer(peer, 1), start_peer(peer, bench.threads) } end
  for _, kind in ipairs { kinds[1], kinds[4] } do
    local entries = {}
    for _, group in ipairs(groups) do table.move(prepare(group, "step inception_v3 " .. kind[2]), 1, 100, #entries + 1, entries) end
    alternate(bench, entries, peaks)
    local function value(e) return -report.median(e.seconds) end
    for _, group in ipairs(groups) do
      local rates = {}
      for i, s in ipairs(group) do
        local own = {}
        for _, e in ipairs(entries) do
          if e.side == s then own[#own + 1] = e end
        end
        local best = report.best_of(own, "fp32", value)
        rates[i] = best and 32 / report.median(best.seconds)
        for _, e in ipairs(own) do
          table.insert(report.results, { part = "threads", what = kind[1], side = s.title, variant = e.variant, seconds = e.seconds, threads = numbers[i] })
        end
      end
      if rates[1] then row(kind[1], group[1].title, rates[1], rates[2]) end
    end
  end
  row("peak, GFLOPS", "", peak_speed(peaks[1], "fp32") / 1e9, peak_speed(peaks[2], "fp32") / 1e9)
  for _, group in ipairs(groups) do stop_all(group) end
  stop_all(peaks)
end

--- What a CPU without AVX-512 would be measured at: all sides are told to do without.
function parts.avx2(bench)
  local all = start_all(bench, "SCION_ISA=avx2", "ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2")
  report.heading("AVX2 alone: Inception V3 at 224, batch 32", "images/s", all[2], true)
  for _, kind in ipairs { kinds[1], kinds[4] } do measure_step(bench, all, "avx2", kind[1], "step inception_v3 " .. kind[2]) end
  print_peak(all.peak)
  stop_all(all)
end

--- An epoch of prong one without augmentation, on an empty cache; then in a new process, which finds the files; then once more.
function parts.cache(bench)
  local images = pictures()
  local base = os.getenv "PWD" .. "/build/bench/cache"
  local count = #require("scion").data.folder(images)
  local lines = { { what = "first run" }, { what = "second run" }, { what = "its second epoch" } }
  for _, line in ipairs(lines) do line.seconds = {} end
  for _ = 1, bench.rounds do
    assert(os.execute("rm -rf " .. side.quote(base)))
    for run = 1, 2 do
      local s = start_scion(bench.threads, "XDG_CACHE_HOME=" .. side.quote(base))
      s:prepare("cache " .. images)
      for at = run, 2 * run - 1 do table.insert(lines[at].seconds, s:ask "round fp32"[bench.clock]) end
      s:stop()
    end
  end
  report.heading("cache: an epoch of prong one at 224, batch 32, images as they are", "images/s")
  for _, line in ipairs(lines) do
    report.row { part = "cache", what = line.what, unit = "images/s", rate = function(s) return count / s end,
                 entries = { { side = { name = "scion", title = "Scion" }, variant = "fp32", seconds = line.seconds } } }
  end
end

--- The whole of the main job, in processes of their own, one after the other: Inception V3 fine-tuned in two stages, every epoch validated, from an
--- empty cache. The peer is a script in PyTorch that takes the same weights and photographs: as it is, and tuned.
function parts.recipe(bench)
  local data = os.getenv "SCION_TEST_DATA"
  if not data then error("bench: the recipe needs photographs and weights: SCION_TEST_DATA=FOLDER", 0) end
  local photographs, weights = side.quote(data .. "/data/trashnet"), side.quote(data .. "/weights/inception_v3_notop.h5")
  local lua, entries = os.getenv "LUA" or "lua5.4", {}
  local function run(title, variant, command)
    local began = core.clock()
    assert(os.execute(command .. " > build/bench/recipe.log 2>&1"), command .. " failed: see build/bench/recipe.log")
    local s = { name = title:match "^Scion" and "scion" or "peer", title = title }
    entries[#entries + 1] = { side = s, variant = variant, seconds = { core.clock() - began } }
    print(("  %-24s %6.0f s"):format(title .. " " .. variant, core.clock() - began))
  end
  print "\nrecipe: two and three epochs of Inception V3 on photographs, all of it, seconds"
  assert(os.execute "mkdir -p build/bench")
  for _, precision in ipairs { "f32", "fast", parts.bf16() and "bf16" or nil } do
    assert(os.execute "rm -rf build/bench/cache")
    run("Scion", precision, ("XDG_CACHE_HOME=$PWD/build/bench/cache %s spec/bench/recipe.lua %s %s %s"):format(lua, photographs, weights, precision))
  end
  if not parts.bf16() then print "  torch's tuned script computes in bf16, for which this CPU has no instructions: left out" end
  for _, peer in ipairs(bench.peers) do
    for _, how in ipairs(peer.name == "torch" and { "", parts.bf16() and " --tuned" or nil } or {}) do
      run("torch", how == "" and "as it is" or "tuned", ("%s %s %s %s --threads %d%s"):format(side.quote(peer.python),
        side.quote(data .. "/peers/torch_two_pronged.py"), weights, photographs, bench.threads, how))
    end
  end
  for _, e in ipairs(entries) do
    table.insert(report.results, { part = "recipe", what = "recipe", side = e.side.title, variant = e.variant, seconds = e.seconds, unit = "s" })
  end
end

return parts
