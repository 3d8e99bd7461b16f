-- lua5.4 spec/bench/network.lua HOSTS RATE DELAY COMMAND..: runs a command by mpirun on so many hosts, a rank on each, all of them on this machine: a
-- network namespace each, with a name of its own, joined by a switch of RATE bits a second and DELAY seconds (see switch.c). Messages go by TCP
-- and nothing else. 1e9 and 2e-4 are a good local network, 1e8 and 5e-3 a poor one. As root, with iproute2 and a C compiler; all is removed at the end.
-- NICE=-5 in the environment sets the ranks' priority.
--
-- What it cannot show: the hosts share this machine's cores, so that computing takes longer than on as many machines.
local hosts, rate, delay = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3])
assert(hosts and rate and delay and arg[4], "usage: network.lua HOSTS RATE DELAY COMMAND..")

local function output_of(command)
  local pipe <close> = assert(io.popen(command))
  return (pipe:read "a":gsub("%s+$", ""))
end

local function run(command, ...) assert(os.execute(command:format(...)), command:format(...)) end

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local folder = output_of "mktemp -d"
local names = {}
for i = 1, hosts do names[i] = ("scion%d-%s"):format(i, folder:match "(%w+)$") end

local function write(name, text)
  local path = folder .. "/" .. name
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
  return path
end

-- The network goes at the end: by this process, or by one that waits for this one's end where a signal has ended it.
local remove = write("remove", ([[
cd %s 2>/dev/null || exit 0
if [ -s switch.pid ]; then
  switch=$(cat switch.pid)
  kill -TERM $switch 2>/dev/null
  while kill -0 $switch 2>/dev/null; do sleep 0.05; done
  tail -n 1 switch.out | sed 's/^/switch: /'
fi
for name in %s; do
  for process in $(ip netns pids $name 2>/dev/null); do kill -KILL $process; done
  ip netns del $name 2>/dev/null
done
rm -r %s
]]):format(folder, table.concat(names, " "), folder))
local this = io.open "/proc/self/stat":read "n"
os.execute(("setsid sh -c 'while kill -0 %d 2>/dev/null; do sleep 0.5; done; [ -f %s ] && sh %s' >/dev/null 2>&1 &"):format(this, remove, remove))
local all <close> = setmetatable({}, { __close = function() os.execute("sh " .. remove) end }) -- luacheck: ignore 211

run("cc -D_GNU_SOURCE -std=gnu11 -O2 -o %s/switch %s", folder, (arg[0]:gsub("network%.lua$", "switch.c")))
for _, name in ipairs(names) do run("ip netns add %s", name) end
run("%s/switch %.17g %.17g %s >%s/switch.out & echo $! >%s/switch.pid", folder, rate, delay, table.concat(names, " "), folder, folder)
run("until grep -q ready %s/switch.out 2>/dev/null; do sleep 0.05; done", folder)

-- Large frames, of less than a millisecond: the switch is a program that takes CPU from the hosts, and real network cards put frames
-- together, too.
local frame = math.max(1500, math.min(65000, rate // 11000))
for i, name in ipairs(names) do
  run("ip -n %s link set lo up", name)
  run("ip -n %s link set net0 address 02:00:00:00:00:%02x mtu %d", name, i, frame)
  run("ip -n %s addr add 10.77.0.%d/24 dev net0", name, i)
  run("ip -n %s link set net0 up", name)
  -- what a host has not sent yet waits in the host, as at any network card: not in the cable, where a short message would stand behind it
  run("tc -n %s qdisc add dev net0 root tbf rate %dbit burst %d limit 16m overhead 24", name, rate // 1, math.max(20000, 2 * frame))
  run("ip netns exec %s sysctl -qw net.ipv4.tcp_congestion_control=reno", name) -- which is always there; where nothing is lost it is like others
end

-- on NUMBER COMMAND..: a command on a host, which has a core for itself where there are so many; agent HOST COMMAND..: what mpirun calls in place of ssh
local on = write("on", ([[
#!/bin/sh
name=scion$1-%s
core=$((($1 - 1) %% %s))
shift
exec taskset -c $core ip netns exec $name unshare --uts sh -c "hostname $name; exec \"\$@\"" sh "$@"
]]):format(folder:match "(%w+)$", output_of "nproc")) -- here: a process of a host sees one core
local agent = write("agent", ([[
#!/bin/sh
host=${1##*.}
shift
exec %s $host sh -c "$*"
]]):format(on))
run("chmod +x %s %s", on, agent)

local list, command = {}, {}
for i = 1, hosts do list[i] = "10.77.0." .. i .. ":1" end
for i = 4, #arg do command[i - 3] = quoted(arg[i]) end
local options = { "-n " .. hosts, "--host " .. table.concat(list, ","), "--mca plm_rsh_agent " .. agent, "--mca btl self,tcp", "--mca pml ob1", "--bind-to none",
                  "--mca btl_tcp_if_include 10.77.0.0/24", "--mca oob_tcp_if_include 10.77.0.0/24", "--allow-run-as-root" }
for _, name in ipairs { "PATH", "LUA_PATH", "LUA_CPATH", "SCION_TEST_DATA", "SCION_CACHE_DISK", "SCION_ISA" } do
  if os.getenv(name) then options[#options + 1] = "-x " .. name end
end
local ok, _, code = os.execute(on .. (" 1 nice -n %s mpirun %s %s"):format(os.getenv "NICE" or "0", table.concat(options, " "), table.concat(command, " ")))
os.exit(ok and 0 or code, true)
