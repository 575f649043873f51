"""The peers of speed.py: transformers + peft + PyTorch on the same GPU and batches, bf16.

  notebook  transformers' Trainer, eager, each text padded to the longest of its chunk of 1000
  dynamic   the same with DataCollatorWithPadding alone: padded to the batch's longest
  compiled  a loop of its own around torch.compile: batches padded to a multiple of 32,
            compiled and warmed up beforehand, fused AdamW, no logging, no checks

A peer is made once, then `time(steps)` is called in every round and returns the
seconds of each step.  Weights are random, of the seed.
"""

import os
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import peft
import tokenizers
import torch
import transformers

LABELS = 6
LEARNING_RATE = 2e-5
BUCKET = 32
SMALLEST = 64  # so that there are two shapes to compile, not three


def versions():
    """Return the versions that a result is filed with."""
    return {m.__name__: m.__version__ for m in (torch, transformers, peft)} | {"cuda": torch.version.cuda}


def build(variant, sizes, device):
    """Return the notebook's model of a variant with random weights."""
    torch.manual_seed(42)
    model = transformers.BertForSequenceClassification(transformers.BertConfig(num_labels=LABELS, **sizes))
    if variant == "classifier":
        model.bert.requires_grad_(False)
    elif variant == "lora":
        model = peft.get_peft_model(model, peft.LoraConfig(
            task_type=peft.TaskType.SEQ_CLS, r=8, lora_alpha=32, lora_dropout=0.1,
            target_modules=["query", "key", "value"]))
    return model.to(device)


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


class Stopwatch(transformers.TrainerCallback):
    """The seconds of each step; the last one ends when the device is done."""

    def __init__(self, device):
        self.device, self.ends = device, []

    def on_train_begin(self, args, state, control, **kwargs):
        self.ends = []

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == state.max_steps:
            wait(self.device)
        self.ends.append(time.perf_counter())

    def seconds(self):
        return [end - start for start, end in zip(self.ends, self.ends[1:])]


class InOrder(transformers.Trainer):
    """Batches as they were made, so that all sides train on the same ones."""

    def _get_train_sampler(self, *args, **kwargs):
        return torch.utils.data.SequentialSampler(self.train_dataset)


def collator(vocab):
    """Return the notebook's collator over the checkpoint's vocabulary."""
    wordpiece = tokenizers.BertWordPieceTokenizer(str(vocab), lowercase=True)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=wordpiece._tokenizer, pad_token="[PAD]")
    return transformers.DataCollatorWithPadding(tokenizer)


def example(ids, label, length):
    """Return what the notebook's tokenizer makes of a text, padded to `length`."""
    pad = [0] * (length - len(ids))
    return {"input_ids": ids + pad, "token_type_ids": [0] * length, "attention_mask": [1] * len(ids) + pad,
            "labels": label}


class TrainerPeer:
    def __init__(self, variant, batches, padded, options):
        size = len(batches[0]["labels"])
        self.device = options["device"]
        self.rows = [example(ids, label, length)
                     for batch, lengths in zip(batches, padded)
                     for ids, label, length in zip(batch["sequences"], batch["labels"], lengths)]
        self.model = build(variant, options["sizes"], self.device)
        self.collate = collator(options["vocab"])
        self.arguments = dict(
            output_dir=options["folder"], per_device_train_batch_size=size, learning_rate=LEARNING_RATE, bf16=True,
            save_strategy="no", logging_strategy="no", eval_strategy="no", report_to="none", disable_tqdm=True,
            label_names=["labels"], use_cpu=self.device == "cpu")

    def time(self, steps):
        watch = Stopwatch(self.device)
        trainer = InOrder(model=self.model, train_dataset=self.rows, data_collator=self.collate, callbacks=[watch],
                          args=transformers.TrainingArguments(max_steps=steps, **self.arguments))
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
        return watch.seconds()


class CompiledPeer:
    def __init__(self, variant, batches, options):
        self.device = options["device"]
        self.model = build(variant, options["sizes"], self.device).train()
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=LEARNING_RATE, weight_decay=0.0, fused=True)
        self.forward = torch.compile(self.loss, mode=options["mode"], dynamic=False)
        self.batches = [self.tensors(batch) for batch in batches]
        for batch in {b["input_ids"].shape: b for b in self.batches}.values():
            for _ in range(4):  # compiled, recorded, replayed
                self.step(batch)
        wait(self.device)

    def tensors(self, batch):
        longest = max(map(len, batch["sequences"]))
        length = max(-(-longest // BUCKET) * BUCKET, SMALLEST)
        rows = [example(ids, label, length) for ids, label in zip(batch["sequences"], batch["labels"])]
        made = {key: torch.tensor([row[key] for row in rows]) for key in rows[0]}
        return {key: t.pin_memory() if self.device == "cuda" else t for key, t in made.items()}

    def loss(self, inputs):
        with torch.autocast(self.device, dtype=torch.bfloat16):
            return self.model(**inputs).loss

    def step(self, batch):
        if self.device == "cuda":
            torch.compiler.cudagraph_mark_step_begin()
        loss = self.forward({key: t.to(self.device, non_blocking=True) for key, t in batch.items()})
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def time(self, steps):
        ends = []
        wait(self.device)
        for i in range(steps):
            self.step(self.batches[i % len(self.batches)])
            if i == steps - 1:
                wait(self.device)
            ends.append(time.perf_counter())
        return [end - start for start, end in zip(ends, ends[1:])]


def make(name, variant, batches, padded, options):
    """Return the peer `name`, ready to be timed."""
    if name == "notebook":
        return TrainerPeer(variant, batches, padded, options)
    if name == "dynamic":
        lengths = [list(map(len, batch["sequences"])) for batch in batches]
        return TrainerPeer(variant, batches, lengths, options)
    return CompiledPeer(variant, batches, options | {"mode": name.partition(":")[2] or "reduce-overhead"})
