#!/bin/sh
# Write the definitions of a container image with all conda environments: envs/Dockerfile, envs/apptainer.def.
# SNAKEMAKE names the program; a folder given as an argument takes the files instead of envs.
set -eu
cd "$(dirname "$0")/.."
output=${1:-envs}

# Snakemake asks conda for its platform and no more here, so a conda is not needed.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/conda" <<'END'
#!/bin/sh
case "$*" in
    "info --json") echo '{"conda_prefix": "/opt/conda", "platform": "linux-64"}' ;;
    "--version") echo "conda 25.1.1" ;;
    "config "*) echo '{"get": {"channel_priority": "strict"}}' ;;
    *) exit 1 ;;
esac
END
chmod +x "$work/conda"

for format in dockerfile apptainer; do
    case $format in
        dockerfile) file=Dockerfile ;;
        apptainer) file=apptainer.def ;;
    esac
    PATH=$work:$PATH "${SNAKEMAKE:-.venv/bin/snakemake}" --containerize $format -- everything \
        >"$work/definition" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    {
        echo "# Written by make container-definition; a test keeps it in step with envs/*.yaml."
        cat "$work/definition"
    } >"$output/$file"
done
