--- Small helpers for reports.
local text = {}

--- 21802784 as "21,802,784".
---@param n integer
---@return string
function text.grouped(n)
  local digits = ("%d"):format(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (digits:gsub("^,", ""))
end

--- Bytes as "12.3 MB".
---@param bytes number
---@return string
function text.bytes(bytes)
  if bytes >= 1e9 then return ("%.2f GB"):format(bytes / 1e9) end
  if bytes >= 1e6 then return ("%.1f MB"):format(bytes / 1e6) end
  return ("%.1f kB"):format(bytes / 1e3)
end

--- Multiply-adds as "2.836 GMAC".
---@param macs number
---@return string
function text.macs(macs)
  if macs >= 1e9 then return ("%.3f GMAC"):format(macs / 1e9) end
  return ("%.3f MMAC"):format(macs / 1e6)
end

--- {224, 224, 3} as "224x224x3".
---@param shape integer[]
---@return string
function text.shape(shape) return table.concat(shape, "x") end

--- Cuts or fills to a width.
---@param s string
---@param width integer
---@return string
function text.column(s, width)
  if #s > width then return s:sub(1, width - 2) .. ".." end
  return s .. (" "):rep(width - #s)
end

return text
