"""What the Python sides of the bench share: the answers of side.lua's protocol, and a clock."""
import json, os, resource, sys, time

BATCH, THREADS, SIZE = 32, int(sys.argv[1]), 224

def has_bf16():
    flags = open("/proc/cpuinfo").read() if os.path.exists("/proc/cpuinfo") else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags

def precisions():
    return ("fp32", "bf16") if has_bf16() else ("fp32",)

def timed(f, times=1):
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(times): f()
    return {"wall": (time.perf_counter() - wall) / times, "cpu": (time.process_time() - cpu) / times}

def peak_bytes():
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"bytes": most if sys.platform == "darwin" else 1024 * most}

def tell(answer):
    print(json.dumps(answer), file=ANSWERS, flush=True)

ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what libraries print is no answer

def serve(name, version, works):
    """works: functions by name, called with the words behind it, that give ({"variants": ..}, run(variant)) or a text that says why not."""
    tell({"name": name, "version": version.split("a")[0].split("+")[0].split("-")[0]})
    run = None
    for line in sys.stdin:
        verb, _, rest = line.strip().partition(" ")
        if verb == "end": break
        if verb == "prepare":
            run, made = None, None
            work, _, rest = rest.partition(" ")
            made = works[work](*(rest.split(" ", 2) if work in ("pipeline", "crops") else rest.split())) if work in works else "does not do this"
            if isinstance(made, str):
                tell({"no": made})
                continue
            told, run = made
            for variant in told["variants"]: run(variant)
            tell(told)
        else:
            tell(peak_bytes() if verb == "bytes" else run(rest))
