--- What specs share that start several processes: mpirun with a script, and what all of them printed.
local files = dofile "spec/support/files.lua"

local mpi = {}

--- Whether a script can be run by mpirun here; a test without it is pending, and ends.
function mpi.needed(pending)
  local _, status = files.shell "command -v mpirun"
  if status ~= 0 then pending "mpirun is not installed" end
  if not package.searchpath("scion.mpi", package.cpath) then pending "Scion was built without MPI" end
  mpi.starts = mpi.starts or mpi.start "-n 2 true" -- where it cannot, as in a container without a network, that is no fault of ours
  if mpi.starts.status ~= 0 then pending("mpirun starts no processes here: " .. mpi.starts.all:gsub("%s+", " "):sub(1, 300)) end
end

-- more ranks than cores, as root, and nothing but this machine; each kind of MPI reads its own
local variables = "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none"
-- what MPI itself leaves behind at its end is not looked for
variables = variables .. ' ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0"'

--- What mpirun itself prints where a process has failed is left out; and what its libevent does, now and then, as the processes go.
local function without_banners(text)
  return ((text:gsub("%-%-%-%-%-+\n.-%-%-%-%-%-+\n", "")):gsub("%[[^%]\n]*:%d+%] [^\n]*\n", ""):gsub("%[warn%] Epoll [^\n]*\n", ""))
end

--- Runs a command under mpirun. Returns what all processes printed on standard output and on standard error, without mpirun's own words, the status
--- and the seconds until the last one had ended.
---@param command string behind `mpirun`
---@param o? { variables: string?, seconds: integer? }
---@return { out: string, err: string, status: integer, seconds: number, all: string }
function mpi.start(command, o)
  o = o or {}
  local out, err = os.tmpname(), os.tmpname()
  local clock = require "scion.core".clock
  local began = clock()
  local line = "{ env %s %s timeout -k 5 %d mpirun %s </dev/null; } >%s 2>%s; exit"
  local _, status = files.shell(line:format(variables, o.variables or "", o.seconds or 60, command, out, err))
  local result = { out = files.slurp(out):gsub("\r\n", "\n"), err = files.slurp(err), status = status, seconds = clock() - began }
  result.all, result.err = result.out .. result.err, without_banners(result.err)
  os.remove(out)
  os.remove(err)
  return result
end

--- The text of a script as a file in a folder that goes with files.done.
function mpi.script(text)
  mpi.folder = mpi.folder or files.folder()
  mpi.count = (mpi.count or 0) + 1
  return files.spit(("%s/script_%d.lua"):format(mpi.folder, mpi.count), text)
end

--- Runs a script on so many ranks; see mpi.start.
---@param ranks integer
---@param text string
---@param o? { arguments: string?, variables: string?, seconds: integer? }
function mpi.run(ranks, text, o)
  return mpi.start(("-n %d lua5.4 %s %s"):format(ranks, mpi.script(text), o and o.arguments or ""), o)
end

function mpi.done()
  mpi.folder = nil
  files.done()
end

return mpi
