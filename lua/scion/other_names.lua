--- Names of Keras and PyTorch with their counterparts in Scion, for the hints of error messages (check.suggestion). The keys are in lower
--- case, without underscores. Each value is a list of counterparts { name } or { name, hint }. The first of them that exists in the
--- object or table of options in question is taken. The hint, if there is one, replaces "did you mean '<name>'?".

local no_mode = "there is no mode to set: fit trains, evaluate and predict do not"
local no_device = "there is nothing to move: everything is computed on the CPU"
local of_model = "the weights are saved by model:save(path); those of a layer are model:layer(name).weights"
local loading = "scion.load(path) gives a saved model; model:load_weights(path) loads weights"
local rate = "the learning rate is the optimizer's: optimizer = scion.optim.sgd{ lr = … }"
local clipping = "gradients are limited by fit: clip = 1 is a limit of their norm, clip = { value = 0.5 } of each"
local one_set = "local train, val = data:split(0.8) divides a data set by class; then validate = val"
local step = "a step is part of fit: model:fit(data, { epochs = … })"
local of_set = "it is an option of the data set, as in scion.data.folder(path, { %s = … })"
local stopping = "callbacks = { scion.callbacks.early_stopping{ patience = 3 } } ends the fit"
local best = "it is a callback's: callbacks = { scion.callbacks.model_checkpoint(path, { save_best = true }) }"
local whole_epochs = "an epoch is all of the data set; a smaller set makes shorter ones"
local of_weights = "images are brought to what the network was trained on by the network itself: its input has the preprocessing"
local logits = "logits are told by the network's last layer, which has no activation then"
local smoothing = "write loss = scion.loss.categorical{ smoothing = 0.1 }"
local a_stage = "a stage is a table in the list of scion.schedule{ … }"
local ctrl_c = "Ctrl-C ends a fit between two steps; its option on_interrupt says what fit does then, and resume lets the same call go on"
local by_split = "local train, val = data:split(0.8) divides a data set by class, once it is made"

return {
  -- methods and fields of a model
  unfreeze = { { "thaw" } }, requiresgrad = { { "freeze" }, { "frozen" } }, trainable = { { "frozen" } },
  compile = { { "fit", "there is no compile: a freeze takes effect at the next step, and the optimizer is an option of fit" } },
  train = { { "predict", no_mode }, { "fit" } }, trainonbatch = { { "fit" } }, backward = { { "fit", step } }, zerograd = { { "fit", step } }, step = { { "fit", step } },
  load = { { "export", loading } }, loadweights = { { "load" } }, loadstatedict = { { "load_weights" }, { "load" } },
  statedict = { { "export", of_model } }, getweights = { { "export", of_model } }, saveweights = { { "export" } }, weights = { { "export", of_model } },
  parameters = { { "summary", "model:summary() counts them; model:layers() lists each layer with its weights" } }, countparams = { { "summary" } },
  to = { { "predict", no_device } }, cuda = { { "predict", no_device } }, cpu = { { "predict", no_device } },
  eval = { { "predict", no_mode } }, forward = { { "predict" } }, call = { { "predict" } },
  getlayer = { { "layer" } }, pop = { { "upto", "model:upto(name) ends a network at a layer, and model:graft{ … } goes on from there" } },
  add = { { "graft" } }, append = { { "graft" } }, classnames = { { "labels" } }, inputshape = { { "input" }, { "shape" } },

  -- layers
  layernormalization = { { "layer_norm" } }, layernorm2d = { { "layer_norm" } }, hardsilu = { { "hard_swish" } },
  linear = { { "dense" } }, fullyconnected = { { "dense" } }, silu = { { "swish" } }, concat = { { "concatenate" } }, cat = { { "concatenate" } },
  narrow = { { "slice" } }, chunk = { { "slice" } },
  lrn = { { "local_response_norm" } }, inputlayer = { { "input" } }, sequential = { { "dense", "a chain of layers is scion.sequential{ … }" } },

  -- modules and functions
  applications = { { "models" } }, optimizers = { { "optim" } }, datasets = { { "data" } }, layers = { { "nn" } }, loadmodel = { { "load" } },
  ctrlc = { { "on_interrupt", ctrl_c } }, interrupt = { { "on_interrupt", ctrl_c } }, interrupted = { { "on_interrupt", ctrl_c } },
  keyboardinterrupt = { { "on_interrupt", ctrl_c } }, sigint = { { "on_interrupt", ctrl_c } },
  stage = { { "StageOptions", a_stage } }, stages = { { "StageOptions", a_stage } },
  findlr = { { "lr_find" } }, lrfinder = { { "lr_find" } }, learningratefinder = { { "lr_find" } }, decay = { { "weight_decay" } },
  lrscheduler = { { "lr" } }, schedules = { { "lr" } }, schedulers = { { "lr" } }, steplr = { { "step" } }, exponentiallr = { { "exponential" } },
  exponentialdecay = { { "exponential" } }, cosineannealinglr = { { "cosine" } }, cosinedecay = { { "cosine" } }, polynomiallr = { { "polynomial" } },
  polynomialdecay = { { "polynomial" } }, linearlr = { { "warmup" } }, onecyclelr = { { "one_cycle" } },
  manualseed = { { "seed" } }, setseed = { { "seed" } }, setnumthreads = { { "threads" } }, imagefolder = { { "folder" } },
  imagedatasetfromdirectory = { { "folder" } }, flowfromdirectory = { { "folder" } }, dataloader = { { "folder" } },

  randomsplit = { { "split" } }, traintestsplit = { { "split" } }, filter = { { "subset" } }, sep = { { "separator" } }, delimiter = { { "separator" } },
  fromdataframe = { { "csv" } },

  -- augmentations
  colorjitter = { { "jitter" } }, colourjitter = { { "jitter" } }, randomhorizontalflip = { { "flip" } }, randomflip = { { "flip" } },
  randomverticalflip = { { "flip", "write flip('vertical')" } }, randomrotation = { { "rotate" } }, randomtranslation = { { "translate" } },
  randomzoom = { { "zoom" } }, randomcontrast = { { "contrast" } }, randombrightness = { { "brightness" } }, randomerasing = { { "erase" } },
  cutout = { { "erase" } }, randomgrayscale = { { "gray", "write gray{ p = 0.1 }" } }, grayscale = { { "gray" } }, grey = { { "gray" } },
  gaussianblur = { { "blur" } }, centercrop = { { "centre_crop" } }, randomaffine = { { "rotate", "rotate, translate, zoom and shear are one resampling in a list" } },
  lambda = { { "custom" } }, trivialaugmentwide = { { "trivial_augment" } }, normalize = { { "custom", of_weights } }, totensor = { { "custom", of_weights } },
  resize = { { "centre_crop", "the data set's size and fit resize images" } },

  -- callbacks
  learningratemonitor = { { "tensorboard" } }, summarywriter = { { "tensorboard" } }, modelema = { { "ema" } }, modelemav2 = { { "ema" } },
  exponentialmovingaverage = { { "ema" } }, averagedmodel = { { "ema" } }, swapemaweights = { { "ema" } },
  useema = { { "callbacks", "callbacks = { scion.callbacks.ema() } keeps averages of the weights" } }, emamomentum = { { "decay" } },
  restorebestweights = { { "restore_best" }, { "callbacks", stopping } }, savebestonly = { { "save_best" }, { "callbacks", best } },
  saveweightsonly = { { "path", "the file holds the whole model: scion.load reads it, and model:load_weights takes its weights alone" } },
  filepath = { { "path" } }, filename = { { "path" } }, savefreq = { { "every" } }, period = { { "every" } }, everynepochs = { { "every" } },
  logdir = { { "folder" } }, updatefreq = { { "update" } }, threshold = { { "min_delta" } },

  -- options
  lr = { { "optimizer", rate } }, learningrate = { { "lr" }, { "optimizer", rate } }, batchsize = { { "batch" }, { "epochs", of_set:format "batch" } },
  batch = { { "epochs", of_set:format "batch" } }, shuffle = { { "epochs", of_set:format "shuffle" } }, augment = { { "epochs", of_set:format "augment" } },
  optim = { { "optimizer" } }, opt = { { "optimizer" } }, val = { { "validate" } }, validation = { { "validate" } },
  patience = { { "callbacks", stopping } }, earlystopping = { { "callbacks", stopping } }, stepsperepoch = { { "epochs", whole_epochs } },
  device = { { "epochs", no_device }, { "precision", no_device }, { "top", no_device } },
  validationdata = { { "validate" } }, validationsplit = { { "validate", one_set }, { "augment", by_split } },
  subset = { { "augment", by_split } }, valdata = { { "validate" } },
  metric = { { "metrics" } }, criterion = { { "loss" } }, losses = { { "loss" } }, lossfn = { { "loss" } },
  labelsmoothing = { { "smoothing" }, { "loss", smoothing }, { "categorical", smoothing } }, fromlogits = { { "smoothing", logits }, { "gamma", logits } },
  numepochs = { { "epochs" } },
  classweight = { { "class_weights" } }, dtype = { { "precision" } }, mixedprecision = { { "precision" } }, amp = { { "precision" } }, autocast = { { "precision" } },
  int8 = { { "precision" } }, bf16 = { { "precision" } }, fp16 = { { "precision" } }, half = { { "precision" } }, quantize = { { "precision" } },
  quantization = { { "precision" } }, quantisation = { { "precision" } },
  onepochend = { { "epoch_ends" } }, onbatchend = { { "step_ends" } },
  onepochbegin = { { "epoch_begins" } }, onbatchbegin = { { "step_begins" } }, ontrainbegin = { { "fit_begins" } }, ontrainend = { { "fit_ends" } },
  ontrainbatchbegin = { { "step_begins" } }, ontrainbatchend = { { "step_ends" } }, onepochstart = { { "epoch_begins" } }, ontrainstart = { { "fit_begins" } },
  ontrainbatchstart = { { "step_begins" } },
  clipnorm = { { "clip" }, { "lr", clipping } }, clipvalue = { { "clip", "write clip = { value = … }" }, { "lr", clipping } }, gradclip = { { "clip" } },
  gradientclipval = { { "clip" } }, maxgradnorm = { { "clip" } }, gradientaccumulationsteps = { { "accumulate" } }, accumulategradbatches = { { "accumulate" } },
  includetop = { { "top" } }, alpha = { { "width" } }, numclasses = { { "classes" } }, pretrained = { { "weights" } },
  classes = { { "labels" } }, classmode = { { "labels", "the folders' names are the labels" } }, fillmode = { { "fill" } }, cval = { { "fill_value" } },
  rescale = { { "size", of_weights } }, preprocess = { { "size", of_weights } }, preprocessingfunction = { { "size", of_weights } }, transform = { { "augment" } },
  targetsize = { { "size" } }, imagesize = { { "size" } }, inputsize = { { "size" } }, numworkers = { { "workers" } },
  horizontalflip = { { "flip", "write flip = 'horizontal', in a list flip()" } }, verticalflip = { { "flip", "write flip = 'vertical', in a list flip('vertical')" } },
  rotationrange = { { "rotate" }, { "rotation" } }, zoomrange = { { "zoom" } }, shearrange = { { "shear" } },
  interpolation = { { "filter" } }, keepaspectratio = { { "fit", "write fit = 'crop' or 'pad'" } }, croptoaspectratio = { { "fit", "write fit = 'crop'" } },
  padtoaspectratio = { { "fit", "write fit = 'pad'" } },
  kernelsize = { { "kernel" } }, poolsize = { { "kernel" } }, outchannels = { { "filters" } }, outfeatures = { { "units" } }, dilationrate = { { "dilation" } },
  usebias = { { "bias" } }, eps = { { "epsilon" } }, p = { { "rate" } }, depthmultiplier = { { "multiplier" } },

  -- values
  mean = { { "avg" } }, average = { { "avg" } }, maximum = { { "max" } }, float32 = { { "f32" } }, fp32 = { { "f32" } }, bfloat16 = { { "bf16" } },
  mixedbfloat16 = { { "bf16" } },
  categoricalcrossentropy = { { "categorical" } }, sparsecategoricalcrossentropy = { { "categorical" } }, crossentropy = { { "categorical" } },
  binarycrossentropy = { { "binary" } }, bce = { { "binary" } }, meansquarederror = { { "mse" } }, meanabsoluteerror = { { "mae" } },
  crossentropyloss = { { "categorical" } }, nllloss = { { "categorical" } }, softmaxcrossentropy = { { "categorical" } }, softmax = { { "categorical" } },
  bceloss = { { "binary" } }, bcewithlogits = { { "binary" } }, bcewithlogitsloss = { { "binary" } }, sigmoidcrossentropy = { { "binary" } }, sigmoid = { { "binary" } },
  categoricalfocalcrossentropy = { { "focal" } }, binaryfocalcrossentropy = { { "focal" } }, sigmoidfocalloss = { { "focal" } }, focalloss = { { "focal" } },
  mseloss = { { "mse" } }, l2 = { { "mse" } }, l1 = { { "mae" } }, l1loss = { { "mae" } }, huberloss = { { "huber" } }, smoothl1 = { { "huber" } },
  smoothl1loss = { { "huber" } },

  -- metrics
  acc = { { "accuracy" } }, categoricalaccuracy = { { "accuracy" } }, sparsecategoricalaccuracy = { { "accuracy" } }, binaryaccuracy = { { "accuracy" } },
  top = { { "top_N", "write top_5" } }, topk = { { "top_N", "write top_5" } }, topkaccuracy = { { "top_N", "write top_5" } },
  topkcategoricalaccuracy = { { "top_N", "write top_5" } }, sparsetopkcategoricalaccuracy = { { "top_N", "write top_5" } },
  f1score = { { "f1_macro" } }, fscore = { { "f1_macro" } }, auc = { { "roc_auc" } }, auroc = { { "roc_auc" } }, rocaucovr = { { "roc_auc" } },
  map = { { "average_precision" } }, cohenkappa = { { "kappa" } }, cohenkappascore = { { "kappa" } }, ece = { { "calibration_error" } },
  expectedcalibrationerror = { { "calibration_error" } }, subsetaccuracy = { { "exact_match" } },
}
