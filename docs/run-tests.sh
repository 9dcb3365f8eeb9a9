#!/bin/sh
# Sets up everything that the tests need, and runs them all: lint, types, import contracts, tests, wheel, a short fuzz run.
# Arguments, if any, are tox's own: `sh docs/run-tests.sh -e lint`.
. "$(dirname "$0")/setup.sh"
apt_install gcc libc6-dev binutils gdb qemu-system-x86 qemu-utils xen-utils-4.17 zstd lzop
"$VENV/bin/python" -m pip install --quiet 'tox>=4.22'
[ $# -gt 0 ] || set -- -m ci
exec "$VENV/bin/python" -m tox run "$@"
