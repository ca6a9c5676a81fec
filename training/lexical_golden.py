#!/usr/bin/env python3
"""Write the prompts and float64 logits that other implementations are checked against.

usage: lexical_golden.py MODEL.safetensors FILE.jsonl
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import lexical

ENGLISH = ("The committee met on the second Tuesday of the month, read the minutes, "
           "corrected two names and adjourned before the tea was cold. ")

PROMPTS = [
    "",
    " ",
    "\n\t\r\v\f ",
    "a",
    "A",
    "7",
    "?",
    "hi",
    "Hi there!",
    "thanks :)",
    "What time is it in Lisbon when it is noon in Tokyo?",
    "Set a timer for 10 minutes.",
    "Turn off the lights in the kitchen and the hall, please.",
    "Translate 'the bridge is closed until further notice' into Portuguese.",
    "Summarise our conversation so far in two sentences.",
    "Write a haiku about a lighthouse that no longer shines.",
    "WHY IS MY PHONE SO SLOW TODAY???",
    "wHaT iS tHe CaPiTaL oF mOnGoLiA",
    "0 00 000 0000 00000 000000 0000000 00000000",
    "1,234,567.89 + 12e3 = ?",
    "3x 4y2 5kg v2.0.1 0x1F 1st 2nd 90210a",
    "Call +351 21 000 00 00 before 17:45.",
    "A shop sells pens at 3 for $2. Nina buys 18 pens and pays with a $20 note. "
    "How many dollars does she get back?",
    "A tank holds 240 litres. One pipe fills it in 6 hours, another empties it in 9. "
    "Both are open. After how many hours is the tank full?",
    "Prove that every group of order p^2, p prime, is abelian.",
    "Let $f(x) = \\frac{x^2 - 4}{x - 2}$. Find \\[\\lim_{x \\to 2} f(x).\\]",
    "Solve for x: |2x - 3| < 7 and x^2 >= 4",
    "∫₀^∞ e^(−x²) dx = √π ⁄ 2 — why?",
    "Which organ filters the blood?\nA. The lung\nB. The kidney\nC. The spleen\nD. The skin\nAnswer:",
    "A ring R is a field if\nA. every ideal is prime\nB. its only ideals are 0 and R\n"
    "C. R is finite\nD. R is an integral domain\nE. R is local\nF. R is Noetherian\n"
    "G. R has no units\nH. R is graded\nI. R is Artinian\nJ. none of these\nAnswer:",
    "Options that are not:\nA.no space\nA) bracket\n a. lower\nQ. beyond the last letter",
    "Out of order\nP. last letter\nC. third\nB. second",
    "A. the text begins with an option\nB. another",
    "\nA. \nB. \nC. ",
    "First line\r\nA. windows line end\r\nB. another\r\n",
    "for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; } // why is this slow?",
    "def f(xs):\n\treturn sorted({x for x in xs if x % 2 == 0}, key=lambda x: -x)\n\n"
    "Explain what f returns for [3, 4, 4, 8].",
    "```rust\nfn main() {\n    let v: Vec<u8> = Vec::new();\n    println!(\"{:?}\", v);\n}\n```\n"
    "Make this compile without warnings.",
    "SELECT name, COUNT(*) FROM visits WHERE day >= '2023-01-01' GROUP BY name HAVING COUNT(*) > 3;",
    "grep -rn 'TODO' src/ | awk -F: '{print $1}' | sort | uniq -c",
    "{\"user\": {\"id\": 17, \"tags\": [\"a\", \"b\"]}, \"ok\": true}",
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "tab\tseparated\tvalues\nsecond\tline\there\n",
    "control \x00 bytes \x01\x1f and \x7f delete",
    "file separator \x1c group \x1d record \x1e unit \x1f",
    "no-break\u00a0space and\u2003em space and\u0085next line and \ufeffmark",
    "Quelle est la différence entre « savoir » et « connaître » ?",
    "Wie heißt die Hauptstadt von Österreich? ÄÖÜ äöü ẞß",
    "ПОЧЕМУ небо голубое, а закат красный?",
    "ما هي عاصمة المغرب؟ ١٢٣",
    "请用三句话解释光合作用，并举一个例子。",
    "東京から大阪まで新幹線で何時間かかりますか？",
    "한국어로 짧은 편지를 써 주세요.",
    "👍",
    "Party 🎉🎉 tomorrow at 8 👩‍👩‍👧‍👦 bring 🍕!",
    "e\u0301 and \u00e9 look alike but are not the same bytes",
    "x" * 300 + " " + "9" * 300,
    (ENGLISH * 40)[:4096],
    (ENGLISH * 40)[:4095] + "é",
    "Question 1 of a long file?\nA. yes\nB. no\n" + ENGLISH * 35 + "naïve 東京 " * 60
    + "\nA. at the end\nB. also\nAnswer:",
]


def logits(model: lexical.Model, text: str) -> list[float]:
    """Direct evaluation of the definition, occurrence by occurrence."""
    found = lexical.ngram_buckets(text.encode())
    ngram_sum = model.ngram_weights[found].sum(axis=0) / math.sqrt(max(1, len(found)))
    return (model.bias + lexical.dense_features(text.encode()) @ model.dense_weights
            + ngram_sum).tolist()


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    model = lexical.read_safetensors(Path(sys.argv[1]))[0].model()
    target = Path(sys.argv[2])
    target.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"text": text, "logits": logits(model, text)}, ensure_ascii=False)
             for text in PROMPTS]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
