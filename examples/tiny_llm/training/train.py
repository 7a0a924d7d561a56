"""Trains the embedded model: a byte-level Qwen2 (grouped queries, biases at Q, K and V, tied embeddings).

    python3 corpus.py TEXT
    python3 train.py TEXT RUN --minutes 60            trains, or goes on where RUN/last.pt stopped
    python3 wire.py TEXT RUN                          once: heads that look back (what it is for stands there)
    python3 train.py TEXT RUN --cooldown 300          lowers the rate to nothing in 300 steps; RUN/cool.pt
    python3 export.py RUN/cool.pt DIR                 config.json and model.safetensors

Needs PyTorch (1.13 or newer), nothing else. Uses a GPU where there is one.
"""
import argparse
import contextlib
import json
import math
import os
import random
import string
import time

import torch
import torch.nn.functional as F

import needles

SHAPE = dict(vocab_size=256, hidden_size=256, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4,
             num_key_value_heads=2, head_dim=64, rope_theta=1000000.0, rms_norm_eps=1e-6,
             max_position_embeddings=2048)


class Norm(torch.nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight, self.eps = torch.nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + self.eps).to(x.dtype) * self.weight


def turned(x, cos, sin):
    """RoPE, halves against each other, as Llama's and Qwen2's published code has it."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Attention(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kv, self.dim = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        width = c["hidden_size"]
        self.q_proj = torch.nn.Linear(width, self.heads * self.dim)
        self.k_proj = torch.nn.Linear(width, self.kv * self.dim)
        self.v_proj = torch.nn.Linear(width, self.kv * self.dim)
        self.o_proj = torch.nn.Linear(self.heads * self.dim, width, bias=False)

    def forward(self, x, cos, sin, mask):
        b, n, _ = x.shape
        q = turned(self.q_proj(x).view(b, n, self.heads, self.dim).transpose(1, 2), cos, sin)
        k = turned(self.k_proj(x).view(b, n, self.kv, self.dim).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(b, n, self.kv, self.dim).transpose(1, 2)
        group = self.heads // self.kv
        if x.is_cuda:
            k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:  # a group's queries as more rows of one product
            q = q.reshape(b * self.kv, group * n, self.dim)
            k, v = k.reshape(b * self.kv, n, self.dim), v.reshape(b * self.kv, n, self.dim)
            s = torch.baddbmm(mask.repeat(group, 1).unsqueeze(0), q, k.transpose(1, 2), alpha=self.dim ** -0.5)
            y = torch.bmm(s.softmax(-1), v).view(b, self.heads, n, self.dim)
        return self.o_proj(y.transpose(1, 2).reshape(b, n, self.heads * self.dim))


class Mlp(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        width, inner = c["hidden_size"], c["intermediate_size"]
        self.gate_proj = torch.nn.Linear(width, inner, bias=False)
        self.up_proj = torch.nn.Linear(width, inner, bias=False)
        self.down_proj = torch.nn.Linear(inner, width, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm = Norm(c["hidden_size"], c["rms_norm_eps"])
        self.self_attn = Attention(c)
        self.post_attention_layernorm = Norm(c["hidden_size"], c["rms_norm_eps"])
        self.mlp = Mlp(c)

    def forward(self, x, cos, sin, mask):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Model(torch.nn.Module):
    """Named so that its parameters have the names of published checkpoints behind "model."."""

    def __init__(self, c):
        super().__init__()
        self.shape = c
        self.embed_tokens = torch.nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.layers = torch.nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))
        self.norm = Norm(c["hidden_size"], c["rms_norm_eps"])
        for name, p in self.named_parameters():
            if name.endswith(".weight") and p.dim() == 2:
                torch.nn.init.normal_(p, std=0.02 if "embed" in name else p.shape[1] ** -0.5)
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                torch.nn.init.zeros_(p)
            if name.endswith(".bias"):
                torch.nn.init.zeros_(p)

    def forward(self, ids):
        n, c = ids.shape[1], self.shape
        rate = c["rope_theta"] ** (-torch.arange(0, c["head_dim"], 2, device=ids.device).float() / c["head_dim"])
        angle = torch.arange(n, device=ids.device).float()[:, None] * rate
        mask = None
        if not ids.is_cuda:
            mask = torch.full((n, n), float("-inf")).triu(1)
        x = self.embed_tokens(ids)
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return F.linear(self.norm(x), self.embed_tokens.weight)


class Muon:
    """Momentum whose steps are made orthogonal by Newton and Schulz's iteration, for the inner matrices."""

    def __init__(self, parameters, momentum=0.95):
        self.parameters, self.momentum = list(parameters), momentum
        self.buffers = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self, rate):
        for p, m in zip(self.parameters, self.buffers):
            m.mul_(self.momentum).add_(p.grad)
            x = p.grad.add(m, alpha=self.momentum)
            flip = x.shape[0] > x.shape[1]
            x = x.t() if flip else x
            x = x / (x.norm() + 1e-7)
            for _ in range(5):
                a = x @ x.t()
                x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
            x = x.t() if flip else x
            p.mul_(1 - 0.01 * rate / 0.02).add_(x, alpha=-rate * max(1, p.shape[0] / p.shape[1]) ** 0.5)


class Data:
    """Windows of text; some of them with facts to find again, some that repeat a piece of themselves. And drills,
    a share of all: what has no sense but for one who looks back."""

    def __init__(self, path, seed, drills=0.3):
        with open(path, encoding="ascii") as file:
            self.text = file.read()
        self.random, self.drills = random.Random(seed), drills

    def window(self, length):
        at = self.random.randrange(len(self.text) - length)
        return self.text[at:at + length]

    def sample(self, length):
        """Bytes, and the weight of each in the loss."""
        if self.random.random() < self.drills:
            return self.roll(length) if self.random.random() < 0.5 else self.echo(length)
        kind = self.random.random()
        if kind < 0.22:
            return self.needles(length)
        text, weights = self.window(length), [1.0] * length
        if kind < 0.28:  # a piece said again
            size = self.random.randrange(16, length // 3)
            at = self.random.randrange(0, length - 2 * size)
            to = self.random.randrange(at + size, length - size + 1)
            text = text[:to] + text[at:at + size] + text[to + size:]
        return text, weights

    def roll(self, length):
        """Facts alone, each said and then asked for once or more, in another order: what a needle asks, densely."""
        r, out, weights = self.random, "", []
        while len(out) < length:
            short = r.random() < 0.6
            said = (lambda n: f"{n}: ") if short else needles.question
            facts = [(needles.name(r), needles.number(r)) for _ in range(r.choice((1, 1, 2, 2, 3, 4, 6, 8)))]
            asked = facts + [r.choice(facts) for _ in range(r.randrange(3))]
            r.shuffle(asked)
            for again, (who, what) in [(False, f) for f in facts] + [(True, f) for f in asked]:
                ask, answer = said(who), what + (". " if short else ".")
                out += ask + answer
                weights += [0.3] * len(ask) + [3.0 if again else 0.1] * len(answer)
        return out[:length], weights[:length]

    def echo(self, length):
        """Strings of no sense, each said at once again and again: only looking back tells what comes."""
        r, out, weights = self.random, "", []
        while len(out) < length:
            letters = r.choice((string.printable[:94], string.printable[:94], string.ascii_lowercase + " ,.;", string.digits))
            piece = "".join(r.choice(letters) for _ in range(r.randrange(8, 64)))
            for time in range(r.choice((2, 2, 3))):
                out += piece
                weights += [1.0 if time else 0.1] * len(piece)
        return out[:length], weights[:length]

    def needles(self, length):
        """A text with facts, each of which is asked for again, at any distance."""
        r = self.random
        facts = [(needles.name(r), needles.number(r)) for _ in range(r.choice((1, 2, 2, 3, 4, 6)))]
        pieces, taken = [], 0  # position, text, weights
        for who, what in facts:
            if taken + 160 > length:  # a fact and two questions about it are shorter
                break
            first = r.random() ** 1.5 * 0.9
            said = needles.fact(who, what)
            pieces.append((first, said, [0.3] * len(said)))
            for _ in range(r.choice((1, 1, 2))):
                again = 1.0 if r.random() < 0.3 else first + (1 - first) * r.random()
                ask = needles.question(who)
                pieces.append((again, ask + what + ".", [0.3] * len(ask) + [4.0] * (len(what) + 1)))
            taken = sum(len(p[1]) for p in pieces)
        pieces.sort(key=lambda p: p[0])
        room = length - sum(len(p[1]) for p in pieces)
        body, out, weights, at = self.window(length), [], [], 0
        for where, said, weight in pieces:
            cut = int(where * room)
            out += [body[at:cut], said]
            weights += [1.0] * (cut - at) + weight
            at = cut
        out.append(body[at:room])
        weights += [1.0] * (room - at)
        return "".join(out), weights

    def batch(self, rows, length, device):
        samples = [self.sample(length + 1) for _ in range(rows)]
        ids = torch.tensor([list(s.encode("ascii")) for s, _ in samples], device=device)
        weights = torch.tensor([w for _, w in samples], device=device)
        return ids[:, :-1], ids[:, 1:], weights[:, 1:]


@torch.no_grad()
def bits_per_byte(model, path, device, length=512, limit=128):
    with open(path, encoding="utf-8", errors="ignore") as file:
        text = file.read().encode("ascii", "ignore")
    count = min(limit, (len(text) - 1) // length)
    stride = (len(text) - 1 - length) // max(1, count - 1)
    total = 0.0
    for i in range(count):
        ids = torch.tensor(list(text[i * stride:i * stride + length + 1]), device=device)[None]
        total += F.cross_entropy(model(ids[:, :-1]).float().flatten(0, 1), ids[0, 1:]).item()
    return total / count / math.log(2)


@torch.no_grad()
def retrieval(model, path, device, length, trials=20, decoys=3, seed=1):
    """Of so many trials at each of five depths, the part that is answered to the last byte."""
    with open(path, encoding="ascii") as file:
        text = file.read()
    r, found = random.Random(seed), {}
    for depth in (0.0, 0.25, 0.5, 0.75, 1.0):
        good = 0
        for _ in range(trials):
            at = r.randrange(len(text) - length)
            prompt, answer = needles.trial(r, text[at:at + length], length - 6, depth, decoys)
            ids = torch.tensor(list((prompt + answer).encode("ascii")), device=device)[None]
            said = model(ids[:, :-1])[0, -len(answer):].argmax(-1)
            good += int((said == ids[0, -len(answer):]).all())
        found[depth] = good / trials
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("text")
    p.add_argument("run")
    p.add_argument("--minutes", type=float, default=60)
    p.add_argument("--cooldown", type=int, default=0)
    p.add_argument("--length", type=int, default=512)
    p.add_argument("--rows", type=int, default=16)
    p.add_argument("--rate", type=float, default=0.01)
    p.add_argument("--drills", type=float, default=0.3, help="share of samples that only looking back can tell")
    p.add_argument("--hidden", type=int)
    p.add_argument("--layers", type=int)
    p.add_argument("--inner", type=int)
    o = p.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    os.makedirs(o.run, exist_ok=True)
    last = os.path.join(o.run, "last.pt")
    state = torch.load(last, map_location=device) if os.path.exists(last) else None
    shape = dict(state["shape"]) if state else dict(SHAPE)
    if not state:
        for key, value in (("hidden_size", o.hidden), ("num_hidden_layers", o.layers),
                           ("intermediate_size", o.inner)):
            shape[key] = value or shape[key]
    torch.manual_seed(1)
    model = Model(shape).to(device)
    inner = [q for n, q in model.named_parameters() if q.dim() == 2 and "embed" not in n]
    outer = [q for n, q in model.named_parameters() if not (q.dim() == 2 and "embed" not in n)]
    muon, adam = Muon(inner), torch.optim.AdamW(outer, lr=0.15 * o.rate, betas=(0.9, 0.98), weight_decay=0.0)
    step = seen = 0
    if state:
        model.load_state_dict(state["model"])
        adam.load_state_dict(state["adam"])
        for buffer, kept in zip(muon.buffers, state["muon"]):
            buffer.copy_(kept)
        step, seen = state["step"], state["seen"]
    data = Data(os.path.join(o.text, "train.txt"), seed=1000 + step, drills=o.drills)
    held = os.path.join(o.text, "held_out.txt")
    print(f"{sum(q.numel() for q in model.parameters())} parameters on {device}, step {step}, {seen} bytes seen")

    def save(name):
        path = os.path.join(o.run, name)
        torch.save(dict(shape=shape, model=model.state_dict(), adam=adam.state_dict(), muon=muon.buffers,
                        step=step, seen=seen), path + ".new")
        os.replace(path + ".new", path)

    begun = saved = told = time.time()
    first, mean = step, None
    while True:
        if o.cooldown:
            share = 1 - (step - first) / o.cooldown
            if share <= 0:
                break
        else:
            share = min(1.0, (step + 1) / 50)
            if time.time() - begun > 60 * o.minutes:
                break
        ids, targets, weights = data.batch(o.rows, o.length, device)
        with torch.autocast("cuda", torch.bfloat16) if device == "cuda" else contextlib.nullcontext():
            logits = model(ids)
        losses = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
        loss = (losses * weights.flatten()).sum() / weights.sum()
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(outer, 1.0)
        for group in adam.param_groups:
            group["lr"] = 0.15 * o.rate * share
        adam.step()
        muon.step(o.rate * share)
        step, seen = step + 1, seen + ids.numel()
        if step % 10 == 0:
            mean = loss.item() if mean is None else 0.9 * mean + 0.1 * loss.item()
        if time.time() - told > 60:
            told = time.time()
            print(f"step {step}, {seen} bytes, loss {mean or loss.item():.3f}, "
                  f"{(step - first) * o.rows * o.length / (told - begun):.0f} bytes/s", flush=True)
        if time.time() - saved > 300:
            if not o.cooldown:
                save("last.pt")
            model.eval()
            print(f"  held out: {bits_per_byte(model, held, device, limit=32):.3f} bits per byte; found:",
                  json.dumps(retrieval(model, held, device, o.length, trials=6)), flush=True)
            model.train()
            saved = time.time()
    save("cool.pt" if o.cooldown else "last.pt")
    print(f"step {step}, {seen} bytes: {bits_per_byte(model, held, device):.3f} bits per byte held out; found:",
          json.dumps(retrieval(model, held, device, o.length)))


if __name__ == "__main__":
    main()
