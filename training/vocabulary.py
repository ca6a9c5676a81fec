#!/usr/bin/env python3
"""Train a WordPiece vocabulary: the pairs of pieces that occur most are joined until there are enough.

    vocabulary.py --data DIR --size 16384 --out vocab.txt

Text is read as BERT's uncased tokenizer reads it: lower case, accents off, punctuation split. The first ids are
[PAD] [UNK] [CLS] [SEP] [MASK].
"""

from __future__ import annotations

import argparse
import collections
import heapq
import re
import sys
import unicodedata
from pathlib import Path
from typing import Iterable, Mapping

import corpus

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORD = re.compile(r"[^\W_]+|[^\w\s]|_")
LONGEST = 40
LEAST_COUNT = 3      # of a word: rarer ones are mostly names and misspellings
LEAST_LETTERS = 20   # of a letter, for it to be a piece


def words(texts: Iterable[str]) -> collections.Counter[str]:
    """How often each word occurs."""
    counts: collections.Counter[str] = collections.Counter()
    for text in texts:
        text = text.lower()
        if not text.isascii():
            text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
        counts.update(w for w in WORD.findall(text) if len(w) <= LONGEST)
    return counts


def train(counts: Mapping[str, int], size: int) -> list[str]:
    """The vocabulary, special tokens first. Ties go to the pair that is first in the alphabet."""
    letters: collections.Counter[str] = collections.Counter()
    for word, count in counts.items():
        for letter in word:
            letters[letter] += count
    known = sorted(letter for letter, count in letters.items() if count >= LEAST_LETTERS)
    pieces = list(SPECIAL) + known + ["##" + letter for letter in known]
    kept = set(known)
    split, weight = [], []
    for word, count in sorted(counts.items()):
        if count >= LEAST_COUNT and len(word) > 1 and all(letter in kept for letter in word):
            split.append([word[0]] + ["##" + letter for letter in word[1:]])
            weight.append(count)
    pairs: collections.Counter[tuple[str, str]] = collections.Counter()
    where: dict[tuple[str, str], set[int]] = collections.defaultdict(set)
    for index, parts in enumerate(split):
        for pair in zip(parts, parts[1:]):
            pairs[pair] += weight[index]
            where[pair].add(index)
    heap = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(heap)
    seen = set(pieces)
    while heap and len(pieces) < size:
        count, pair = heapq.heappop(heap)
        if pairs.get(pair, 0) != -count:
            continue  # an old figure of this pair
        joined = pair[0] + pair[1][2:]
        if joined not in seen:
            seen.add(joined)
            pieces.append(joined)
        changed = set()
        for index in where.pop(pair):
            parts = split[index]
            for old in zip(parts, parts[1:]):
                pairs[old] -= weight[index]
                where[old].discard(index)
                changed.add(old)
            merged, at = [], 0
            while at < len(parts):
                if parts[at:at + 2] == list(pair):
                    merged.append(joined)
                    at += 2
                else:
                    merged.append(parts[at])
                    at += 1
            split[index] = merged
            for new in zip(merged, merged[1:]):
                pairs[new] += weight[index]
                where[new].add(index)
                changed.add(new)
        del pairs[pair]
        for each in changed:
            if pairs.get(each, 0) > 0:
                heapq.heappush(heap, (-pairs[each], each))
    return pieces


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--size", type=int, default=16384)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    counts = words(corpus.documents(arguments.data))
    print(f"{sum(counts.values()):,} words, {len(counts):,} different", file=sys.stderr)
    made = train(counts, arguments.size)
    arguments.out.write_text("\n".join(made) + "\n", encoding="utf-8")
    print(f"{arguments.out}: {len(made)} pieces", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
