"""Runs llama.cpp's server (xllamacpp) in this process until stdin closes: `python llama_server.py MODEL KEY` prints the
port; a third word, `embeddings`, makes it embed instead of answer."""

from __future__ import annotations

import socket
import sys
from typing import Any


def main() -> None:
    import xllamacpp

    model, key, *wanted = sys.argv[1:]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    params: Any = xllamacpp.CommonParams()
    params.model.path = model
    params.n_ctx, params.n_parallel, params.warmup, params.use_jinja, params.verbosity = 4096, 2, False, True, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    if "embeddings" in wanted:
        params.embedding, params.pooling_type = True, xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.api_keys = [key]
    params.port = port
    server: Any = xllamacpp.Server(params)
    server.handle_metrics()
    print(port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
