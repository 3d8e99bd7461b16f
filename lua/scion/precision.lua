--- Precisions, one of what is frozen and one of what trains. "f32"; "bf16", which needs a CPU with instructions for it (AMX or
--- AVX512_BF16): on other CPUs f32 is used in its place, and a line on standard error says so once; and, of what is frozen, "int8", bytes,
--- which every CPU computes with. In inference all is frozen. "fast" is what of these the machine computes a network with soonest.
local check = require "scion.check"
local core = require "scion.core"
local notice = require "scion.report.notice"

local precision = {}

--- One precision for what is frozen and another one for what trains.
---@class scion.PrecisionOptions
---@field frozen "f32"|"bf16"|"int8"|nil of what does not train, and so of inference ("f32")
---@field trained "f32"|"bf16"|nil of what trains: activations and gradients; sums, gradients of weights, weights and optimizer are f32 ("f32")

local words = { "f32", "bf16", "int8" }
local of_word = { f32 = { "f32", "f32" }, bf16 = { "bf16", "bf16" }, int8 = { "int8", "f32" } }

--- The name of a pair, by which plans, caches and checkpoints know it: the word that stands for it, or both.
local function name_of(frozen, trained)
  for _, word in ipairs(words) do
    if of_word[word][1] == frozen and of_word[word][2] == trained then return word end
  end
  return ("frozen %s, trained %s"):format(frozen, trained)
end

local parts = {} -- by name
for _, frozen in ipairs(words) do
  for _, trained in ipairs { "f32", "bf16" } do parts[name_of(frozen, trained)] = { frozen = frozen, trained = trained } end
end

local word = check.one_of(table.unpack(words))
local pair = check.table_of { frozen = { word }, trained = { check.one_of("f32", "bf16") } }

--- The precisions that users may ask for; the name of any, too, which histories tell.
precision.kind = check.kind(word.what:gsub(" or ", ", ") .. ", 'fast' or { frozen = 'int8', trained = 'bf16' }", function(value)
  if type(value) == "table" then
    local ok, given, complaint = pair.read(value)
    if ok and not (given.frozen or given.trained) then return false, nil, "names neither what is frozen nor what trains: { frozen = 'int8', trained = 'bf16' }" end
    return ok, given, complaint
  end
  if parts[value] or value == "fast" then return true, value end
  return word.read(value)
end)

local asked = os.getenv "SCION_BF16" or ""

--- Whether bf16 is emulated, slowly, on CPUs without instructions for it: SCION_BF16=emulate in the environment, for tests.
precision.emulates = asked == "emulate"
if asked ~= "" then check.argument("the environment", "SCION_BF16", asked, check.one_of "emulate") end

--- The precisions that a name stands for.
---@param name string as precision.in_use gives it
---@return "f32"|"bf16"|"int8" frozen
---@return "f32"|"bf16" trained
function precision.parts(name)
  local found = parts[name]
  return found.frozen, found.trained
end

--- The precision that is used when one is asked for, by its name. Raises if it does not exist.
---@param wanted string|scion.PrecisionOptions|nil
---@param model scion.Model that "fast" is for
---@param images integer? how many it is asked for: of few "fast" takes no bytes, unless their ranges are known
---@return string
function precision.in_use(wanted, model, images)
  local given = check.argument("a model", "precision", wanted or "f32", precision.kind)
  local of = type(given) == "table" and given or parts[given] or require "scion.fastest".of(model, images)
  local frozen, trained = of.frozen or "f32", of.trained or "f32"
  if (frozen == "bf16" or trained == "bf16") and core.bf16() == "f32" and not precision.emulates then
    notice.once "scion: this CPU has no instructions for bf16 (AMX or AVX512_BF16), so it computes in f32"
    frozen, trained = frozen == "bf16" and "f32" or frozen, "f32"
  end
  return name_of(frozen, trained)
end

return precision
