"""Run from this folder: python3 -m unittest"""

import json
import struct
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np

import encoder_model

try:
    import torch

    import encoder_check
    import encoder_golden
except ImportError:  # the golden files are in the repository, so that only their author needs it
    torch = None

GOLDEN = Path(__file__).parent.parent / "tests" / "golden"
SMALL = encoder_model.Config(layers=1, hidden=64, heads=4, feed_forward=128, vocabulary=20,
                             positions=8)


class ModelTest(unittest.TestCase):
    def test_safetensors_come_back(self):
        tensors = encoder_model.random_weights(SMALL, 1, 2) | {"ids": np.arange(3, dtype=np.int64)}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "m.safetensors"
            encoder_model.write_safetensors(path, tensors)
            found = encoder_model.read_safetensors(path)
            (length,) = struct.unpack("<Q", path.read_bytes()[:8])
        self.assertEqual((8 + length) % 8, 0)
        self.assertEqual(list(found), list(tensors))
        for name, values in tensors.items():
            np.testing.assert_array_equal(found[name], values)
            self.assertEqual(found[name].dtype, values.dtype)

    def test_bf16_rounds_to_nearest_even(self):
        values = np.array([1.0, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, -2.5],
                          dtype=np.float32)
        expected = [1.0, 1.0, 1 + 2 ** -6, 1 + 2 ** -7, -2.5]
        found = encoder_model.from_bf16(encoder_model.to_bf16(values))
        np.testing.assert_array_equal(found, np.array(expected, dtype=np.float32))

    def test_a_model_directory_is_written(self):
        with tempfile.TemporaryDirectory() as folder, redirect_stderr(StringIO()):
            target = Path(folder) / "model"
            encoder_model.main(["--out", str(target), "--vocabulary", "20", "--hidden", "64",
                                "--heads", "4", "--layers", "1", "--dtype", "BF16"])
            config = encoder_model.read_config(target / "config.json")
            tensors = encoder_model.read_safetensors(target / "model.safetensors")
        self.assertEqual((config.hidden, config.heads, config.feed_forward), (64, 4, 512))
        self.assertEqual(tensors["encoder.layer.0.output.dense.weight"].shape, (64, 512))

    def test_a_seed_decides_everything(self):
        first, again, other = (encoder_model.random_weights(SMALL, seed) for seed in (1, 1, 2))
        name = "embeddings.word_embeddings.weight"
        np.testing.assert_array_equal(first[name], again[name])
        self.assertFalse(np.array_equal(first[name], other[name]))


@unittest.skipIf(torch is None, "PyTorch is missing")
class ForwardTest(unittest.TestCase):
    def test_a_layer_is_that_of_pytorch(self):
        model = encoder_golden.Model(SMALL, encoder_model.random_weights(SMALL, 5), torch.float64)
        taps = encoder_golden.forward(model, [3, 1, 4, 1, 5], [0, 0, 1, 1, 1])
        layer = torch.nn.TransformerEncoderLayer(
            SMALL.hidden, SMALL.heads, SMALL.feed_forward, activation="gelu", batch_first=True,
            layer_norm_eps=SMALL.layer_norm_epsilon, dtype=torch.float64)
        name = "encoder.layer.0"
        parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
        state = {"self_attn.in_proj_weight": torch.cat([model[f"{p}.weight"] for p in parts]),
                 "self_attn.in_proj_bias": torch.cat([model[f"{p}.bias"] for p in parts])}
        for theirs, ours in (("self_attn.out_proj", "attention.output.dense"),
                             ("norm1", "attention.output.LayerNorm"),
                             ("linear1", "intermediate.dense"), ("linear2", "output.dense"),
                             ("norm2", "output.LayerNorm")):
            state |= {f"{theirs}.{end}": model[f"{name}.{ours}.{end}"]
                      for end in ("weight", "bias")}
        layer.load_state_dict(state)
        layer.eval()
        with torch.no_grad():
            expected = layer(taps["embedding"][None])[0]
        np.testing.assert_allclose(taps["output"].numpy(), expected.numpy(), atol=1e-12)

    def test_old_names_of_layer_norms_mean_the_same(self):
        tensors = encoder_model.random_weights(SMALL, 5)
        old = {name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): values
               for name, values in tensors.items()}
        models = [encoder_golden.Model(SMALL, t, torch.float32) for t in (tensors, old)]
        first, second = (encoder_golden.forward(model, [1, 2]) for model in models)
        self.assertTrue(torch.equal(first["output"], second["output"]))

    def test_the_stored_outputs_are_those_of_the_stored_model(self):
        config = encoder_model.read_config(GOLDEN / "bert_small.json")
        tensors = encoder_model.read_safetensors(GOLDEN / "bert_small.safetensors")
        model = encoder_golden.Model(config, tensors, torch.float64)
        stored = encoder_model.read_safetensors(GOLDEN / "bert_small_outputs.safetensors")
        found = encoder_golden.outputs(model)
        self.assertEqual(set(found), set(stored))
        for length in encoder_golden.LENGTHS:
            taps = encoder_golden.forward(model, stored[f"n{length}.ids"].tolist(),
                                          stored[f"n{length}.types"].tolist())
            for name, values in taps.items():
                if name != "output":
                    np.testing.assert_allclose(values.numpy(), stored[f"n{length}.{name}"],
                                               rtol=1e-6, atol=1e-7)


@unittest.skipIf(torch is None, "PyTorch is missing")
class CheckTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.model = Path(folder.name)
        with redirect_stderr(StringIO()):
            encoder_model.main(["--out", folder.name, "--vocabulary", "20", "--classes", "3"])
        self.ids = [[1, 2, 3], [4], [5, 6]]
        model = encoder_golden.load(self.model)
        self.taps = [encoder_golden.forward(model, ids) for ids in self.ids]
        self.write("ids.jsonl", self.ids)

    def write(self, name, rows):
        (self.model / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def check(self, *more):
        out = StringIO()
        with redirect_stdout(out):
            status = encoder_check.main(
                ["--model", str(self.model), "--ids", str(self.model / "ids.jsonl"),
                 "--vectors", str(self.model / "vectors.jsonl"), *more])
        lines = [line.rsplit(None, 1) for line in out.getvalue().splitlines()]
        return status, {name.strip(): float(value) for name, value in lines}

    def test_equal_vectors_have_no_error(self):
        for kind, vector in encoder_check.VECTORS.items():
            self.write("vectors.jsonl", [vector(taps).tolist() for taps in self.taps])
            status, found = self.check("--of", kind, "--tolerance", "1e-6")
            self.assertEqual((status, found["n"]), (0, 3))
            self.assertLess(found["max relative error"], 1e-6)
            self.assertAlmostEqual(found["min cosine"], 1.0)

    def test_an_error_is_measured(self):
        rows = [taps["pooled"].numpy().copy() for taps in self.taps]
        rows[1][7] += 0.1 * np.abs(rows[1]).max()
        self.write("vectors.jsonl", [row.tolist() for row in rows])
        self.write("logits.jsonl", [(taps["logits"] + 0.25).tolist() for taps in self.taps])
        status, found = self.check("--tolerance", "0.01",
                                   "--logits", str(self.model / "logits.jsonl"))
        self.assertEqual(status, 1)
        self.assertAlmostEqual(found["max relative error"], 0.1, places=3)
        self.assertAlmostEqual(found["max logit error"], 0.25, places=3)

    def test_what_does_not_fit_is_refused(self):
        self.write("vectors.jsonl", [[1.0] * 128] * 2)
        with self.assertRaisesRegex(SystemExit, "2 arrays; expected one for each of 3 prompts"):
            self.check()
        self.write("vectors.jsonl", [[1.0] * 64] * 3)
        with self.assertRaisesRegex(SystemExit, "array 1 has 64 numbers; expected 128"):
            self.check()
        self.write("ids.jsonl", [[20]])
        with self.assertRaisesRegex(SystemExit, "id that is not from 0 to 19"):
            self.check()


if __name__ == "__main__":
    unittest.main()
