-- lua5.4 spec/run.lua BUILD [PROGRAM..]: runs the programs that test the core, for each instruction set that this CPU has, and
-- busted over every file of spec/, each in a process of its own and as many at once as there are cores. Prints what each
-- printed when it ends, what failed once more after all the others, and one line at the end, "N passed, N failed, N skipped"; fails
-- if one failed. make test calls it.
-- From the environment, beside Lua's paths:
--   SCION_PRELOAD             libraries that a sanitized module needs before all others
--   SCION_TEST_PROGRAMS_ONLY  no busted
local build = assert(arg[1], "usage: run.lua BUILD [PROGRAM..]")

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function output_of(command)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

-- The instruction sets that this CPU has beside its best, as values of SCION_ISA: those whose kernels for f32 differ, and, where
-- the best has instructions for bf16, those that it has without.
local function lesser_isas()
  local file, f32, bf16 = io.open "/proc/cpuinfo", {}, {}
  local flags = file and file:read "a":match "flags%s*:([^\n]*)" or ""
  if file then file:close() end
  if flags:find "amx_bf16" then bf16[#bf16 + 1] = "avx512bf16" end
  if flags:find "avx512_bf16" then bf16[#bf16 + 1] = "avx512" end
  if flags:find "avx512f" then f32[#f32 + 1] = "avx2" end
  if flags:find "avx2" then f32[#f32 + 1] = "portable" end
  return f32, table.move(f32, 1, #f32, #bf16 + 1, bf16)
end

-- Whether the program's source knows bf16: for the others, sets that differ in bf16 alone would repeat the same instructions.
local function knows_bf16(program)
  local file <close> = assert(io.open(("spec/csrc/%s.c"):format(program:match "[^/]*$")))
  return file:read "a":find "bf16" ~= nil
end

-- The counts in a line of a program or of busted: passed, failed, skipped.
local function program_counts(line) return line:match "^(%d+) passed, (%d+) failed,? ?(%d*)" end
local function busted_counts(line)
  local good, bad, errors, pending = line:match "^(%d+) success%a* / (%d+) failures? / (%d+) errors? / (%d+) pending"
  return good, good and bad + errors, pending
end

local jobs = {} -- each { title, command, counts }
local function add(title, command, counts) jobs[#jobs + 1] = { title = title, command = command, counts = counts } end

local f32, all = lesser_isas()
for i = 2, #arg do
  local name = arg[i]:match "[^/]*$"
  add(name, quote(arg[i]), program_counts)
  for _, isa in ipairs(knows_bf16(arg[i]) and all or f32) do
    add(name .. ", " .. isa, ("SCION_ISA=%s %s"):format(isa, quote(arg[i])), program_counts)
  end
end

if not os.getenv "SCION_TEST_PROGRAMS_ONLY" then
  local preload = os.getenv "SCION_PRELOAD"
  local before = "SCION_CACHE_DISK=0 SCION_BUILD=" .. quote(build) -- what specs compute does not belong into the user's cache
  if preload then -- in the shells and pythons that specs start too, whose leaks are not ours: .make/sanitize/lua5.4 looks for those
    local options = "$ASAN_OPTIONS:detect_leaks=0:include_if_exists=$PWD/.make/sanitize/%b"
    before = ("%s PATH=\"$PWD/.make/sanitize/bin:$PATH\" LD_PRELOAD=%s ASAN_OPTIONS=%s"):format(before, quote(preload), options)
  end
  for path in output_of "find spec -name '*_spec.lua' | LC_ALL=C sort":gmatch "[^\n]+" do
    add(path, ("%s %s spec/busted.lua --output=plainTerminal %s"):format(before, os.getenv "LUA" or "lua5.4", path), busted_counts)
  end
end

-- Runs all jobs, so many at once, and calls ended(job, lines, status) as each ends. xargs is what starts the next; each job is a
-- script and the file of what it printed in a folder that goes at the end.
local function run(at_once, ended)
  local folder = output_of "mktemp -d":match "[^\n]+"
  local list = assert(io.open(folder .. "/list", "w"))
  for i, job in ipairs(jobs) do
    local script <close> = assert(io.open(("%s/%d.sh"):format(folder, i), "w"))
    script:write(job.command, "\n")
    list:write(i, "\n")
  end
  list:close()
  local start = [[exec xargs -n 1 -P %d sh -c 'sh "$0/$1.sh" >"$0/$1.out" 2>&1 </dev/null; echo "$1 $?"' %s <%s/list]]
  local pipe = assert(io.popen(start:format(at_once, quote(folder), quote(folder))))
  for line in pipe:lines() do
    local i, status = line:match "^(%d+) (%d+)$"
    ended(jobs[tonumber(i)], io.lines(("%s/%s.out"):format(folder, i)), tonumber(status))
  end
  pipe:close()
  os.execute("rm -r " .. quote(folder))
end

local passed, failed, skipped, left = 0, 0, 0, #jobs
local broken = {} -- what the jobs that failed printed, for the end, where a long log still shows it
local cores = tonumber(output_of "getconf _NPROCESSORS_ONLN")
run(cores or 1, function(job, lines, status)
  print("== " .. job.title)
  local counted, failures, printed = false, 0, { "== " .. job.title }
  for line in lines do
    print(line)
    printed[#printed + 1] = line
    local good, bad, pending = job.counts(line)
    if good then
      counted, failures = true, tonumber(bad)
      passed, failed, skipped = passed + tonumber(good), failed + failures, skipped + (tonumber(pending) or 0)
    end
  end
  if not counted or (status ~= 0 and failures == 0) then -- a crash, a leak, a file that does not load
    failed, failures = failed + 1, 1
    printed[#printed + 1] = ("FAILED %s: ended with status %d"):format(job.title, status)
    print(printed[#printed])
  end
  if failures > 0 then broken[#broken + 1] = table.concat(printed, "\n") end
  left = left - 1
  io.stdout:flush()
end)
if left > 0 then -- xargs itself was stopped
  failed = failed + left
  print(("FAILED: %d did not end"):format(left))
end

if #broken > 0 then print("== what failed\n" .. table.concat(broken, "\n")) end
print(("%d passed, %d failed, %d skipped"):format(passed, failed, skipped))
os.exit(failed == 0, true)
