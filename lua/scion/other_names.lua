--- What people who know Keras or PyTorch look for, and what it is called here. A name stands here in lower case, without underscores;
--- with it the names that may be meant: the first one that there is where it was looked for, is. A sentence, where there is one, tells
--- more than the name alone would.

local no_mode = "there is no mode to set: fit trains, evaluate and predict do not"
local no_device = "there is nothing to move: everything is computed on the CPU"
local of_model = "the weights are saved by model:save(path); those of a layer are model:layer(name).weights"
local loading = "scion.load(path) gives a saved model; scion.weights.load(model, path) loads weights"
local rate = "the learning rate is the optimizer's: optimizer = scion.optim.sgd{ lr = … }"
local one_set = "put images to validate on into a folder of their own and give its data set: validate = data"
local always = "loss and accuracy are always told; model:evaluate(data) tells more"
local step = "a step is part of fit: model:fit(data, { epochs = … })"

return {
  -- methods and fields of a model
  unfreeze = { { "thaw" } }, requiresgrad = { { "freeze" }, { "frozen" } }, trainable = { { "frozen" } },
  compile = { { "fit", "there is no compile: a freeze takes effect at the next step, and the optimizer is an option of fit" } },
  train = { { "fit" } }, trainonbatch = { { "fit" } }, backward = { { "fit", step } }, zerograd = { { "fit", step } }, step = { { "fit", step } },
  load = { { "export", loading } }, loadweights = { { "export", loading }, { "load" } }, loadstatedict = { { "export", loading }, { "load" } },
  statedict = { { "export", of_model } }, getweights = { { "export", of_model } }, saveweights = { { "export" } }, weights = { { "export", of_model } },
  parameters = { { "summary", "model:summary() counts them; model:layers() lists each layer with its weights" } }, countparams = { { "summary" } },
  to = { { "predict", no_device } }, cuda = { { "predict", no_device } }, cpu = { { "predict", no_device } },
  eval = { { "predict", no_mode } }, forward = { { "predict" } }, call = { { "predict" } },
  getlayer = { { "layer" } }, add = { { "graft" } }, append = { { "graft" } }, classnames = { { "labels" } }, inputshape = { { "input" }, { "shape" } },

  -- layers
  linear = { { "dense" } }, fullyconnected = { { "dense" } }, silu = { { "swish" } }, concat = { { "concatenate" } }, cat = { { "concatenate" } },
  lrn = { { "local_response_norm" } }, inputlayer = { { "input" } }, sequential = { { "dense", "a chain of layers is scion.sequential{ … }" } },

  -- modules and functions
  applications = { { "models" } }, optimizers = { { "optim" } }, datasets = { { "data" } }, layers = { { "nn" } }, loadmodel = { { "load" } },
  manualseed = { { "seed" } }, setseed = { { "seed" } }, setnumthreads = { { "threads" } }, imagefolder = { { "folder" } },
  imagedatasetfromdirectory = { { "folder" } }, flowfromdirectory = { { "folder" } }, dataloader = { { "folder" } },

  -- options
  lr = { { "optimizer", rate } }, learningrate = { { "lr" }, { "optimizer", rate } }, batchsize = { { "batch" } },
  validationdata = { { "validate" } }, validationsplit = { { "validate", one_set } }, valdata = { { "validate" } },
  metrics = { { "epochs", always } }, criterion = { { "loss" } }, lossfn = { { "loss" } }, numepochs = { { "epochs" } },
  classweight = { { "class_weights" } }, dtype = { { "precision" } }, onepochend = { { "epoch" } }, onbatchend = { { "step" } },
  includetop = { { "top" } }, alpha = { { "width" } }, numclasses = { { "classes" } }, pretrained = { { "weights" } },
  targetsize = { { "size" } }, imagesize = { { "size" } }, inputsize = { { "size" } }, numworkers = { { "workers" } },
  horizontalflip = { { "flip", "write flip = 'horizontal'" } }, verticalflip = { { "flip", "write flip = 'vertical'" } },
  rotationrange = { { "rotate" }, { "rotation" } }, zoomrange = { { "zoom" } }, shearrange = { { "shear" } },
  kernelsize = { { "kernel" } }, poolsize = { { "kernel" } }, outchannels = { { "filters" } }, outfeatures = { { "units" } }, dilationrate = { { "dilation" } },
  usebias = { { "bias" } }, eps = { { "epsilon" } }, p = { { "rate" } }, depthmultiplier = { { "multiplier" } },

  -- values
  mean = { { "avg" } }, average = { { "avg" } }, maximum = { { "max" } }, float32 = { { "f32" } }, fp32 = { { "f32" } }, bfloat16 = { { "bf16" } },
  categoricalcrossentropy = { { "categorical" } }, sparsecategoricalcrossentropy = { { "categorical" } }, crossentropy = { { "categorical" } },
  binarycrossentropy = { { "binary" } }, bce = { { "binary" } }, meansquarederror = { { "mse" } },
}
