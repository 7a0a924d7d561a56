"""Gives a model two heads that look back and two that find, before or amid its training:

    python3 wire.py TEXT RUN            RUN/last.pt is changed; RUN/unwired.pt is what it was

Finding a fact again takes two layers that know of each other: one that writes beside each byte which bytes came
before it, and one that compares them with the bytes before the current one and says what came behind. Training finds
this by itself in the end, but the embedded model's had not begun to after 8.7 million bytes, a few hours of two
processor cores that did other work besides. So the second half of the heads of the first layer is set by hand to look
one and two places back, by their biases alone, and the second half of the third layer's by least squares to compare
and to say. Training then goes on with everything, these heads too: after 0.9 million bytes more, eight of ten needles
were found.

It compares by the pairs of channels that turn slowly, less than 2 radians in 1024 places. Needs three layers.
"""
import math
import os
import sys

import torch

sys.dont_write_bytecode = True
import train  # noqa: E402

BACK, FIND = 0, 2  # layers
SHARP = 6.0        # of looking back: the bias of each of 12 pairs of channels
ALIKE = 9.0        # what bytes that are the same add to the score
SAY = 7.0          # and then to the logit


def codes_of_bytes(model, text, dims):
    """A code for each byte: the directions in which the embeddings of the text's bytes differ most, whitened."""
    used = torch.tensor(sorted(set(text.encode("ascii"))))
    e = model.embed_tokens.weight.detach()
    mean = e[used].mean(0)
    _, _, v = torch.linalg.svd(e[used] - mean, full_matrices=False)
    code = (e - mean) @ v[:dims].t()
    return code / code[used].std(0)


def inputs_of(model, layer, ids):
    kept = []
    hook = model.layers[layer].self_attn.register_forward_pre_hook(lambda _, a: kept.append(a[0].detach()))
    with torch.no_grad():
        model(ids)
    hook.remove()
    return kept[0]


def fitted(x, y):
    """Weights and biases that make y of x, as nearly as can be; and how much of y they explain."""
    x, y = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
    one = torch.cat((x, torch.ones(len(x), 1)), 1)
    w = torch.linalg.solve(one.t() @ one + 10 * torch.eye(one.shape[1]), one.t() @ y)
    explained = 1 - (y - one @ w).pow(2).mean() / (y - y.mean(0)).pow(2).mean()
    return w[:-1].t(), w[-1], explained.item()


@torch.no_grad()
def wire(model, data):
    shape = model.shape
    dim, kv = shape["head_dim"], shape["num_key_value_heads"]
    group = shape["num_attention_heads"] // kv
    keys = slice((kv - 1) * dim, kv * dim)                      # of the last KV head
    query = lambda i: slice(((kv - 1) * group + i) * dim, ((kv - 1) * group + i + 1) * dim)
    rate = shape["rope_theta"] ** (-torch.arange(0, dim, 2).float() / dim)
    ids, _, _ = data.batch(48, 256, "cpu")

    # The heads that look back: what they look at hangs on the distance alone.
    a = model.layers[BACK].self_attn
    pairs = torch.arange(12)
    a.k_proj.weight[keys] = 0
    a.k_proj.bias[keys] = 0
    a.k_proj.bias[keys][pairs] = SHARP
    for i in range(group):
        turn = rate[pairs] * (i + 1)
        bias = torch.zeros(dim)
        bias[pairs], bias[pairs + dim // 2] = SHARP * turn.cos(), -SHARP * turn.sin()
        a.q_proj.weight[query(i)] = 0
        a.q_proj.bias[query(i)] = bias
    code = codes_of_bytes(model, data.text, dim)
    w, b, r = fitted(inputs_of(model, BACK, ids), code[ids])
    a.v_proj.weight[keys], a.v_proj.bias[keys] = w, b
    print(f"codes of bytes: {r:.3f} explained")
    beside = model.embed_tokens.weight.pow(2).mean().sqrt()
    basis = torch.linalg.qr(torch.randn(shape["hidden_size"], group * dim))[0]
    for i in range(group):  # as loud as half the embedding
        a.o_proj.weight[:, query(i)] = basis[:, i * dim:(i + 1) * dim] * 0.5 * beside * (256 / dim) ** 0.5

    # The heads that find: bytes i and i - 1 against those before j. Channels that hardly turn compare them.
    a = model.layers[FIND].self_attn
    slow = torch.arange(dim // 2)[rate * 1024 < 2]
    channels = torch.cat((slow, slow + dim // 2))
    half = len(channels) // 2
    first, second = channels[:half], channels[half:]
    x = inputs_of(model, FIND, ids)[:, 4:]
    at = lambda back: ids[:, 4 - back:256 - back]
    table = codes_of_bytes(model, data.text, dim)
    mix = torch.linalg.qr(torch.randn(dim, dim))[0]
    one, two = table @ mix[:, :half], table @ mix[:, half:2 * half]
    gain = math.sqrt(ALIKE * dim ** 0.5 / half)
    a.k_proj.weight[keys], a.k_proj.bias[keys] = 0, 0
    for part, of_key, of_query in ((first, (one, 1), (one, 0)), (second, (two, 2), (two, 1))):
        w, b, rk = fitted(x, gain * of_key[0][at(of_key[1])])
        a.k_proj.weight[keys][part], a.k_proj.bias[keys][part] = w, b
        w, b, rq = fitted(x, gain * of_query[0][at(of_query[1])])
        for i in range(group):
            if part is first:
                a.q_proj.weight[query(i)], a.q_proj.bias[query(i)] = 0, 0
            a.q_proj.weight[query(i)][part], a.q_proj.bias[query(i)][part] = w, b
        print(f"compared: {rk:.3f} of keys and {rq:.3f} of queries explained")
    w, b, r = fitted(x, table[at(0)])
    a.v_proj.weight[keys], a.v_proj.bias[keys] = w, b
    print(f"said: {r:.3f} explained")
    # Towards the embedding of the byte that is said, as loud as the last norm makes it.
    e = model.embed_tokens.weight.detach()
    used = torch.tensor(sorted(set(data.text.encode("ascii"))))
    back, _, _ = fitted(table[used], (e - e[used].mean(0))[used])
    last = []
    hook = model.norm.register_forward_pre_hook(lambda _, a: last.append(a[0].detach()))
    model(ids)
    hook.remove()
    loud = last[0].pow(2).mean().sqrt()
    said = (table[used] @ back.t()) / loud * model.norm.weight
    logits = said @ e[used].t()
    lift = (logits.diagonal() - logits.mean(1)).mean()
    for i in range(group):
        a.o_proj.weight[:, query(i)] = back * (SAY / lift / group)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    torch.manual_seed(1)
    last, before = (os.path.join(sys.argv[2], name) for name in ("last.pt", "unwired.pt"))
    if os.path.exists(before):
        sys.exit(f"{before} is there: this run is wired")
    state = torch.load(last, map_location="cpu")
    torch.save(state, before)
    model = train.Model(state["shape"])
    model.load_state_dict(state["model"])
    wire(model, train.Data(os.path.join(sys.argv[1], "train.txt"), seed=1, drills=0.5))
    state["model"] = model.state_dict()
    state["muon"] = [torch.zeros_like(m) for m in state["muon"]]  # the matrices' momentum; Adam's stays
    torch.save(state, last)


if __name__ == "__main__":
    main()
