"""BERT in PyTorch for training, with the parameter names of Hugging Face's BertModel.

encoder_golden.py has the same network written for reading; this one takes batches, pads them and is fast on a CPU.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from encoder_model import Config, Tensors

ENCODER = Config(layers=2, hidden=128, heads=2, feed_forward=256, vocabulary=16384, positions=160)
PAD, UNK, CLS, SEP, MASK = range(5)


class Layer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        hidden = config.hidden
        self.heads = config.heads
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.attention_output = nn.Linear(hidden, hidden)
        self.attention_norm = nn.LayerNorm(hidden, eps=config.layer_norm_epsilon)
        self.feed_forward_in = nn.Linear(hidden, config.feed_forward)
        self.feed_forward_out = nn.Linear(config.feed_forward, hidden)
        self.output_norm = nn.LayerNorm(hidden, eps=config.layer_norm_epsilon)

    def forward(self, x: torch.Tensor, bias: torch.Tensor | None, dropout: nn.Dropout) -> torch.Tensor:
        rows, length, hidden = x.shape
        query, key, value = (part.view(rows, length, self.heads, -1).transpose(1, 2)
                             for part in self.qkv(x).split(hidden, dim=-1))
        scores = query @ key.transpose(2, 3) / math.sqrt(hidden // self.heads)
        if bias is not None:
            scores = scores + bias
        context = (scores.softmax(-1) @ value).transpose(1, 2).reshape(rows, length, hidden)
        x = self.attention_norm(x + dropout(self.attention_output(context)))
        inner = functional.gelu(self.feed_forward_in(x))
        return self.output_norm(x + dropout(self.feed_forward_out(inner)))


class Encoder(nn.Module):
    """ids [B, T] and lengths [B] to vectors [B, T, H]."""

    def __init__(self, config: Config = ENCODER, dropout: float = 0.0):
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocabulary, config.hidden)
        self.positions = nn.Embedding(config.positions, config.hidden)
        self.embedding_norm = nn.LayerNorm(config.hidden, eps=config.layer_norm_epsilon)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.dropout = nn.Dropout(dropout)
        for part in self.modules():
            if isinstance(part, (nn.Linear, nn.Embedding)):
                nn.init.normal_(part.weight, std=0.02 if isinstance(part, nn.Embedding) else 0.05)
                if isinstance(part, nn.Linear):
                    nn.init.zeros_(part.bias)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        x = self.words(ids) + self.positions.weight[:ids.shape[1]]
        x = self.dropout(self.embedding_norm(x))
        bias = None
        if lengths is not None:
            bias = torch.zeros(ids.shape).masked_fill_(
                torch.arange(ids.shape[1])[None] >= lengths[:, None], -1e4)[:, None, None]
        for layer in self.layers:
            x = layer(x, bias, self.dropout)
        return x

    def tensors(self) -> Tensors:
        """Under the names of Hugging Face's BertModel; token types are zero."""
        out = {"embeddings.word_embeddings.weight": self.words.weight,
               "embeddings.position_embeddings.weight": self.positions.weight,
               "embeddings.token_type_embeddings.weight": torch.zeros(self.config.token_types, self.config.hidden),
               "embeddings.LayerNorm.weight": self.embedding_norm.weight,
               "embeddings.LayerNorm.bias": self.embedding_norm.bias}
        hidden = self.config.hidden
        for index, layer in enumerate(self.layers):
            at = f"encoder.layer.{index}."
            for k, name in enumerate(("query", "key", "value")):
                part = slice(k * hidden, (k + 1) * hidden)
                out[f"{at}attention.self.{name}.weight"] = layer.qkv.weight[part]
                out[f"{at}attention.self.{name}.bias"] = layer.qkv.bias[part]
            for name, module in (("attention.output.dense", layer.attention_output),
                                 ("attention.output.LayerNorm", layer.attention_norm),
                                 ("intermediate.dense", layer.feed_forward_in),
                                 ("output.dense", layer.feed_forward_out),
                                 ("output.LayerNorm", layer.output_norm)):
                out[f"{at}{name}.weight"], out[f"{at}{name}.bias"] = module.weight, module.bias
        return {name: values.detach().numpy().astype(np.float32).copy() for name, values in out.items()}
