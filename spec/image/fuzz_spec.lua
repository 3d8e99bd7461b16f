-- A bounded run of spec/fuzz/images.c, with another seed each time; make fuzz-images is the long one.
local files = dofile "spec/support/files.lua"

describe("15,000 damaged images", function()
  it("are decoded or refused with a message, each within two seconds", function()
    local program = (os.getenv "SCION_BUILD" or "build/release") .. "/scion/fuzz_images"
    if not io.open(program, "rb") then
      pending(program .. " is not built: make programs")
      return
    end
    local folder, seed = files.folder(), os.time()
    files.shell(("lua5.4 spec/fuzz/image_seeds.lua %s"):format(files.quoted(folder)))
    local output, code = files.shell(("%s 15000 %d %s/*"):format(program, seed, files.quoted(folder)))
    files.done()
    print("\n" .. output:gsub("\n+$", "") .. ("; seed %d"):format(seed))
    assert.equal(0, code, output)
    local decoded, megabytes = output:match "(%d+) decoded.* at most (%d+) MB"
    assert.is_true(tonumber(decoded) > 1500) -- the seeds are images, and some changes harm nothing
    if not program:find "sanitize" then assert.is_true(tonumber(megabytes) < 700, output) end -- ten times 20 million pixels of 3 bytes, and 64 MB
  end)
end)
