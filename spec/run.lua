-- lua5.4 spec/run.lua BUILD [PROGRAM..]: runs the programs that test the core, then busted over spec/, and prints one line at
-- the end, "N passed, N failed, N skipped"; fails if one failed. make test calls it. From the environment, beside Lua's paths:
--   SCION_PRELOAD             libraries that a sanitized module needs before all others
--   SCION_TEST_PROGRAMS_ONLY  no busted
local build = assert(arg[1], "usage: run.lua BUILD [PROGRAM..]")
local passed, failed, skipped = 0, 0, 0

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- Runs a command, shows what it prints, and adds the counts that `read` finds in one of its lines.
local function run(title, command, read)
  print("== " .. title)
  io.stdout:flush()
  local pipe = assert(io.popen("exec 2>&1; " .. command))
  local counted, failures = false, 0
  for line in pipe:lines() do
    print(line)
    local good, bad, left = read(line)
    if good then
      counted, failures = true, tonumber(bad)
      passed, failed, skipped = passed + tonumber(good), failed + failures, skipped + tonumber(left or 0)
    end
  end
  local ended, how, code = pipe:close()
  if not counted or (not ended and failures == 0) then -- a crash, a leak, a file that does not load
    failed = failed + 1
    print(("FAILED %s: ended by %s %d"):format(title, how, code))
  end
end

-- The instruction sets that this CPU has beside its best, as values of SCION_ISA.
local function lesser_isas()
  local file, found = io.open "/proc/cpuinfo", {}
  local flags = file and file:read "a":match "flags%s*:([^\n]*)" or ""
  if file then file:close() end
  if flags:find "amx_bf16" then found[#found + 1] = "avx512bf16" end
  if flags:find "avx512_bf16" then found[#found + 1] = "avx512" end
  if flags:find "avx512f" then found[#found + 1] = "avx2" end
  if flags:find "avx2" then found[#found + 1] = "portable" end
  return found
end

for i = 2, #arg do
  local function read(line)
    local good, bad, left = line:match "^(%d+) passed, (%d+) failed,? ?(%d*)"
    return good, bad, left ~= "" and left or 0
  end
  local name = arg[i]:match "[^/]*$"
  run(name, quote(arg[i]), read)
  for _, isa in ipairs(lesser_isas()) do
    run(name .. ", " .. isa, ("SCION_ISA=%s %s"):format(isa, quote(arg[i])), read)
  end
end

if not os.getenv "SCION_TEST_PROGRAMS_ONLY" then
  local preload = os.getenv "SCION_PRELOAD"
  local before = "SCION_CACHE_DISK=0 SCION_BUILD=" .. quote(build) -- what specs compute does not belong into the user's cache
  if preload then -- in the shells and pythons that specs start too, whose leaks are not ours: .make/sanitize/lua5.4 looks for those
    before = ("%s PATH=\"$PWD/.make/sanitize/bin:$PATH\" LD_PRELOAD=%s ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0:include_if_exists=$PWD/.make/sanitize/%%b"):format(before,
      quote(preload))
  end
  local command = ("%s %s spec/busted.lua --output=plainTerminal spec"):format(before, os.getenv "LUA" or "lua5.4")
  run("busted", command, function(line)
    local good, bad, errors, pending = line:match "^(%d+) success%a* / (%d+) failures? / (%d+) errors? / (%d+) pending"
    return good, good and bad + errors, pending
  end)
end

print(("%d passed, %d failed, %d skipped"):format(passed, failed, skipped))
os.exit(failed == 0, true)
