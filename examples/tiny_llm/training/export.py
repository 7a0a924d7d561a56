"""Writes a trained checkpoint as model hubs publish models: config.json and model.safetensors, in BF16.

    /usr/bin/python3 export.py RUN/cool.pt ../model

Needs PyTorch to read the checkpoint; the safetensors file is written here, byte by byte.
"""
import argparse
import json
import os
import struct

import torch

DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int32: "I32"}


def tensor_bytes(t):
    t = t.contiguous()
    return t.view(torch.int16 if t.element_size() == 2 else torch.int32).numpy().tobytes()


def write_safetensors(path, tensors):
    """A header of JSON, padded so that the first tensor is aligned, then the tensors end to end."""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, t in tensors.items():
        size = t.numel() * t.element_size()
        header[name] = {"dtype": DTYPES[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % 64)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            file.write(tensor_bytes(t))


def config_of(shape):
    return dict(architectures=["Qwen2ForCausalLM"], model_type="qwen2", hidden_act="silu",
                tie_word_embeddings=True, torch_dtype="bfloat16", tokenizer="bytes", **shape)


def published(state):
    """Tensors by the names that published checkpoints have."""
    return {"model." + name: t.to(torch.bfloat16) for name, t in state.items()}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint")
    p.add_argument("directory")
    o = p.parse_args()
    checkpoint = torch.load(o.checkpoint, map_location="cpu")
    os.makedirs(o.directory, exist_ok=True)
    with open(os.path.join(o.directory, "config.json"), "w", encoding="ascii") as file:
        json.dump(config_of(checkpoint["shape"]), file, indent=2)
        file.write("\n")
    path = os.path.join(o.directory, "model.safetensors")
    write_safetensors(path, published(checkpoint["model"]))
    print(f"{path}: {os.path.getsize(path)} bytes")


if __name__ == "__main__":
    main()
