"""A BERT classifier in eager PyTorch that computes on tokens without padding.

Linears, LayerNorms, embeddings and GELU run on the tokens of a batch laid end
to end; only attention pads, to the batch's longest text. Query, key and value
are one product. Frozen parts stay out of autograd.
"""

import json

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

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
        self.mask = torch.zeros(self.count, 1, 1, self.longest).masked_fill(
            (torch.arange(self.longest) >= lengths[:, None])[:, None, None, :], -1e30)

    def pad(self, x):
        """Spread tokens [T, D] over [count * longest, D], zeros between."""
        return x if self.whole else x.new_zeros(
            self.count * self.longest, x.shape[1]).index_copy(0, self.slots, x)

    def unpad(self, x):
        """Gather the tokens of `pad` again."""
        return x if self.whole else x.index_select(0, self.slots)


class Dropout(nn.Module):
    """Dropout with masks from 16 random bits an element (0.1 becomes 0.100006).

    PyTorch's own draws its masks on one thread, a call of the generator for
    each element, which takes a fifth of a step on the CPU; one call gives four here.
    """

    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        if not self.training or not self.rate:
            return x
        words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-2 ** 63, None)
        keep = words.view(torch.int16)[:x.numel()] >= round(self.rate * 65536) - 32768
        return x * keep.view(x.shape).to(x.dtype).mul_(1 / (1 - self.rate))


class Lora(nn.Module):
    """One LoRA branch as peft computes it: B(A(dropout(x))) * scaling."""

    def __init__(self, width, dropout):
        super().__init__()
        self.a = nn.Linear(width, common.LORA_RANK, bias=False)
        self.b = nn.Linear(common.LORA_RANK, width, bias=False)
        self.dropout = Dropout(common.LORA_DROPOUT if dropout else 0.0)
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
        self.attention_dropout = Dropout(config["attention_probs_dropout_prob"] * dropout)
        self.qkv = nn.Linear(width, 3 * width)
        self.lora = nn.ModuleList(Lora(width, dropout) for _ in range(3 * lora))
        self.attention_out = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, config["layer_norm_eps"])
        self.inner = nn.Linear(width, inner)
        self.out = nn.Linear(inner, width)
        self.out_norm = nn.LayerNorm(width, config["layer_norm_eps"])
        self.dropout = Dropout(config["hidden_dropout_prob"] * dropout)

    def attention(self, x, batch):
        qkv = self.qkv(x)
        if self.lora:
            qkv = qkv + torch.cat([branch(x) for branch in self.lora], 1)
        q, k, v = batch.pad(qkv).view(
            batch.count, batch.longest, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if self.training:
            scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2) + batch.mask
            y = self.attention_dropout(scores.softmax(-1)) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=batch.mask)
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
        self.dropout = Dropout(rate)
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
        """Return the pooled output of each text."""
        x = self.words(batch.ids) + self.positions(batch.positions) + self.types.weight[0]
        x = self.dropout(self.norm(x))
        for layer in self.layers:
            x = layer(x, batch)
        return torch.tanh(self.pooler(x[batch.first]))

    def forward(self, batch, labels):
        """Return the loss and the logits."""
        with torch.set_grad_enabled(not self.frozen):
            pooled = self.encode(batch)
        logits = self.classifier(self.dropout(pooled))
        return F.cross_entropy(logits, labels), logits
