-- The Lua of README.md and of spec/bench/performance.md, run as it stands, in a folder laid out as they say: scripts in processes of their
-- own, transcripts line by line as in `make repl`. What stands under a script, and what a transcript shows, is what they have to
-- print; only speeds and times may differ. Figures are those of AVX2: other instruction sets round otherwise, and training goes
-- its own way from there.
local core = require "scion.core"
local lfs = require "lfs"
local support = dofile "spec/support/images.lua"

local pages = { "README.md", "spec/bench/performance.md" }

--- What a page holds: scripts, each { blocks = { lua.. }, printed = { [block] = text } }, and transcripts.
local function parse(path)
  local scripts, transcripts, after_lua = {}, {}, false
  for language, text, line in support.slurp(path):gmatch "\n```(%l*)\n(.-)\n```()" do
    local script = scripts[#scripts]
    if language == "lua" then
      if text:find 'require "scion"' or text:find 'require%("scion"%)' then
        script = { blocks = {}, printed = {} }
        scripts[#scripts + 1] = script
      end
      script.blocks[#script.blocks + 1] = text
    elseif text:find "^> " then
      transcripts[#transcripts + 1] = text
    elseif after_lua then
      script.printed[#script.blocks] = text
    else
      error(("%s: the block that ends at byte %d is neither Lua, nor what Lua prints"):format(path, line))
    end
    after_lua = language == "lua"
  end
  return scripts, transcripts
end

local folder

--- A folder with photographs and weights.
local function lay_out()
  if folder then return folder end
  folder = support.folder()
  local data = support.data
  if not data then return folder end
  support.shell(("mkdir %q/trash"):format(folder))
  support.photographs(data, "train", folder .. "/trash/train", 1)
  support.photographs(data, "val", folder .. "/trash/test", 1)
  support.photographs(data, "train", folder .. "/photos", 5)
  local links = { ["inception_v3_notop.h5"] = "weights/inception_v3_notop.h5", ["bottle.jpg"] = "data/trashnet/val/glass/glass112.jpg",
                  ["can.png"] = "data/images/pngsuite/basn2c08.png" }
  for name, target in pairs(links) do assert(lfs.link(data .. "/" .. target, folder .. "/" .. name, true)) end
  return folder
end

-- Sanitizers compile sums without fused multiply-adds, which round otherwise, and make the demo's training take ten minutes.
local sanitized = (os.getenv "SCION_BUILD" or ""):find "sanitize" ~= nil
local function without_demo() pending "runs without sanitizers: the demo trains for ten minutes with them, and rounds otherwise" end

local demo

--- What make demo prints, and leaves in that folder; one of its three runs.
local function run_demo()
  if demo then return demo end
  local out, status = support.shell(("SCION_ISA=avx2 lua5.4 examples/demo.lua %s/build/demo 1"):format(lay_out()))
  assert.equal(0, status, out)
  demo = out
  return demo
end

--- Output without what depends on the machine's speed.
local function timeless(text)
  return (text:gsub("[%d.]+ images/s", "N images/s"):gsub("(N images/s)  [%d:]+s?[^\n]*", "%1"):gsub("%s+$", ""))
end

local separator = "---- the next block ----"

-- What lua.c does with each line, but with the lines themselves in the output.
local repl = [[
print = require("scion.report.show").print
scion = require "scion"
for line in io.lines() do
  io.write("> ", line, "\n")
  local results = table.pack((load("return " .. line, "=stdin") or assert(load(line, "=stdin")))())
  if results.n > 0 then print(table.unpack(results, 1, results.n)) end
end]]

--- Runs a command there; returns what it printed.
local function run(command, name)
  local out, status = support.shell(("cd %q && COLUMNS=80 HOME=/home/ada SCION_ISA=avx2 %s"):format(lay_out(), command))
  assert.equal(0, status, name .. ": " .. out)
  return out
end

--- Whether a text can run here: what it wants from the shared data has to be there.
local function wants_data(text) return text:find "inception_v3" or text:find "trash" or text:find '"photos"' end

local exact = not sanitized and (core.isa() == "avx2" or core.isa():find "avx512" or core.isa():find "amx")

describe("the pages", function()
  teardown(support.done)

  it("name targets that the Makefile has", function()
    local makefile, count = "\n" .. support.slurp "Makefile", 0
    for _, path in ipairs(pages) do
      local code = support.slurp(path):gsub("```.-```", ""):gsub("make%s+", "make ")
      for target in code:gmatch "[`\n] *make (%l[%l-]*)" do
        assert.is_truthy(makefile:find("\n" .. target .. ":", 1, true), path .. ": make " .. target)
        count = count + 1
      end
    end
    assert.is_true(count >= 10)
  end)

  it("tell what the demo prints", function()
    if sanitized then return without_demo() end
    local told, printed = support.slurp "README.md":match "\n    (seed 1: [^\n]*)\n", run_demo():match "seed 1: [^\n]*"
    assert.matches("seed 1: grafted %d+%.%d%%, from scratch %d+%.%d%%", printed)
    if exact then assert.equal(told, printed) end
  end)

  it("hold a picture that is there", function()
    for _, path in ipairs(pages) do
      for picture in support.slurp(path):gmatch "!%[[^%]]*%]%(([^)]*)%)" do
        assert.is_truthy(lfs.attributes((path:match "^.*/" or "") .. picture, "size"), picture)
      end
    end
  end)

  it("hold a picture that is drawn from what the demo leaves", function()
    if sanitized then return without_demo() end
    run_demo()
    local into = folder .. "/curves.png"
    local out, status = support.shell(("lua5.4 .make/curves.lua %s %s/build/demo/grafted.safetensors %s/build/demo/'from scratch.safetensors'"):format(
      into, folder, folder))
    assert.same({ "drawn: " .. into .. "\n", 0 }, { out, status })
    assert.same({ 320, 760, 3 }, core.image_load(into):shape())
  end)

  for _, path in ipairs(pages) do
    local scripts, transcripts = parse(path)
    for number, script in ipairs(scripts) do
      it(("%s: script %d runs, and prints what stands under it"):format(path, number), function()
        local text = table.concat(script.blocks, ("\nprint %q\n"):format(separator))
        if wants_data(text) and not support.test_data(pending) then return end
        if text:find "build/demo" then
          if sanitized then return without_demo() end
          run_demo()
        end
        support.spit(lay_out() .. "/script.lua", text)
        local out = run("lua5.4 script.lua", path)
        local parts = {}
        for part in (out .. separator .. "\n"):gmatch("(.-)" .. separator:gsub("%-", "%%-") .. "\n") do parts[#parts + 1] = part end
        assert.equal(#script.blocks, #parts, out)
        for block, printed in pairs(script.printed) do
          if exact then assert.equal(timeless(printed), timeless(parts[block])) end
        end
      end)
    end
    for number, transcript in ipairs(transcripts) do
      it(("%s: transcript %d shows what is printed"):format(path, number), function()
        if wants_data(transcript) and not support.test_data(pending) then return end
        local lines = {}
        for line in ("\n" .. transcript):gmatch "\n> ([^\n]*)" do lines[#lines + 1] = line end
        support.spit(lay_out() .. "/repl.lua", repl)
        support.spit(folder .. "/lines.txt", table.concat(lines, "\n") .. "\n")
        local out = run("env -u XDG_CACHE_HOME SCION_CACHE_DISK=10 lua5.4 repl.lua < lines.txt", path)
        assert.equal(timeless(transcript), timeless(out))
      end)
    end
  end

  it("are many enough", function()
    local scripts, transcripts = parse "README.md"
    assert.same({ 9, 1 }, { #scripts, #transcripts })
  end)
end)
