--- A border of zeros goes into the window of the only convolution that reads it, as far as that pads at all: a window that lay in the
--- border alone stays out.
local rewrite = require "scion.plan.rewrite"

local function wider(window, pad)
  local top, left = pad.top, pad.left
  local bottom, right = pad.bottom, pad.right
  local before, after = { window.before[1] + top, window.before[2] + left }, { window.after[1] + bottom, window.after[2] + right }
  for axis = 1, 2 do
    if before[axis] >= window.kernel[axis] or after[axis] >= window.kernel[axis] then return nil end
  end
  return { kernel = window.kernel, stride = window.stride, dilation = window.dilation, before = before, after = after }
end

return function(ir)
  for _, op in ipairs(ir.ops) do
    local user = op.users[1]
    if op.layer.kind == "zero_pad" and #op.users == 1 and user.layer.fuses_padding and op ~= ir.output then
      local below, window = op.inputs[1], wider(user.layer.window, op.layer)
      if window then
        user.window, user.inputs[1] = window, below
        for i, reader in ipairs(below.users) do
          if reader == op then below.users[i] = user end
        end
        op.dead = true
      end
    end
  end
  rewrite.sweep(ir)
end
