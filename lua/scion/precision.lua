--- Precisions: "f32", and "bf16", which needs a CPU with instructions for it (AMX or AVX512_BF16). On others bf16 is f32, and
--- that is said once.
local check = require "scion.check"
local core = require "scion.core"
local notice = require "scion.report.notice"

local precision = {}

precision.kind = check.one_of("f32", "bf16")

--- Whether bf16 is computed, slowly, on CPUs without instructions for it: SCION_BF16=emulate in the environment, for tests.
precision.emulates = os.getenv "SCION_BF16" == "emulate"

--- What is computed when that precision is asked for. Raises on one that does not exist.
---@param wanted string|nil|false nothing: f32
---@return "f32"|"bf16"
function precision.in_use(wanted)
  if not wanted or wanted == "f32" then return "f32" end
  local known, _, _, hint = precision.kind.read(wanted)
  if not known then check.raise(("precision is %s, not %s%s"):format(precision.kind.what, check.show(wanted), hint and " (" .. hint .. ")" or "")) end
  if core.bf16() ~= "f32" or precision.emulates then return "bf16" end
  notice.once "scion: this CPU has no instructions for bf16 (AMX or AVX512_BF16), so it computes in f32"
  return "f32"
end

return precision
