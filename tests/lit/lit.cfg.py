"""lit.cfg.py -- command lines of graft and what they print, by lit and FileCheck.

The golden tests (tests/golden) show what a rewrite does to a graph; here is what they
cannot show: the commands, their two streams, and properties of whole steps.

    %graft    the command          %models   the folder models/
    %variant  models/variants/     FileCheck, not: LLVM's

tests/lit/run.py runs it, as the test `lit` of ctest does.
"""

import os

import lit.formats

config.name = "graft"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".gir", ".test"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = lit_config.params["out"]
config.environment["PATH"] = lit_config.params["tools"] + ":" + os.environ["PATH"]
models = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "models")
config.substitutions += [
    ("%graft", lit_config.params["graft"]),
    ("%variant", os.path.join(models, "variants")),
    ("%models", models),
]
