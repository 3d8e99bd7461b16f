-- What fails in the system, one call after the other: memory, the disk, threads, processes. See faults/run.lua and faults/scenarios.lua.
-- FAULTS=all makes every call fail, which takes three hours of processor time; FAULTS_SEED draws others.
local files = dofile "spec/support/files.lua"

-- each scenario, and how many calls of each kind fail in it
local scenarios = { { "load", 12 }, { "torch", 12 }, { "keras", 2 }, { "keras_zip", 2 }, { "doctor", 8 }, { "save", 12 }, { "export", 8 },
                    { "export_keras", 2 }, { "image", 12 }, { "step", 12 }, { "step_of_lamb", 4 }, { "checkpoint", 4 }, { "resume", 3 }, { "same_model", 3 }, { "log", 3 },
                    { "predict", 12 }, { "cache", 12 } }

-- AddressSanitizer ends the process where the memory cannot be had that it wants for a thread of its own accord; and it has the memory of the
-- program that calls the HDF5 library for itself: see csrc/files/hdf5/memory.c
local threaded = { step = true, step_of_lamb = true, checkpoint = true, resume = true, same_model = true, log = true, predict = true, doctor = true }

local build = os.getenv "SCION_BUILD" or "build/release"
local sanitized, seed = build:find "sanitize" ~= nil, os.getenv "FAULTS_SEED" or "1"

local function environment(name, most)
  local set = { XDG_CACHE_HOME = files.folder(), SCION_CACHE_DISK = name == "cache" and 1 or 0, FAULTS = os.getenv "FAULTS" or most, FAULTS_SEED = seed,
                FAULTS_SKIP = sanitized and (threaded[name] and "memory" or "hdf5 memory") or "",
                -- before the sanitizers' libraries, whose functions stand behind those of this one
                LD_PRELOAD = ("%s/%s/spec/faults.so %s"):format(os.getenv "PWD", build, os.getenv "LD_PRELOAD" or ""),
                ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":verify_asan_link_order=0",
                LSAN_OPTIONS = "suppressions=spec/faults/leaks:print_suppressions=0" }
  local list = {}
  for key, value in pairs(set) do list[#list + 1] = ("%s=%s"):format(key, files.quoted(tostring(value))) end
  return table.concat(list, " ")
end

describe("a call that fails in the system", function()
  teardown(files.done)

  for _, scenario in ipairs(scenarios) do
    local name, most = table.unpack(scenario)
    it("ends in a sentence and leaves all whole: " .. name, function()
      local maps = io.open "/proc/self/maps"
      if not maps then pending "only Linux has what makes calls fail" end
      maps:close()
      local told = files.folder() .. "/told"
      local output, code = files.shell(("env %s lua5.4 spec/faults/run.lua %s 2>%s"):format(environment(name, most), name, told))
      local skipped = sanitized and threaded[name] and ", without memory, as AddressSanitizer's threads end the process" or ""
      print(("\n%s, seed %s%s"):format(output:match "([^\n]*)\n*$", seed, skipped))
      assert.equal(0, code, output .. ("\n" .. files.slurp(told)):gsub("\nscion: [^\n]*", ""))
    end)
  end
end)
