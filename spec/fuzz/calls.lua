-- lua5.4 spec/fuzz/calls.lua [CALLS] [SEED] [SECONDS]: calls what `scion` and the objects that it gives have, with nasty arguments and with
-- nearly right ones, and fails unless each call succeeds or raises one sentence at the line of this file that called. What the calls give
-- is used in later ones. Writes files only into a folder of its own. SCION_FUZZ_SKIP: a pattern of names that are not called.
-- make fuzz SANITIZE=1 makes 100,000 calls in some minutes.
local lfs = require "lfs"

local start = lfs.currentdir()
for path in ("path cpath"):gmatch "%a+" do -- they may be relative, as Busted's are, and this goes to another folder
  package[path] = (";" .. package[path]):gsub(";([^/;])", ";" .. start:gsub("%%", "%%%%") .. "/%1"):sub(2)
end

local scion = require "scion"
local nn = scion.nn

local calls, seed, seconds = tonumber(arg[1]) or 100000, tonumber(arg[2]) or os.time(), tonumber(arg[3]) or math.huge
print(("fuzz: seed %d"):format(seed))
math.randomseed(seed)
scion.threads(1)

local function one_of(list) return list[math.random(#list)] end

-- ---- a folder of its own, with two images in classes -----------------------------------------------------------------

local folder = os.tmpname()
os.remove(folder)
for _, path in ipairs { "", "/train", "/train/a", "/train/b" } do assert(lfs.mkdir(folder .. path)) end
assert(lfs.chdir(folder))
local picture = scion.uniform({ 8, 8, 3 }, 0, 255):to "u8"
for _, path in ipairs { "train/a/1.png", "train/b/1.png", "train/b/2.jpg" } do assert(scion.image.save(path, picture)) end
assert(io.open("broken.png", "wb")):write("no image"):close()

-- ---- values ---------------------------------------------------------------------------------------------------------

local function images() return scion.uniform({ 3, 8, 8, 3 }, 0, 255):to "u8" end

local function network()
  return scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 3, { name = "a/conv" }), nn.batch_norm(), nn.relu { name = "a/relu" }, nn.global_avg_pool(),
                            nn.dense(2, "softmax", { name = "head" }) }
end

local function in_memory() return scion.data.tensors(images(), { 1, 2, 1 }, { batch = 2 }) end
local function in_folder() return scion.data.folder("train", { size = 8, batch = 2, workers = 1 }) end

local makers = {
  images, network, function() return scion.ones(2, 3) end, function() return scion.tensor({ 1, 2, 1 }, "i32") end, function() return scion.full({}, 3) end,
  function() return nn.input(8, 8, 3) end, function() return nn.input(5) end, function() return nn.conv2d(3, 3) end, function() return nn.relu() end,
  function() return nn.conv_norm(3, 3) end, function() return nn.dense(2, "softmax") end, function() return nn.global_avg_pool() end,
  in_memory, in_folder,
  function() return scion.optim.sgd { lr = 0.01 } end, function() return scion.optim.adam() end, function() return scion.loss.huber() end,
  function() return network():layers()[2] end,
  function() return scion.zeros(2, 3, 4):slice(2, 1, 2) end,
}
for _ = 1, 6 do makers[#makers + 1] = network end -- which most can be done with

local pool, pool_size = {}, 60 -- what calls gave

local function keep(value)
  if (type(value) ~= "table" and type(value) ~= "userdata") or not debug.getmetatable(value) then return end
  if #pool < pool_size then pool[#pool + 1] = value else pool[math.random(pool_size)] = value end
end

local function object()
  if #pool > 0 and math.random() < 0.5 then return one_of(pool) end
  return one_of(makers)()
end

-- No size that a tensor could have and hardly any machine has room for.
local numbers = { 0, 1, 2, 3, 4, 8, -1, 0.5, 1.0, 2.0, -0.0, 0 / 0, math.huge, -math.huge, 1 << 44, 1 << 62, math.mininteger, 1e300, 1e-300 }
local texts = { "", "x", "a\0b", "a\nb", "\27[31m", ("x"):rep(300), "relu", "softmax", "same", "valid", "f32", "bf16", "u8", "i32", "a",
  "a/conv", "head", "a*", "[", "train", "1.png", "train/a/1.png", "broken.png", "nowhere/x.png", "out.png", "out.safetensors", "out.h5", "tf",
  "torch", "avg", "stored", "batch", "keras", "mse", "huber", "focal", "top_2", "f1_macro", "roc_auc", "%s%d", "." }
local keys = { "name", "filters", "kernel", "stride", "padding", "dilation", "bias", "activation", "units", "rate", "shape", "preprocess",
  "size", "scale", "offset", "border", "factor", "layers", "ratio", "gate", "epsilon", "momentum", "statistics", "keep_dims", "examples",
  "first", "upto", "from", "input", "output", "batch", "shuffle", "seed", "augment", "workers", "memory", "labels", "lr", "weight_decay",
  "beta1", "rho", "verbose", "optimizer", "validate", "loss", "smoothing", "gamma", "class_weights", "callbacks", "cache", "precision", "top", "pool", "data", "mode",
  "strict", "epochs", "metrics", "compute", "flip", "rotation", "zoom", "variants", "nmae", 1, 2 }

local value

local function list()
  local made = {}
  for i = 1, math.random(0, 4) do made[i] = value() end
  if math.random() < 0.1 then made[math.random(2, 6)] = value() end -- perhaps with a hole
  return made
end

local learnt, target = {}, nil -- by name of what is called: the options that it takes, as its messages told

local function learn(name, message)
  for names in message:gmatch "it takes ([%w_, ]+)%)" do
    learnt[name] = {}
    for key in names:gmatch "[%w_]+" do table.insert(learnt[name], key) end
  end
end

local function options()
  local made, known = {}, learnt[target]
  for _ = 1, math.random(0, 3) do
    local key = one_of(known and math.random() < 0.9 and known or keys)
    made[key] = value()
    if key == "epochs" and type(made[key]) == "number" and made[key] > 2 then made[key] = 1 end -- that one would go on for long
  end
  return made
end

local depth = 0

function value()
  depth = depth + 1
  local kind = math.random()
  local made -- nil in one case of twenty
  if depth > 3 or kind < 0.3 then made = one_of(numbers)
  elseif kind < 0.45 then made = one_of(texts)
  elseif kind < 0.5 then made = one_of { true, false, print, type, coroutine.create(print), io.stdout, setmetatable({}, { __len = function() return 1 << 62 end }) }
  elseif kind < 0.6 then made = list()
  elseif kind < 0.72 then made = options()
  elseif kind >= 0.77 then made = object() end
  depth = depth - 1
  return made
end

-- ---- calls ----------------------------------------------------------------------------------------------------------

-- Functions by name: of `scion` and the tables in it. Building an architecture takes long, so those are called apart.
local functions, architectures = {}, {}
for name, found in pairs(scion) do
  if type(found) == "function" then
    functions[#functions + 1] = { name = "scion." .. name, f = found }
  elseif type(found) == "table" then
    for inner, f in pairs(found) do
      local kind = type(f) == "function" and functions or architectures
      if type(f) ~= "table" or name == "models" then kind[#kind + 1] = { name = ("scion.%s.%s"):format(name, inner), f = f } end
    end
  end
end
local unused = os.getenv "SCION_FUZZ_SKIP" or "^scion%.threads$"

-- The methods of an object.
local function methods(of)
  local meta = debug.getmetatable(of)
  return type(meta) == "table" and (rawget(meta, "__methods") or rawget(meta, "methods")) or nil
end

local function names_of(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  return names
end

local operators = {
  function(a, b) return a + b end, function(a, b) return a - b end, function(a, b) return a * b end, function(a, b) return a / b end, function(a, b) return a ^ b end,
  function(a) return -a end, function(a) return #a end, function(a) return tostring(a) end, function(a, b) return a == b end,
}

local takes_data = { ["object:fit"] = true, ["object:evaluate"] = true, ["object:predict"] = true, ["object:features"] = true }

local function arguments(name)
  local made = {}
  target = name
  for i = 1, math.random(0, 4) do made[i] = value() end
  if takes_data[name] and math.random() < 0.8 then made[1] = one_of { images, in_memory, in_folder }() end
  if name == "object:features" and math.random() < 0.8 then made[2] = one_of { "a", "a/conv", "head", "a/relu" } end
  return made
end

-- One call: a description, and a function of no arguments.
local function call()
  local kind = math.random()
  if kind < 0.3 then
    local chosen = one_of(functions)
    if chosen.name:find(unused) then return call() end
    local given = arguments(chosen.name)
    return chosen.name, function() return chosen.f(table.unpack(given, 1, 4)) end
  elseif kind < 0.301 then
    local chosen = one_of(architectures)
    target = chosen.name
    local o = options()
    o.input, o.top, o.weights = one_of { 32, 33, "32", 0, 75 }, one_of { true, false, 3 }, nil
    return chosen.name, function() return chosen.f(o) end
  end
  local of = object()
  local found = methods(of)
  if kind < 0.75 and found and next(found) then
    local name = one_of(names_of(found))
    if ("object:" .. name):find(unused) or (name == "fit" and math.random() < 0.5) then return call() end
    local given = arguments("object:" .. name)
    return "object:" .. name, function() return found[name](of, table.unpack(given, 1, 4)) end
  elseif kind < 0.8 and type(of) == "userdata" and found then
    local operator, other = one_of(operators), math.random() < 0.5 and object() or one_of(numbers)
    if type(other) ~= "userdata" and type(other) ~= "number" then other = one_of(texts) end
    return "operator", function() return operator(of, other) end
  elseif kind < 0.88 then
    local key = math.random() < 0.5 and one_of(keys) or value()
    return "object." .. (type(key) == "string" and key or type(key)), function() return of[key] end
  elseif kind < 0.93 and found then
    local fields = { "lr", "labels", "precision", "frozen", "x", "order", "options", "parameters", "history", "shape" }
    local key, new = one_of(math.random() < 0.5 and keys or fields), value()
    return ("object.%s ="):format(tostring(key)), function() of[key] = new end
  end
  local meta = getmetatable(of)
  if type(of) == "table" and meta and rawget(meta, "__call") and rawget(meta, "__name") ~= "scion.Architecture" then
    local given = value()
    return "object()", function() return of(given) end
  end
  return "tostring", function() return tostring(of) end
end

-- ---- what a message may be ------------------------------------------------------------------------------------------

local internals = { "lua/scion", "scion/[%w_/]+%.lua", "attempt to", "bad argument", "'%?'", "stack overflow", "not enough memory" }

local function fault(message)
  if type(message) ~= "string" then return "no string" end
  local place, rest = message:match "^([^\n]-calls%.lua:%d+: )(.*)$"
  if not place then return "no place" end
  for _, pattern in ipairs(internals) do
    if rest:find(pattern) then return pattern end
  end
  return rest:find("calls.lua:", 1, true) and "two places" or nil
end

local clock = scion.clock
local faults, succeeded, raised, done = {}, {}, 0, 0
local slowest, slowest_seconds = "none", 0
local began = clock()
local out = io.stderr -- notices of the library go there, too
while done < calls and clock() - began < seconds do
  local ok, what, f = pcall(call)
  if not ok then -- while arguments were made, such as scion.data.folder's: a mistake of this file
    error(what, 0)
  end
  if os.getenv "SCION_FUZZ_TRACE" then out:write(done, " ", what, "\n") end
  local since = clock()
  local results = table.pack(pcall(f))
  if clock() - since > slowest_seconds then slowest, slowest_seconds = what, clock() - since end
  done = done + 1
  if results[1] then
    succeeded[what] = (succeeded[what] or 0) + 1
    for i = 2, results.n do keep(results[i]) end
  else
    raised = raised + 1
    if type(results[2]) == "string" then learn(what, results[2]) end
    local wrong = fault(results[2])
    if wrong then
      local key = what .. ": " .. tostring(results[2]):gsub("%d+", "N"):sub(1, 200)
      if not faults[key] then
        faults[key] = true
        print(("FAULT (%s) in call %d, %s:\n  %s"):format(wrong, done, what, tostring(results[2])))
      end
    end
  end
  if done % 500 == 0 then collectgarbage() end
end

lfs.chdir(start)
os.execute(("rm -rf '%s'"):format(folder))
if os.getenv "SCION_FUZZ_TRACE" then
  for _, name in ipairs(names_of(succeeded)) do print(("%6d successes of %s"):format(succeeded[name], name)) end
end
print(("fuzz: %d calls, %d raised, the slowest took %.1f s (%s), %d kinds of faults"):format(done, raised, slowest_seconds, slowest, #names_of(faults)))
os.exit(next(faults) == nil, true)
