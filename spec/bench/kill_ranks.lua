-- lua5.4 spec/bench/kill_ranks.lua [KILLS] [SEED]: fits of 2 to 4 ranks of which one is killed at a random moment, or mpirun is told to end. Each time
-- all of them have to end within 10 seconds, with one sentence at most, and the checkpoint has to be whole: another number of ranks goes on from it to the
-- bits of a fit that nobody disturbed. A minute for ten kills, or more.
local kills, seed = tonumber(arg[1] or 50), tonumber(arg[2] or os.time())
local mpi = dofile "spec/support/mpi.lua"
local files = dofile "spec/support/files.lua"
math.randomseed(seed)

local folder = files.folder()
local script = files.spit(folder .. "/fit.lua", ([[
local comm, scion = require "scion.mpi", require "scion"
local folder, name = %q, arg[1]
local pid, mpirun = io.open "/proc/self/stat":read "l":match "^(%%d+) .* %%a (%%d+) "
io.open(folder .. "/pid." .. comm.rank, "w"):write(pid):close()
if comm.rank == 0 then io.open(folder .. "/pid.mpirun", "w"):write(mpirun):close() end
local nn = scion.nn
scion.threads(1)
scion.seed(7)
local images, classes = scion.uniform({ 90, 16, 16, 3 }, 0, 255):to "u8", {}
for i = 1, 90 do classes[i] = i %% 3 + 1 end
local labels = { "a", "b", "c" }
local data = scion.data.tensors(images, classes, { batch = 16, seed = 5, labels = labels, augment = { flip = "horizontal", rotation = 20 } })
local val = scion.data.tensors(images, classes, { batch = 8, labels = labels, shuffle = false })
local model = scion.sequential { nn.input(16, 16, 3), nn.conv2d(16, 3), nn.batch_norm(), nn.relu(), nn.conv2d(16, 3), nn.batch_norm(), nn.relu(),
                                 nn.flatten(), nn.dense(200, "relu"), nn.dropout(0.3), nn.dense(3, "softmax") }
model:fit(data, { epochs = 12, validate = val, optimizer = scion.optim.adam(), verbose = false, quiet = true, distributed = comm,
                  resume = { folder .. "/run.ckpt", every = 1 } })
model:export(folder .. "/" .. name .. ".safetensors")
print "trained"
]]):format(folder))

local function fit(ranks, name) return mpi.start(("-n %d lua5.4 %s %s"):format(ranks, script, name)) end

--- How many processes still run the script.
local function left() return tonumber((files.shell(("pgrep -fc '^lua5.4 %s'"):format(script)))) end

local whole = fit(2, "whole")
assert(whole.out == "trained\n", whole.all)
local usual = whole.seconds
local bits = files.slurp(folder .. "/whole.safetensors")
print(("seed %d; a fit takes %.1f s"):format(seed, whole.seconds))

--- Kills at a moment, counted from when it has begun, from another process, since this one waits for mpirun.
local function killer(delay, how, whom)
  local path = files.spit(folder .. "/kill.sh", ("until [ -s %s/pid.%s ]; do sleep 0.02; done\nsleep %.3f\nkill -%s $(cat %s/pid.%s)\ndate +%%s.%%N >%s/killed\n"):format(
    folder, whom, delay, how, folder, whom, folder))
  os.execute(("sh %s >/dev/null 2>&1 &"):format(path))
end

local wrong, slowest, late, resumed_from = 0, 0, 0, 0
for number = 1, kills do
  files.shell(("rm -f %s/run.ckpt* %s/pid.* %s/killed %s/again"):format(folder, folder, folder, folder))
  local ranks, again, delay = math.random(2, 4), math.random(1, 4), math.random() * math.max(usual - 1, 0.5)
  local how = ({ "KILL", "KILL", "KILL", "INT", "TERM" })[math.random(5)]
  local victim = math.random(0, ranks - 1)
  local what = how == "KILL" and ("SIGKILL of rank %d of %d"):format(victim, ranks) or ("SIG%s of mpirun of %d"):format(how, ranks)
  killer(delay, how, how == "KILL" and victim or "mpirun")
  local result = fit(ranks, "no")
  local ended = tonumber((files.shell "date +%s.%N"))
  files.shell(("while [ ! -s %s/killed ]; do sleep 0.05; done"):format(folder))
  local after, complaints = ended - tonumber(files.slurp(folder .. "/killed")), {}
  local done = result.out == "trained\n"
  local _, sentences = result.err:gsub("lua5%.4: ", "")
  if sentences > 1 then complaints[#complaints + 1] = "more than one sentence: " .. result.err end
  if after > 10 and not done then complaints[#complaints + 1] = ("they ended after %.1f s"):format(after) end
  if left() ~= 0 then complaints[#complaints + 1] = "processes are left" end
  if done then late = late + 1 else slowest = math.max(slowest, after) end
  local second = fit(again, "again")
  if not second.err:find("goes on from", 1, true) then usual = math.min(usual, second.seconds) end
  resumed_from = resumed_from + (second.err:find("goes on from", 1, true) and 1 or 0)
  if second.out ~= "trained\n" then complaints[#complaints + 1] = "does not go on: " .. second.all
  elseif files.slurp(folder .. "/again.safetensors") ~= bits then complaints[#complaints + 1] = "the bits are others" end
  wrong = wrong + (complaints[1] and 1 or 0)
  print(("%2d  %s after %.2f s: %s after %.1f s; %d go on%s"):format(number, what, delay, done and "too late, it had ended" or "ended", after, again,
    complaints[1] and "\n    WRONG: " .. table.concat(complaints, "\n    ") or ""))
end
files.done()
print(("%d kills, %d of which came too late; all ended within %.1f s; %d fits went on from a checkpoint; %d wrong"):format(kills, late, slowest, resumed_from, wrong))
os.exit(wrong == 0, true)
