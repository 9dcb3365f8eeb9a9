#!/bin/sh
# Sets domctx up in .venv, then builds a simulated Xen machine, saves it, looks at it, and loads it into other frames.
. "$(dirname "$0")/setup.sh"
"$VENV/bin/python" -m pip install --quiet .
PATH=$(cd "$VENV/bin" && pwd):$PATH
FOLDER=${1:-first-save}
mkdir "$FOLDER"
cd "$FOLDER"

# The guest: `hlt; jmp` back to it, for which no kernel is needed.
printf '\364\353\375' >payload.bin
set -x
domctx make-guest payload.bin --load-address 0xC0000000 -o guest.img
domctx build guest.img sim:m1 --memory 64M
domctx save sim:m1 a.dctx
domctx info a.dctx
domctx verify a.dctx
domctx show a.dctx CPU:0 | head -n 24
domctx load a.dctx sim:m2
domctx save sim:m2 b.dctx
domctx diff a.dctx b.dctx
