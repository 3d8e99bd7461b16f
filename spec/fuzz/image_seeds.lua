-- lua5.4 spec/fuzz/image_seeds.lua FOLDER: writes the small images of the fixtures there, as seeds for spec/fuzz/images.c.
local folder = arg[1]
local lists = { dofile "spec/fixtures/image/golden.lua".files, dofile "spec/fixtures/image/formats.lua", dofile "spec/fixtures/image/resize.lua".reduced }
for i, list in ipairs(lists) do
  for k, case in ipairs(list) do
    local file = assert(io.open(("%s/%d-%02d"):format(folder, i, k), "wb"))
    file:write((case.file:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end)))
    file:close()
  end
end
