--- How passes change the list of operations.
local rewrite = {}

--- Lets `producer` stand for `op`, its only user: op dies, its users read producer.
function rewrite.absorb(ir, producer, op)
  producer.users, producer.node = op.users, op.node
  for _, user in ipairs(op.users) do
    for i, input in ipairs(user.inputs) do
      if input == op then user.inputs[i] = producer end
    end
  end
  producer.grad = producer.grad or op.grad
  op.dead = true
  if ir.output == op then ir.output = producer end
end

--- Drops what the passes absorbed.
function rewrite.sweep(ir)
  local live = {}
  for _, op in ipairs(ir.ops) do
    if not op.dead then live[#live + 1] = op end
  end
  ir.ops = live
end

return rewrite
