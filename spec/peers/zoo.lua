-- lua5.4 spec/peers/zoo.lua [NAME..]: every architecture at its full size beside torchvision's and Keras's own, where they are installed
-- (SCION_TORCH_PYTHON and SCION_KERAS_PYTHON name the interpreters that have them, python3 unless given). make test-peers calls it.
local core = require "scion.core"
local scion = require "scion"
local rule = dofile "spec/models/rule.lua"

local peers = { { name = "torchvision", variable = "SCION_TORCH_PYTHON", modules = "torch, torchvision" },
                { name = "keras", variable = "SCION_KERAS_PYTHON", modules = "tensorflow, keras" } }

local function wanted(name)
  if #arg == 0 then return true end
  for _, given in ipairs(arg) do
    if given == name then return true end
  end
end

local function has_variant(architecture, publisher)
  for _, variant in ipairs(architecture.variants) do
    if variant.name == publisher and #variant.weights > 0 then return true end
  end
end

--- What the peer computes, or nil.
local function golden(peer, python, architecture)
  local pipe = assert(io.popen(("%s spec/fixtures/models/from_%s.py %s --full %d 2>/dev/null"):format(python, peer.name, architecture.name,
    architecture.input)))
  local text = pipe:read "a"
  pipe:close()
  local cases = core.json_decode(text)
  return cases and cases[architecture.name]
end

local passed, failed = 0, 0
for _, peer in ipairs(peers) do
  local python = os.getenv(peer.variable) or "python3"
  if not os.execute(("%s -c 'import %s' >/dev/null 2>&1"):format(python, peer.modules)) then
    print(("skipped: %s is not installed (%s)"):format(peer.name, python))
  else
    for _, architecture in ipairs(scion.models.list()) do
      if wanted(architecture.name) and has_variant(architecture, peer.name) then
        local case = golden(peer, python, architecture)
        local logits = case and rule.logits(rule.model(architecture.name, peer.name, case), case.size)
        local d = case and rule.distance(logits, case.logits) or math.huge
        local good = d < 1e-4 and rule.deviation(logits:totable()) > 0.1
        passed, failed = passed + (good and 1 or 0), failed + (good and 0 or 1)
        print(("%-20s %-11s %4d  logits differ by %.1e  %s"):format(architecture.name, peer.name, architecture.input, d, good and "ok" or "FAILED"))
        collectgarbage()
      end
    end
  end
end
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0, true)
