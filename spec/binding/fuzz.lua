-- lua5.4 fuzz.lua CALLS SECONDS SEED: calls everything that scion.core has with arguments that make no sense, mostly, until so many calls
-- or seconds are over. Each may raise an error in words or return what it likes; nothing may end the process, hang it, or leave Lua's own
-- words ("attempt to ..") in a message. Run it in a folder of its own: it writes files there, and before each call what is about to be
-- called into last_call.
local core = require "scion.core"
local calls, seconds, seed = tonumber(arg[1]), tonumber(arg[2]), math.tointeger(arg[3])
math.randomseed(seed)

local random, unpack = math.random, table.unpack
local function pick(list) return list[random(#list)] end
local function chance(percent) return random(100) <= percent end

-- ---- files

local function spit(path, text) assert(io.open(path, "wb")):write(text):close() end
local function make_files() -- again and again, since calls write to them
  os.execute "mkfifo fifo 2>/dev/null; mkdir folder 2>/dev/null"
  spit("empty", "")
  spit("text.png", "no image")
  core.image_save("image.png", core.new({ 5, 7, 3 }, "u8"))
  core.image_save("image.jpg", core.full({ 40, 30, 3 }, 99, "u8"))
  core.safetensors_write("saved", { a = core.ones { 2, 3 }, b = core.new({ 4 }, "u8"), c = core.new({ 0, 2 }, "i32"), d = core.ones({ 2 }, "bf16") },
                         { k = "v" })
  core.hdf5_write("keras.h5", { { path = "a", tensor = core.ones { 2, 3 } } }, { { path = "/", name = "n", value = { "x", "yz" } } })
  spit("cut", "\255\0\0\0\0\0\0\0{\"a\":")
  spit("archive.zip", "PK\3\4\10\0\0\0\0\0\0\0!\0\172*\147\216\2\0\0\0\2\0\0\0\1\0\0\0ahiPK\1\2\10\0\10\0\0\0\0\0\0\0!\0\172*\147\216\2\0\0\0\2\0\0\0\1\0" ..
  ("\0"):rep(16) .. "aPK\5\6\0\0\0\0\1\0\1\0/\0\0\0!\0\0\0\0\0") -- one stored entry, a = "hi"
end
make_files()
local paths = { "none", "fifo", "folder", "empty", "text.png", "image.png", "image.jpg", "keras.h5", "saved", "cut", "archive.zip", "/dev/zero", "/dev/null", "", "a/b/c",
                "rows", "lock", "new.png", "new.jpg", "new", ("x"):rep(5000), "zero\0byte" }

-- ---- values

local dtypes = { "f32", "bf16", "u8", "i32" }
local sizes = { 0, 1, 1, 2, 2, 3, 4, 5, 8, 17 }
local numbers = { 0, 1, -1, 2, 3, 4, 7, 16, 17, 100, 255, 256, 1023, 65535, 65536, 0.5, -0.5, 1e-30, 1e300, -1e300, 0 / 0, 1 / 0, -1 / 0, -0.0, 2.0, 3.0,
                  1 << 40, 1 << 53, -(1 << 53), 2 ^ 53, -2 ^ 53, 1 << 62, -(1 << 62), math.maxinteger, math.mininteger, 2 ^ 62, 2 ^ 63, 2 ^ 64, (1 << 42) + 2,
                  -(1 << 42) + 2, (1 << 61) + 1 }
local words = { "", "x", "f32", "bf16", "u8", "i32", "F16", "F32", "I64", "relu", "swish", "nearest", "wrap", "a", "files", ("k"):rep(16), ("y"):rep(70000),
                "zero\0byte", "[1,2,{\"a\":null}]", "{\"a\":1,\"a\":2}", "[[", "\255\254", ("["):rep(500), "1e999" }

local value, tensor, kinds -- below

local function small() return random(0, 20) end
local function number() return chance(60) and small() or pick(numbers) end
local function shape(dims)
  local list = {}
  for i = 1, dims or random(0, 5) do list[i] = pick(sizes) end
  return list
end

local function filled(dtype, of)
  local ok, t = pcall(core.new, of, dtype)
  if not ok then return core.new({ 2 }, dtype) end
  local how = random(5)
  if how == 1 then core.fill(t, pick(numbers))
  elseif how == 2 then core.fill(t, random(-3, 3))
  elseif how < 5 and dtype == "f32" then core.fill_normal(t, random(1000), 1) end
  return t
end

local function closed(t)
  do local _ <close> = t end
  return t
end

function tensor(dtype, of)
  local t = filled(dtype or pick(dtypes), of or shape())
  local how = random(20)
  if how == 1 then return closed(t) end
  if how < 5 and #t:shape() > 0 then -- a part of it, with gaps between its rows
    local axis = random(#t:shape())
    local size = t:shape()[axis]
    local first = random(1, size + 1)
    return t:slice(axis, first, random(first - 1, size))
  end
  return t
end

local function liar()
  local length, entry = pick { -1, 0, 1, 3, 1 << 61, (1 << 61) + 1, (1 << 32) + 1, 2 ^ 53, 0.5, "3", {} }, value(1)
  return setmetatable(chance(50) and { entry } or {}, {
    __len = function() return length end, __index = function() return entry end,
    __name = chance(50) and "scion.tensor" or nil, __pairs = error })
end

-- A plain table whose # may be anything from 1 to 2^61.
local function sparse(entry)
  local t = {}
  for i = 0, 61 do t[1 << i], t[(1 << i) + 1] = entry, entry end
  return t
end

local function list(make, n)
  local t = {}
  for i = 1, n or random(0, 4) do t[i] = make() end
  if chance(10) then t[random(5)] = value(1) end
  if chance(5) then t[random(5)] = nil end
  return t
end

local function pair(low)
  if chance(90) then return { random(low, 3), random(low, 3) } end
  return pick { { 1 << 40, 1 }, { -1, 2 }, { 1 }, {}, 2, { 0, 0 }, { 65535, 65535 }, { 2.0, 3.5 } }
end
local function window()
  local w = { kernel = pair(1), stride = pair(1), dilation = pair(1), before = pair(0), after = pair(0) }
  if chance(5) then w[pick { "kernel", "stride", "dilation", "before", "after" }] = value(1) end
  return w
end

local function place()
  local p = { offset = 4 * random(0, 100), shape = shape(), dtype = pick(dtypes), batch = chance(50) }
  p.stride = (p.shape[#p.shape] or 1) + (chance(30) and random(0, 3) or 0)
  if chance(30) then p[pick { "offset", "shape", "dtype", "stride", "batch" }] = value(1) end
  return p
end

-- The stages of a pipeline, by their names in the table; whatever number is asked for is there.
local operations, table_of_stages = {}, debug.getinfo(1, "S").source:match "^@(.*)spec/binding/fuzz.lua$" .. "csrc/image/stages.def"
for name in assert(io.open(table_of_stages)):read("a"):gmatch "\nSTAGE%(([%w_]+)" do operations[#operations + 1] = name end
local function stage()
  return setmetatable({ op = chance(95) and pick(operations) or pick(words), fill = chance(50) and kinds.fill() or nil, members = chance(80) and 0 or small() },
                      { __index = function(_, name) return name ~= "fill" and name ~= "__len" and (chance(80) and random() or number()) or nil end })
end

-- Objects of all classes; what is taken may be closed already.
local objects = { program = {}, row_file = {}, loader = {}, image_store = {}, lock = {}, safetensors = {}, zip = {}, hdf5 = {} }
local function keep(class, object)
  local held = objects[class]
  if type(object) == "userdata" then held[#held % 8 + 1] = object end
end
local function object(class)
  local held = objects[class or pick { "program", "row_file", "loader", "image_store", "lock", "safetensors", "zip", "hdf5" }]
  return #held > 0 and pick(held) or nil
end

local stream, closed_stream = assert(io.open("stream", "w")), assert(io.open("stream2", "w"))
closed_stream:close()

function value(depth)
  depth = depth or 0
  local how = random(depth > 2 and 6 or 20)
  if how == 1 then return nil end
  if how == 2 then return chance(50) end
  if how == 3 then return number() end
  if how == 4 then return pick(numbers) end
  if how == 5 then return pick(words) end
  if how == 6 then return pick(paths) end
  if how == 7 then return print end
  if how == 8 then return pick { stream, closed_stream, coroutine.create(print), core.null, {} } end
  if how == 9 then return liar() end
  if how == 10 then return chance(20) and sparse(value(3)) or {} end
  if how == 11 then return list(number) end
  if how == 12 then return list(function() return value(depth + 1) end) end
  if how == 13 then return list(tensor) end
  if how == 14 then return window() end
  if how == 15 then return place() end
  if how == 16 then return object() end
  return tensor()
end

-- ---- what arguments a function is meant to get; a call gets them, with some in their place that are not

kinds = {
  any = value, number = number, small = small, tensor = tensor, window = window, place = place, shape = shape,
  path = function() return pick(paths) end,
  word = function() return pick(words) end,
  operation = function() return pick { "brightness", "contrast", "hue", "equalize", "gaussian_blur", "jpeg", "posterize", "x" } end,
  dtype = function() return pick(dtypes) end,
  row_path = function() return pick { "rows", "rows2", "folder", "fifo", "/dev/null", "a/b/c" } end,
  element = function() return pick { "F32", "F16", "BF16", "F64", "U8", "BOOL", "I8", "I16", "I32", "I64" } end,
  key = function() return ("k"):rep(16) end,
  keys = function() return list(function() return ("k"):rep(16) end) end,
  numbers = function() return list(number) end,
  six = function() return list(function() return pick { 0, 1, -1, 0.5, 100, 1e30, 0 / 0 } end, 6) end,
  image = function() return tensor("u8", { pick(sizes), pick(sizes), 3 }) end,
  bytes = function() return tensor("u8", { random(0, 100) }) end,
  order = function() return chance(50) and tensor("i32", { random(0, 4) }) or nil end,
  row = function() return tensor("f32", { 4 }) end,
  rows = function()
    local of, dtype = shape(random(0, 3)), pick(dtypes)
    return list(function() return tensor(dtype, of) end)
  end,
  files = function() return list(function() return pick { "image.png", "image.jpg", "none", "fifo", "text.png" } end) end,
  tiles = function() return tensor("u8", { 2, random(0, 9), random(0, 9), 3 }) end,
  texts = function() return list(function() return pick(words) end, 2) end,
  looks = function() return list(function() return ("k"):rep(pick { 24, 72, 73 }) end) end,
  fill = function() return pick { "nearest", "constant", "reflect", "wrap" } end,
  json = function() return pick { "[1,2.5,{\"a\":null}]", "[[", "true", "\"x\"", "{}", "[]", "" } end,
  h5_path = function() return pick { "keras.h5", "keras.h5", "new", "fifo", "folder", "saved", "none" } end,
  h5_name = function() return pick { "/", "/a", "/g/b", "/none", "", "x" } end,
  datasets = function() return list(function() return { path = pick { "/a", "/g/b", "/c", pick(words) }, tensor = tensor(pick { "f32", "f32", "u8" }) } end) end,
  attributes = function()
    return list(function() return { path = pick { "/", "/a" }, name = pick(words), value = chance(50) and pick(words) or list(function() return pick(words) end) } end)
  end,
  named = function() return chance(50) and { a = tensor(), b = tensor() } or list(function() return { name = pick(words), tensor = tensor() } end) end,
  text = function() return { k = "v", [pick(words)] = pick(words) } end,
  stream = function() return pick { stream, closed_stream } end,
  operand = function() return chance(60) and tensor() or number() end,
  axis = function() return chance(40) and random(-4, 4) or nil end,
  sorting = function() return pick { { descending = true }, { descending = false }, { descendin = true }, {} } end,
  class_numbers = function() return chance(50) and list(function() return random(-3, 5) end) or tensor("i32") end,
  place_in_tensor = function()
    if chance(50) then return random(-4, 4) end
    return list(function() return pick { random(-3, 4), {}, { random(-3, 4), random(-3, 4) }, { 1 }, number() } end)
  end,
  loader = function()
    local o = { height = random(1, 9), width = random(1, 9), workers = random(1, 3), ahead = random(1, 3), seed = number(), store = object "image_store" }
    if chance(50) then o.files = kinds.files() else o.images = tensor("u8", { random(0, 4), random(0, 5), random(1, 5), 3 }) end
    if chance(30) then
      o.stages = { stage(), stage(), value(1) }
      o.stages[random(1, 4)] = nil
    end
    if chance(20) then o[pick { "height", "width", "workers", "ahead", "seed", "reducing_gap", "stages", "store", "files", "images" }] = value(1) end
    return o
  end,
  threads = function() return pick { 1, 2, 3, 0, -1, 1 << 40, 0.5 } end,
}

local functions = {
  new = "shape dtype", zeros = "shape dtype", ones = "shape dtype", full = "shape number dtype", fill = "tensor number", copy = "tensor tensor any",
  arange = "small small small dtype", live_bytes = "", randn = "shape number small number number", uniform = "shape number small number number",
  fill_normal = "tensor number small number number", fill_uniform = "tensor number small number number", from_table = "any dtype",
  from_bytes = "word shape dtype", run = "any", run_all = "any", kernels = "", conv2d_packed = "tensor any", grouped_conv2d_packed = "tensor small any",
  winograd_packed = "tensor any", winograd_fits = "window",
  conv2d_bf16_packed = "tensor window", bf16 = "", conv2d_int8_packed = "tensor", int8 = "",
  finite = "tensor", norm = "tensor", program = "any", place = "bytes place small", threads = "threads", isa = "", clock = "",
  catch_interrupts = "", release_interrupts = "", interrupted = "", keep_prompt = "", interrupt = "", hear_termination = "", meanwhile = "any", parallel_for = "",
  write_no_files = "any", file_limit = "", at_terminal = "", terminal_width = "word", no_terminal = "",
  json_encode = "any", json_decode = "json", json_cost = "json",
  safetensors_open = "path", safetensors_write = "path named text small", zip_open = "path", read_bytes = "path small small bytes", read_head = "path small",
  unpack = "bytes element small numbers tensor", element_size = "element", lock = "row_path", try_lock = "row_path", image_load = "path", image_save = "path image",
  image_encode = "image small", write_file = "path word", base64 = "word",
  image_format = "path",
  image_op = "operation image number number", mixup = "tensor order number", cutmix = "tensor order number small small",
  image_resize = "image small small numbers word", list_folder = "path", row_facts = "tensor number", broken_rows = "tensor",
  image_examine = "files small small", image_alike = "looks looks", image_sheet = "tiles texts small small", image_sheet_writes = "word",
  image_warp = "image six fill small", loader = "loader", image_store = "small small small number",
  permutation = "small number small", gather = "tensor order", from_one = "numbers", count = "order small", one_hot = "order small",
  byte_less = "word word", hash = "any",
  hdf5_open = "h5_path", hdf5_write = "h5_path datasets attributes", hash_file = "path", file_stamp = "path",
  stack = "rows axis", concat = "rows axis", where = "operand operand operand", log_evidence = "tensor tensor",
  one_hot_from_one = "class_numbers small", row_file = "row_path small",
}
local makes = { program = "program", loader = "loader", image_store = "image_store", lock = "lock", try_lock = "lock", safetensors_open = "safetensors",
                zip_open = "zip", hdf5_open = "hdf5", row_file = "row_file" }
local methods = {
  tensor = { shape = "", dtype = "", version = "", get = "small small small", set = "small small small number", reshape = "shape", slice = "axis small small",
             select = "small", copy = "", to = "dtype", fill = "number", transpose = "", equal = "tensor", totable = "", bytes = "", pow = "operand",
             eq = "operand", ne = "operand", lt = "operand", le = "operand", gt = "operand", ge = "operand", abs = "", exp = "", log = "", sqrt = "",
             clamp = "number number", sum = "axis", mean = "axis", max = "axis", min = "axis", argmax = "axis", matmul = "tensor", svd = "", least_squares = "tensor numbers",
             sort = "axis sorting", argsort = "axis sorting", top_k = "small axis", gather = "axis class_numbers" },
  program = { run = "bytes small small", arena_bytes = "", seconds = "" },
  row_file = { keys = "small", read = "small key row", append = "keys rows", close = "" },
  loader = { start = "order small small", next = "", stop = "" },
  safetensors = { header = "", read = "word", read_into = "word tensor", bytes = "small small bytes", size = "", close = "" },
  zip = { entries = "", read = "word small small bytes", copy = "word stream", close = "" },
  hdf5 = { has = "h5_name word", attribute = "h5_name word", members = "h5_name", shape = "h5_name", read_into = "h5_name tensor", open_ids = "", close = "" },
}

-- ---- kernels: shapes that fit, mostly

local kernels = core.kernels()
local kernel_names = {}
for name in pairs(kernels) do kernel_names[#kernel_names + 1] = name end
table.sort(kernel_names) -- pairs has another order in every process

local function output(w, axis, size)
  local span = w.dilation[axis] * (w.kernel[axis] - 1) + 1
  return (size + w.before[axis] + w.after[axis] - span) // w.stride[axis] + 1
end

-- Shapes by the operands' names, for images x of [n, h, w, c] and results y of channels o.
local function shapes_for(name)
  local n, h, w, c, o = random(0, 3), pick(sizes), pick(sizes), pick(sizes), pick(sizes)
  local win = { kernel = { random(3), random(3) }, stride = { random(2), random(2) }, dilation = { random(2), random(2) }, before = { random(0, 1), random(0, 1) },
                after = { random(0, 1), random(0, 1) } }
  if name:find "winograd" then
    win = { kernel = pick { { 3, 3 }, { 1, 3 }, { 7, 1 } }, stride = { 1, 1 }, dilation = { 1, 1 }, before = { 0, 0 }, after = { 0, 0 } }
  end
  local out, wide = { n, h, w, c }, c
  if name:find "conv2d" or name:find "winograd" then wide = o end
  if name:find "depthwise" then wide = c * (name:find "int8" and 1 or random(2)) end
  if name:find "conv2d" or name:find "winograd" or name:find "depthwise" or name:find "pool" then
    out = { n, math.max(output(win, 1, h), 0), math.max(output(win, 2, w), 0), wide }
  end
  if name:find "global" then out = chance(50) and { n, c } or { n, 1, 1, c } end
  if name:find "adaptive" then out = { n, pick(sizes), pick(sizes), c } end
  if name:find "upsample" then out = { n, h * random(3), w * random(3), c } end
  if name == "pad_channels" then out = { n, h, w, c + random(0, 3) } end
  if name:find "zero_pad" then out = { n, h + random(0, 3), w + random(0, 3), c } end
  local x = { n, h, w, c }
  if name:find "dense" then x, out = { n, c }, { n, o } end
  local counting = name:find "confusion" or name == "ranks" or name == "calibration" or name == "areas"
  if name:find "entropy" or name:find "focal" or name:find "huber" or name:find "mean_" or name == "given_loss" or counting then x, out = { n, c }, { n, c } end
  if name == "preprocess" then x, out = { n, h, w, 3 }, { n, h, w, 3 } end
  if name == "pixel_codes" then x, out = { n, h, w, 3 }, { n, h, w, pick { 2, 4 } } end
  if name == "preprocess_fold" then c = pick { 1, 3 } end
  if name:find "update" then x, out = { c, o }, { c, o } end
  local kernel = name:find "dense" and { c, o } or name:find "depthwise" and { win.kernel[1], win.kernel[2], c, c > 0 and wide // c or 1 } or
                 { win.kernel[1], win.kernel[2], c, o }
  local vector = { name:find "forward" and out[#out] or name:find "pack" and o or c }
  local s = { x = x, y = out, dy = out, dx = x, kernel = kernel, dw = kernel, a = x, b = x, da = x, addend = out, w = x, g = x, m = x, v = x,
              probabilities = x, losses = { n }, weights = { n }, s = { n, c }, ds = { n, c },
              labels = (name == "softmax_cross_entropy" or name == "softmax_focal" or counting and name ~= "label_confusion" and
                        not (name == "areas" and chance(50))) and { n } or x,
              roc = { c }, precision = { c }, confidence = { 4 }, values = { n },
              support = { name == "label_confusion" and c or math.max(c, 2) }, exact = { 1 },
              counts = name == "histogram" and { 8192 } or name == "label_confusion" and { c, 4 } or name == "ranks" and { c } or name == "calibration" and { 4, 2 } or
                { math.max(c, 2), math.max(c, 2) },
              db = name:find "scaled_add" and x or { out[#out] }, mean = (name == "conv2d_int8_pack" or name == "preprocess_fold") and { c } or nil,
              folded = { kernel[1], kernel[2], c + 1, o }, pixel_mean = { c + 1 } }
  if name:find "packed" or name:find "conv2d" or name:find "winograd" then
    local probe = core.new(kernel)
    local turned = (name:find "transposed" or name:find "backward_input") ~= nil
    local count = name:find "bf16" and core.conv2d_bf16_packed(probe, turned and win) or name:find "int8" and core.conv2d_int8_packed(probe) or
                  name:find "winograd" and core.winograd_packed(probe, turned) or
                  name:find "grouped" and core.grouped_conv2d_packed(probe, 1, turned) or core.conv2d_packed(probe, turned)
    s.packed = { count }
  end
  if name:find "depthwise_int8" then
    s.packed = { (win.kernel[1] * win.kernel[2] + 1) // 2 * c }
    vector = { c }
  end
  return setmetatable(s, { __index = function() return vector end }), win
end

local option_values = {
  activation = function() return pick { "linear", "relu", "relu6", "sigmoid", "tanh", "swish", "hard_swish", "gelu", "gelu_tanh", "x" } end,
  scale_by = function() return list(number, 3) end,
  shift_by = function() return list(number, 3) end, size = small, top = function() return random(0, 2) end, left = function() return random(0, 2) end,
  x_scale = function() return pick { 0.5, 1, 0, -1, 1 / 0 } end, y_scale = function() return pick { 0.5, 0, 0 / 0 } end, addend_scale = function() return pick { 2, 0 } end,
  x_zero = function() return pick { 0, 7, 255, 256, -1 } end, y_zero = function() return random(0, 300) end, addend_zero = function() return random(-1, 255) end,
  before = function() return random(0, 2) end, groups = function() return random(3) end,
}
local option_names = { "window", "activation", "accumulate", "include_padding", "reverse", "nesterov", "bilinear", "examples", "top", "left", "before",
                       "groups", "size", "seed", "stream", "step", "epsilon", "momentum", "rate", "threshold", "lr", "rho", "beta1", "beta2", "decay",
                       "alpha", "beta", "gamma", "delta", "smoothing", "k", "scale_by", "shift_by", "x_scale", "x_zero", "y_scale", "y_zero", "addend_scale", "addend_zero" }
local options_of = {} -- of each kernel: of an option that it has not, the error says so before it says anything else
for _, name in ipairs(kernel_names) do
  options_of[name] = {}
  for _, option in ipairs(option_names) do
    local _, message = pcall(core.run, { name, [option] = print })
    if not message or not message:find "has no operand or option" then table.insert(options_of[name], option) end
  end
end

-- A step, whose operands are tensors, or places in an arena where `placed`.
local function step(placed)
  local name = pick(kernel_names)
  local s, win = shapes_for(name)
  local it = { name }
  for _, o in ipairs(kernels[name]) do
    if not (o.optional and chance(40)) and not chance(2) then
      local of, allowed = s[o.name], {}
      for _, dtype in ipairs(dtypes) do if o[dtype] then allowed[#allowed + 1] = dtype end end
      local dtype = chance(97) and pick(allowed) or pick(dtypes)
      if chance(4) then of = shape() end
      if placed then
        local p = { offset = 64 * random(0, 40), shape = of, dtype = dtype, stride = (of[#of] or 1) + pick { 0, 0, 0, 1, 3 }, batch = chance(50) }
        it[o.name] = chance(90) and p or chance(50) and place() or tensor(dtype, of)
      else
        it[o.name] = chance(95) and filled(dtype, of) or chance(50) and tensor(dtype, of) or value()
      end
    end
  end
  for _, option in ipairs(options_of[name]) do
    if option == "window" then
      it.window = chance(95) and win or window()
    elseif chance(70) then
      it[option] = chance(97) and (option_values[option] or function() return pick { 0, 0.5, 0.9, 1, 2, number() } end)() or value(1)
    end
  end
  if chance(2) then it[pick(words)] = value(1) end
  return it
end

-- ---- calls

local log = assert(io.open("last_call", "w"))
log:setvbuf "full"

local function show(v, depth)
  if type(v) == "string" then return ("%q"):format(#v > 60 and v:sub(1, 20) .. "..(" .. #v .. ")" or v) end
  if type(v) == "userdata" and getmetatable(v) and getmetatable(v).__name == "scion.tensor" then
    local ok, text = pcall(function() return v:dtype() .. "[" .. table.concat(v:shape(), ",") .. "]" end)
    return ok and text or "closed tensor"
  end
  if type(v) ~= "table" or depth > 3 or getmetatable(v) then return type(v) == "table" and "table with a metatable" or tostring(v) end
  local parts = {}
  for key, entry in next, v do parts[#parts + 1] = tostring(key):sub(1, 20) .. "=" .. show(entry, depth + 1) end
  return "{" .. table.concat(parts, ", ", 1, math.min(#parts, 12)) .. "}"
end

-- Leaves garbage whose finalizer closes all that a call is given, and empties its lists, as soon as the call lets the collector work.
local function betray(arguments)
  local victims, made = {}, false
  local function look(v, depth)
    if type(v) == "userdata" and v ~= stream and v ~= core.null then victims[#victims + 1] = v end
    if type(v) == "table" and depth < 3 and not getmetatable(v) then
      for _, entry in next, v do look(entry, depth + 1) end
      victims[#victims + 1] = v
    end
  end
  for i = 1, arguments.n do look(arguments[i], 0) end
  collectgarbage("incremental", 1, 1000, 4)
  setmetatable({}, { __gc = function()
    if made then return end
    made = true
    for _, v in ipairs(victims) do
      if type(v) == "table" then
        for key in next, v do v[key] = nil end
      elseif (getmetatable(v) or {}).__close then
        closed(v)
      end
    end
  end })
end

-- A shape that memory has room for, but that takes seconds to fill: slow for a good reason.
local function fills_memory(sides)
  if type(sides) ~= "table" or getmetatable(sides) then return false end
  local elements = 1.0
  for i = 1, 8 do elements = elements * (math.type(rawget(sides, i)) and sides[i] or 1) end
  return elements > 1e7 and elements < 1e12
end

local counted, raised, slow = 0, 0, {}
local messages = {}
local function call(name, f, arguments)
  if fills_memory(arguments[1]) then return end
  counted = counted + 1
  local shown = {}
  for i = 1, arguments.n do shown[i] = show(arguments[i], 1) end
  local said = name .. "(" .. table.concat(shown, ", ") .. ")"
  log:seek "set"
  log:write(counted, " ", said, "\n", ("."):rep(100), "\n")
  log:flush()
  local start = core.clock()
  local eager = chance(5) and pcall(betray, arguments)
  local results = table.pack(pcall(f, unpack(arguments, 1, arguments.n)))
  if eager then collectgarbage("incremental", 200, 100, 13) end
  local took = core.clock() - start
  if took > 2 then slow[#slow + 1] = ("%.1f s: %s"):format(took, said) end
  if results[1] then return unpack(results, 2, results.n) end
  raised = raised + 1
  local message = results[2]
  if type(message) ~= "string" or message:find "attempt to" then messages[#messages + 1] = said .. " raised: " .. tostring(message) end
end

local function arguments_of(signature, self)
  local list_of, n = { self }, self ~= nil and 1 or 0
  for kind in signature:gmatch "%S+" do
    n = n + 1
    if chance(12) then list_of[n] = value() else list_of[n] = kinds[kind]() end
  end
  if chance(3) then n = math.max(n - 1, 0) end
  if chance(3) then n = n + 1; list_of[n] = value() end
  list_of.n = n
  return list_of
end

local function names_of(t)
  local names = {}
  for name in pairs(t) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- Everything that there is must be here.
for name, f in pairs(core) do
  assert(type(f) ~= "function" or functions[name], "the fuzzer does not know core." .. name)
end
local function check_methods(class, one)
  for name in pairs(getmetatable(one).methods or getmetatable(one).__index) do assert(methods[class][name], ("the fuzzer does not know %s:%s"):format(class, name)) end
end
check_methods("tensor", core.new { 1 })
check_methods("program", core.program {})
check_methods("row_file", core.row_file("first_rows", 16))
check_methods("loader", core.loader { height = 1, width = 1, files = {} })
check_methods("safetensors", core.safetensors_open "saved")
check_methods("zip", core.zip_open "archive.zip")
check_methods("hdf5", core.hdf5_open "keras.h5")

local function_names, class_names, operators = names_of(functions), names_of(methods), {
  "__add", "__sub", "__mul", "__div", "__pow", "__unm", "__len", "__index", "__newindex", "__tostring", "__gc", "__close" }
local metatable = getmetatable(core.new { 1 })
local start = core.clock()
while counted < calls and core.clock() - start < seconds do
  local how = random(100)
  if how <= 40 then
    local name = pick(function_names)
    local result = call("core." .. name, core[name], arguments_of(functions[name]))
    if makes[name] then keep(makes[name], result) end
  elseif how <= 60 then
    local list = {}
    for i = 1, random(0, 3) do list[i] = chance(95) and step(false) or value(2) end
    if chance(80) then call("core.run", core.run, { step(false), n = 1 }) else call("core.run_all", core.run_all, { list, n = 1 }) end
  elseif how <= 70 then
    local steps = {}
    for i = 1, random(3) do steps[i] = step(chance(80)) end
    local program = call("core.program", core.program, { steps, n = 1 })
    if program then
      keep("program", program)
      local arena = core.new({ math.min(program:arena_bytes(), 1 << 20) + pick { 0, 0, 0, 64, -1 } * (program:arena_bytes() > 0 and 1 or 0) }, "u8")
      for _ = 1, 2 do call("program:run", program.run, { program, arena, pick { 0, 1, 2, 3, number() }, chance(80) and 1 or number(), n = 4 }) end
    end
  elseif how <= 75 then
    local event = pick(operators)
    local second = event:find "index" and chance(80) and kinds.place_in_tensor() or kinds.operand()
    call(event, metatable[event], { tensor(), second, chance(50) and kinds.operand() or value(), n = 3 })
  else
    local class = chance(60) and "tensor" or pick(class_names)
    local self = class == "tensor" and tensor() or object(class)
    if self then
      local name = pick(names_of(methods[class]))
      if chance(3) then self = value() end
      local f = (class == "tensor" and metatable.methods or getmetatable(object(class)).__index)[name]
      call(class .. ":" .. name, f, arguments_of(methods[class][name], self))
    end
  end
  if counted % 500 == 0 then collectgarbage() end
  if counted % 2000 == 0 then make_files() end
end

print(("seed %d: %d calls, %d raised, in %.0f s"):format(seed, counted, raised, core.clock() - start))
for _, text in ipairs(slow) do print("slow: " .. text) end
for i = 1, math.min(#messages, 20) do print("unclear: " .. messages[i]) end
os.exit(#slow == 0 and #messages == 0 and 0 or 1, true)
