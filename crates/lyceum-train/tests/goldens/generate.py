"""Writes the golden values of every layer: inputs, outputs and gradients as PyTorch computes them.

Run with PyTorch 2.5.1 from this directory: `python3 generate.py`. Values are f64 computations rounded
to nine digits; inputs are first rounded to f32 so that both sides start from the same numbers.
"""

import json

import torch
import torch.nn.functional as F

torch.manual_seed(20)
torch.set_default_dtype(torch.float64)


def tensor(*shape, scale=1.0):
    """Normal numbers that f32 holds exactly."""
    return (torch.randn(*shape) * scale).float().double().requires_grad_()


def flat(value):
    return [float(f"{x:.9g}") for x in value.detach().reshape(-1).tolist()]


def write(name, inputs, output, slope=None, **sizes):
    """Backpropagates `slope` (random where none is given) and writes everything to `name.json`."""
    if slope is None:
        slope = tensor(*output.shape)
    output.backward(slope.detach())
    golden = {key: flat(value) for key, value in inputs.items()}
    golden |= {f"{key}_gradient": flat(value.grad) for key, value in inputs.items()}
    golden |= {"output": flat(output), "slope": flat(slope), "sizes": sizes}
    golden["source"] = f"PyTorch {torch.__version__.split('+')[0]}, float64"
    with open(f"{name}.json", "w") as file:
        json.dump(golden, file, indent=1)
        file.write("\n")


def linear():
    x, weight, bias = tensor(5, 4), tensor(3, 4), tensor(3)
    write("linear", {"input": x, "weight": weight, "bias": bias}, F.linear(x, weight, bias))


def layer_norm():
    x, weight, bias = tensor(4, 6), tensor(6), tensor(6)
    output = F.layer_norm(x, (6,), weight, bias, eps=1e-5)
    write("layer_norm", {"input": x, "weight": weight, "bias": bias}, output)


def gelu():
    x = tensor(40, scale=2.0)
    write("gelu", {"input": x}, F.gelu(x, approximate="tanh"))


def attention():
    batch, length, width, heads = 2, 5, 8, 2
    x = tensor(batch * length, 3 * width)
    parts = x.view(batch, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
    output = F.scaled_dot_product_attention(parts[0], parts[1], parts[2], is_causal=True)
    output = output.transpose(1, 2).reshape(batch * length, width)
    write("attention", {"input": x}, output, length=length, width=width, heads=heads)


def embedding():
    tokens = [0, 2, 1, 2, 2, 0]
    table, places = tensor(3, 4), tensor(3, 4)
    output = table[torch.tensor(tokens)] + places.repeat(2, 1)
    write("embedding", {"token": table, "position": places}, output, tokens=tokens, length=3)


def cross_entropy():
    logits, targets = tensor(4, 7, scale=3.0), [3, 0, 6, 3]
    losses = F.cross_entropy(logits, torch.tensor(targets), reduction="none")
    write("cross_entropy", {"input": logits}, losses, torch.full((4,), 0.25), targets=targets)


def adamw():
    """Three steps of the optimiser on fixed gradients."""
    p = tensor(6)
    start, gradients = flat(p), [tensor(6) for _ in range(3)]
    optimiser = torch.optim.AdamW([p], lr=0.01, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
    after = []
    for gradient in gradients:
        p.grad = gradient.detach().clone()
        optimiser.step()
        after.append(flat(p))
    golden = {"start": start, "gradients": [flat(g) for g in gradients], "after": after}
    golden["source"] = f"PyTorch {torch.__version__.split('+')[0]}, float64"
    with open("adamw.json", "w") as file:
        json.dump(golden, file, indent=1)
        file.write("\n")


for golden in [linear, layer_norm, gelu, attention, embedding, cross_entropy, adamw]:
    golden()
