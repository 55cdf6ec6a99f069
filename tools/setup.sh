#!/bin/sh
# Create or update .venv from requirements.lock. Called by the Makefile, which explains PYTHON and
# TORCH_INDEX. Says one sentence if it can't.
set -u
cd "$(dirname "$0")/.." || exit 1
here=$(pwd -P)

venv=.venv
ready=$venv/.ready            # written last; holds the folder that it was made in
unfinished=$venv/.unfinished  # there during a set-up (holds its process id) and after it broke off
log=$venv/setup.log
torch_cpu_index=https://download.pytorch.org/whl/cpu

give_up() {
    printf '\nSet-up stopped: %s\n' "$1" >&2
    exit 1
}

# Print the path of an interpreter with Python 3.11 to 3.13 and the venv module, or fail with the reason.
find_python() {
    reason="python3 is not installed or not on the path; install Python 3.11, 3.12 or 3.13"
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else set -- python3.11 python3.12 python3.13 python3; fi
    for candidate; do
        if ! command -v "$candidate" >/dev/null; then
            [ -z "${PYTHON:-}" ] || reason="there is no PYTHON=$PYTHON"
            continue
        fi
        answer=$("$candidate" -c '
import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    print("other %d.%d" % sys.version_info[:2])
else:
    try:
        import ensurepip, venv
        print("path", getattr(sys, "_base_executable", sys.executable))
    except ImportError:
        print("bare %d.%d" % sys.version_info[:2])
' 2>&1) || {
            reason="$candidate is there but can't be run: $(printf %s "$answer" | sed '/^$/d;q'); name \
another: make PYTHON=/path/to/python3"
            continue
        }
        answer=$(printf %s "$answer" | sed -n '$p')  # after warnings, if any
        case $answer in
            "path "*) echo "${answer#path }"; return ;;
            "other "*) reason="$candidate is Python ${answer#other }, but 3.11 to 3.13 is needed, for \
which all packages are there; install one, or name it: make PYTHON=/path/to/python3" ;;
            "bare "*) reason="$candidate has no venv module; install it (on Debian and Ubuntu: \
apt install python${answer#bare }-venv), or name another: make PYTHON=/path/to/python3" ;;
        esac
    done
    give_up "$reason"
}

# Run a command as one step: show its name, a clock on a terminal, its seconds; log its output.
step() {
    label=$1; shift
    begin=$(date +%s)
    printf '  %s' "$label"
    "$@" >>"$log" 2>&1 &
    child=$!
    while kill -0 "$child" 2>/dev/null; do
        [ -t 1 ] && printf '\r  %s  %s s' "$label" $(($(date +%s) - begin))
        sleep 0.2 || sleep 1
    done
    wait "$child" || return
    if [ -t 1 ]; then printf '\r'; printf '  %s' "$label"; fi
    printf '  %s s\n' $(($(date +%s) - begin))
}

# Code is compiled when first imported (below) instead: that saves much of the installer's time.
# exec: a step must be one process, for its interruption to reach it.
pip_install() {
    exec "$venv/bin/python" -m pip install --no-user --no-compile --no-input --progress-bar off --retries 3 \
        --disable-pip-version-check "$@"
}

explain_pip() {
    problems=$(grep -E '^ *(WARNING|ERROR)' "$log")
    says() { printf '%s' "$problems" | grep -qiE "$1"; }
    if says 'no space left'; then
        give_up "the disk is full (about 2 GB are needed); free some space and call make again \
(details: $log)"
    elif says 'connection|timed? ?out|name resolution|not known|unreachable|proxy|ssl'; then
        give_up "the Python package index could not be reached; check the network (proxy, \
PIP_INDEX_URL) and call make again (details: $log)"
    elif says 'no matching distribution'; then
        missing=$(printf '%s' "$problems" | sed -n 's/.*No matching distribution found for //p')
        give_up "no package index that could be reached has $missing for $("$venv/bin/python" -V); \
check the network and PIP_INDEX_URL, or name another interpreter: make PYTHON=/path/to/python3 \
(details: $log)"
    fi
    give_up "pip could not install requirements.lock; the reason is at the end of $log"
}

answers() {
    "$venv/bin/python" -c '
import sys, urllib.request
urllib.request.urlopen(sys.argv[1], timeout=5)' "$1/torch/" >>"$log" 2>&1
}

# Snakemake calls the interpreter of .venv by its path, without quotes.
if [ -n "$(printf %s "$here" | LC_ALL=C tr -d 'A-Za-z0-9/._+,=@%~\200-\377-')" ]; then
    give_up "the path of this folder, $here, has a space or another character that shells take apart; \
move or clone the project to a path of letters, digits, . _ - + only"
fi

case $(uname -sm) in
    "Linux x86_64" | "Linux aarch64" | "Darwin arm64") ;;
    *) give_up "there are no packages for $(uname -sm): a Linux (also WSL on Windows) on x86-64 or arm64 is \
needed, or macOS on Apple silicon" ;;
esac

# A checkout may have changed nothing but the lock's time stamp.
if [ "$(cat $ready 2>/dev/null)" = "$here" ] && [ -x $venv/bin/python ] &&
    cmp -s requirements.lock $venv/requirements.lock; then
    touch $ready
    exit
fi

running=$(cat $unfinished 2>/dev/null)
if [ -n "$running" ] && kill -0 "$running" 2>/dev/null; then
    give_up "another set-up is running here (process $running); call make again when it is done, \
or remove $venv if that process is something else"
fi
python=$(find_python) || exit 1
made_in=$(cat $ready 2>/dev/null) || made_in=$here
if [ -n "$running" ] || [ "$made_in" != "$here" ] || ! [ -x $venv/bin/python ]; then
    rm -rf $venv  # broken off half-way, moved here from another folder, or its Python is gone
fi

mkdir -p $venv && echo $$ >$unfinished || give_up "the folder $here can't be written to"
rm -f $ready
: >$log
child=
trap 'kill $child 2>/dev/null; wait; exit 130' INT TERM HUP

echo "Setting up $venv, once (a minute or two, about 2 GB):"
if ! "$venv/bin/python" -m pip --version >>$log 2>&1; then
    step "virtual environment" "$python" -m venv $venv ||
        give_up "$python could not make a virtual environment; the reason is at the end of $log"
fi

index=${TORCH_INDEX-auto}
if [ "$index" = auto ]; then
    index=
    if [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null &&
        answers $torch_cpu_index; then
        index=$torch_cpu_index
    fi
fi
torch=$(grep '^torch==' requirements.lock)
step "torch" pip_install --no-deps ${index:+--extra-index-url "$index"} "$torch" || explain_pip
step "the other packages" pip_install --requirement requirements.lock || explain_pip
step "first import" env -u PYTHONDONTWRITEBYTECODE "$venv/bin/python" -c '
import matplotlib.pyplot, pandas, peft, pyarrow.parquet, seaborn, snakemake.cli, torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
from transformers import Qwen2ForCausalLM' ||
    give_up "an installed package can't be imported; the reason is at the end of $log"

cp requirements.lock $venv/requirements.lock
rm -f $unfinished
echo "$here" >$ready
