--- Precisions: "f32"; "bf16", which needs a CPU with instructions for it (AMX or AVX512_BF16): on other CPUs f32 is used in its place, and
--- a line on standard error says so once; and "int8", bytes, which every CPU computes with.
local check = require "scion.check"
local core = require "scion.core"
local notice = require "scion.report.notice"

local precision = {}

--- The precisions that users may ask for.
precision.kind = check.one_of("f32", "bf16", "int8")

local asked = os.getenv "SCION_BF16" or ""

--- Whether bf16 is emulated, slowly, on CPUs without instructions for it: SCION_BF16=emulate in the environment, for tests.
precision.emulates = asked == "emulate"
if asked ~= "" then check.argument("the environment", "SCION_BF16", asked, check.one_of "emulate") end

--- The precision that is used when one is asked for. Raises if it does not exist.
---@param wanted string|nil|false nil or false: f32
---@return "f32"|"bf16"|"int8"
function precision.in_use(wanted)
  if not wanted then return "f32" end
  wanted = check.argument("a model", "precision", wanted, precision.kind)
  if wanted ~= "bf16" then return wanted end
  if core.bf16() ~= "f32" or precision.emulates then return "bf16" end
  notice.once "scion: this CPU has no instructions for bf16 (AMX or AVX512_BF16), so it computes in f32"
  return "f32"
end

return precision
