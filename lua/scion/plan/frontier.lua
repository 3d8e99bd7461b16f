--- What trains, and so which gradients are needed: the frontier is the deepest cut below which nothing trains. Operations below
--- it have `grad` false; no gradient reaches them and nothing of theirs is kept.
return function(ir)
  local training = ir.mode == "train"
  for _, op in ipairs(ir.ops) do
    local layer = op.layer
    op.trains = {}
    if training then
      for _, parameter in ipairs(layer:trainable()) do op.trains[parameter.name] = parameter end
    end
    op.batch_statistics = training and layer.kind == "batch_norm" and layer:uses_batch()
    op.identity = layer.identity == "always" or (layer.identity == "inference" and (not training or layer.frozen)) or
                  (layer.kind == "activation" and layer.options.activation == "linear")
    op.grad = next(op.trains) ~= nil
    for _, input in ipairs(op.inputs) do op.grad = op.grad or input.grad end
  end
end
