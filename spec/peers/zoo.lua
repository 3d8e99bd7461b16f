-- lua5.4 spec/peers/zoo.lua [NAME..]: every architecture at its full size, exported to PyTorch and to Keras, predicts there what it does
-- here: loaded into torchvision's and Keras's own networks, or, where the library has none, into the same layers (from_graph.py). Where
-- they are installed; SCION_TORCH_PYTHON and SCION_KERAS_PYTHON name the interpreters, python3 unless given. make test-peers calls it.
local core = require "scion.core"
local scion = require "scion"
local rule = dofile "spec/models/rule.lua"
local support = dofile "spec/support/images.lua"

local peers = { { name = "torchvision", library = "torch", ending = "safetensors", variable = "SCION_TORCH_PYTHON", modules = "torchvision, safetensors" },
                { name = "keras", library = "keras", ending = "h5", variable = "SCION_KERAS_PYTHON", modules = "keras" },
                -- timm's forms of some: nothing else is compared with them
                { name = "tf", library = "timm", ending = "safetensors", variable = "SCION_TORCH_PYTHON", modules = "timm, torchvision, safetensors", own = true },
                { name = "timm", library = "timm", ending = "safetensors", variable = "SCION_TORCH_PYTHON", modules = "timm, torchvision, safetensors", own = true } }
local golden = rule.golden()

local function wanted(name)
  if #arg == 0 then return true end
  for _, given in ipairs(arg) do
    if given == name then return true end
  end
end

--- The peer's variant of an architecture, or else its first; and whether the peer has the network.
local function variant_for(architecture, peer)
  for _, variant in ipairs(architecture.variants) do
    if variant.name == peer.name then return peer.name, peer.own or #variant.weights > 0 end
  end
  return architecture.variants[1].name, false
end

--- The range of gamma that keeps an architecture's logits in bounds.
local function gamma(architecture, publisher)
  local case = golden[publisher][architecture.name]
  return case and case.gamma or { 0.5, 1.0 }
end

--- The logits there and here, and how the peer came by its network.
local function compare(peer, python, architecture, folder)
  local name, size = architecture.name, architecture.input
  local variant, own = variant_for(architecture, peer)
  local model = rule.model(name, variant, { size = size, classes = 1000, top = true, gamma = gamma(architecture, variant) })
  local graph, weights = folder .. "/graph.safetensors", folder .. "/weights." .. peer.ending
  model:export(weights)
  model:save(graph)
  local script = peer.own and ("spec/fixtures/models/from_efficientnets.py %s %s --full"):format(name, peer.name) or
    own and ("spec/fixtures/models/from_%s.py %s --full"):format(peer.name, name) or ("spec/peers/from_graph.py %s %s"):format(peer.library, graph)
  local out = support.shell(("%s %s %d %s"):format(python, script, size, weights))
  local ok, cases = pcall(core.json_decode, out:match "{.*}" or "")
  local logits = rule.logits(model, size)
  return ok and cases and cases[name] and cases[name].logits, logits, own and "its own" or "by layers", out
end

local passed, failed = 0, 0
for _, peer in ipairs(peers) do
  local python = os.getenv(peer.variable) or "python3"
  if select(2, support.shell(("%s -c 'import %s'"):format(python, peer.modules))) ~= 0 then
    print(("skipped: %s is not installed (%s has no %s)"):format(peer.name, python, peer.modules))
  else
    for _, architecture in ipairs(scion.models.list()) do
      if wanted(architecture.name) and (not peer.own or variant_for(architecture, peer) == peer.name) then
        local theirs, logits, how, out = compare(peer, python, architecture, support.folder())
        local d = theirs and rule.distance(logits, theirs) or math.huge
        local good = d < 1e-4 and rule.deviation(logits:totable()) > 0.1
        passed, failed = passed + (good and 1 or 0), failed + (good and 0 or 1)
        print(("%-20s %-6s %-9s %4d  logits differ by %.1e  %s"):format(architecture.name, peer.library, how, architecture.input, d, good and "ok" or "FAILED"))
        if not theirs then print(out) end
        support.done()
        collectgarbage()
      end
    end
  end
end
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0, true)
