--- The last part of a name. The pattern "[^.]*$" would find it as well, but starts anew at each letter: in a long name that takes time in
--- proportion to the square of its length.
local behind = { ["."] = "^.*%.(.*)$", ["/"] = "^.*/(.*)$" }

--- What follows the last separator of a name; the whole name where it has none.
---@param name string
---@param separator "."|"/"
---@return string
return function(name, separator) return name:match(behind[separator]) or name end
