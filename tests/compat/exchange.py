#!/usr/bin/env python3
"""Exchange models with transformers and peft, both ways, and compare logits.

    exchange.py GRAFT SOURCE_DIR [--keep DIR]

Theirs to graft: tiny random BERT and DistilBERT classifiers, saved whole and in
shards, in f32, f16 and bf16, with old LayerNorm names and without a prefix; LoRA
adapters with several settings.  `graft eval --logits` on each against the peer.

Graft's to them: the variants of a job, from a checkpoint and from a seed, and what
`graft export` makes of them, loaded with from_pretrained and PeftModel; merged
weights against merge_and_unload.

Tolerances are relative to the norm of the reference: 1e-4 for logits, 1e-5 for
merged weights.  Each comparison is shown to fail on a planted wrong answer.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import peft
import safetensors.torch
import torch
import transformers

transformers.utils.logging.disable_progress_bar()

LOGITS_TOLERANCE, MERGE_TOLERANCE = 1e-4, 1e-5
LABELS = ("sadness", "joy", "love")
WORDS = ("i", "feel", "sad", "glad", "today", "and", "love", "this", "rain", "a", "##s", "##ing", "walk", "dog")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
TEXTS = ("i feel sad today", "glad and love", "i love this dog", "a walk", "rain rains raining and a sad walk",
         "unknown words feel glad")


def relative_error(got, want):
    """Return |got - want| / |want|, in double; of a reference of zeros, |got|."""
    got, want = got.double(), want.double()
    return ((got - want).norm() / (want.norm() or 1)).item()


class Exchange:
    """The command, a folder to work in, and what has passed."""

    def __init__(self, graft, source, work):
        self.graft, self.source, self.work = graft, pathlib.Path(source), pathlib.Path(work)
        self.passed = self.failed = 0
        self.data = self.work / "data.txt"
        self.data.write_text("text;label_name\n" + "".join(f"{t};{LABELS[i % 3]}\n" for i, t in enumerate(TEXTS)))

    def check(self, good, what):
        """Count one check, and say which one failed."""
        self.passed += bool(good)
        self.failed += not good
        if not good:
            print(f"FAILED {what}", flush=True)

    def close(self, got, want, tolerance, what):
        """Compare two tensors, and the comparison with a planted wrong answer."""
        error = relative_error(got, want) if got.shape == want.shape else float("inf")
        self.check(error <= tolerance, f"{what}: relative error {error:.2e}, shapes {got.shape}, {want.shape}")
        wrong = want.clone()
        wrong.view(-1)[0] += 10 * tolerance * (want.norm() or 1)
        self.check(relative_error(wrong, want) > tolerance, f"{what}: the planted wrong answer passes")

    def run(self, *arguments):
        """Run graft; return its output, or None after an error, which is printed."""
        done = subprocess.run([self.graft, *map(str, arguments)], capture_output=True, text=True, cwd=self.work)
        if done.returncode:
            print(done.stderr, file=sys.stderr)
        return None if done.returncode else done.stdout

    def logits(self, folder, *options):
        """Return graft's logits of the texts, or None."""
        out = self.work / "logits.jsonl"
        if self.run("eval", folder, "--data", self.data, "--logits", out, *options) is None:
            return None
        return torch.tensor([json.loads(line)["logits"] for line in out.read_text().splitlines()])

    def compare_logits(self, folder, want, what, *options):
        """Compare graft's logits with the peer's."""
        got = self.logits(folder, *options)
        self.check(got is not None, f"{what}: graft reads it")
        if got is not None:
            self.close(got, want, LOGITS_TOLERANCE, what)


# ---- tiny models of the peer


def write_vocabulary(folder):
    """Write a vocab.txt of a few words."""
    (folder / "vocab.txt").write_text("\n".join((*SPECIAL, *WORDS)) + "\n")


def tiny_config(kind):
    """Return the config of a tiny classifier whose logits depend on every weight."""
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {n: i for i, n in enumerate(LABELS)}}
    if kind == "bert":
        return transformers.BertConfig(
            vocab_size=len(SPECIAL) + len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=48, max_position_embeddings=32, initializer_range=0.3, **names)
    return transformers.DistilBertConfig(
        vocab_size=len(SPECIAL) + len(WORDS), dim=32, n_layers=2, n_heads=4, hidden_dim=48,
        max_position_embeddings=32, initializer_range=0.3, **names)


MODELS = {"bert": transformers.BertForSequenceClassification,
          "distilbert": transformers.DistilBertForSequenceClassification}
TARGETS = {"bert": ["query", "value"], "distilbert": ["q_lin", "v_lin"]}


def randomize(model, seed):
    """Give every parameter a value of its own, LayerNorms and biases too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = "LayerNorm.weight" in name or "layer_norm.weight" in name
            parameter.copy_(1 + 0.2 * noise if is_norm else 0.3 * noise)
    return model.eval()


def tiny_model(kind, seed=1):
    """Return a tiny random classifier."""
    return randomize(MODELS[kind](tiny_config(kind)), seed)


def peer_logits(model, tokenizer_folder):
    """Return the peer's logits of the texts, one text at a time: no padding."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(tokenizer_folder)
    with torch.no_grad():
        return torch.cat([model(**tokenizer(t, return_tensors="pt")).logits for t in TEXTS]).float()


def save_whole(model, folder, **options):
    """Save as a user does; the vocabulary goes with it."""
    model.save_pretrained(folder, **options)
    write_vocabulary(folder)
    kind = model.config.model_type
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "DistilBertTokenizer" if kind == "distilbert" else "BertTokenizer"}))
    return folder


def rename_file(folder, change):
    """Rewrite model.safetensors with every name changed."""
    path = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file({change(k): v for k, v in tensors.items()}, path, {"format": "pt"})


def old_norm_names(name):
    """Return the name of a LayerNorm's parameter as early checkpoints had it."""
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")


# ---- theirs to graft


def read_models(x):
    """Whole models in every form."""
    for kind in MODELS:
        model = tiny_model(kind)
        folder = x.work / f"{kind}-f32"
        want = peer_logits(model, save_whole(model, folder))
        x.compare_logits(folder, want, f"{kind} f32")

        folder = save_whole(model, x.work / f"{kind}-shards", max_shard_size="8KB")
        x.check(len(list(folder.glob("model-*.safetensors"))) > 2, f"{kind}: several shards")
        x.compare_logits(folder, want, f"{kind} in shards")

        prefix = model.base_model_prefix + "."
        for name, change in (("old", old_norm_names), ("bare", lambda n, p=prefix: n.removeprefix(p)),
                             ("old-bare", lambda n, p=prefix: old_norm_names(n).removeprefix(p))):
            folder = save_whole(model, x.work / f"{kind}-{name}")
            rename_file(folder, change)
            x.compare_logits(folder, want, f"{kind} with {name} names")

        for dtype in (torch.float16, torch.bfloat16, torch.float64):
            folder = x.work / f"{kind}-{dtype}".replace("torch.", "")
            save_whole(tiny_model(kind).to(dtype), folder)
            wide = MODELS[kind].from_pretrained(folder, dtype=torch.float32)
            x.compare_logits(folder, peer_logits(wide.eval(), folder), f"{kind} {dtype}")


ADAPTERS = {
    "plain": {},
    "rslora": {"use_rslora": True, "lora_alpha": 6},
    "wide": {"r": 8, "lora_alpha": 32, "lora_dropout": 0.1},
    "expression": {"expression": True},
    "untasked": {"task_type": None},
    "saved": {"modules_to_save": ["classifier", "LayerNorm"]},
    "all-linear": {"target_modules": "all-linear"},
}


def make_adapter(kind, name, base, seed=5):
    """Return a PEFT model over `base` whose every parameter is random."""
    settings = {"task_type": "SEQ_CLS", "r": 4, "lora_alpha": 8, "target_modules": TARGETS[kind], **ADAPTERS[name]}
    if settings.pop("expression", False):
        settings["target_modules"] = rf".*\.(?:{'|'.join(TARGETS[kind])})"
    model = MODELS[kind].from_pretrained(base)
    model = peft.get_peft_model(model, peft.LoraConfig(**settings))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in (p for p in model.parameters() if p.requires_grad):
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def read_adapters(x):
    """Adapters, evaluated and merged."""
    for kind in MODELS:
        base = x.work / f"{kind}-f32"
        for name in ADAPTERS:
            if kind == "distilbert" and name == "all-linear":
                continue  # peft itself cannot: modules_to_save "classifier" is "pre_classifier" too
            what = f"{kind} adapter {name}"
            model = make_adapter(kind, name, base)
            folder = x.work / f"{kind}-adapter-{name}"
            model.save_pretrained(folder)
            want = peer_logits(model, base)
            x.compare_logits(folder, want, what)
            merged = x.work / f"{kind}-merged-{name}"
            x.check(x.run("export", folder, "--merge", "-o", merged) is not None, f"{what}: merged")
            compare_merged(x, merged, model.merge_and_unload(), what)
            x.compare_logits(merged, want, f"{what}, merged")


def compare_merged(x, folder, model, what):
    """The merged file against merge_and_unload, tensor by tensor, and as a model."""
    got = safetensors.torch.load_file(folder / "model.safetensors")
    want = {k: v for k, v in model.state_dict().items() if "position_ids" not in k}
    x.check(set(got) == set(want), f"{what}: the merged names")
    for name in set(got) & set(want):
        x.close(got[name], want[name], MERGE_TOLERANCE, f"{what}: merged {name}")
    loaded = type(model).from_pretrained(folder, dtype=torch.float32).eval()
    x.close(peer_logits(loaded, folder), peer_logits(model, folder), LOGITS_TOLERANCE, f"{what}: the peer's merged model")


def read_elsewhere(x):
    """An adapter whose base has moved, is relative, or has no classes."""
    bare = x.work / "bert-unnamed"
    save_whole(tiny_model("bert"), bare)
    config = json.loads((bare / "config.json").read_text())
    (bare / "config.json").write_text(json.dumps({k: v for k, v in config.items() if k not in ("id2label", "label2id")}))
    model = make_adapter("bert", "plain", x.work / "bert-f32")
    folder = x.work / "bert-adapter-moved"
    want = peer_logits(model, x.work / "bert-f32")
    for base, options in (("../bert-f32", ()), ("bert-f32", ()), ("nowhere", ("--base", x.work / "bert-f32"))):
        model.peft_config["default"].base_model_name_or_path = base
        model.save_pretrained(folder)
        x.compare_logits(folder, want, f"adapter of {base}", *options)
    named, x.data = x.data, x.work / "numbered.txt"
    x.data.write_text("text;label_name\n" + "".join(f"{t};LABEL_{i % 3}\n" for i, t in enumerate(TEXTS)))
    x.compare_logits(folder, want, "adapter of a base without classes", "--base", bare)
    x.data = named


# ---- graft's to them


def write_job(x, kind, checkpoint, rslora):
    """Write a job of three variants on the texts."""
    head = ["classifier.*"] if kind == "bert" else ["pre_classifier.*", "classifier.*"]
    variants = {
        "full": {},
        "classifier": {"freeze": ["*"], "train": head},
        "lora": {"freeze": ["*"], "train": ["classifier.*"],
                 "lora": {"targets": TARGETS[kind], "r": 4, "alpha": 6, "use_rslora": rslora}},
        "lora-open": {"lora": {"targets": ["*.layer.0.*"], "r": 2, "alpha": 4}},
    }
    for name, variant in variants.items():
        (x.work / f"{name}.json").write_text(json.dumps({"variant": name, **variant}))
    job = {"model": str(x.source / f"models/{kind}.json"), "tokenizer": "bert-f32/vocab.txt",
           "data": {"train": "data.txt", "labels": LABELS}, "variants": [f"{name}.json" for name in variants],
           "training": {"output_dir": f"out-{kind}-{'checkpoint' if checkpoint else 'seed'}", "max_steps": 8,
                        "learning_rate": 0.01, "per_device_train_batch_size": 3}}
    if checkpoint:
        job["checkpoint"] = str(checkpoint)
    else:
        config = tiny_config(kind).to_dict()
        keys = json.loads((x.source / f"models/{kind}.json").read_text())["config"]
        job["config"] = {k: config[k] for k in keys if k in config and k not in ("num_labels", "problem_type")}
    (x.work / "job.json").write_text(json.dumps(job))
    return x.work / job["training"]["output_dir"], list(variants)


def load_peer(folder, kind):
    """Load what graft saved as a user does: a model, or an adapter over its base."""
    if not (folder / "adapter_config.json").exists():
        return MODELS[kind].from_pretrained(folder, dtype=torch.float32).eval()
    base = json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"]
    model = MODELS[kind].from_pretrained(base, num_labels=len(LABELS), ignore_mismatched_sizes=True,
                                         dtype=torch.float32)
    return peft.PeftModel.from_pretrained(model, folder).eval()


def compare_saved(x, folder, kind, what):
    """The peer's logits of what graft wrote against graft's own."""
    got = x.logits(folder)
    x.check(got is not None, f"{what}: graft reads what it wrote")
    if got is not None:
        x.close(peer_logits(load_peer(folder, kind), folder), got, LOGITS_TOLERANCE, what)
    return got


def check_config(x, folder, kind, what):
    """Names of classes and of the architecture reach the peer."""
    config = transformers.AutoConfig.from_pretrained(folder)
    x.check(config.id2label == dict(enumerate(LABELS)), f"{what}: id2label")
    x.check(config.architectures == [MODELS[kind].__name__], f"{what}: architectures")
    x.check(config.problem_type == "single_label_classification", f"{what}: problem_type")


def write_models(x):
    """Every variant from a checkpoint with and without its own head, and from a seed."""
    for kind in MODELS:
        bare = x.work / f"{kind}-encoder"
        model = tiny_model(kind)
        save_whole(getattr(model, model.base_model_prefix), bare)
        encoder_only = safetensors.torch.load_file(bare / "model.safetensors")
        kept = {k: v for k, v in encoder_only.items() if "pooler" not in k}
        safetensors.torch.save_file(kept, bare / "model.safetensors", {"format": "pt"})
        for checkpoint in (bare, None):
            results, variants = write_job(x, kind, checkpoint, rslora=checkpoint is None)
            x.check(x.run("train", "job.json") is not None, f"{kind}: trains")
            for name in variants:
                what = f"{kind} {results.name} {name}"
                if not (results / name).exists():
                    continue
                saved = compare_saved(x, results / name, kind, what)
                check_config(x, results / name, kind, what)
                export_all(x, results / name, kind, what, saved)


def export_all(x, folder, kind, what, saved):
    """Exports as they are, narrowed and merged."""
    for dtype in ("f32", "bf16", "f16") if folder.name in ("full", "lora") else ("f32",):
        out = x.work / "exported"
        x.check(x.run("export", folder, "-o", out, "--dtype", dtype, "--overwrite") is not None, f"{what}: export")
        got = compare_saved(x, out, kind, f"{what}, exported as {dtype}")
        if dtype == "f32" and saved is not None:
            x.check(torch.equal(got, saved), f"{what}: the f32 export has the same logits, bit for bit")
    if not (folder / "adapter_config.json").exists():
        return
    merged = x.work / "exported-merged"
    x.check(x.run("export", folder, "--merge", "-o", merged, "--overwrite") is not None, f"{what}: merge")
    compare_merged(x, merged, load_peer(folder, kind).merge_and_unload(), what)
    x.close(x.logits(merged), saved, LOGITS_TOLERANCE, f"{what}: merged by graft, read by graft")


def continue_training(x):
    """A job goes on from an adapter of peft, and peft reads the outcome."""
    base = x.work / "bert-f32"
    adapter = x.work / "bert-adapter-plain"
    results, _ = write_job(x, "bert", adapter, rslora=False)
    variant = {"variant": "lora", "freeze": ["*"], "train": ["classifier.*"],
               "lora": {"targets": TARGETS["bert"], "r": 4, "alpha": 8}}
    (x.work / "lora.json").write_text(json.dumps(variant))
    for steps, learning_rate in ((1, 1e-30), (8, 0.01)):
        done = x.run("train", "job.json", "--overwrite", "--set", "variants=lora", "--set", f"training.max_steps={steps}",
                     "--set", f"training.learning_rate={learning_rate}")
        x.check(done is not None, "training goes on from an adapter")
        saved = compare_saved(x, results / "lora", "bert", f"continued for {steps} steps")
        start = x.logits(adapter)
        moved = relative_error(saved, start)
        x.check(moved < 1e-6 if steps == 1 else moved > 1e-3, f"continued for {steps} steps: moved by {moved:.1e}")
    config = json.loads((results / "lora/adapter_config.json").read_text())
    x.check(config["base_model_name_or_path"] == str(base.resolve()), "the base stays the adapter's")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("graft", type=pathlib.Path)
    parser.add_argument("source_dir", type=pathlib.Path)
    parser.add_argument("--keep", metavar="DIR", type=pathlib.Path, help="work in DIR and leave it")
    args = parser.parse_args()

    torch.manual_seed(0)
    torch.set_num_threads(1)
    work = args.keep or pathlib.Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    try:
        x = Exchange(args.graft.resolve(), args.source_dir.resolve(), work.resolve())
        for part in (read_models, read_adapters, read_elsewhere, write_models, continue_training):
            part(x)
    finally:
        if not args.keep:
            shutil.rmtree(work)
    print(f"{x.passed} passed, {x.failed} failed")
    sys.exit(x.failed > 0 or x.passed == 0)


if __name__ == "__main__":
    main()
