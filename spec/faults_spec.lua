-- What fails in the system, one call after the other: memory, the disk, threads, processes. See faults/run.lua and faults/scenarios.lua; there
-- all is explained. FAULTS=all makes every call fail, which takes some minutes; FAULTS_SEED draws others.
local files = dofile "spec/support/files.lua"

-- how many calls of each kind fail in each: those of the disk are never more
local scenarios = { load = 12, torch = 12, keras = 3, save = 12, export = 8, export_keras = 3, image = 12, step = 12, checkpoint = 6, resume = 6, predict = 12, cache = 12 }

local seed, library = os.getenv "FAULTS_SEED" or "1", ("%s/%s/spec/faults.so"):format(os.getenv "PWD", os.getenv "SCION_BUILD" or "build/release")

describe("a call that fails in the system", function()
  teardown(files.done)

  local linux = io.open "/proc/self/maps"
  if not linux then pending "faults are for Linux alone" return end
  linux:close()

  for name, most in pairs(scenarios) do
    it(("ends in a sentence and leaves all whole: %s"):format(name), function()
      local told = files.folder() .. "/told"
      -- before the sanitizers' libraries, whose functions stand behind those of this one
      local command = 'XDG_CACHE_HOME=%s SCION_CACHE_DISK=%d FAULTS=%s FAULTS_SEED=%s ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0" ' ..
                      'LD_PRELOAD="%s $LD_PRELOAD" lua5.4 spec/faults/run.lua %s 2>%s'
      local output, code = files.shell(command:format(files.folder(), name == "cache" and 1 or 0, os.getenv "FAULTS" or most, seed, library, name, told))
      print(("\n%s, seed %s"):format(output:match "[^\n]*\n?$":gsub("\n", ""), seed))
      assert.equal(0, code, output .. files.slurp(told))
    end)
  end
end)
