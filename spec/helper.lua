-- Runs before all specs. SCION_TEST_GC makes Lua's collector eager, so that what should have been kept alive and was not shows,
-- most clearly under AddressSanitizer: its value is the collector's pause, 0 for a whole cycle at every chance (slow), 104 for
-- one whenever memory grew by four per cent.
local pause = tonumber(os.getenv "SCION_TEST_GC")
if pause then
  collectgarbage "incremental"
  collectgarbage("setpause", pause)
  collectgarbage("setstepmul", 1000)
end
