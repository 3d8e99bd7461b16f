-- lua5.4 spec/peers/train.lua [KIND..]: models that were trained in Keras and in PyTorch, with heads of their own, come here by README's lines and
-- predict the same; then they go back by model:export and predict the same there. SCION_TORCH_PYTHON and SCION_KERAS_PYTHON name the
-- interpreters, python3 unless given. make test-peers-train calls it.
local peer = dofile "spec/peers/peer.lua"
local rule = dofile "spec/models/rule.lua"
local scion = require "scion"
local support = dofile "spec/support/files.lua"

local nn, size, classes = scion.nn, 96, 5
local tolerance = 1e-4

-- ---- the same models here ----------------------------------------------------------------------------------------------

local function grafted(base, head)
  local layers = { nn.global_avg_pool() }
  for i, layer in ipairs(head) do layers[i + 1] = layer end
  return base:graft(layers)
end

local function softmax(name) return nn.dense(classes, "softmax", { name = name }) end

local function keras(kind)
  local base = scion.models.mobilenet_v2 { width = 0.35, input = size }
  local head = { softmax() }
  if kind:find "^batch norm in" then head = { nn.batch_norm(), nn.dense(16, "relu"), softmax() } end
  return grafted(base, head)
end

local function torch(kind, architecture)
  if not kind:find "head" then return scion.models[architecture] { input = size, top = true, classes = classes, variant = "torchvision" } end
  local base = scion.models[architecture] { input = size }
  local names = { ["Sequential(backbone, head)"] = "fc", ["a module with backbone and head"] = "head" } -- the module's own name
  return grafted(base, names[kind] and { softmax(names[kind]) } or { nn.dense(16, "relu", { name = "fc1" }), softmax "fc2" })
end

--- What model:export is given for a kind.
local function named(kind) return kind:find "^timm's" and { names = "timm" } or nil end

-- ---- one model ---------------------------------------------------------------------------------------------------------

local function predictions(model) return rule.logits(model, size):totable() end

local function go_back(each, there, model, kind, theirs)
  local folder = support.folder()
  local file = folder .. "/back." .. each.ending
  local ok, answer
  support.stderr_of(function()
    ok, answer = pcall(model.export, model, file, each.options(kind))
    if ok then ok, answer = pcall(there.ask, there, { call = "load", file = file }) end
  end)
  local d = ok and peer.distance(answer.predictions, theirs)
  peer.row(kind, each.library, "back by ." .. each.ending, ok and d < tolerance, ok and ("%.1e"):format(d) or peer.last_line(answer))
  support.done_with(folder)
end

local function compare(each, there, kind, formats)
  local ok, trained = pcall(there.ask, there, { call = "train", name = kind })
  if not ok then return peer.row(kind, each.library, "trained there", false, peer.last_line(trained)) end
  assert(trained.moved > 10, "training moved nothing")
  local kept
  for _, format in ipairs(formats) do
    local folder = support.folder()
    local answer = there:ask { call = "write", format = format, folder = folder }
    if not answer.file then
      peer.skipped(("%s: %s"):format(kind, format), answer.none)
    else
      local model, loaded, message = each.build(kind, trained.architecture), nil, nil
      support.stderr_of(function() loaded, message = pcall(model.load_weights, model, answer.file, { preprocess = trained.preprocess }) end)
      local d = loaded and peer.distance(predictions(model), trained.predictions)
      peer.row(kind, each.library, format, loaded and d < tolerance, loaded and ("%.1e"):format(d) or message)
      kept = loaded and model or kept
    end
    support.done_with(folder)
  end
  if kept then go_back(each, there, kept, kind, trained.predictions) end
end

local peers = {
  { library = "keras", script = "train_keras.py", variable = "SCION_KERAS_PYTHON", modules = "keras, h5py", build = keras, ending = "weights.h5",
    options = function() end },
  { library = "pytorch", script = "train_torch.py", variable = "SCION_TORCH_PYTHON", modules = "torch, torchvision, timm, safetensors", build = torch,
    ending = "safetensors", options = named },
}

for _, each in ipairs(peers) do
  local there, reason = peer.start(os.getenv(each.variable) or "python3", each.script, each.modules)
  if not there then
    peer.skipped(each.library, reason)
  else
    local all = there:ask { call = "kinds" }
    for _, kind in ipairs(all.kinds) do
      if peer.wanted(kind) then compare(each, there, kind, all.formats) end
    end
    there:close()
  end
end
support.done()
peer.finish()
