"""What a model can do: bits per byte of text that it has not seen, and of how many facts it finds again.

    python3 measure.py TEXT ../model --json ../../../bench/results/tiny_model.json --date 2026-11-22

A fact stands at a depth of so much of a prompt, among three others that ask for nothing; the answer counts if every
byte of it is the likeliest. The text around is held out; facts and questions are worded as in training, their names
and numbers are new. In fp32, by PyTorch. The record names the model by its SHA-256, which a test compares.
"""
import argparse
import hashlib
import json
import os
import sys

import torch

sys.dont_write_bytecode = True
import train  # noqa: E402
from expected_logits import read_model  # noqa: E402


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("text", help="the folder that corpus.py made")
    p.add_argument("model", help="a folder with config.json and model.safetensors")
    p.add_argument("--lengths", default="256,512,1024,2048")
    p.add_argument("--trials", type=int, default=40, help="at each length and depth")
    p.add_argument("--json")
    p.add_argument("--date", default="")
    o = p.parse_args()
    config, tensors = read_model(o.model)
    model = train.Model({**train.SHAPE, **{k: v for k, v in config.items() if k in train.SHAPE}})
    model.load_state_dict({k.removeprefix("model."): t.float() for k, t in tensors.items() if k.startswith("model.")})
    model.eval()
    held = os.path.join(o.text, "held_out.txt")
    with open(os.path.join(o.model, "model.safetensors"), "rb") as file:
        name = hashlib.sha256(file.read()).hexdigest()
    said = dict(date=o.date, model_sha256=name, weights=sum(q.numel() for q in model.parameters()),
                bits_per_byte={}, trials=o.trials, found={})
    for length in map(int, o.lengths.split(",")):
        said["bits_per_byte"][length] = round(
            train.bits_per_byte(model, held, "cpu", length, limit=max(8, 65536 // length)), 3)
        found = train.retrieval(model, held, "cpu", length, trials=o.trials, seed=100 + length)
        said["found"][length] = {depth: round(share * o.trials) for depth, share in found.items()}  # of the trials
        print(length, said["bits_per_byte"][length], said["found"][length], flush=True)
    if o.json:
        with open(o.json, "w", encoding="ascii") as file:
            json.dump(said, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
