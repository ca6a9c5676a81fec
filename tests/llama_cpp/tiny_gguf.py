"""Writes tiny language models as GGUF, with random weights, other sizes and other vocabularies: tiny_gguf.py FOLDER

device.gguf    2 layers of width 64, a token a byte, ChatML
edge.gguf      3 layers of width 96, a token a byte or a common pair of letters, another chat template
bare.gguf      as device.gguf, without a chat template
odd.gguf       as device.gguf, with a chat template that nobody knows
rereads.gguf   as edge.gguf, with a template that puts a line's end before a reply once it is history
"""
import array
import math
import random
import struct
import sys

U32, F32, BOOL, STRING, ARRAY = 4, 6, 7, 8, 9
CHATML = "{% for m in messages %}<|im_start|>{{m.role}}\n{{m.content}}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
ZEPHYR = "{% for m in messages %}{{'<|user|>' if m.role == 'user' else '<|' + m.role + '|>'}}\n{{m.content}}<|endoftext|>\n{% endfor %}"
GLM_EDGE = "{% for m in messages %}{{'<|user|>' if m.role == 'user' else '<|assistant|>'}}\n{{m.content}}{% endfor %}<|assistant|>"


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def entry(key, kind, value):
    packed = {U32: lambda: struct.pack("<I", value), F32: lambda: struct.pack("<f", value),
              BOOL: lambda: struct.pack("<?", value), STRING: lambda: text(value)}[kind]()
    return text(key) + struct.pack("<I", kind) + packed


def texts(key, values):
    return text(key) + struct.pack("<IIQ", ARRAY, STRING, len(values)) + b"".join(map(text, values))


def numbers(key, values):
    return text(key) + struct.pack("<IIQ", ARRAY, 5, len(values)) + struct.pack(f"<{len(values)}i", *values)


def byte_letters():
    """The letter that stands for each byte in byte-level vocabularies: GPT-2's table."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, others = {b: chr(b) for b in plain}, 0
    for b in range(256):
        if b not in letters:
            letters[b] = chr(256 + others)
            others += 1
    return letters


def write(path, *, layers, width, heads, kv_heads, inner, specials, pairs, template, seed):
    chance = random.Random(seed)
    letter = byte_letters()
    pairs = [(letter[ord(a)], letter[ord(b)]) for a, b in pairs]
    words = specials + [letter[b] for b in range(256)] + [a + b for a, b in pairs]
    # Tokens that can be written: printable ones. The rows of the others are 0, which the likeliest token never is.
    byte_of = {c: b for b, c in letter.items()}
    printable = [w not in specials and all(32 <= byte_of[c] < 127 for c in w) for w in words]

    def matrix(rows, columns, scale):
        return rows, columns, array.array("f", (chance.gauss(0, scale / math.sqrt(columns)) for _ in range(rows * columns)))

    def ones(n):
        return None, n, array.array("f", [1.0] * n)

    rows, columns, output = matrix(len(words), width, 4)
    for row, can_be_written in enumerate(printable):
        if not can_be_written:
            output[row * columns:(row + 1) * columns] = array.array("f", [0.0] * columns)
    size = width // heads
    tensors = [("token_embd.weight", matrix(len(words), width, math.sqrt(width))), ("output_norm.weight", ones(width)),
               ("output.weight", (rows, columns, output))]
    for n in range(layers):
        for name, made in (("attn_norm", ones(width)), ("attn_q", matrix(heads * size, width, 1.5)),
                           ("attn_k", matrix(kv_heads * size, width, 1.5)), ("attn_v", matrix(kv_heads * size, width, 1)),
                           ("attn_output", matrix(width, heads * size, 1)), ("ffn_norm", ones(width)),
                           ("ffn_gate", matrix(inner, width, 1)), ("ffn_up", matrix(inner, width, 1)),
                           ("ffn_down", matrix(width, inner, 1))):
            tensors.append((f"blk.{n}.{name}.weight", made))

    entries = [entry("general.architecture", STRING, "llama"), entry("general.name", STRING, "tiny"),
               entry("llama.context_length", U32, 4096), entry("llama.embedding_length", U32, width),
               entry("llama.block_count", U32, layers), entry("llama.feed_forward_length", U32, inner),
               entry("llama.attention.head_count", U32, heads), entry("llama.attention.head_count_kv", U32, kv_heads),
               entry("llama.rope.dimension_count", U32, size), entry("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
               entry("tokenizer.ggml.model", STRING, "gpt2"), entry("tokenizer.ggml.pre", STRING, "gpt-2"),
               texts("tokenizer.ggml.tokens", words),
               numbers("tokenizer.ggml.token_type", [3 if w in specials else 1 for w in words]),
               texts("tokenizer.ggml.merges", [f"{a} {b}" for a, b in pairs]),
               entry("tokenizer.ggml.bos_token_id", U32, 0), entry("tokenizer.ggml.eos_token_id", U32, 1),
               entry("tokenizer.ggml.add_bos_token", BOOL, False)]
    if template:
        entries.append(entry("tokenizer.chat_template", STRING, template))

    align, offset, directory = 32, 0, b""
    for name, (rows, columns, values) in tensors:
        shape = [columns] if rows is None else [columns, rows]
        directory += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, offset)
        offset += -(-4 * len(values) // align) * align
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries)) + b"".join(entries) + directory
    with open(path, "wb") as out:
        out.write(head + bytes(-len(head) % align))
        for _, (_, _, values) in tensors:
            raw = values.tobytes() if sys.byteorder == "little" else struct.pack(f"<{len(values)}f", *values)
            out.write(raw + bytes(-len(raw) % align))


def main():
    folder = sys.argv[1]
    device = dict(layers=2, width=64, heads=4, kv_heads=2, inner=128, specials=["<|im_start|>", "<|im_end|>"], pairs=[], seed=1)
    pairs = [(a, b) for a in "aeiou" for b in "nrst"] + [("t", "h"), ("h", "e"), (" ", "t"), (" ", "a"), ("q", "u"), ("l", "l")]
    write(f"{folder}/device.gguf", **device, template=CHATML)
    edge = dict(layers=3, width=96, heads=6, kv_heads=3, inner=256, specials=["<|assistant|>", "<|endoftext|>", "<|user|>"],
                pairs=pairs, seed=2)
    write(f"{folder}/edge.gguf", **edge, template=ZEPHYR)
    write(f"{folder}/rereads.gguf", **edge, template=GLM_EDGE)
    write(f"{folder}/bare.gguf", **device, template=None)
    write(f"{folder}/odd.gguf", **device, template="{{ messages | tojson }}")


main()
