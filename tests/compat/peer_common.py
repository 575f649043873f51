"""What the scripts that run the peer (transformers, peft, PyTorch) share."""

import datetime
import json
import os
import pathlib
import platform

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import peft
import tokenizers
import torch
import transformers

transformers.utils.logging.disable_progress_bar()

LABELS = ("sadness", "joy", "love", "anger", "fear", "surprise")
VARIANTS = ("full", "classifier", "lora")
LORA_TARGETS = ("query", "key", "value")
LORA_RANK, LORA_ALPHA, LORA_DROPOUT = 8, 32, 0.1
CLIP_NORM = 1.0


def read_split(data_dir, split):
    """Return the texts and label ids of one split, in file order."""
    lines = (pathlib.Path(data_dir) / f"{split}.txt").read_text("utf-8").split("\n")
    rows = [line.rsplit(";", 1) for line in lines[1:] if line]
    return [text for text, _ in rows], [LABELS.index(label) for _, label in rows]


def load_tokenizer(checkpoint):
    """Return the uncased WordPiece tokenizer over the checkpoint's vocab.txt."""
    vocab = pathlib.Path(checkpoint) / "vocab.txt"
    return tokenizers.BertWordPieceTokenizer(str(vocab), lowercase=True)


def tokenize(tokenizer, texts, longest=512):
    """Return the token ids of each text, [CLS] and [SEP] included."""
    tokenizer.enable_truncation(longest)
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def pad_batch(sequences):
    """Return ids and attention mask padded to the longest sequence given."""
    longest = max(map(len, sequences))
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    return ids, mask


def build_model(checkpoint, variant, dropout=True):
    """Return BertForSequenceClassification with the variant's parameters set to train.

    The LoRA variant goes through peft, which keeps a frozen copy of the
    classifier next to the one that trains; just that one is left trainable.
    """
    rates = {} if dropout else {
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0}
    model = transformers.BertForSequenceClassification.from_pretrained(
        checkpoint, num_labels=len(LABELS), dtype=torch.float32, **rates)
    if variant == "classifier":
        model.bert.requires_grad_(False)
    elif variant == "lora":
        model = peft.get_peft_model(model, peft.LoraConfig(
            task_type=peft.TaskType.SEQ_CLS, r=LORA_RANK, lora_alpha=LORA_ALPHA,
            lora_dropout=LORA_DROPOUT if dropout else 0.0, bias="none",
            target_modules=list(LORA_TARGETS)))
    return model


def trainable(model):
    """Return the parameters that train."""
    return [p for p in model.parameters() if p.requires_grad]


def optimizer_and_schedule(parameters, lr, steps):
    """Return the notebook's AdamW and its linear decay to 0 over `steps` steps."""
    optimizer = torch.optim.AdamW(
        parameters, lr=lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 - step / steps)
    return optimizer, schedule


def run_model(model, sequences, labels):
    """Return the loss and the logits of transformers' model on one batch."""
    ids, mask = pad_batch(sequences)
    out = model(input_ids=ids, attention_mask=mask, labels=torch.tensor(labels))
    return out.loss, out.logits


def train_step(model, optimizer, schedule, sequences, labels, run=run_model):
    """Run one step of training and return its loss."""
    loss, _ = run(model, sequences, labels)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trainable(model), CLIP_NORM)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


def environment(args):
    """Return the date, versions and settings that a result is filed with."""
    versions = {m.__name__: m.__version__ for m in (torch, transformers, peft, tokenizers)}
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **versions},
        "threads": torch.get_num_threads(),
        "settings": {k: v for k, v in vars(args).items() if isinstance(v, (int, float, str))},
    }


def write_json(path, value):
    """Write a value as indented JSON."""
    pathlib.Path(path).write_text(json.dumps(value, indent=1) + "\n")
