-- What the bench prints, and what it writes to build/bench.json for programs to read.
local core = require "scion.core"

local report = { results = {} }

local function median(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  local n = #sorted
  return (sorted[(n + 1) // 2] + sorted[n // 2 + 1]) / 2
end

--- Four columns; a line without a peer ends after the second.
local function print_row(what, scion, share, peer, variant, rate, ratio)
  local line = ("%-25s%9s%6s"):format(what, scion, share)
  if peer then line = ("%s  %-18s%-13s%8s%6s"):format(line, peer, variant, rate, ratio) end
  print((line:gsub("%s+$", "")))
end

--- shares: whether the lines that follow tell shares of the peak.
function report.heading(title, unit, peers, shares)
  print()
  print(title)
  print_row("", "Scion", shares and "peak" or "", peers and "peer", "its best", "", "ratio")
  print_row("", unit, shares and "%" or "", peers and "", "", peers and unit or "", "")
end

local function number(x) return (x < 10 and "%.2f" or x < 1000 and "%.1f" or "%.0f"):format(x) end

--- The measured variant that has the best value of one precision.
local function best_of(entries, precision, value)
  local best
  for _, e in ipairs(entries) do
    if e.variant:match "%S+$" == precision and (not best or value(e) > value(best)) then best = e end
  end
  return best
end

--- Prints what was measured of one piece of work, a line for each precision and peer, and keeps it for the file.
---   what, part: names;  entries: { side =, variant =, seconds = {..} }, Scion's and the peers'
---   rate(seconds, side): what is told of it;  less = true: less is better
---   share(seconds, precision): of the peak, or nil
function report.row(row)
  local mine, peers, by_title = {}, {}, {}
  for _, e in ipairs(row.entries) do
    e.rate = row.rate(median(e.seconds), e.side)
    report.results[#report.results + 1] = { part = row.part, what = row.what, side = e.side.title, variant = e.variant, seconds = e.seconds,
                                            rate = e.rate, unit = row.unit }
    if e.side.name == "scion" then
      mine[#mine + 1] = e
    else
      local title = e.side.title
      if not by_title[title] then
        by_title[title] = {}
        peers[#peers + 1] = by_title[title]
      end
      table.insert(by_title[title], e)
    end
  end
  local function value(e) return row.less and -e.rate or e.rate end
  for _, e in ipairs(mine) do
    local precision = e.variant
    local share = row.share and row.share(median(e.seconds), precision)
    local what = #mine > 1 and ("%s %s"):format(row.what, precision) or row.what
    local first, printed = { what, number(e.rate), share and ("%.0f"):format(100 * share) or "" }, false
    for _, list in ipairs(peers) do
      local best = best_of(list, precision, value) or (#mine == 1 and best_of(list, list[1].variant:match "%S+$", value))
      if best then
        local ratio = row.less and best.rate / e.rate or e.rate / best.rate
        print_row(first[1], first[2], first[3], best.side.title, best.variant:match "^%S+", " " .. number(best.rate), " " .. number(ratio))
        first, printed = { "", "", "" }, true
      end
    end
    if not printed then print_row(table.unpack(first)) end
  end
  io.stdout:flush()
end

report.median, report.best_of = median, best_of

function report.write(path, head)
  head.results = report.results
  local file = assert(io.open(path, "w"))
  file:write(core.json_encode(head), "\n")
  file:close()
end

return report
