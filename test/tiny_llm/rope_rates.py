"""What RoPE's scalings come to by the models' published code: rope_rates.json, which rope_test.cpp compares with.

    python3 rope_rates.py            needs PyTorch and Hugging Face's transformers (made with 4.46.3)

Nothing of the arithmetic is told again here: a config.json goes in, and the rates of turning and what cosines and
sines are multiplied by come out. The shapes are those of published models, but for the last.
"""
import json
import os

import transformers
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

COMMON = dict(num_hidden_layers=1, intermediate_size=256, vocab_size=256, num_key_value_heads=1, hidden_act="silu",
              rms_norm_eps=1e-5, tie_word_embeddings=True)
LLAMA = dict(COMMON, architectures=["LlamaForCausalLM"], model_type="llama")
QWEN = dict(COMMON, architectures=["Qwen2ForCausalLM"], model_type="qwen2")
WIDE = dict(hidden_size=256, num_attention_heads=2)  # heads of 128 channels
NARROW = dict(hidden_size=256, num_attention_heads=4)
LLAMA3 = dict(rope_type="llama3", low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192)
CASES = {
    "plain, as Qwen2-7B": dict(QWEN, **WIDE, rope_theta=1000000.0, max_position_embeddings=32768),
    "plain, as TinyLlama": dict(LLAMA, **NARROW, rope_theta=10000.0, max_position_embeddings=2048),
    "linear, as Vicuna-16k": dict(LLAMA, **WIDE, rope_theta=10000.0, max_position_embeddings=4096,
                                  rope_scaling=dict(type="linear", factor=4.0)),
    "llama3, as Llama-3.1-8B": dict(LLAMA, **WIDE, rope_theta=500000.0, max_position_embeddings=131072,
                                    rope_scaling=dict(LLAMA3, factor=8.0)),
    "llama3, as Llama-3.2-1B": dict(LLAMA, **NARROW, rope_theta=500000.0, max_position_embeddings=131072,
                                    rope_scaling=dict(LLAMA3, factor=32.0)),
    "yarn, as Qwen2.5-7B": dict(QWEN, **WIDE, rope_theta=1000000.0, max_position_embeddings=32768,
                                rope_scaling=dict(type="yarn", factor=4.0, original_max_position_embeddings=32768)),
    "yarn, all of it said": dict(LLAMA, **NARROW, rope_theta=10000.0, max_position_embeddings=4096,
                                 rope_scaling=dict(rope_type="yarn", factor=16.0, beta_fast=16.0, beta_slow=2.0,
                                                   attention_factor=1.25)),
}


def main():
    cases = []
    for name, config in CASES.items():
        kind = transformers.LlamaConfig if config["model_type"] == "llama" else transformers.Qwen2Config
        scaling = config.get("rope_scaling", {})
        rope = ROPE_INIT_FUNCTIONS[scaling.get("rope_type", scaling.get("type", "default"))]
        rates, scale = rope(kind(**json.loads(json.dumps(config))), "cpu")
        cases.append({"name": name, "config": json.dumps(config), "scale": scale,
                      "rates": [float("%.9g" % r) for r in rates.tolist()]})
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rope_rates.json")
    with open(path, "w", encoding="ascii") as file:
        json.dump({"transformers": transformers.__version__, "cases": cases}, file, indent=1)
        file.write("\n")
    print(path)


if __name__ == "__main__":
    main()
