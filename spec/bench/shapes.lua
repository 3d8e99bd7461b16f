-- The distinct convolutions of Inception V3 at 224: { what =, count =, work = as the sides take it }, in the network's order.
local scion = require "scion"

return function()
  local list, known = {}, {}
  for _, node in ipairs(scion.models.inception_v3({ input = 224 }).order) do
    if node.layer.kind == "conv2d" then
      local x, window = node.inputs[1].shape, node.layer.window
      local kernel, stride, before, after = window.kernel, window.stride, window.before, window.after
      local work = table.concat({ "layer", x[1], x[2], x[3], node.shape[3], kernel[1], kernel[2], stride[1], stride[2], before[1], after[1],
                                  before[2], after[2] }, " ")
      if not known[work] then
        known[work] = { count = 0, work = work,
                        what = ("%dx%d %d>%d %dx%d%s"):format(x[1], x[2], x[3], node.shape[3], kernel[1], kernel[2], stride[1] > 1 and "/2" or "") }
        list[#list + 1] = known[work]
      end
      known[work].count = known[work].count + 1
    end
  end
  return list
end
