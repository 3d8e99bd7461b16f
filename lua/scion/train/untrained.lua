--- Finds layers that still have their random initial weights: neither loaded nor trained.
local untrained = {}

--- The names of the layers among these nodes that still have random weights.
local function find(nodes, which)
  local names = {}
  for _, node in ipairs(nodes) do
    for _, p in ipairs(which(node.layer) and node.layer.parameters or {}) do
      if p.drawn and p.drawn == p.tensor:version() then
        names[#names + 1] = node.layer.name
        break
      end
    end
  end
  return names
end

--- A text that says which layers still have random weights: "layers conv1 to conv9 (8) have random weights, since none were loaded". nil
--- if there are none.
---@param nodes scion.Node[]
---@param which fun(layer: scion.Layer): boolean whether a layer is considered
---@return string? words
---@return "it"|"them"? pronoun for these layers, with which the caller can go on
function untrained.text(nodes, which)
  local names = find(nodes, which)
  if #names == 0 then return end
  if #names == 1 then return ("layer %s has random weights, since none were loaded"):format(names[1]), "it" end
  local shown = #names == 2 and names[1] .. " and " .. names[2] or ("%s to %s (%d)"):format(names[1], names[#names], #names)
  return ("layers %s have random weights, since none were loaded"):format(shown), "them"
end

return untrained
