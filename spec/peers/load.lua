-- lua5.4 spec/peers/load.lua [NAME..]: networks of torchvision, timm and Keras in the files that their users have. Every architecture in each
-- library's plain formats, some small ones in all containers, and networks with the same names and shapes as another one: a file loads and
-- predicts what the library does, or is refused or told in one sentence. Then the network goes back by model:export. SCION_TORCH_PYTHON and
-- SCION_KERAS_PYTHON name the interpreters, python3 unless given. make test-peers-load calls it; names pick architectures, since all take long.
local names = require "scion.weights.names.architectures"
local peer = dofile "spec/peers/peer.lua"
local rule = dofile "spec/models/rule.lua"
local scion = require "scion"
local support = dofile "spec/support/files.lua"

local classes = 10
local small = { resnet18 = true, mobilenet_v2 = true, squeezenet1_1 = true } -- in all containers
local tolerance = 1e-4

--- The side of the images. Of smaller ones the deepest networks, and Inceptions, which pad nothing, leave a few pixels, whose statistics are
--- those of a few numbers: batch norms then divide by next to nothing, and last bits become large.
local function side_of(architecture) return architecture:find "^inception" and 224 or 128 end

-- ---- one file -------------------------------------------------------------------------------------------------------

local function short(message) return (message:gsub("^.-: ", "", 1):gsub("/tmp/[^%s:]*/", "")) end

--- The logits of the images, without the last activation.
local function logits(model)
  local last = model.output.layer
  if last.kind == "activation" then return rule.logits(model:upto(model.output.inputs[1].layer.name), model.input.shape[1]):totable() end
  local kept = last.options.activation
  last.options.activation = false
  local values = rule.logits(model, model.input.shape[1]):totable()
  last.options.activation = kept
  return values
end

--- Builds a network from a file: the model, or the message; and what was told.
local function build(case, file, options)
  local given = { weights = file, input = side_of(case.architecture), top = true, classes = classes, width = case.width }
  for key, value in pairs(options or {}) do given[key] = value end
  local ok, model, report
  local told = support.stderr_of(function() ok, model, report = pcall(scion.models[case.architecture], given) end)
  return ok and model or nil, ok and told .. table.concat(report.notes, "\n") or tostring(model)
end

--- Whether predictions agree, as far as single precision can.
local function agrees(d, own) return d < math.max(tolerance, 2 * (own or 0)) end

--- A file that holds the weights of the network asked for.
local function expect_equal(case, library, format, answer, logits_there, own, options)
  local model, told = build(case, answer.file, options)
  if not model then return peer.row(case.network, library, format, false, told) end
  local d = peer.distance(logits(model), answer.logits or logits_there)
  peer.row(case.network, library, format, agrees(d, own), ("%.1e"):format(d))
  return model
end

--- A file whose variant is not asked for, but is the one that is built all the same: the model, or nil where another one is built.
local function expect_known(case, library, format, answer, opened)
  local model = build(case, answer.file, { preprocess = opened.preprocess })
  if model and model.variant == case.variant then
    return expect_equal(case, library, format, answer, opened.logits, opened.own, { preprocess = opened.preprocess })
  end
  return nil
end

--- A file that must be refused, or of which it must be told that it may be of another network.
local function expect_sentence(case, library, format, file, pattern, options)
  local model, told = build(case, file, options)
  local said = short(told):match(("[^\n]*%s[^\n]*"):format(pattern)) or told
  peer.row(case.network, library, format, told:find(pattern) ~= nil, (model and "told: " or "refused: ") .. said)
end

-- ---- one network ----------------------------------------------------------------------------------------------------

local exports = { pytorch = { "net.safetensors" }, keras = { "net.weights.h5", "net.h5" } }

--- Exports a model, and asks what the library predicts with it.
local function go_back(case, library, there, model, logits_there, own)
  for _, file in ipairs(exports[library == "keras" and "keras" or "pytorch"]) do
    local folder = support.folder()
    support.stderr_of(function() model:export(folder .. "/" .. file, library == "timm" and { names = "timm" } or nil) end)
    local ok, answer = pcall(there.ask, there, { call = "load", file = folder .. "/" .. file })
    local d = ok and peer.distance(answer.logits, logits_there)
    peer.row(case.network, library, "exported as " .. file:match "%..*", ok and agrees(d, own), ok and ("%.1e"):format(d) or peer.last_line(answer))
    support.done_with(folder)
  end
end

--- All kinds of files of one network. case: the architecture here, the network's name there, and what differs.
local function compare(library, there, case, kinds, all)
  local title = ("%s of %s"):format(case.network, library)
  local ok, opened = pcall(there.ask, there, { call = "open", library = library, name = case.network, size = side_of(case.architecture), classes = classes,
                                                width = case.width })
  if not ok then return peer.row(case.network, library, "made there", false, peer.last_line(opened)) end
  if opened.none then return peer.skipped(title, opened.none) end
  local model
  for _, kind in ipairs(all and kinds.all or kinds.every) do
    local folder = support.folder()
    local answer = there:ask { call = "write", kind = kind, folder = folder }
    local file, hub = answer.file, kind == "hub"
    if not file then
      if answer.none ~= "" then peer.skipped(("%s: %s"):format(title, kind), answer.none) end
    elseif answer.sentence then
      expect_sentence(case, library, kind, file, answer.sentence)
    elseif case.differs and hub then -- refused, with the network's name; not if the file's own variant is not asked for
      expect_sentence(case, library, kind, file, "Scion has no such network")
    elseif case.differs then
      expect_sentence(case, library, kind, file, case.network)
    else
      model = expect_equal(case, library, kind, answer, opened.logits, opened.own, not hub and { variant = case.variant, preprocess = opened.preprocess }) or model
      local default = kind .. ", default variant"
      if case.variant and not hub and not expect_known(case, library, default, answer, opened) then
        expect_sentence(case, library, default, file, case.network)
      end
      if case.other and (hub or kind == kinds.every[1]) then
        local own = (library ~= "timm" or hub) and case.own or "" -- timm's plain files have the same names for several variants
        expect_sentence(case, library, ("%s, variant = %s"):format(kind, case.other), file, "variant = '" .. own, { variant = case.other })
      end
      if case.preprocess and not hub then expect_sentence(case, library, kind .. ", default preprocess", file, case.network) end
    end
    support.done_with(folder)
  end
  if model then go_back(case, library, there, model, opened.logits, opened.own) end
  collectgarbage()
end

-- ---- all networks ---------------------------------------------------------------------------------------------------

local function variant_of(architecture, name)
  for _, variant in ipairs(architecture.variants) do
    if variant.name == name then return true end
  end
  return false
end

--- The networks of an architecture that a library may have, as cases for compare.
local networks = {}

function networks.torchvision(architecture)
  if not variant_of(architecture, "torchvision") then return {} end
  local other = not architecture.alike and variant_of(architecture, "keras") and "keras" or nil
  local list = { { network = architecture.name, architecture = architecture.name, own = "torchvision", other = other } }
  if architecture.name == "mobilenet_v2" then
    list[2] = { network = "mobilenet_v2", architecture = "mobilenet_v2", width = 0.5 }
    list[3] = { network = "quantizable_mobilenet_v2", architecture = "mobilenet_v2", differs = true }
  end
  return list
end

--- The first variant for PyTorch's files but one: without `but`, that which a file gets where nothing tells another one.
local function usual(architecture, but)
  for _, variant in ipairs(architecture.variants) do
    if variant.name ~= "keras" and variant.name ~= but then return variant.name end
  end
end

--- timm's, as names/architectures.lua has them, and those that are called as ours.
function networks.timm(architecture)
  local list, rows = {}, { [architecture.name] = { architecture.name, "torchvision" } }
  for name, entry in pairs(names.networks) do
    if entry[1] == architecture.name then rows[name] = entry elseif name == architecture.name then rows[name] = nil end
  end
  for name, entry in pairs(rows) do
    local differs = entry.but ~= nil or not variant_of(architecture, entry[2])
    list[#list + 1] = { network = name, architecture = architecture.name, width = entry.width, differs = differs, preprocess = entry.preprocess,
                        own = entry[2], other = not architecture.alike and usual(architecture, entry[2]) or nil,
                        variant = not differs and entry[2] ~= usual(architecture) and not architecture.alike and entry[2] or nil }
  end
  table.sort(list, function(a, b) return a.network < b.network end)
  return list
end

function networks.keras(architecture)
  if not variant_of(architecture, "keras") then return {} end
  local other = not architecture.alike and variant_of(architecture, "torchvision") and "torchvision" or nil
  return { { network = architecture.name, architecture = architecture.name, own = "keras", other = other } }
end

local peers = {
  { script = "load_torch.py", variable = "SCION_TORCH_PYTHON", modules = "torch, torchvision, timm, safetensors", libraries = { "torchvision", "timm" } },
  { script = "load_keras.py", variable = "SCION_KERAS_PYTHON", modules = "keras, h5py", libraries = { "keras" } },
}

--- All cases of some libraries: { library, case, whether in all containers }.
local function cases_of(libraries)
  local list = {}
  for _, library in ipairs(libraries) do
    for _, architecture in ipairs(scion.models.list()) do
      for _, case in ipairs(peer.wanted(architecture.name) and networks[library](architecture) or {}) do
        list[#list + 1] = { library, case, library ~= "timm" and small[architecture.name] and not case.width and not case.differs }
      end
    end
  end
  return list
end

for _, each in ipairs(peers) do
  local cases, there, reason = cases_of(each.libraries), nil, nil
  if #cases > 0 then there, reason = peer.start(os.getenv(each.variable) or "python3", each.script, each.modules) end
  if there then
    local kinds = there:ask { call = "kinds" }
    for _, one in ipairs(cases) do compare(one[1], there, one[2], kinds, one[3]) end
    there:close()
  elseif reason then
    peer.skipped(table.concat(each.libraries, " and "), reason)
  end
end
support.done()
peer.finish()
