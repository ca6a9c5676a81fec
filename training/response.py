"""The response network: words, layout and meaning of a prompt to its difficulty vector, and abilities of models.

The formula is that of include/qlroute/difficulty/response_difficulty.hpp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from features import TABLE_BITS, Prompts
from rows import Rows

DIMENSIONS = 16      # D of theta
TOPIC_WORDS = 32     # E
HIDDEN = 64          # W
TABLE = 1 << TABLE_BITS
EPOCHS = 6
BATCH = 128
SEED = 1
DROPOUT = 0.1
POOLED_DROPOUT = 0.4
IDF_POWER = 0.5      # of the inverse document frequency, with which words speak
TOPIC_WEIGHT = 0.3   # of the loss of topics
LABEL_HALF = 3.0     # a row of n labels counts n / (n + 3)
DEVIATION = 1e-5     # penalty of a model's abilities, and of what it does differently on one benchmark


class Network(nn.Module):
    def __init__(self, models: int, benchmarks: int, topics: int, layout: np.ndarray, idf: np.ndarray, hidden: int):
        super().__init__()
        count = layout.shape[1]
        self.register_buffer("mean", torch.from_numpy(layout.mean(0)))
        self.register_buffer("inverse_deviation", torch.from_numpy(1 / (layout.std(0) + 1e-3)))
        self.register_buffer("idf", torch.from_numpy(idf.astype(np.float32)))
        self.words = nn.Parameter(torch.zeros(TABLE, DIMENSIONS))
        self.topic_words = nn.Parameter(torch.randn(TABLE, TOPIC_WORDS) * 0.01)
        self.linear = nn.Parameter(torch.zeros(count, DIMENSIONS))
        self.hidden = nn.Linear(count, HIDDEN)
        self.output = nn.Parameter(torch.zeros(HIDDEN, DIMENSIONS))
        self.encoder_difficulty = nn.Parameter(torch.zeros(hidden, DIMENSIONS))
        self.encoder_topic = nn.Parameter(torch.zeros(hidden, topics))
        self.topic = nn.Linear(TOPIC_WORDS, topics)
        nn.init.normal_(self.topic.weight, std=0.3)
        self.topic_difficulty = nn.Parameter(torch.zeros(topics, DIMENSIONS))
        abilities = torch.randn(models, DIMENSIONS) * 0.1
        abilities[:, 0] = 1
        self.abilities = nn.Parameter(abilities)
        self.bias = nn.Parameter(torch.zeros(models))
        self.ability_on = nn.Parameter(torch.zeros(benchmarks, models, DIMENSIONS))
        self.bias_on = nn.Parameter(torch.zeros(benchmarks, models))
        self.drop = nn.Dropout(DROPOUT)
        self.drop_pooled = nn.Dropout(POOLED_DROPOUT)

    def theta(self, prompts: Prompts, pooled: np.ndarray, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """theta [B, D] and the topics' logits [B, K]."""
        spans = [slice(prompts.begin[i], prompts.begin[i + 1]) for i in rows]
        words = torch.from_numpy(np.concatenate([prompts.words[s] for s in spans]))
        weights = torch.from_numpy(np.concatenate([prompts.weights[s] for s in spans])) * self.idf[words]
        offsets = torch.from_numpy(np.cumsum([0] + [s.stop - s.start for s in spans[:-1]]))
        bag = lambda table: functional.embedding_bag(words, table, offsets, mode="sum", per_sample_weights=weights)
        meaning = self.drop_pooled(torch.from_numpy(pooled[rows]))
        topic = self.topic(bag(self.topic_words)) + meaning @ self.encoder_topic
        x = ((torch.from_numpy(prompts.layout[rows]) - self.mean) * self.inverse_deviation).clamp(-4, 4)
        theta = (bag(self.words) + meaning @ self.encoder_difficulty + topic.softmax(1) @ self.topic_difficulty
                 + x @ self.linear + self.drop(torch.relu(self.hidden(x))) @ self.output)
        return theta, topic

    def logits(self, theta: torch.Tensor, benchmarks: np.ndarray) -> torch.Tensor:
        """[B, M]"""
        return (theta @ self.abilities.t() + self.bias + self.bias_on[benchmarks]
                + torch.einsum("bd,bmd->bm", theta, self.ability_on[benchmarks]))


@dataclass
class Trained:
    network: Network
    models: list[str]
    benchmarks: list[str]


def train(rows: Rows, prompts: Prompts, pooled: np.ndarray, use: np.ndarray, progress: Callable[[str], None],
          epochs: int = EPOCHS) -> Trained:
    """Only the rows `use` are read."""
    torch.manual_seed(SEED)
    random = np.random.default_rng(SEED)
    benchmarks = sorted(set(rows.benchmarks))
    topics = sorted(set(rows.topics))
    on = np.array([benchmarks.index(b) for b in rows.benchmarks])
    topic = torch.tensor([topics.index(t) for t in rows.topics])
    documents = np.bincount(np.concatenate([prompts.words[prompts.begin[i]:prompts.begin[i + 1]] for i in use]),
                            minlength=TABLE)
    idf = np.maximum(1e-3, np.log((1 + len(use)) / (1 + documents))) ** IDF_POWER
    network = Network(len(rows.models), len(benchmarks), len(topics), prompts.layout[use], idf, pooled.shape[1])
    known = ~np.isnan(rows.scores)
    count = known.sum(1)
    weight = count / (count + LABEL_HALF)
    weight = torch.from_numpy((weight / weight[use].mean()).astype(np.float32))
    score, mask = torch.from_numpy(np.nan_to_num(rows.scores)), torch.from_numpy(known.astype(np.float32))
    with torch.no_grad():
        mean = (score[use] * mask[use]).sum(0) / mask[use].sum(0).clamp(min=1)
        network.bias.copy_(torch.logit(mean.clamp(0.05, 0.95)))
    special = {"words": (3e-3, 0.02), "topic_words": (1e-2, 0.005), "topic.weight": (1e-2, 0.005),
               "topic.bias": (1e-2, 0.005), "topic_difficulty": (2e-2, 2e-4)}  # rate, decay of a step
    groups = [{"params": [p], "lr": special.get(n, (1e-3, 0))[0],
               "weight_decay": special[n][1] / special[n][0] if n in special else 0.01}
              for n, p in network.named_parameters()]
    rates = [g["lr"] for g in groups]
    optimizer = torch.optim.AdamW(groups)
    steps, step = epochs * (len(use) // BATCH), 0
    for epoch in range(epochs):
        network.train()
        order, total = random.permutation(use), 0.0
        for start in range(0, len(order), BATCH):
            batch = order[start:start + BATCH]
            share = min(1.0, (step + 1) / 100) * max(0.02, 1 - step / max(1, steps))
            step += 1
            for group, rate in zip(optimizer.param_groups, rates):
                group["lr"] = rate * share
            theta, of_topic = network.theta(prompts, pooled, batch)
            each = functional.binary_cross_entropy_with_logits(network.logits(theta, on[batch]), score[batch],
                                                               reduction="none") * mask[batch]
            loss = (each.sum(1) / mask[batch].sum(1).clamp(min=1) * weight[batch]).mean()
            total += loss.item() * len(batch)
            loss = (loss + TOPIC_WEIGHT * functional.cross_entropy(of_topic, topic[batch])
                    + DEVIATION * (((network.abilities - network.abilities.mean(0)) ** 2).sum()
                                   + (network.ability_on ** 2).sum() + (network.bias_on ** 2).sum()))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        progress(f"response: epoch {epoch + 1} of {epochs}, loss {total / len(use):.4f}")
    quantise(network.eval())
    return Trained(network, rows.models, benchmarks)


def table(network: Network) -> tuple[np.ndarray, np.ndarray]:
    """The words' int8 table [TABLE, D + E], idf folded in, and its scales [D + E]."""
    values = torch.cat([network.words, network.topic_words], 1).detach().numpy() * network.idf.numpy()[:, None]
    # A few outliers are clipped; of words that are bytes already the largest is 127 steps.
    share = 1.0 if getattr(network, "is_quantised", False) else 0.99995
    largest = np.maximum(np.quantile(np.abs(values), share, axis=0), 1e-8)
    scale = (largest / 127).astype(np.float32)
    return np.clip(np.rint(values / scale), -127, 127).astype(np.int8), scale


@torch.no_grad()
def quantise(network: Network) -> None:
    """The words become those of the int8 table, so that every figure is that of what is shipped."""
    small, scale = table(network)
    values = torch.from_numpy(small.astype(np.float32) * scale)
    network.idf.fill_(1)
    network.words.copy_(values[:, :DIMENSIONS])
    network.topic_words.copy_(values[:, DIMENSIONS:])
    network.is_quantised = True


@torch.no_grad()
def thetas(trained: Trained, prompts: Prompts, pooled: np.ndarray) -> np.ndarray:
    rows = np.arange(len(prompts))
    return np.concatenate([trained.network.theta(prompts, pooled, rows[i:i + 512])[0].numpy()
                           for i in range(0, len(rows), 512)])


def ability(trained: Trained, model: str, benchmark: str) -> np.ndarray:
    """Weights, then bias: [D + 1]."""
    network, m, b = trained.network, trained.models.index(model), trained.benchmarks.index(benchmark)
    weights = (network.abilities[m] + network.ability_on[b, m]).detach().numpy()
    return np.append(weights, (network.bias[m] + network.bias_on[b, m]).item()).astype(np.float32)


def success(theta: np.ndarray, abilities: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-(theta @ abilities[:-1] + abilities[-1])))
