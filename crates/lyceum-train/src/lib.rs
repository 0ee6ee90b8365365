//! Small networks on the CPU: layers with hand-written adjoints, optimisers, safetensors.
