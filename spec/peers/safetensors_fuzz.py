"""Mutated safetensors files, judged by the reference library and by Scion: prints where the two disagree, and fails if they do.

    make test-peers-safetensors PYTHON=venv/bin/python     (python3 -m venv venv && venv/bin/pip install safetensors)
    eval "$(make -s env)"; venv/bin/python spec/peers/safetensors_fuzz.py [FILES] [SEED]

Both must accept or both refuse, with one exception that is counted apart: a key that stands twice, of which the reference takes the
last and Scion none. Not tried, since Scion refuses them and the reference may not: numbers of more than 63 bits as a size beside
one of 0, or in fields that no reader knows."""
import json, os, random, struct, subprocess, sys, tempfile
from safetensors import deserialize

files = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**9)
rng = random.Random(seed)
SIZES = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "U8": 1, "I8": 1, "I32": 4, "I64": 8, "BOOL": 1, "U16": 2}

LUA = """
local core = require "scion.core"
for path in io.lines() do
  local file, message = core.safetensors_open(path)
  print(file and "ok" or message:gsub("\\n", " "))
  if file then file:close() end
end"""


def valid():
    header, place = {}, 0
    for i in range(rng.randint(0, 4)):
        dtype, shape = rng.choice(list(SIZES)), [rng.randint(0, 4) for _ in range(rng.randint(0, 3))]
        size = SIZES[dtype]
        for n in shape:
            size *= n
        header["t%d" % i] = {"dtype": dtype, "shape": shape, "data_offsets": [place, place + size]}
        place += size
    if rng.random() < 0.3:
        header["__metadata__"] = {"a": "b", "format": "pt"}
    return header, place


def mutate_value(header):
    names = [n for n in header if isinstance(header[n], dict) and {"dtype", "shape", "data_offsets"} <= set(header[n])]
    names = [n for n in names if header[n]["shape"] is not None and isinstance(header[n]["shape"], list) and header[n]["data_offsets"]]
    if not names:
        header["x"] = rng.choice([{}, None, 3, [], {"dtype": "F32"}, {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}])
        return
    entry, odd = header[rng.choice(names)], [0, 1, -1, 2**31, 2**53, 2**62, 2**63, 2**64, 1.0, 1e3, None, "1", True, [], {}, 3, 4, 8]
    small = [n for n in odd if not isinstance(n, int) or n < 2**63]
    what = rng.randrange(9)
    if what == 0:
        entry["data_offsets"][-1 if rng.random() < 0.5 else 0] = rng.choice(odd)
    elif what == 1 and entry["shape"]:
        entry["shape"][rng.randrange(len(entry["shape"]))] = rng.choice(small)
    elif what == 2:
        entry["dtype"] = rng.choice(list(SIZES) + ["F4", "F8_E4M3", "C64", "f32", "", "Q8", None, 1])
    elif what == 3:
        del entry[rng.choice(list(entry))]
    elif what == 4:
        entry["data_offsets"] = rng.choice([[], [0], [0, 1, 2], None, [4, 0], entry["data_offsets"][::-1]])
    elif what == 5:
        entry["shape"] = rng.choice([None, 3, [[1]], {}, [1] * 9, entry["shape"] + [1], entry["shape"] + [0]])
    elif what == 6:
        header["__metadata__"] = rng.choice([None, [], "x", {"a": 1}, {"a": None}, {"a": {}}, {}, {"": ""}])
    elif what == 7:
        entry["extra"] = rng.choice(small)
    else:
        header[rng.choice(names) + rng.choice(["", "'", " "])] = dict(entry)


def mutate_text(text):
    for _ in range(rng.randint(1, 3)):
        i, piece = rng.randrange(len(text) + 1), rng.choice(["0", "9", "-", ",", ":", '"', "{", "}", "[", "]", " ", "\n", "\\", "e", ".", "a", "\x00", "é", "1"])
        how = rng.randrange(4)
        text = text[:i] + (piece if how < 2 else "") + text[i + (how > 0) :]
        if how == 3 and rng.random() < 0.3:  # a part twice
            j = rng.randrange(i, len(text) + 1)
            text = text[:j] + text[i:j] + text[j:]
    return text


def make():
    header, size = valid()
    kind = rng.randrange(6)
    if kind in (1, 2):
        for _ in range(rng.randint(1, 2)):
            mutate_value(header)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=rng.random() < 0.5)
    if kind in (3, 4):
        text = mutate_text(text)
    raw = text.encode("utf-8", "surrogatepass") + b" " * rng.choice([0, 0, 0, 3, 8])
    length, data = len(raw), b"\0" * size
    if kind == 5:
        how = rng.randrange(5)
        length += rng.choice([-1, 1, 8, 2**32, 2**62]) if how == 0 else 0
        data = data[:-1] if how == 1 else data + b"x" if how == 2 else data
        if how == 3 and raw:
            i = rng.randrange(len(raw))
            raw = raw[:i] + bytes([rng.randrange(256)]) + raw[i + 1 :]
    whole = struct.pack("<Q", max(0, length) % 2**64) + raw + data
    return whole[: rng.randrange(len(whole) + 1)] if rng.random() < 0.02 else whole


def reference(data):
    try:
        deserialize(data)
        return True
    except Exception:
        return False


def repeats_a_key(data):
    repeated = []

    def look(pairs):
        names = [k for k, _ in pairs]
        repeated.extend([True] if len(set(names)) < len(names) else [])
        return dict(pairs)

    try:
        json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]], object_pairs_hook=look)
    except Exception:
        return False
    return bool(repeated)


accepted = twice = 0
different = []
with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
    for start in range(0, files, 2000):
        batch = [make() for _ in range(min(2000, files - start))]
        paths = [os.path.join(folder, str(i)) for i in range(len(batch))]
        for path, data in zip(paths, batch):
            with open(path, "wb") as f:
                f.write(data)
        answers = subprocess.run(["lua5.4", "-e", LUA], input="\n".join(paths) + "\n", capture_output=True, text=True, errors="replace", check=True).stdout.split("\n")[:-1]
        assert len(answers) == len(batch), "Scion gave %d answers to %d files" % (len(answers), len(batch))
        for data, answer in zip(batch, answers):
            ours, theirs = answer == "ok", reference(data)
            accepted += theirs
            if theirs and not ours and repeats_a_key(data):
                twice += 1
            elif ours != theirs:
                different.append((theirs, answer, data[:300]))
print("seed %d: %d files, %d accepted by the reference, %d of them with a key twice, %d judged differently" % (seed, files, accepted, twice, len(different)))
for theirs, answer, data in different[:20]:
    print("reference %s, Scion: %s\n  %r" % ("accepts" if theirs else "refuses", answer, data))
sys.exit(1 if different else 0)
