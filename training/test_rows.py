"""Which rows may train weights that are shipped."""

import gzip
import json
import tempfile
import unittest
from pathlib import Path

import lexical
import rows


def write(folder: Path, benchmark: str, records: list[dict]) -> None:
    (folder / "outcomes").mkdir(exist_ok=True)
    with gzip.open(folder / "outcomes" / f"{benchmark}.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(r) + "\n" for r in records)


def record(models: dict, **more) -> dict:
    return {"id": "x", "turns": ["Is it?"], "score_type": "binary",
            "models": {m: {"score": s} for m, s in models.items()}} | more


EVALUATE_ONLY = ("mmlu_cascade", "medmcqa_cascade", "gsm8k_cascade_train300", "truthfulqa_cascade", "math_oenowen",
                 "simple_oenowen", "bigmath_solverate", "alpaca_eval1", "alpaca_eval2")


class Licences(unittest.TestCase):
    def test_a_file_without_a_licence_never_trains(self):
        with tempfile.TemporaryDirectory() as folder:
            for benchmark in EVALUATE_ONLY:
                write(Path(folder), benchmark, [record({"llama3.2-3b": 1})])
                with self.assertRaisesRegex(ValueError, benchmark):
                    rows.load(Path(folder), [benchmark])
                self.assertEqual(len(rows.load(Path(folder), [benchmark], training=False).ids), 1)

    def test_what_trains_by_default_is_what_the_licences_allow(self):
        self.assertEqual(set(rows.TRAINING_BENCHMARKS) & set(EVALUATE_ONLY), set())
        self.assertEqual(set(rows.TRAINING_BENCHMARKS), {"mmlu_routellm", "mmlu_pro", "gsm8k_test", "math_l5_zeroeval",
                                                         "mtbench", "structflow"})

    def test_columns_without_a_licence_never_train(self):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), "mmlu_pro", [record({"gpt-5@oenowen": 1, "a#suspect": 1, "b": 0}),
                                             record({"gpt-5@oenowen": 1})])
            found = rows.load(Path(folder), ["mmlu_pro"])
            self.assertEqual(found.models, ["b"])
            self.assertEqual(len(found.ids), 1)


class Names(unittest.TestCase):
    def test_sources_that_spell_a_model_differently_mean_one(self):
        self.assertEqual(rows.model_name("phi_3_5_mini_instruct"), rows.model_name("Phi-3.5-mini-instruct"))
        self.assertEqual(rows.model_name("llama_3_1_8b_instruct"), rows.model_name("Meta-Llama-3.1-8B-Instruct"))
        self.assertEqual(rows.model_name("Mixtral-8x7B-Instruct-v0.1"), "mixtral-8x7b-instruct-v0.1")


class Stems(unittest.TestCase):
    def test_one_question_is_in_one_fold_whatever_its_options(self):
        a, b = "Is it so?\nA. yes\nAnswer:", "is it SO\nA. no\nB. yes\nAnswer:"
        self.assertEqual(rows.fold_of(lexical.stem_of(a), 5, 1), rows.fold_of(lexical.stem_of(b), 5, 1))


if __name__ == "__main__":
    unittest.main()
