#!/usr/bin/python3
"""ONNX graphs of one BERT classifier, for the comparison with ONNX Runtime.

    ort_models.py MODEL_DIR OUT_DIR

MODEL_DIR holds config.json and model.safetensors (F32, Hugging Face names, one
logit). OUT_DIR receives

    fp32.onnx          hand-tuned graph: Attention, MatMul, Gelu, LayerNormalization
    fp32_pruned.onnx   the same, the last layer for the row of [CLS] alone
    int8.onnx          hand-tuned graph: QAttention, DynamicQuantizeMatMul, Gelu, LayerNormalization
    int8_pruned.onnx   the same, the last layer for the row of [CLS] alone
    int8_dynamic.onnx  the exported graph with every weight matrix quantised: what `quantize_dynamic` makes
    reference.txt      lines "tokens logit": PyTorch in fp32 on the token ids of `token_ids`

Every graph takes `ids` and `types`, each [1, S], and gives `logit`, [1, 1]. The
exported one takes `mask` too; the others, which are as fast as we can make them,
leave it out, since one input without padding needs none.
Weights are quantised per tensor and symmetrically to int8, activations per
tensor to uint8 at run time, as ONNX Runtime's own tool does by default.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
LENGTHS = (16, 32, 64, 128, 256, 512)


def token_ids(length: int) -> list[int]:
    """The input of every contender; `forward_server.hpp` has the same formula."""
    ids = [1000 + i * 7919 % 20000 for i in range(length)]
    ids[0], ids[-1] = 101, 102
    return ids


# --------------------------------------------------------------------------
# The model directory
# --------------------------------------------------------------------------


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    raw = path.read_bytes()
    (header_bytes,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + header_bytes])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] != "F32":
            continue  # position ids and the like
        begin, end = (8 + header_bytes + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(raw[begin:end], "<f4").reshape(entry["shape"])
    return tensors


class Model:
    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        self.layers = config["num_hidden_layers"]
        self.hidden = config["hidden_size"]
        self.heads = config["num_attention_heads"]
        self.epsilon = config.get("layer_norm_eps", 1e-12)
        if config.get("hidden_act", "gelu") != "gelu":
            raise SystemExit("only the exact GELU is supported")
        self.tensors = {name.removeprefix("bert."): t for name, t in read_safetensors(folder / "model.safetensors").items()}

    def __getitem__(self, name: str) -> np.ndarray:
        return self.tensors[name]

    def linear(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Weight as [in, out], and bias."""
        return np.ascontiguousarray(self[name + ".weight"].T), self[name + ".bias"]

    def stacked(self, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Several linear maps of one input as one."""
        weights, biases = zip(*(self.linear(name) for name in names))
        return np.concatenate(weights, 1), np.concatenate(biases)


# --------------------------------------------------------------------------
# Hand-tuned graphs
# --------------------------------------------------------------------------


def quantised(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Symmetric int8 of the whole tensor: values, scale, zero point."""
    scale = np.float32(max(float(np.abs(weight).max()), 1e-8) / 127)
    values = np.clip(np.rint(weight / scale), -127, 127).astype(np.int8)
    return values, np.array(scale, np.float32), np.array(0, np.int8)


class Graph:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.setdefault(name, numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def integers(self, *values: int) -> str:
        return self.constant("i" + "_".join(map(str, values)), np.array(values, np.int64))

    def node(self, op: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, outputs, domain=domain, name=outputs[0], **attributes))
        return outputs[0]

    def save(self, path: Path) -> None:
        inputs = [helper.make_tensor_value_info(k, TensorProto.INT32, [1, "S"]) for k in ("ids", "types")]
        outputs = [helper.make_tensor_value_info("logit", TensorProto.FLOAT, [1, 1])]
        graph = helper.make_graph(self.nodes, "bert", inputs, outputs, list(self.constants.values()))
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets)
        model.ir_version = 8
        onnx.save(model, str(path))


def tuned_graph(model: Model, int8: bool, pruned: bool) -> Graph:
    """The operators that turned out fastest on a CPU.

    `SkipLayerNormalization`, `EmbedLayerNormalization` and `BiasGelu` are
    slower there than the plain operators they replace.
    """
    g = Graph()

    def linear(x: str, name: str, weight: np.ndarray, bias: np.ndarray) -> str:
        if not int8:
            product = g.node("MatMul", [x, g.constant(name + "_w", weight)], [name + "_product"])
            return g.node("Add", [product, g.constant(name + "_b", bias)], [name])
        values, scale, zero = quantised(weight)
        inputs = [x, g.constant(name + "_w", values), g.constant(name + "_s", scale), g.constant(name + "_z", zero)]
        return g.node("DynamicQuantizeMatMul", inputs + [g.constant(name + "_b", bias)], [name], MICROSOFT)

    def normalised(x: str, y: str, name: str, source: str) -> str:
        total = g.node("Add", [x, y], [name + "_sum"])
        weight, bias = (g.constant(f"{name}_{k}", model[f"{source}.{k}"]) for k in ("weight", "bias"))
        return g.node("LayerNormalization", [total, weight, bias], [name], axis=-1, epsilon=model.epsilon)

    def attention(x: str, name: str, source: str) -> str:
        weight, bias = model.stacked([f"{source}.{k}" for k in ("query", "key", "value")])
        bias_name = g.constant(name + "_b", bias)
        if not int8:
            return g.node("Attention", [x, g.constant(name + "_w", weight), bias_name], [name], MICROSOFT, num_heads=model.heads)
        values, scale, zero = quantised(weight)
        quantum = [f"{name}_x", f"{name}_xs", f"{name}_xz"]
        g.node("DynamicQuantizeLinear", [x], quantum)
        inputs = [quantum[0], g.constant(name + "_w", values), bias_name, quantum[1], g.constant(name + "_s", scale)]
        inputs += ["", quantum[2], g.constant(name + "_z", zero)]
        return g.node("QAttention", inputs, [name], MICROSOFT, num_heads=model.heads)

    def first_row(x: str) -> str:
        return g.node("Slice", [x, g.integers(0), g.integers(1), g.integers(1)], [x + "_cls"])

    def pruned_attention(x: str, row: str, name: str, source: str) -> str:
        both = linear(x, name + "_kv", *model.stacked([f"{source}.key", f"{source}.value"]))
        query = linear(row, name + "_q", *model.linear(f"{source}.query"))
        halves = [name + "_k", name + "_v"]
        g.node("Split", [both, g.integers(model.hidden, model.hidden)], halves, axis=2)
        return g.node("MultiHeadAttention", [query, *halves], [name], MICROSOFT, num_heads=model.heads)

    embeddings = "embeddings."
    words = g.node("Gather", [g.constant("word", model[embeddings + "word_embeddings.weight"]), "ids"], ["words"])
    kinds = g.node("Gather", [g.constant("kind", model[embeddings + "token_type_embeddings.weight"]), "types"], ["kinds"])
    g.node("Shape", ["ids"], ["shape"])
    g.node("Slice", ["shape", g.integers(1), g.integers(2)], ["length"])
    positions = g.constant("position", model[embeddings + "position_embeddings.weight"][None])
    places = g.node("Slice", [positions, g.integers(0), "length", g.integers(1)], ["places"])
    x = normalised(g.node("Add", [words, kinds], ["kinds_of_words"]), places, "x", embeddings + "LayerNorm")

    for k in range(model.layers):
        source, name = f"encoder.layer.{k}.", f"layer{k}_"
        if pruned and k == model.layers - 1:
            row = first_row(x)
            mixed = pruned_attention(x, row, name + "attention", source + "attention.self")
            x = row
        else:
            mixed = attention(x, name + "attention", source + "attention.self")
        mixed = linear(mixed, name + "mixed", *model.linear(source + "attention.output.dense"))
        x = normalised(mixed, x, name + "middle", source + "attention.output.LayerNorm")
        wide = linear(x, name + "wide", *model.linear(source + "intermediate.dense"))
        wide = g.node("Gelu", [wide], [name + "gelu"], MICROSOFT)
        x = normalised(linear(wide, name + "narrow", *model.linear(source + "output.dense")), x, name + "out",
                       source + "output.LayerNorm")

    row = g.node("Gather", [x, g.constant("zero", np.array(0, np.int64))], ["cls"], axis=1)
    for source, out in (("pooler.dense", "pooled"), ("classifier", "logit")):
        weight, bias = (g.constant(f"{out}_{k}", model[f"{source}.{k}"]) for k in ("weight", "bias"))
        row = g.node("Gemm", [row, weight, bias], [out], transB=1)
        if out == "pooled":
            row = g.node("Tanh", [row], ["squashed"])
    return g


# --------------------------------------------------------------------------
# The exported graph, and PyTorch as the reference
# --------------------------------------------------------------------------


class Bert(torch.nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        self.parts = torch.nn.ModuleDict()
        for name in sorted({n.rsplit(".", 1)[0] for n in model.tensors}):
            weight = torch.tensor(model[name + ".weight"])
            if name.endswith("_embeddings"):
                part: torch.nn.Module = torch.nn.Embedding.from_pretrained(weight)
            elif name.endswith("LayerNorm"):
                part = torch.nn.LayerNorm(weight.shape[0], eps=model.epsilon)
            else:
                part = torch.nn.Linear(weight.shape[1], weight.shape[0])
            if name + ".bias" in model.tensors:
                part.bias.data = torch.tensor(model[name + ".bias"])
            part.weight.data = weight
            part.requires_grad_(False)
            self.parts[name.replace(".", "/")] = part

    def part(self, name: str) -> torch.nn.Module:
        return self.parts[name.replace(".", "/")]

    def layer(self, source: str, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        batch, length, hidden = x.shape[0], x.shape[1], self.model.hidden
        width = hidden // self.model.heads

        def by_head(kind: str) -> torch.Tensor:
            y = self.part(f"{source}attention.self.{kind}")(x)
            return y.view(batch, length, self.model.heads, width).transpose(1, 2)

        q, k, v = by_head("query"), by_head("key"), by_head("value")
        shares = torch.softmax(torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(width) + bias, -1)
        mixed = torch.matmul(shares, v).transpose(1, 2).reshape(batch, length, hidden)
        x = self.part(source + "attention.output.LayerNorm")(x + self.part(source + "attention.output.dense")(mixed))
        wide = torch.nn.functional.gelu(self.part(source + "intermediate.dense")(x))
        return self.part(source + "output.LayerNorm")(x + self.part(source + "output.dense")(wide))

    def forward(self, ids: torch.Tensor, types: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        places = self.part("embeddings.position_embeddings").weight[: ids.shape[1]]
        x = self.part("embeddings.word_embeddings")(ids) + self.part("embeddings.token_type_embeddings")(types) + places
        x = self.part("embeddings.LayerNorm")(x)
        bias = ((1.0 - mask.float()) * -10000.0)[:, None, None, :]
        for k in range(self.model.layers):
            x = self.layer(f"encoder.layer.{k}.", x, bias)
        return self.part("classifier")(torch.tanh(self.part("pooler.dense")(x[:, 0])))


def inputs(length: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    ids = torch.tensor([token_ids(length)])
    return ids, torch.zeros_like(ids), torch.ones_like(ids)


def exported(network: Bert, path: Path) -> onnx.ModelProto:
    names = ["ids", "types", "mask"]
    torch.onnx.export(network, inputs(64), str(path), opset_version=14, input_names=names, output_names=["logit"],
                      dynamic_axes={name: {1: "S"} for name in names}, do_constant_folding=True)
    return onnx.load(str(path))


def with_int8_products(model: onnx.ModelProto) -> onnx.ModelProto:
    """Each MatMul by a constant becomes DynamicQuantizeLinear, MatMulInteger, Cast and Mul."""
    constants = {c.name: c for c in model.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    added: dict[str, onnx.TensorProto] = {}
    replaced: set[str] = set()
    inputs_done: set[str] = set()
    for node in model.graph.node:
        weight = constants.get(node.input[1]) if node.op_type == "MatMul" else None
        if weight is None or len(weight.dims) != 2:
            nodes.append(node)
            continue
        x, w, out = node.input[0], weight.name, node.output[0]
        for suffix, value in zip(("_q", "_s", "_z"), quantised(numpy_helper.to_array(weight))):
            added[w + suffix] = numpy_helper.from_array(value, w + suffix)
        replaced.add(w)
        if x not in inputs_done:
            nodes.append(helper.make_node("DynamicQuantizeLinear", [x], [x + "_q", x + "_s", x + "_z"]))
            inputs_done.add(x)
        nodes.append(helper.make_node("MatMulInteger", [x + "_q", w + "_q", x + "_z", w + "_z"], [out + "_i"]))
        nodes.append(helper.make_node("Cast", [out + "_i"], [out + "_f"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [x + "_s", w + "_s"], [out + "_scale"]))
        nodes.append(helper.make_node("Mul", [out + "_f", out + "_scale"], [out]))
    kept = [c for c in model.graph.initializer if c.name not in replaced]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(kept + list(added.values()))
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)

    model = Model(args.model)
    for int8 in (False, True):
        for pruned in (False, True):
            name = ("int8" if int8 else "fp32") + ("_pruned" if pruned else "")
            tuned_graph(model, int8, pruned).save(args.out / f"{name}.onnx")

    network = Bert(model).eval()
    with torch.no_grad():
        path = args.out / "int8_dynamic.onnx"
        onnx.save(with_int8_products(exported(network, path)), str(path))
        positions = len(model["embeddings.position_embeddings.weight"])
        lengths = [length for length in LENGTHS if length <= positions]
        lines = [f"{length} {float(network(*inputs(length))):.7f}\n" for length in lengths]
    (args.out / "reference.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
