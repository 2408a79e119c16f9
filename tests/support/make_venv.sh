# Makes the virtual environment: with uv where there is one, else with Python's own venv. pip is in it either way: MLflow names its
# version in every model and warns without it.
# Usage: make_venv.sh PYTHON FOLDER [UV]
python=$1
folder=$2
uv=$3

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    if [ -n "$uv" ]; then
        exec "$uv" venv --quiet --clear --seed --python '>=3.11' "$folder"
    fi
    found=$(command -v "$python" >/dev/null && "$python" --version 2>&1 || echo missing)
    echo "Podium needs Python 3.11 or newer; '$python' is $found." >&2
    echo "Install it, then say which one to use:  make run PYTHON=python3.12" >&2
    exit 1
}
if [ -n "$uv" ]; then
    exec "$uv" venv --quiet --clear --seed --python "$python" "$folder"
fi

rm -rf "$folder"
"$python" -m venv "$folder" >/dev/null 2>&1 && exit 0

# Debian and Ubuntu keep venv in a package of its own.
rm -rf "$folder"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing python3-venv, which Debian keeps apart…"
    apt-get -qq update >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y python3-venv >/dev/null
    exec "$python" -m venv "$folder"
fi
echo "'$python -m venv' does not work here. On Debian or Ubuntu:  sudo apt install python3-venv" >&2
exit 1
