#!/usr/bin/env python3
"""Write the peer's training losses, step by step, for graft's to be held against.

Dropout is off and the batches are consecutive examples of train.txt in file
order. The initial values, those of the classifier and of LoRA's A and B
included, go to INIT/init.safetensors (also reachable as model.safetensors), a
whole checkpoint with config.json and vocab.txt; if that file exists, the
initial values are read from it.
"""

import argparse
import json
import pathlib
import shutil

import torch
from safetensors.torch import load_file, save_file

import peer_common as common


def shared_name(name):
    """Return the name of a parameter in init.safetensors, None for peft's spare classifier."""
    name = name.removeprefix("base_model.model.")
    if ".original_module." in name:
        return None
    for old, new in ((".base_layer.", "."), (".modules_to_save.default.", "."),
                     (".lora_A.default.weight", ".lora_A"), (".lora_B.default.weight", ".lora_B")):
        name = name.replace(old, new)
    return name


def write_init(model, checkpoint, init_dir):
    """Write the model's values as a checkpoint folder."""
    init_dir.mkdir(parents=True, exist_ok=True)
    config = json.loads((checkpoint / "config.json").read_text())
    config["architectures"] = ["BertForSequenceClassification"]
    config["num_labels"] = len(common.LABELS)
    config["id2label"] = {str(i): label for i, label in enumerate(common.LABELS)}
    config["label2id"] = {label: i for i, label in enumerate(common.LABELS)}
    common.write_json(init_dir / "config.json", config)
    shutil.copyfile(checkpoint / "vocab.txt", init_dir / "vocab.txt")
    values = {shared_name(name): p.detach().contiguous() for name, p in model.named_parameters()
              if shared_name(name)}
    save_file(values, init_dir / "init.safetensors", metadata={"format": "pt"})
    link = init_dir / "model.safetensors"
    link.unlink(missing_ok=True)
    link.symlink_to("init.safetensors")


def read_init(model, init_dir):
    """Set every parameter of the model to the value in the checkpoint folder."""
    values = load_file(init_dir / "init.safetensors")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if shared_name(name):
                parameter.copy_(values[shared_name(name)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", required=True, type=pathlib.Path, metavar="DIR")
    parser.add_argument("--data", required=True, type=pathlib.Path, metavar="DIR")
    parser.add_argument("--variant", required=True, choices=common.VARIANTS)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, required=True)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--init", required=True, type=pathlib.Path, metavar="DIR")
    parser.add_argument("--out", required=True, type=pathlib.Path, metavar="FILE.json")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    model = common.build_model(args.checkpoint, args.variant, dropout=False)
    if (args.init / "init.safetensors").is_file():
        read_init(model, args.init)
    else:
        write_init(model, args.checkpoint, args.init)

    count = args.steps * args.batch
    texts, labels = common.read_split(args.data, "train")
    if count > len(texts):
        parser.error(f"{args.steps} batches of {args.batch} need more than {len(texts)} examples")
    sequences = common.tokenize(common.load_tokenizer(args.checkpoint), texts[:count])

    optimizer, schedule = common.optimizer_and_schedule(
        common.trainable(model), args.lr, args.steps)
    model.train()
    result = common.environment(args)
    result["losses"] = [
        common.train_step(model, optimizer, schedule,
                          sequences[start:start + args.batch], labels[start:start + args.batch])
        for start in range(0, count, args.batch)]
    common.write_json(args.out, result)
    print(f"{args.steps} losses, first {result['losses'][0]:.6f}, last {result['losses'][-1]:.6f}")


if __name__ == "__main__":
    main()
