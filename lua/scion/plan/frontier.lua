--- frontier: finds what trains, and so which gradients are needed. An operation lies below the frontier if neither it nor any operation
--- before it trains. There `grad` is false: no gradient is computed, and no output is kept for a backward pass. Where the plan gives gradients
--- of nodes (ir.gradients_of), it is these that gradients are computed for.

---@param ir scion.IR
return function(ir)
  local training, asked = ir.mode == "train", {}
  for _, node in ipairs(ir.gradients_of) do asked[node] = true end
  for _, op in ipairs(ir.ops) do
    local layer = op.layer
    op.trains = {}
    if training then
      for _, parameter in ipairs(layer:trainable()) do op.trains[parameter.name] = parameter end
    end
    op.batch_statistics = training and layer.kind == "batch_norm" and layer:uses_batch()
    op.identity = layer.identity == "always" or (layer.identity == "inference" and (not training or layer.frozen)) or
                  (layer.kind == "activation" and layer.options.activation == "linear")
    op.grad = next(op.trains) ~= nil or asked[op.node] or false
    for _, input in ipairs(op.inputs) do op.grad = op.grad or input.grad end
  end
end
