-- Runs before all specs. SCION_TEST_GC: Lua's collector at its most eager, so that what is used after it should have been kept
-- alive shows, most clearly under AddressSanitizer.
if os.getenv "SCION_TEST_GC" then
  collectgarbage "incremental"
  collectgarbage("setpause", 0)
  collectgarbage("setstepmul", 1000)
end
