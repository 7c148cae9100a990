#!/usr/bin/env bash
# Guessed: for 'cat face. dog.' a box is called 'cat face' or 'dog'; with text_labels=[['cat face', 'dog']] for certain
# Seen:    labels are the words above text_threshold, in their order, whatever phrase they are of: 'face dog', 'cat', '.', and '' where none is; text_labels changes nothing
# Versions: torch==2.13.0 transformers==5.23.0; Python 3.11. Exits with 1 where this is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps torch==2.13.0 transformers==5.23.0
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.2.6 pillow==12.3.0 tokenizers==0.23.1 huggingface-hub safetensors regex pyyaml packaging tqdm typer sympy networkx jinja2 fsspec filelock typing-extensions requests
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PY'
from types import SimpleNamespace

import torch
from transformers import BertTokenizer, GroundingDinoProcessor
from transformers import GroundingDinoImageProcessorPil as ImageProcessor

words = "[PAD] [UNK] [CLS] [SEP] [MASK] . cat face dog".split()
tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(words)})
processor = GroundingDinoProcessor(ImageProcessor(), tokenizer)
ids = tokenizer(["cat face. dog."], return_tensors="pt").input_ids
print(tokenizer.convert_ids_to_tokens(ids[0].tolist()))
boxes = [{1: 0.9, 2: 0.8}, {2: 0.9, 4: 0.3}, {1: 0.9}, {3: 0.9}, {1: 0.9, 4: 0.26}]  # scores by token
logits = torch.full((1, len(boxes), 256), -20.0)
for number, scores in enumerate(boxes):
    for token, score in scores.items():
        logits[0, number, token] = torch.logit(torch.tensor(score))
outputs = SimpleNamespace(logits=logits, pred_boxes=torch.full((1, len(boxes), 4), 0.5))


def labels(**more):
    return processor.post_process_grounded_object_detection(outputs, input_ids=ids, target_sizes=[(100, 100)], **more)[0]["labels"]


print("defaults          ", labels())
print("text_labels given ", labels(text_labels=[["cat face", "dog"]]))
print("text_threshold 0.95", labels(text_threshold=0.95))
assert labels() == labels(text_labels=[["cat face", "dog"]]) == ["cat face", "face dog", "cat", ".", "cat dog"]
assert labels(text_threshold=0.95) == [""] * 5
PY
