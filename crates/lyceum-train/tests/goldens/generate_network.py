"""Writes the golden values of the prior-fitted network: its attention, its predictions, its loss, one training step.

Run with PyTorch 2.5.1 from this directory: `python3 generate_network.py`. What the network reads of a column is computed
here from its definition, without a look at how the crate computes it. Values are f64 computations rounded to nine digits;
inputs are first rounded to f32 so that both sides start from the same numbers.
"""

import json
import math

import torch
import torch.nn.functional as F

torch.manual_seed(21)
torch.set_default_dtype(torch.float64)


def tensor(*shape, scale=1.0):
    """Normal numbers that f32 holds exactly."""
    return (torch.randn(*shape) * scale).float().double().requires_grad_()


def uniform(*shape):
    return torch.rand(*shape).float().double()


def flat(value):
    return [float(f"{x:.9g}") for x in torch.as_tensor(value).detach().reshape(-1).tolist()]


def save(name, golden):
    golden["source"] = f"PyTorch {torch.__version__.split('+')[0]}, float64"
    with open(f"{name}.json", "w") as file:
        json.dump(golden, file, indent=1)
        file.write("\n")


def attend(queries, keys, values, squares, metric):
    """Kernel attention: `squares` is columns x rows x known; returns values and log densities."""
    distance = torch.einsum("c,crk->rk", metric, squares)
    scores = queries @ keys.T / math.sqrt(queries.shape[1]) - distance
    density = torch.exp(-distance).sum(1) + math.exp(-8.0)
    return torch.softmax(scores, 1) @ values, torch.log(density)


def kernel_attention():
    rows, known, columns, each = 6, 4, 3, 2
    points = uniform(rows, columns)
    squares = ((points[:, None] - points[None, :known]) ** 2).permute(2, 0, 1).float().double()
    inputs, metric = tensor(rows, 3 * each), (uniform(columns) * 4).requires_grad_()
    q, k, v = inputs[:, :each], inputs[:known, each : 2 * each], inputs[:known, 2 * each :]
    out, density = attend(q, k, v, squares, metric)
    slope, density_slope = tensor(rows, each), tensor(rows)
    (out * slope.detach()).sum().add((density * density_slope.detach()).sum()).backward()
    save("kernel_attention", {
        "sizes": {"rows": rows, "known": known, "columns": columns, "each": each},
        "squares": flat(squares), "input": flat(inputs), "metric": flat(metric),
        "slope": flat(slope), "density_slope": flat(density_slope),
        "output": flat(out), "density": flat(density),
        "input_gradient": flat(inputs.grad), "metric_gradient": flat(metric.grad),
    })


def log_density(row, target):
    """Log density of a mixture: weights' logits, means, logarithms of standard deviations."""
    logits, means, logs = row.view(3, -1)
    logs = logs.clamp(-6.0, 2.0)
    normal = torch.distributions.Normal(means, torch.exp(logs))
    return torch.logsumexp(torch.log_softmax(logits, 0) + normal.log_prob(target), 0)


def mixture():
    rows, targets = tensor(5, 9, scale=1.5), tensor(5)
    with torch.no_grad():
        rows[1, 6] = 3.0  # beyond the bound of a standard deviation
    losses = -torch.stack([log_density(row, target) for row, target in zip(rows, targets.detach())])
    (0.25 * losses).sum().backward()
    save("mixture", {
        "sizes": {"scale": 0.25}, "input": flat(rows), "targets": flat(targets),
        "output": flat(losses), "input_gradient": flat(rows.grad),
    })


def correlation(a, b):
    a, b = a - a.mean(), b - b.mean()
    spread = torch.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / spread) if spread > 1e-9 else 0.0


def describe(inputs, values):
    """The sixteen features of each column."""
    count, columns = inputs.shape
    edges, best = [0.05, 0.1, 0.2, 0.4, math.inf], int(values.argmin())
    features = []
    for column in range(columns):
        sums = [[0.0, 0.0] for _ in range(10)]
        for i in range(count):
            for j in range(i):
                half = 0.5 * float(values[i] - values[j]) ** 2
                squares = (inputs[i] - inputs[j]) ** 2
                place = next(k for k, edge in enumerate(edges) if math.sqrt(squares[column]) < edge)
                others = float(squares.sum() - squares[column])
                for bin, weight in [(place, 1.0), (5 + place, math.exp(-others / (0.25**2 * columns)))]:
                    sums[bin][0] += weight * half
                    sums[bin][1] += weight
        row = [(half + 2.0) / (weight + 2.0) - 1.0 for half, weight in sums]
        x = inputs[:, column]
        row += [correlation(x, values), correlation((x - x[best]).abs(), values)]
        distinct = len(set(x.tolist()))
        row += [distinct / count, float(distinct == 2)]
        row += [math.log(count + 1) / 4, math.log(columns) / 2]
        features.append(row)
    return torch.tensor(features)


SIZES = {"width": 8, "depth": 2, "heads": 2, "expansion": 2, "column_width": 6, "components": 2}


def shapes():
    """The tensors in the order of the crate's layout."""
    width, hidden, heads, depth = SIZES["width"], SIZES["column_width"], SIZES["heads"], SIZES["depth"]
    linear = lambda name, inputs, outputs: [(f"{name}.weight", (outputs, inputs)), (f"{name}.bias", (outputs,))]
    norm = lambda name: [(f"{name}.weight", (width,)), (f"{name}.bias", (width,))]
    all = linear("token", 7, width) + linear("column.hidden", 16, hidden)
    all += linear("column.metric", hidden, depth * heads)
    for index in range(depth):
        name, wide = f"blocks.{index}", SIZES["expansion"] * width
        all += norm(f"{name}.first_norm") + linear(f"{name}.queries_keys_values", width, 3 * width)
        all += linear(f"{name}.project", width + heads, width) + norm(f"{name}.second_norm")
        all += linear(f"{name}.expand", width, wide) + linear(f"{name}.contract", wide, width)
    return all + norm("norm") + linear("head", width, 3 * SIZES["components"])


def forward(p, data):
    """Returns the output rows of the questions of one data set."""
    inputs, values, questions = data["inputs"], data["values"], data["questions"]
    known, columns, width, heads = len(values), inputs.shape[1], SIZES["width"], SIZES["heads"]
    linear = lambda name, x: F.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])
    gelu = lambda x: F.gelu(x, approximate="tanh")
    norm = lambda name, x: F.layer_norm(x, (width,), p[f"{name}.weight"], p[f"{name}.bias"], eps=1e-5)
    points = torch.cat([inputs, questions])
    squares = ((points[:, None] - inputs[None]) ** 2).permute(2, 0, 1)
    sizes = [math.log(known + 1) / 4, math.log(columns) / 2]
    noise = [data["noise"], 1.0] if data["noise"] is not None else [0.0, 0.0]
    seen = [[float(y), 1.0, 0.0] + sizes + noise for y in values]
    asked = [[0.0, 0.0, 1.0] + sizes + noise for _ in questions]
    stream = linear("token", torch.tensor(seen + asked))
    logs = linear("column.metric", gelu(linear("column.hidden", describe(inputs, values))))
    metric = torch.exp(2.0 + logs.clamp(-6.0, 6.0)).view(columns, SIZES["depth"], heads)
    for index in range(SIZES["depth"]):
        name = f"blocks.{index}"
        q, k, v = linear(f"{name}.queries_keys_values", norm(f"{name}.first_norm", stream)).split(width, 1)
        part = lambda x, head: x[:, head * (width // heads) : (head + 1) * (width // heads)]
        both = [
            attend(part(q, head), part(k, head)[:known], part(v, head)[:known], squares, metric[:, index, head])
            for head in range(heads)
        ]
        attended = torch.cat([out for out, _ in both] + [density[:, None] for _, density in both], 1)
        stream = stream + linear(f"{name}.project", attended)
        hidden = gelu(linear(f"{name}.expand", norm(f"{name}.second_norm", stream)))
        stream = stream + linear(f"{name}.contract", hidden)
    return linear("head", norm("norm", stream))[known:]


def network():
    """Two data sets through the whole network; then one clipped step of AdamW at the peak of the schedule."""
    p = {name: tensor(*shape, scale=0.4) for name, shape in shapes()}
    sets = []
    for known, columns, noise in [(5, 2, 0.125), (7, 3, None)]:
        inputs, values = uniform(known, columns), tensor(known).detach()
        inputs[:, 0] = torch.tensor([float(index % 2) for index in range(known)])
        sets.append({"inputs": inputs, "values": values, "noise": noise, "questions": uniform(3, columns)})
    answers = tensor(6).detach()
    rows = torch.cat([forward(p, data) for data in sets])
    loss = -torch.stack([log_density(row, answer) for row, answer in zip(rows, answers)]).mean()
    loss.backward()
    weights, gradients = flat(torch.cat([x.flatten() for x in p.values()])), [x.grad.clone() for x in p.values()]
    norm = torch.nn.utils.clip_grad_norm_(list(p.values()), 1.0)
    decays, others = [x for x in p.values() if x.dim() > 1], [x for x in p.values() if x.dim() == 1]
    groups = [{"params": decays, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    torch.optim.AdamW(groups, lr=2e-3, betas=(0.9, 0.98), eps=1e-8).step()
    mixtures = []
    for row in rows.detach():
        logits, means, logs = row.view(3, -1)
        mixtures.append([flat(torch.softmax(logits, 0)), flat(means), flat(torch.exp(logs.clamp(-6.0, 2.0)))])
    shown = [
        {key: flat(data[key]) for key in ["inputs", "values", "questions"]}
        | {"columns": data["inputs"].shape[1], "noise": data["noise"]}
        for data in sets
    ]
    save("network", {
        "sizes": SIZES, "tensors": [[name, list(shape)] for name, shape in shapes()], "weights": weights,
        "sets": shown, "answers": flat(answers), "mixtures": mixtures, "loss": flat(loss)[0], "norm": flat(norm)[0],
        "gradients": flat(torch.cat([g.flatten() for g in gradients])),
        "after": flat(torch.cat([x.flatten() for x in p.values()])),
    })


def schedule():
    """The rates of a warm-up and half a cosine."""
    steps, warm, peak = 20, 4, 0.5
    p = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([p], lr=peak)
    rise = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: (step + 1) / (warm + 1))
    rates = []
    for _ in range(warm):
        rates.append(rise.get_last_lr()[0])
        optimiser.step()
        rise.step()
    optimiser = torch.optim.SGD([p], lr=peak)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps - warm)
    for _ in range(steps - warm):
        rates.append(fall.get_last_lr()[0])
        optimiser.step()
        fall.step()
    save("schedule", {"steps": steps, "warmup": warm / steps, "peak": peak, "rates": [float(f"{x:.9g}") for x in rates]})


for golden in [kernel_attention, mixture, network, schedule]:
    golden()
