"""A conversation with spec/peers/peer.lua: a request is a line of JSON, and so is its answer. And what both sides count with: images, numbers
by a seed."""
import json, os, sys, traceback
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fixtures/models"))
import numpy as np
from rule import images, stream # noqa: F401: for those who import this

def serve(calls):
    """Answers requests {"call": NAME, ..} until there are no more. What libraries print goes to standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try: reply = calls[request.pop("call")](**request) or {}
        except Exception: reply = {"error": traceback.format_exc()[-2000:]}
        out.write(json.dumps({k: v for k, v in reply.items() if v is not None}) + "\n")
        out.flush()

def rows(y): return np.asarray(y, np.float64).reshape(-1).tolist()

def spread(a, b): return float(np.abs(np.asarray(a, np.float64) - b).max() / np.abs(b).max())
