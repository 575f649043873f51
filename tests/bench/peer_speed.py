#!/usr/bin/env python3
"""Time training steps of the strongest eager PyTorch peer: a BERT without padding.

Linears, LayerNorms, embeddings and GELU run on the tokens of a batch laid end
to end; only attention pads, to the batch's longest text. Query, key and value
are one product. Frozen parts stay out of autograd, and AdamW is the faster of
PyTorch's fused and foreach versions. The batches come from a file, so that
graft can be timed on the same ones.

Three modes: --make-batches FILE writes the batches, --check holds loss and
gradients against transformers' model, and without either the steps are timed.
"""

import argparse
import json
import pathlib
import random
import statistics
import sys
import time

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "compat"))
import peer_common as common


class Packed:
    """A batch without padding: tokens end to end, and where they lie when padded."""

    def __init__(self, sequences):
        lengths = torch.tensor([len(s) for s in sequences])
        self.count, self.longest = len(sequences), int(lengths.max())
        self.ids = torch.tensor([i for s in sequences for i in s])
        self.positions = torch.cat([torch.arange(n) for n in lengths])
        self.first = lengths.cumsum(0) - lengths
        rows = torch.arange(self.count).repeat_interleave(lengths)
        self.slots = rows * self.longest + self.positions
        self.whole = len(self.ids) == self.count * self.longest
        self.mask = (torch.arange(self.longest) < lengths[:, None])[:, None, None, :]

    def pad(self, x):
        """Spread tokens [T, D] over [count * longest, D], zeros between."""
        return x if self.whole else x.new_zeros(
            self.count * self.longest, x.shape[1]).index_copy(0, self.slots, x)

    def unpad(self, x):
        """Gather the tokens of `pad` again."""
        return x if self.whole else x.index_select(0, self.slots)


class Lora(nn.Module):
    """One LoRA branch as peft computes it: B(A(dropout(x))) * scaling."""

    def __init__(self, width, dropout):
        super().__init__()
        self.a = nn.Linear(width, common.LORA_RANK, bias=False)
        self.b = nn.Linear(common.LORA_RANK, width, bias=False)
        self.dropout = nn.Dropout(common.LORA_DROPOUT if dropout else 0.0)
        nn.init.kaiming_uniform_(self.a.weight, a=5 ** 0.5)
        nn.init.zeros_(self.b.weight)

    def forward(self, x):
        return self.b(self.a(self.dropout(x))) * (common.LORA_ALPHA / common.LORA_RANK)


class Layer(nn.Module):
    """One encoder layer on packed tokens."""

    def __init__(self, config, lora, dropout):
        super().__init__()
        width, inner = config["hidden_size"], config["intermediate_size"]
        self.heads = config["num_attention_heads"]
        self.attention_dropout = config["attention_probs_dropout_prob"] * dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.lora = nn.ModuleList(Lora(width, dropout) for _ in range(3 * lora))
        self.attention_out = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, config["layer_norm_eps"])
        self.inner = nn.Linear(width, inner)
        self.out = nn.Linear(inner, width)
        self.out_norm = nn.LayerNorm(width, config["layer_norm_eps"])
        self.dropout = nn.Dropout(config["hidden_dropout_prob"] * dropout)

    def attention(self, x, batch):
        qkv = self.qkv(x)
        if self.lora:
            qkv = qkv + torch.cat([branch(x) for branch in self.lora], 1)
        q, k, v = batch.pad(qkv).view(
            batch.count, batch.longest, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=None if batch.whole else batch.mask,
            dropout_p=self.attention_dropout if self.training else 0.0)
        return batch.unpad(y.transpose(1, 2).reshape(batch.count * batch.longest, -1))

    def forward(self, x, batch):
        x = self.attention_norm(x + self.dropout(self.attention_out(self.attention(x, batch))))
        return self.out_norm(x + self.dropout(self.out(F.gelu(self.inner(x)))))


class PackedBert(nn.Module):
    """BertForSequenceClassification on packed batches."""

    def __init__(self, checkpoint, variant, dropout=True):
        super().__init__()
        config = json.loads((checkpoint / "config.json").read_text())
        width, rate = config["hidden_size"], config["hidden_dropout_prob"] * dropout
        self.words = nn.Embedding(config["vocab_size"], width)
        self.positions = nn.Embedding(config["max_position_embeddings"], width)
        self.types = nn.Embedding(config["type_vocab_size"], width)
        self.norm = nn.LayerNorm(width, config["layer_norm_eps"])
        self.layers = nn.ModuleList(Layer(config, variant == "lora", dropout)
                                    for _ in range(config["num_hidden_layers"]))
        self.pooler = nn.Linear(width, width)
        self.classifier = nn.Linear(width, len(common.LABELS))
        self.dropout = nn.Dropout(rate)
        self.frozen = variant == "classifier"
        nn.init.normal_(self.classifier.weight, std=config["initializer_range"])
        nn.init.zeros_(self.classifier.bias)
        self.load(load_file(checkpoint / "model.safetensors"))
        if variant != "full":
            self.requires_grad_(False)
            self.classifier.requires_grad_(True)
            for layer in self.layers:
                layer.lora.requires_grad_(True)

    def load(self, tensors):
        """Take the encoder's values from a checkpoint's tensors."""
        tensors = {name.removeprefix("bert."): value for name, value in tensors.items()}

        def fill(module, *names):
            for kind, parameter in module.named_parameters(recurse=False):
                parameter.copy_(torch.cat([tensors[f"{name}.{kind}"] for name in names]))

        with torch.no_grad():
            fill(self.words, "embeddings.word_embeddings")
            fill(self.positions, "embeddings.position_embeddings")
            fill(self.types, "embeddings.token_type_embeddings")
            fill(self.norm, "embeddings.LayerNorm")
            fill(self.pooler, "pooler.dense")
            for i, layer in enumerate(self.layers):
                at = f"encoder.layer.{i}"
                fill(layer.qkv, *(f"{at}.attention.self.{t}" for t in common.LORA_TARGETS))
                fill(layer.attention_out, f"{at}.attention.output.dense")
                fill(layer.attention_norm, f"{at}.attention.output.LayerNorm")
                fill(layer.inner, f"{at}.intermediate.dense")
                fill(layer.out, f"{at}.output.dense")
                fill(layer.out_norm, f"{at}.output.LayerNorm")

    def encode(self, batch):
        """Return the pooled output; past attention the last layer still runs on all tokens."""
        x = self.words(batch.ids) + self.positions(batch.positions) + self.types.weight[0]
        x = self.dropout(self.norm(x))
        for layer in self.layers:
            x = layer(x, batch)
        return torch.tanh(self.pooler(x[batch.first]))

    def forward(self, batch, labels):
        with torch.set_grad_enabled(not self.frozen):
            pooled = self.encode(batch)
        return F.cross_entropy(self.classifier(self.dropout(pooled)), labels)


def make_batches(args):
    """Write the first steps * batch examples of the shuffled training split."""
    texts, labels = common.read_split(args.data, "train")
    order = list(range(len(texts)))
    random.Random(args.seed).shuffle(order)
    order = order[:args.steps * args.batch]
    sequences = common.tokenize(common.load_tokenizer(args.checkpoint), [texts[i] for i in order])
    batches = [{"sequences": sequences[start:start + args.batch],
                "labels": [labels[i] for i in order[start:start + args.batch]]}
               for start in range(0, len(order), args.batch)]
    args.make_batches.write_text(json.dumps(batches) + "\n")
    print(f"{len(batches)} batches, {sum(map(len, sequences))} tokens")


def check(args, batch):
    """Hold loss and classifier gradient against transformers' model, dropout off."""
    ours = PackedBert(args.checkpoint, args.variant, dropout=False)
    theirs = common.build_model(args.checkpoint, "full", dropout=False)
    theirs.classifier.load_state_dict(ours.classifier.state_dict())
    with torch.no_grad():
        for layer, other in zip(ours.layers, theirs.bert.encoder.layer):
            for branch, target in zip(layer.lora, common.LORA_TARGETS):
                nn.init.normal_(branch.b.weight, std=0.02)
                delta = branch.b.weight @ branch.a.weight * (common.LORA_ALPHA / common.LORA_RANK)
                getattr(other.attention.self, target).weight += delta
    labels = torch.tensor(batch["labels"])
    loss = ours(Packed(batch["sequences"]), labels)
    ids, mask = common.pad_batch(batch["sequences"])
    wanted = theirs(input_ids=ids, attention_mask=mask, labels=labels).loss
    loss.backward()
    wanted.backward()
    pairs = [("classifier", ours.classifier.weight.grad, theirs.classifier.weight.grad)]
    if args.variant == "full":
        key = theirs.bert.encoder.layer[0].attention.self.key.weight
        width = len(key)
        pairs += [("first key", ours.layers[0].qkv.weight.grad[width:2 * width], key.grad),
                  ("words", ours.words.weight.grad,
                   theirs.bert.embeddings.word_embeddings.weight.grad)]
    print(f"loss {loss.item():.7f}, transformers {wanted.item():.7f}")
    assert abs(loss.item() - wanted.item()) < 1e-5
    for name, got, want in pairs:
        error = ((got - want).norm() / want.norm()).item()
        print(f"gradient of {name}: relative difference {error:.1e}")
        assert error < 1e-4


def faster_adamw(parameters, lr):
    """Return AdamW in the version that takes less time on these parameters, and its name."""
    seconds = {}
    for kind in ("fused", "foreach"):
        copies = [p.detach().clone() for p in parameters]
        for copy in copies:
            copy.grad = torch.full_like(copy, 1e-3)
        optimizer = torch.optim.AdamW(copies, lr=lr, weight_decay=0.0, **{kind: True})
        times = []
        for _ in range(5):
            started = time.perf_counter()
            optimizer.step()
            times.append(time.perf_counter() - started)
        seconds[kind] = min(times)
    kind = min(seconds, key=seconds.get)
    return torch.optim.AdamW(parameters, lr=lr, weight_decay=0.0, **{kind: True}), kind


def measure(args, batches):
    """Time the steps and write the result."""
    model = PackedBert(args.checkpoint, args.variant)
    model.train()
    parameters = common.trainable(model)
    optimizer, kind = faster_adamw(parameters, args.lr)

    def step(batch):
        loss = model(Packed(batch["sequences"]), torch.tensor(batch["labels"]))
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, common.CLIP_NORM)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    for batch in batches[:args.warmup]:
        step(batch)
    seconds = []
    for batch in batches:
        started = time.perf_counter()
        loss = step(batch)
        seconds.append(time.perf_counter() - started)

    examples = sum(len(batch["labels"]) for batch in batches)
    tokens = sum(len(s) for batch in batches for s in batch["sequences"])
    result = common.environment(args)
    result.update({
        "optimizer": kind, "steps": len(batches), "last_loss": loss,
        "median_step_seconds": statistics.median(seconds),
        "examples_per_second": examples / sum(seconds),
        "tokens_per_second": tokens / sum(seconds),
        "step_seconds": seconds})
    if args.out:
        common.write_json(args.out, result)
    print(f"{args.variant}: median step {result['median_step_seconds'] * 1e3:.1f} ms, "
          f"{result['examples_per_second']:.1f} examples/s, "
          f"{result['tokens_per_second']:.0f} tokens/s ({kind} AdamW, torch {torch.__version__}, "
          f"{torch.get_num_threads()} threads)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", required=True, type=pathlib.Path, metavar="DIR")
    parser.add_argument("--data", metavar="DIR", help="needed by --make-batches")
    parser.add_argument("--variant", choices=common.VARIANTS, default="full")
    parser.add_argument("--batch", type=int, default=32, help="examples a batch (--make-batches)")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--warmup", type=int, default=3, help="steps run before the clock starts")
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=pathlib.Path, metavar="FILE.json")
    parser.add_argument("--make-batches", type=pathlib.Path, metavar="FILE.json")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--out", metavar="FILE.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    if args.make_batches:
        if not args.data:
            parser.error("--make-batches needs --data")
        return make_batches(args)
    if not args.batches:
        parser.error("--batches is needed")
    batches = json.loads(args.batches.read_text())[:args.steps]
    return check(args, batches[0]) if args.check else measure(args, batches)


if __name__ == "__main__":
    main()
