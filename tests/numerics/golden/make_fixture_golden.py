#!/usr/bin/env python3
"""Golden numbers of the fixture model (tests/fixtures/model), computed independently of the program.

Plain Python, float64, one scalar at a time, no package but the standard library; the quantizer rounds to float32 where the definition
does. Writes logits/fixture_model.json and blockap/fixture_rtn.json beside itself. Run again after the fixture model was retrained:

    python3 tests/numerics/golden/make_fixture_golden.py
"""
import hashlib
import json
import math
import operator
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
MODEL = HERE.parent.parent / "fixtures" / "model"
TOKENS = 24
LINEARS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
           "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def f16(x):
    return struct.unpack("<e", struct.pack("<e", x))[0]


def load(path):
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        code, size = {"F16": ("e", 2), "F32": ("f", 4)}[entry["dtype"]]
        values = struct.unpack("<%d%s" % ((end - begin) // size, code), data[begin:end])
        columns = entry["shape"][-1]
        rows = [list(values[i:i + columns]) for i in range(0, len(values), columns)]
        tensors[name] = rows if len(entry["shape"]) == 2 else rows[0]
    return tensors, hashlib.sha256(data).hexdigest()


def dot(a, b):
    return math.fsum(map(operator.mul, a, b))


def apply(weight, rows):
    return [[dot(w, x) for w in weight] for x in rows]


def rms_norm(rows, weight, eps):
    out = []
    for x in rows:
        rms = math.sqrt(dot(x, x) / len(x) + eps)
        out.append([v / rms * w for v, w in zip(x, weight)])
    return out


def rotate(rows, head_dim, theta):
    half = head_dim // 2
    for t, x in enumerate(rows):
        for head in range(0, len(x), head_dim):
            for i in range(half):
                angle = t * theta ** (-2 * i / head_dim)
                a, b = x[head + i], x[head + i + half]
                x[head + i] = a * math.cos(angle) - b * math.sin(angle)
                x[head + i + half] = b * math.cos(angle) + a * math.sin(angle)


def block(config, weights, norms, hidden):
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    e = config["hidden_size"] // heads
    x = rms_norm(hidden, norms[0], config["rms_norm_eps"])
    q, k, v = (apply(weights[name], x) for name in LINEARS[:3])
    rotate(q, e, config["rope_theta"])
    rotate(k, e, config["rope_theta"])
    attention = []
    for t in range(len(hidden)):
        row = []
        for head in range(heads):
            begin = head // (heads // kv_heads) * e
            query = q[t][head * e:(head + 1) * e]
            scores = [dot(query, k[s][begin:begin + e]) / math.sqrt(e) for s in range(t + 1)]
            top = max(scores)
            exps = [math.exp(s - top) for s in scores]
            total = math.fsum(exps)
            row += [math.fsum(exps[s] / total * v[s][begin + i] for s in range(t + 1)) for i in range(e)]
        attention.append(row)
    projected = apply(weights[LINEARS[3]], attention)
    attended = [[a + b for a, b in zip(x, y)] for x, y in zip(hidden, projected)]
    y = rms_norm(attended, norms[1], config["rms_norm_eps"])
    gate, up = apply(weights[LINEARS[4]], y), apply(weights[LINEARS[5]], y)
    product = [[g / (1 + math.exp(-g)) * u for g, u in zip(gs, us)] for gs, us in zip(gate, up)]
    down = apply(weights[LINEARS[6]], product)
    return [[a + b for a, b in zip(x, z)] for x, z in zip(attended, down)]


def quantize_group(group, bits, ours):
    """Round-to-nearest of one group; ours: range contains 0, fp16 scale."""
    qmax = 2 ** bits - 1
    low, high = min(group), max(group)
    if ours:
        low, high = min(low, 0.0), max(high, 0.0)
    scale = min(max(f32(f32(high - low) / qmax), f32(1e-4)), 1e4)
    zero = round(-min(max(f32(low / scale), -1e4), 1e4))
    if ours:
        scale = f16(scale)
    zero = min(max(zero, 0), qmax)
    return [f32((min(max(round(f32(w / scale)) + zero, 0), qmax) - zero) * scale) for w in group]


def quantize(weight, bits, group_size, ours):
    out = []
    for row in weight:
        size = len(row) if group_size == -1 else group_size
        out.append([v for g in range(0, len(row), size) for v in quantize_group(row[g:g + size], bits, ours)])
    return out


def main():
    config = json.loads((MODEL / "config.json").read_text())
    tensors, digest = load(MODEL / "model.safetensors")
    state, tokens = 12345, [config["bos_token_id"]]
    while len(tokens) < TOKENS:
        state = (state * 1103515245 + 12345) % 2 ** 31
        tokens.append((state >> 8) % config["vocab_size"])

    def block_weights(k):
        prefix = "model.layers.%d." % k
        norms = [tensors[prefix + "input_layernorm.weight"], tensors[prefix + "post_attention_layernorm.weight"]]
        return {name: tensors[prefix + name + ".weight"] for name in LINEARS}, norms

    embedded = [tensors["model.embed_tokens.weight"][token] for token in tokens]
    hidden, last_hidden = embedded, []
    for k in range(config["num_hidden_layers"]):
        hidden = block(config, *block_weights(k), hidden)
        last_hidden.append(hidden[-1])
    head = tensors.get("lm_head.weight", tensors["model.embed_tokens.weight"])
    logits = apply(head, rms_norm(hidden, tensors["model.norm.weight"], config["rms_norm_eps"]))
    losses = []
    for t in range(TOKENS - 1):
        top = max(logits[t])
        losses.append(top + math.log(math.fsum(math.exp(x - top) for x in logits[t])) - logits[t][tokens[t + 1]])
    (HERE / "logits" / "fixture_model.json").write_text(json.dumps({
        "model_sha256": digest, "tokens": tokens, "last_hidden_after_block": last_hidden, "last_logits": logits[-1],
        "next_token_loss": losses}) + "\n")

    weights, norms = block_weights(0)
    target = block(config, weights, norms, embedded)
    cases = []
    for bits, group_size in [(2, 128), (2, 32), (3, -1), (4, 128), (8, 64)]:
        for ours in (True, False):
            quantized = {name: quantize(weight, bits, group_size, ours) for name, weight in weights.items()}
            out = block(config, quantized, norms, embedded)
            errors = [(a - b) ** 2 for x, y in zip(out, target) for a, b in zip(x, y)]
            cases.append({"bits": bits, "group_size": group_size, "range_contains_zero": ours, "fp16_scales": ours,
                          "mse": math.fsum(errors) / len(errors)})
    (HERE / "blockap" / "fixture_rtn.json").write_text(json.dumps({
        "model_sha256": digest, "tokens": tokens, "block": 0, "cases": cases}, indent=1) + "\n")


main()
