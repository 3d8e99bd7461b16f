-- The whole bench: lua5.4 spec/bench/run.lua PEAK [PART=..] [ROUNDS=3] [THREADS=..] [CLOCK=wall|cpu] [PEER=NAME,..] [PYTHON=python3]
-- A peer is torch, openvino, onnxruntime or keras, as PYTHON has it installed, or torch:PATH, of another interpreter; a name may come more than
-- once, as for two versions. PEAK is the program that measures the peak. Scion, its peers and the peak are processes of their own (side.lua) that take
-- turns, round by round, with the same number of threads; each time told is the median of the rounds.
local core = require "scion.core"
local parts = require "parts"
local report = require "report"
local side = require "side"

local known = { PART = "all", ROUNDS = "3", THREADS = tostring(core.threads()), CLOCK = "wall", PEER = "", PYTHON = "python3" }

local function read_options(list)
  local o = {}
  for key, default in pairs(known) do o[key] = default end
  for i = 2, #list do
    local key, value = list[i]:match "^(%u+)=(.*)$"
    if not known[key] then error("bench: no option " .. list[i], 0) end
    if value ~= "" then o[key] = value end
  end
  for _, key in ipairs { "ROUNDS", "THREADS" } do
    local n = math.tointeger(o[key])
    if not n or n < 1 then error(("bench: %s is a whole number from 1 up, not '%s'"):format(key, o[key]), 0) end
    o[key] = n
  end
  if o.CLOCK ~= "wall" and o.CLOCK ~= "cpu" then error("bench: CLOCK is wall or cpu", 0) end
  return o
end

--- The peers that are asked for: { name, python }, in that order.
local function read_peers(o)
  local list = {}
  for name, python in o.PEER:gmatch "([^,:%s]+):?([^,%s]*)" do
    if not parts.peers[name] then error(("bench: PEER is of torch, openvino, onnxruntime and keras, not '%s'"):format(name), 0) end
    list[#list + 1] = { name = name, python = python ~= "" and python or o.PYTHON }
  end
  return list
end

local function main()
  local o = read_options(arg)
  local bench = { peak = arg[1], rounds = o.ROUNDS, threads = o.THREADS, clock = o.CLOCK, peers = read_peers(o) }
  local wanted = {}
  for name in o.PART:gmatch "[^,%s]+" do wanted[#wanted + 1] = name end
  if o.PART == "all" then wanted = parts.order end
  for _, name in ipairs(wanted) do
    if not parts[name] then error(("bench: there is no part '%s', but: %s"):format(name, table.concat(parts.order, " ")), 0) end
  end
  print(("%d thread%s, median of %d round%s, %s time%s"):format(o.THREADS, o.THREADS > 1 and "s" or "", o.ROUNDS, o.ROUNDS > 1 and "s" or "",
    o.CLOCK == "wall" and "wall" or "CPU", parts.bf16() and "" or "; this CPU has no bf16"))
  os.remove(side.log)
  for _, name in ipairs(wanted) do parts[name](bench) end
  report.write("build/bench.json", { threads = o.THREADS, rounds = o.ROUNDS, clock = o.CLOCK, version = core.version })
  print(("\nalso in build/bench.json; what the sides said is in %s"):format(side.log))
end

local ok, message = pcall(main)
if not ok then
  io.stderr:write(tostring(message), "\n")
  os.exit(1)
end
