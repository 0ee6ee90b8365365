"""Serves tiny.gguf with llama.cpp's own server on port 18080 until it is ended."""

import signal

import xllamacpp

parameters = xllamacpp.CommonParams()
parameters.model.path = "tiny.gguf"
parameters.n_ctx = 4096
parameters.n_parallel = 2
parameters.hostnames = ["127.0.0.1"]
parameters.port = 18080
parameters.cpuparams.n_threads = 1
parameters.use_jinja = True
server = xllamacpp.Server(parameters)
print("listening on", server.listening_address, flush=True)
signal.pause()
