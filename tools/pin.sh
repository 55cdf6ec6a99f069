#!/bin/sh
# Write down every package of the conda environments at its exact build: envs/NAME.PLATFORM.pin.txt, which
# Snakemake then installs instead of solving envs/NAME.yaml. Takes a conda and its channels. Called with
# environment files, it pins those alone.
set -eu
cd "$(dirname "$0")/.."

command -v conda >/dev/null || {
    echo "make pin needs conda on the path; environment.yml installs one" >&2
    exit 1
}
platform=$(conda info --json | sed -n 's/.*"platform": *"\([^"]*\)".*/\1/p')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

[ $# -gt 0 ] || set -- envs/*.yaml
for file; do
    # Snakemake installs nothing but what a pin file lists, so what pip adds would be missing.
    if grep -q '^ *- pip:' "$file"; then
        echo "$file: not pinned, for pip installs a part of it, at the exact versions that it lists"
        continue
    fi
    pins=${file%.yaml}.$platform.pin.txt
    conda env create --quiet --file "$file" --prefix "$work/environment" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        echo "$file: conda could not create this environment; nothing was pinned from it on" >&2
        exit 1
    }
    conda list --explicit --md5 --prefix "$work/environment" >"$work/pins"
    mv "$work/pins" "$pins"
    rm -rf "$work/environment"
    echo "$pins: $(grep -c :// "$pins") packages"
done
