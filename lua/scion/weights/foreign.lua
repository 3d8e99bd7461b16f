--- Files that people mistake for files of weights. Each entry: `starts`, a Lua pattern for the file's first bytes in lower case, or `ends`,
--- one for the end of its name, or both; `what` it is; and the `remedy`. The first entry that fits counts.
local in_keras = "load it in Keras, where model.save_weights('x.weights.h5') writes what Scion reads"
local images = "images go to model:predict"

return { in_keras = in_keras, files = {
  { starts = "^version https://git%-lfs", what = "a Git LFS pointer, a note of three lines that stands for the file",
    remedy = "run 'git lfs pull' in its repository, or download the file itself from the repository's page" },
  { starts = "^%s*<%?xml", what = "an XML text, which a server sends when it refuses a download", remedy = "open the address in a browser and see what it says" },
  { starts = "^%s*<[!%a]", what = "a web page", remedy = "open the address in a browser: the file itself lies behind a button, a login or a warning" },
  { starts = "^model_checkpoint_path:", what = "the note that TensorFlow leaves beside a checkpoint", remedy = in_keras },
  { starts = "^%s*{", ends = "%.weights%.json$", what = "the index of Keras's weights in parts", remedy = in_keras },
  { starts = "^%s*[{%[]%s*\"", what = "a JSON text, such as a configuration or the index of a file in parts", remedy = "the weights are in another file, beside it" },
  { starts = "^\0\0", ends = "%.index$", what = "the index of a TensorFlow checkpoint", remedy = in_keras },
  { ends = "%.data%-%d+%-of%-%d+$", what = "a part of a TensorFlow checkpoint", remedy = in_keras },
  { starts = "^\8\1\18", what = "a TensorFlow SavedModel", remedy = in_keras },
  { starts = "^\8[\2-\31][\18\26\58\66]", what = "an ONNX model",
    remedy = "take the weights from the framework that it was exported from: PyTorch's torch.save(model.state_dict(), 'x.pth')" },
  { starts = "^....tfl3", what = "a TFLite model", remedy = "its weights may be rounded for phones; take the .h5 or .keras file that it was made from" },
  { starts = "^\31\139", what = "compressed by gzip", remedy = "unpack it with gunzip" },
  { starts = "^\2537zxz", what = "compressed by xz", remedy = "unpack it with unxz" },
  { starts = "^bzh%d", what = "compressed by bzip2", remedy = "unpack it with bunzip2" },
  { starts = "^%(\181/\253", what = "compressed by zstd", remedy = "unpack it with unzstd" },
  { starts = "^7z\188\175", what = "a 7-Zip archive", remedy = "unpack it with 7z x" },
  { starts = "^rar!", what = "a RAR archive", remedy = "unpack it with unrar x" },
  { starts = "^" .. ("."):rep(257) .. "ustar", what = "a tar archive", remedy = "unpack it with tar xf" },
  { starts = "^\255\216\255", what = "a JPEG image", remedy = images },
  { starts = "^\137png", what = "a PNG image", remedy = images },
  { starts = "^gif8", what = "a GIF image", remedy = images },
  { starts = "^riff....webp", what = "a WebP image", remedy = images },
  { starts = "^%%pdf", what = "a PDF document", remedy = "weights are .h5, .keras, .pth and .safetensors files" },
  { starts = "^\147numpy", what = "an array of NumPy", remedy = "write the weights by their names with safetensors.numpy.save_file" },
  { starts = "^gguf", what = "a GGUF file of a language model", remedy = "Scion trains networks for images" },
} }
