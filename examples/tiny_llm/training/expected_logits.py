"""Logits to compare the engine's with, by a plain PyTorch implementation that shares nothing with it.

    /usr/bin/python3 expected_logits.py model ../model                     of a model: expected_logits.safetensors
    /usr/bin/python3 expected_logits.py fixtures ../../../test/tiny_llm/fixtures
                                                       makes small models of several kinds, and their logits

All is computed in double, but for what the engine is meant to round: the angles of RoPE are products of floats,
as in the models' published code, and K and V (K behind RoPE) are rounded to floats and then to the dtype of the
cache, the current token's too. There is a set of logits for each dtype: logits_bf16, logits_fp16, of the tokens
at the places `rows`.
"""
import argparse
import json
import math
import os
import struct
import sys

import torch

sys.dont_write_bytecode = True
from export import write_safetensors  # noqa: E402

TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
CACHES = {"bf16": torch.bfloat16, "fp16": torch.float16}
TEXT = ("In the beginning there was a small town by the sea, where ships came in with the tide. The number of "
        "Bakomi is 40213. People spoke of the weather and of the price of fish. The number of Bakomi is ")


def read_safetensors(path):
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(size)), file.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        kind = TYPES[entry["dtype"]]
        bits = torch.int32 if kind == torch.float32 else torch.int16
        raw = torch.frombuffer(bytearray(data[begin:end]), dtype=bits)
        tensors[name] = raw.view(kind).view(entry["shape"])
    return tensors


def read_model(directory):
    with open(os.path.join(directory, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    tensors = {}
    for name in sorted(os.listdir(directory)):
        if name.startswith("model") and name.endswith(".safetensors"):
            tensors.update(read_safetensors(os.path.join(directory, name)))
    return config, tensors


def rates(config, dim):
    """Radians a position, for each pair of channels; and what cosines and sines are multiplied by."""
    theta = config.get("rope_theta", 10000.0)
    rate = theta ** (-torch.arange(0, dim, 2).double() / dim)
    scaling = config.get("rope_scaling") or {"rope_type": "default"}
    kind, factor = scaling.get("rope_type", scaling.get("type")), scaling.get("factor", 1.0)
    size = 1.0
    if kind == "linear":
        rate = rate / factor
    elif kind == "llama3":
        old = scaling["original_max_position_embeddings"]
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        for i, r in enumerate(rate.tolist()):
            length = 2 * math.pi / r
            if length > old / low:
                rate[i] = r / factor
            elif length >= old / high:
                smooth = (old / length - low) / (high - low)
                rate[i] = (1 - smooth) * r / factor + smooth * r
    elif kind == "yarn":
        old = scaling.get("original_max_position_embeddings", config["max_position_embeddings"])

        def pair(turns):
            return dim * math.log(old / (turns * 2 * math.pi)) / (2 * math.log(theta))
        low = max(math.floor(pair(scaling.get("beta_fast", 32))), 0)
        high = min(math.ceil(pair(scaling.get("beta_slow", 1))), dim - 1)
        ramp = ((torch.arange(dim // 2).double() - low) / max(high - low, 0.001)).clamp(0, 1)
        rate = rate / factor * ramp + rate * (1 - ramp)
        size = scaling.get("attention_factor") or 0.1 * math.log(factor) + 1
    return rate.float(), size


def logits(config, tensors, ids, cache):
    w = {name: t.double() for name, t in tensors.items()}
    heads = config["num_attention_heads"]
    kv = config.get("num_key_value_heads", heads)
    dim = config.get("head_dim") or config["hidden_size"] // heads
    n, eps = len(ids), config.get("rms_norm_eps", 1e-6)

    def norm(x, name):
        return x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt() * w[name + ".weight"]

    def linear(x, name):
        y = x @ w[name + ".weight"].t()
        return y + w[name + ".bias"] if name + ".bias" in w else y

    def kept(x):
        return x.float().to(cache).double()

    rate, size = rates(config, dim)
    angle = (torch.arange(n).float()[:, None] * rate).double()
    cos, sin = (angle.cos() * size).float().double(), (angle.sin() * size).float().double()

    def turned(x):  # [heads, n, dim]
        a, b = x[..., :dim // 2], x[..., dim // 2:]
        return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)

    x = w["model.embed_tokens.weight"][torch.tensor(ids)]
    mask = torch.full((n, n), -math.inf).double().triu(1)
    for layer in range(config["num_hidden_layers"]):
        of = f"model.layers.{layer}."
        y = norm(x, of + "input_layernorm")
        q = turned(linear(y, of + "self_attn.q_proj").view(n, heads, dim).transpose(0, 1))
        k = kept(turned(linear(y, of + "self_attn.k_proj").view(n, kv, dim).transpose(0, 1)))
        v = kept(linear(y, of + "self_attn.v_proj").view(n, kv, dim).transpose(0, 1))
        k, v = k.repeat_interleave(heads // kv, 0), v.repeat_interleave(heads // kv, 0)
        drawn = (q @ k.transpose(1, 2) / math.sqrt(dim) + mask).softmax(-1) @ v
        x = x + linear(drawn.transpose(0, 1).reshape(n, heads * dim), of + "self_attn.o_proj")
        y = norm(x, of + "post_attention_layernorm")
        g = linear(y, of + "mlp.gate_proj")
        x = x + linear(g / (1 + (-g).exp()) * linear(y, of + "mlp.up_proj"), of + "mlp.down_proj")
    head = "model.embed_tokens.weight" if config.get("tie_word_embeddings") else "lm_head.weight"
    return norm(x, "model.norm") @ w[head].t()


def write_expected(directory, ids, rows):
    config, tensors = read_model(directory)
    out = {"tokens": torch.tensor(ids, dtype=torch.int32), "rows": torch.tensor(rows, dtype=torch.int32)}
    for name, cache in CACHES.items():
        out["logits_" + name] = logits(config, tensors, ids, cache)[rows].float()
    path = os.path.join(directory, "expected_logits.safetensors")
    write_safetensors(path, out)
    print(path)


SMALL = dict(hidden_act="silu", num_hidden_layers=2, hidden_size=20, intermediate_size=36, num_attention_heads=4,
             num_key_value_heads=2, head_dim=8, vocab_size=48, max_position_embeddings=128, rms_norm_eps=1e-5,
             rope_theta=10000.0, tie_word_embeddings=False, torch_dtype="float32")  # the tensors' dtypes count
KINDS = {
    "llama3": (dict(architectures=["LlamaForCausalLM"], rope_theta=50.0,
                    rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                      original_max_position_embeddings=32)), "F32", 3),
    "linear": (dict(architectures=["LlamaForCausalLM"], attention_bias=True, mlp_bias=True,
                    tie_word_embeddings=True, rope_scaling=dict(type="linear", factor=4.0)), "F16", 1),
    "one_kv_head": (dict(architectures=["LlamaForCausalLM"], num_key_value_heads=1, rope_scaling=None,
                         head_dim=24), "BF16", 2),
    "qwen2": (dict(architectures=["Qwen2ForCausalLM"], hidden_size=32, head_dim=None, tie_word_embeddings=True,
                   rope_theta=1000000.0, use_sliding_window=False, sliding_window=4096, eos_token_id=[3, 5]),
              "BF16", 1),
    "yarn": (dict(architectures=["Qwen2ForCausalLM"], num_key_value_heads=4, rope_theta=100.0,
                  rope_scaling=dict(type="yarn", factor=4.0, original_max_position_embeddings=32,
                                    beta_fast=4.0)), "F32", 1),
}


def small_model(config, kind):
    heads = config["num_attention_heads"]
    dim, width, inner = config["head_dim"] or config["hidden_size"] // heads, config["hidden_size"], config[
        "intermediate_size"]
    queries, keys = heads * dim, config["num_key_value_heads"] * dim
    qwen = config["architectures"][0].startswith("Qwen2")
    biased, out_biased = qwen or config.get("attention_bias", False), config.get("attention_bias", False)
    tensors = {}

    def linear(name, rows, columns, bias=False):
        tensors[name + ".weight"] = (torch.randn(rows, columns) / columns ** 0.5).to(TYPES[kind])
        if bias:
            tensors[name + ".bias"] = (0.3 * torch.randn(rows)).to(TYPES[kind])

    def norm(name):
        tensors[name + ".weight"] = 1 + 0.2 * torch.randn(width)
        if kind != "BF16":  # F32 norms beside BF16 matrices
            tensors[name + ".weight"] = tensors[name + ".weight"].to(TYPES[kind])

    tensors["model.embed_tokens.weight"] = torch.randn(config["vocab_size"], width).to(TYPES[kind])
    for layer in range(config["num_hidden_layers"]):
        of = f"model.layers.{layer}."
        norm(of + "input_layernorm")
        linear(of + "self_attn.q_proj", queries, width, biased)
        linear(of + "self_attn.k_proj", keys, width, biased)
        linear(of + "self_attn.v_proj", keys, width, biased)
        linear(of + "self_attn.o_proj", width, queries, out_biased)
        norm(of + "post_attention_layernorm")
        for name, rows, columns in (("gate", inner, width), ("up", inner, width), ("down", width, inner)):
            linear(of + f"mlp.{name}_proj", rows, columns, config.get("mlp_bias", False))
    norm("model.norm")
    if not config["tie_word_embeddings"]:
        linear("lm_head", config["vocab_size"], width)
    return tensors


def write_fixture(directory, changes, kind, shards):
    os.makedirs(directory, exist_ok=True)
    config = {**SMALL, **changes}
    with open(os.path.join(directory, "config.json"), "w", encoding="ascii") as file:
        json.dump(config, file, indent=2)
        file.write("\n")
    tensors = small_model(config, kind)
    if shards == 1:
        write_safetensors(os.path.join(directory, "model.safetensors"), tensors)
    else:
        names, index = list(tensors), {"metadata": {"total_size": 0}, "weight_map": {}}
        for shard in range(shards):
            file_name = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
            part = {name: tensors[name] for name in names[shard::shards]}
            write_safetensors(os.path.join(directory, file_name), part)
            index["weight_map"].update({name: file_name for name in part})
            index["metadata"]["total_size"] += sum(t.numel() * t.element_size() for t in part.values())
        with open(os.path.join(directory, "model.safetensors.index.json"), "w", encoding="ascii") as file:
            json.dump(index, file, indent=2, sort_keys=True)
            file.write("\n")
    write_expected(directory, torch.randint(config["vocab_size"], (48,)).tolist(), list(range(0, 48, 3)) + [47])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=("model", "fixtures"))
    p.add_argument("directory")
    o = p.parse_args()
    if o.what == "model":
        ids = list(TEXT.encode("ascii"))
        write_expected(o.directory, ids, list(range(7, len(ids), 12)) + [len(ids) - 1])
        return
    torch.manual_seed(7)
    for name, (changes, kind, shards) in KINDS.items():
        write_fixture(os.path.join(o.directory, name), changes, kind, shards)


if __name__ == "__main__":
    main()
