"""The benchmark model in PyTorch: one thread, a block of steps for each line on standard input."""

import json
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

VOCABULARY, CONTEXT, WIDTH, DEPTH, HEADS, BATCH = 65, 64, 128, 4, 4, 16


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first_norm = nn.LayerNorm(WIDTH)
        self.queries_keys_values = nn.Linear(WIDTH, 3 * WIDTH)
        self.project = nn.Linear(WIDTH, WIDTH)
        self.second_norm = nn.LayerNorm(WIDTH)
        self.expand = nn.Linear(WIDTH, 4 * WIDTH)
        self.contract = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        batch, length, _ = x.shape
        parts = self.queries_keys_values(self.first_norm(x)).split(WIDTH, 2)
        parts = [part.view(batch, length, HEADS, WIDTH // HEADS).transpose(1, 2) for part in parts]
        y = F.scaled_dot_product_attention(*parts, is_causal=True)
        x = x + self.project(y.transpose(1, 2).reshape(batch, length, WIDTH))
        return x + self.contract(F.gelu(self.expand(self.second_norm(x)), approximate="tanh"))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(VOCABULARY, WIDTH)
        self.position = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(DEPTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCABULARY)

    def forward(self, tokens):
        x = self.token(tokens) + self.position.weight[None]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


torch.set_num_threads(1)
torch.manual_seed(1)
steps = int(sys.argv[1])
model = Model()
optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
tokens = torch.randint(0, VOCABULARY, (BATCH, CONTEXT))
targets = torch.randint(0, VOCABULARY, (BATCH, CONTEXT))
parameters = sum(parameter.numel() for parameter in model.parameters())
engine = f"pytorch {torch.__version__}"
print(json.dumps({"engine": engine, "parameters": parameters}), flush=True)
for _ in sys.stdin:
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(steps):
        optimiser.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(tokens).view(-1, VOCABULARY), targets.view(-1))
        loss.backward()
        optimiser.step()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    row = {"steps": steps, "cpu_s": round(cpu, 4), "wall_s": round(wall, 4)}
    print(json.dumps(row | {"loss": round(loss.item(), 5)}), flush=True)
