--- pad: merges a border of zeros into the padding of the convolution that reads it, if nothing else does. Kernels need padding that is less
--- than the window's size, so that no window lies in the border alone; a wider border stays an operation.
local operation = require "scion.ir.operation"

--- The window with the border added to its padding, or nil where that is too wide.
local function wider(window, pad)
  local top, left = pad.top, pad.left
  local bottom, right = pad.bottom, pad.right
  local before, after = { window.before[1] + top, window.before[2] + left }, { window.after[1] + bottom, window.after[2] + right }
  for axis = 1, 2 do
    if before[axis] >= window.kernel[axis] or after[axis] >= window.kernel[axis] then return nil end
  end
  return { kernel = window.kernel, stride = window.stride, dilation = window.dilation, before = before, after = after }
end

---@param ir scion.IR
return function(ir)
  for _, op in ipairs(ir.ops) do
    local user = op.users[1]
    if op.layer.kind == "zero_pad" and #op.users == 1 and user.layer.fuses_padding and op ~= ir.output and not op.kept then
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
  operation.sweep(ir)
end
