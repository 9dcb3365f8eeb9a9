# Sourced by the scripts beside it: makes the virtual environment $VENV where there is none, with what it needs from apt.
set -eu
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}
PYTHON=${PYTHON:-python3}

# apt_install PACKAGE...: installs what is missing, as root or by sudo; says what to do where it cannot.
apt_install() {
    missing=
    for package in "$@"; do
        dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    $as_root apt-get update -qq
    # shellcheck disable=SC2086  # the packages are words
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing
}

[ ! -f "$VENV" ] || rm -- "$VENV"  # tox leaves a file of that name, which only points to its newest environment
if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    if ! "$PYTHON" -c 'import ensurepip' >/dev/null 2>&1; then
        apt_install python3-venv
    fi
    "$PYTHON" -m venv "$VENV"
fi
