--- Gives weights the names of another publisher than torchvision, by tables of names: see names/timm.lua and names/transformers.lua.
local renaming = {}

---@class scion.NameRule torchvision's names and another publisher's, of one family of networks
---@field known_by string an array of the files that the rule is for
---@field layers table<string, string> their names by torchvision's, for single layers
---@field inside string? what stands before a layer's part within a block of `blocks` ("block")
---@field blocks table<string, table>? their name of a block by torchvision's, and their names of its parts. The layer "features.2.0.block.3.0" is
--- in the block "features.2", and its part behind the name `inside` is "3.0"
---@field counted { pattern: string, as: string, stage: integer, block: integer }? a pattern of torchvision's names with a stage, a block and a part,
--- how theirs are written, and what they add to the two numbers; `parts` has the part
---@field parts table<string, string>?

--- Their name of a layer, given torchvision's; nil where the rule does not cover the layer.
---@param layer string
---@param rule scion.NameRule
---@return string?
function renaming.of(layer, rule)
  if rule.layers[layer] then return rule.layers[layer] end
  if rule.counted then
    local stage, block, part = layer:match(rule.counted.pattern)
    return rule.parts[part] and rule.counted.as:format(stage + rule.counted.stage, block + rule.counted.block, rule.parts[part])
  end
  local block, between, part = layer:match(("^(features%%.%%d+)(.-)%%.%s%%.(.+)$"):format(rule.inside or "block"))
  local to = block and rule.blocks and rule.blocks[block]
  return to and to[2][part] and to[1] .. between .. "." .. to[2][part]
end

--- Changes the names in a list of expected weights, and calls changed(weight, rule, layer), given torchvision's name of the layer, for each.
---@param expected scion.ExpectedWeight[] is changed
---@param rules scion.NameRule[] of which the first counts that the file is for and that covers a layer
---@param held table<string, boolean> the names of the file's arrays
---@param changed? fun(weight: scion.ExpectedWeight, rule: scion.NameRule, layer: string)
---@return string[] kept the names that were not changed
function renaming.apply(expected, rules, held, changed)
  local kept = {}
  for _, weight in ipairs(expected) do
    local layer, last = weight.name:match "^(.+)%.([^.]+)$"
    kept[#kept + 1] = weight.name
    for _, rule in ipairs(rules) do
      local name = held[rule.known_by] and layer and renaming.of(layer, rule)
      if name then
        weight.name = name .. "." .. last
        kept[#kept] = nil
        if changed then changed(weight, rule, layer) end
        break
      end
    end
  end
  return kept
end

return renaming
