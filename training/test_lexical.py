"""Run from this folder: python3 -m unittest"""

import gzip
import json
import math
import struct
import tempfile
import unittest
from pathlib import Path

import numpy as np

import lexical

GOLDEN_A = 0x02C0BDBF481420F8
GOLDEN_HELLO = 0x16FE05A1C75BCD0F
GOLDEN_PAIR = 0x8AAF3B4CCDCAEE4B


def record(benchmark, turns, models, kind="binary", **more):
    outcomes = {m: {"score": s, **more} for m, s in models.items()}
    return {"benchmark": benchmark, "turns": turns, "score_type": kind, "models": outcomes}


def write_data(folder, records):
    """An outcome file per benchmark, empty ones too."""
    (folder / "outcomes").mkdir()
    for name in lexical.TRAINING_BENCHMARKS + lexical.REPORT_ONLY_BENCHMARKS:
        lines = [json.dumps(r) for r in records if r["benchmark"] == name]
        with gzip.open(folder / "outcomes" / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))


def load(records):
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder), records)
        return lexical.load(Path(folder),
                            lexical.TRAINING_BENCHMARKS + lexical.REPORT_ONLY_BENCHMARKS)


def small_training_set(rows):
    return lexical.training_set(rows, *lexical.feature_matrices([r.text for r in rows]))


class Licences(unittest.TestCase):
    def test_no_evaluate_only_row_reaches_the_matrix(self):
        rows = load([
            record("mmlu_pro", ["allowed"], {"Phi-3-mini-4k-instruct": 1}),
            record("mmlu_cascade", ["barred"], {"llama3.2-3b": 1, "gpt-4o@tiger": 1}),
            record("math_oenowen", ["barred too"], {"Phi-3-mini-4k-instruct": 1}),
        ])
        self.assertEqual([r.text for r in rows if lexical.trainable_scores(r)], [b"allowed"])
        data = small_training_set(rows)
        self.assertEqual(data.benchmarks.tolist(), ["mmlu_pro"])
        self.assertEqual(data.ngrams.shape[0], 1)

    def test_barred_columns_do_not_change_labels_or_weights(self):
        open_columns = {"Phi-3-mini-4k-instruct": 0, "gpt-4o@tiger": 1}
        barred = {"gpt-5@oenowen": 1, "qwen2.5-7b-instruct-bnb4@oenowen": 0,
                  "Meta-Llama-3.1-8B-Instruct#suspect": 1}
        without = small_training_set(load([record("mmlu_pro", ["q"], open_columns)]))
        with_all = small_training_set(load([record("mmlu_pro", ["q"], open_columns | barred)]))
        np.testing.assert_array_equal(without.labels, with_all.labels)
        np.testing.assert_array_equal(without.weights, with_all.weights)

    def test_a_barred_name_is_barred_even_if_a_tier_lists_it(self):
        lexical.TIER_OF["x@oenowen"] = 0
        try:
            row = lexical.Row("mmlu_pro", "q", b"q", {"x@oenowen": 1.0})
            self.assertEqual(lexical.trainable_scores(row), {})
        finally:
            del lexical.TIER_OF["x@oenowen"]

    def test_tables(self):
        self.assertFalse(set(lexical.TRAINING_BENCHMARKS) & set(lexical.REPORT_ONLY_BENCHMARKS))
        names = [name for tier in lexical.TIERS.values() for name in tier]
        self.assertEqual(len(names), len(set(names)))
        self.assertFalse([n for n in names if any(mark in n for mark in lexical.BARRED_COLUMN)])


class Labels(unittest.TestCase):
    def test_mean_of_the_tier_and_saturating_weight(self):
        row = lexical.Row("gsm8k_test", "q", b"q", {
            "gemma-2-2b-it": 0.0, "Phi-3.5-mini-instruct": 1.0, "gemma-2-9b-it": 1.0})
        labels, weights = lexical.soft_labels([row])
        np.testing.assert_allclose(labels[0, :2], [0.5, 1.0])
        np.testing.assert_allclose(weights[0], [0.8, 2 / 3, 0.0, 0.0])

    def test_turns_of_judged_dialogues(self):
        rows = load([record("mtbench", ["first", "second"], {"gpt-4-1106-preview": 5.5},
                            "judge10_gpt4", turn_scores=[10.0, 1.0])])
        self.assertEqual([(r.text, r.stem, r.scores["gpt-4-1106-preview"]) for r in rows],
                         [(b"first", "first", 1.0), (b"second", "first", 0.0)])


class Split(unittest.TestCase):
    def test_stem_ignores_options_case_and_punctuation(self):
        first = lexical.stem_of("Which  organ, then?\nA. lung\nB. skin\nAnswer:")
        self.assertEqual(first, lexical.stem_of("which organ then\nA. other\nAnswer:"))
        self.assertNotEqual(first, lexical.stem_of("which organ now"))

    def test_stems_never_cross_folds(self):
        questions = [f"Question number {i} of many?" for i in range(200)]
        rows = load([record("mmlu_pro", [q + "\nA. a\nB. b"], {"Yi-34B": 1}) for q in questions]
                    + [record("mmlu_cascade", [q.upper() + "\nA. c"], {"llama3.2-3b": 1})
                       for q in questions])
        folds: dict[str, set[int]] = {}
        for row in rows:
            folds.setdefault(row.stem, set()).add(lexical.fold_of(row.stem, 5, lexical.SEED))
        self.assertEqual(len(folds), 200)
        self.assertTrue(all(len(found) == 1 for found in folds.values()))
        self.assertEqual(set.union(*folds.values()), set(range(5)))


class Features(unittest.TestCase):
    def test_tokens(self):
        self.assertEqual(lexical.tokens(b"Hi 42, x2 12345678 \xc3\xa9T!\n?"),
                         [b"hi", b"00", b",", b"x2", b"000000", b"\xc3\xa9t", b"!", b"?"])

    def test_golden_hashes(self):
        self.assertEqual(lexical.mix(0x9E3779B97F4A7C15), 0xE220A8397B1DCDAF)
        self.assertEqual(lexical.token_hash(b"a"), GOLDEN_A)
        self.assertEqual(lexical.token_hash(b"hello"), GOLDEN_HELLO)
        pair = lexical.bigram_hash(GOLDEN_A, GOLDEN_HELLO)
        self.assertEqual(pair, GOLDEN_PAIR)
        self.assertEqual(lexical.ngram_buckets(b"a hello").tolist(),
                         [lexical.bucket(h) for h in (GOLDEN_A, GOLDEN_HELLO, GOLDEN_PAIR)])

    def test_window_keeps_both_ends_apart(self):
        text = b"a " * 1024 + b"skipped " + b"b " * 1024
        self.assertEqual(lexical.pieces(text), [b"a " * 1024, b"b " * 1024])
        crossing = lexical.bucket(
            lexical.bigram_hash(lexical.token_hash(b"a"), lexical.token_hash(b"b")))
        self.assertNotIn(crossing, lexical.ngram_buckets(text))
        self.assertEqual(lexical.pieces(b"x" * 4096), [b"x" * 4096])

    def test_dense_features(self):
        values = dict(zip(lexical.DENSE_FEATURES,
                          lexical.dense_features(b"Is 1+1=2?\nA. yes\nB. (no)")))
        self.assertAlmostEqual(values["log_bytes"], math.log1p(24))
        self.assertAlmostEqual(values["log_tokens"], math.log1p(15))
        self.assertAlmostEqual(values["digit_share"], 3 / 24)
        self.assertAlmostEqual(values["upper_share"], 3 / 24)
        self.assertEqual(values["has_options"], 1.0)
        self.assertAlmostEqual(values["log_option_lines"], math.log1p(2))
        self.assertEqual(values["has_question"], 1.0)
        self.assertAlmostEqual(values["log_newlines"], math.log1p(2))
        self.assertAlmostEqual(values["math_share"], 2 / 24)
        self.assertAlmostEqual(values["code_share"], 2 / 24)
        self.assertAlmostEqual(values["mean_word_bytes"], 12 / 8)

    def test_empty_text_is_all_zero(self):
        self.assertFalse(lexical.dense_features(b"").any())
        self.assertEqual(len(lexical.ngram_buckets(b"")), 0)


class Fit(unittest.TestCase):
    def test_learns_the_easier_word_and_shares_it_with_heads_without_data(self):
        rows = [lexical.Row("mmlu_routellm", str(i), text, {"gpt-4-1106-preview": score})
                for i in range(40)
                for text, score in ((b"easy thing", 1.0), (b"hard thing", 0.0))]
        model = lexical.fit(small_training_set(rows), lexical.Hyper(0.1, 0.8))
        easy, hard = model.logits(*lexical.feature_matrices([b"easy thing", b"hard thing"]))
        self.assertGreater(easy[3], hard[3] + 1.0)
        self.assertGreater(easy[0], hard[0] + 0.1)


class Measures(unittest.TestCase):
    def test_auc(self):
        label = np.array([0.0, 0.0, 1.0, 1.0])
        self.assertEqual(lexical.auc(label, np.array([0.1, 0.2, 0.3, 0.4])), 1.0)
        self.assertEqual(lexical.auc(label, np.zeros(4)), 0.5)

    def test_apgr_of_an_oracle_and_of_its_opposite(self):
        weak, strong = np.array([0.0, 0.0, 1.0, 1.0]), np.ones(4)
        self.assertAlmostEqual(lexical.apgr(weak, strong, strong - weak), 0.75)
        self.assertAlmostEqual(lexical.apgr(weak, strong, weak - strong), 0.25)

    def test_calibration_error(self):
        self.assertAlmostEqual(lexical.expected_calibration_error(
            np.array([1.0, 0.0, 1.0, 1.0]), np.full(4, 0.5)), 0.25)


class File(unittest.TestCase):
    def setUp(self):
        generator = np.random.default_rng(1)
        self.model = lexical.Model(
            generator.normal(size=(lexical.BUCKETS, lexical.HEADS)),
            generator.normal(size=(len(lexical.DENSE_FEATURES), lexical.HEADS)),
            generator.normal(size=lexical.HEADS))

    def test_quantisation_is_off_by_at_most_half_a_step(self):
        stored = lexical.quantise(self.model)
        error = np.abs(stored.model().ngram_weights - self.model.ngram_weights)
        self.assertTrue((error <= stored.ngram_scale * 0.501).all())

    def test_all_zero_weights_quantise(self):
        zero = lexical.Model(np.zeros((lexical.BUCKETS, lexical.HEADS)),
                             self.model.dense_weights, self.model.bias)
        self.assertFalse(lexical.quantise(zero).model().ngram_weights.any())

    def test_file_round_trip_and_layout(self):
        stored = lexical.quantise(self.model)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "m.safetensors"
            lexical.write_safetensors(path, stored, lexical.metadata(7, lexical.GRID[0]))
            raw = path.read_bytes()
            again, meta = lexical.read_safetensors(path)
        (length,) = struct.unpack_from("<Q", raw)
        header = json.loads(raw[8:8 + length])
        ends = [t["data_offsets"] for n, t in header.items() if n != "__metadata__"]
        self.assertEqual(length % 8, 0)
        self.assertEqual([e[0] for e in ends], [0] + [e[1] for e in ends[:-1]])
        self.assertEqual(8 + length + ends[-1][1], len(raw))
        self.assertLess(len(raw), 300_000)
        self.assertEqual(meta["format"], "qlroute.lexical_difficulty")
        for name in ("ngram_weights", "ngram_scale", "dense_weights", "bias"):
            np.testing.assert_array_equal(getattr(again, name), getattr(stored, name))


if __name__ == "__main__":
    unittest.main()
