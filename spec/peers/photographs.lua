-- lua5.4 spec/peers/photographs.lua WEIGHTS FOLDER [COUNT]: what Scion's EfficientNet-Lite0 says of photographs beside what timm's says, with
-- the same file of weights (names of EfficientNet-PyTorch), each with its own decoder and resizing. FOLDER holds a folder of pictures for each class, of
-- which the first COUNT (100) are taken in turns. Fails unless both say the same of every one. SCION_TORCH_PYTHON names the interpreter that has
-- timm, torchvision and Pillow; photographs.py --origin says how the arithmetic of such a file was found.
local core = require "scion.core"
local scion = require "scion"
local support = dofile "spec/support/files.lua"

local weights, folder, count = arg[1], arg[2], tonumber(arg[3]) or 100
if not folder then
  print "usage: photographs.lua WEIGHTS FOLDER [COUNT]"
  os.exit(2)
end

--- The first files of each class in turns.
local function choose(data)
  local classes, chosen, taken = {}, {}, 0
  for _, path in ipairs(data.files) do
    local class = path:match "([^/]+)/[^/]+$"
    if not classes[class] then classes[#classes + 1], classes[class] = class, {} end
    table.insert(classes[class], path)
  end
  while #chosen < math.min(count, #data) do
    taken = taken + 1
    for _, class in ipairs(classes) do
      if #chosen < count then chosen[#chosen + 1] = classes[class][taken] end
    end
  end
  return chosen
end

local files, words = choose(scion.data.folder(folder, { size = 224, shuffle = false })), {}
for i, path in ipairs(files) do words[i] = support.quoted(path) end
local out = support.shell(("%s spec/peers/photographs.py %s %s"):format(os.getenv "SCION_TORCH_PYTHON" or "python3", support.quoted(weights), table.concat(words, " ")))
local ok, theirs = pcall(core.json_decode, out:match "{.*}" or "")
assert(ok and theirs, out)

local model = scion.models.efficientnet_lite0 { top = true, weights = weights }
local said = model:predict(files)
model.output.layer.options.activation = false
local logits = model:features(files, "predictions", { cache = false })
local same, worst, largest, counts = 0, 0, 0, {}
for i, entry in ipairs(said) do
  same = same + (entry.label == theirs.classes[i] and 1 or 0)
  counts[entry.label] = (counts[entry.label] or 0) + 1
  for k, value in ipairs(theirs.logits[i]) do worst, largest = math.max(worst, math.abs(value - logits:get(i, k))), math.max(largest, math.abs(value)) end
  if entry.label ~= theirs.classes[i] then print(("%s: %s, not %s"):format(entry.file, entry.label, theirs.classes[i])) end
end
local names = {}
for label in pairs(counts) do names[#names + 1] = label end
table.sort(names, function(a, b) return counts[a] > counts[b] or counts[a] == counts[b] and a < b end)
for i = 1, math.min(12, #names) do names[i] = ("%s %d"):format(names[i], counts[names[i]]) end
print(("said most often: %s"):format(table.concat(names, ", ", 1, math.min(12, #names))))
print(("%d of %d photographs have the same class; logits differ by %.1e of the largest"):format(same, #files, worst / largest))
os.exit(same == #files and worst / largest < 1e-4, true)
