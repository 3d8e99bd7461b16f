-- lua5.4 .make/docs.lua FILE.. > reference.md: the comments above public functions and classes of Lua files, as Markdown.
local function read_lines(path)
  local lines = {}
  for line in io.lines(path) do lines[#lines + 1] = line end
  return lines
end

-- A block of comment as paragraphs and a list: parameters, results, fields.
local function print_block(block)
  local list = {}
  for _, line in ipairs(block) do
    local tag, rest = line:match "^@(%w+)%s*(.*)"
    if not tag then
      print(line)
    elseif tag == "param" or tag == "field" then
      local name, what = rest:match "^(%S+)%s*(.*)"
      list[#list + 1] = ("- `%s`: %s"):format(name, what)
    elseif tag == "return" or tag == "type" or tag == "operator" then
      list[#list + 1] = ("- %s: `%s`"):format(tag == "return" and "returns" or tag, rest)
    end
  end
  print("\n" .. table.concat(list, "\n") .. (#list > 0 and "\n" or ""))
end

-- The heading that the line after a comment deserves, or nil for what is not public.
local function heading(line, block)
  for _, text in ipairs(block) do
    local class = text:match "^@class%s+([^%s:]+)"
    if class then return "class " .. class end
  end
  local name = line:match "^function ([%w_]+[.:][%w_.:]+%(.-%))" or line:match "^([%w_]+%.[%w_.]+) ="
  if name and not name:match "[.:]_" then return name end
end

for _, path in ipairs(arg) do
  local lines = read_lines(path)
  local module = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
  local block = {}
  print("## " .. module .. "\n")
  for i, line in ipairs(lines) do
    local text = line:match "^%-%-%-?%s?(.*)"
    if text and (#block > 0 or line:sub(1, 3) == "---" or i == 1) then
      block[#block + 1] = text
    elseif #block > 0 then
      local title = heading(line, block)
      if title then print("### `" .. title .. "`\n") end
      if title or i - 1 == #block then print_block(block) end -- the comment that opens a file speaks for the module
      block = {}
    end
  end
end
