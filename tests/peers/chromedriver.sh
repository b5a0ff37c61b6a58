#!/bin/sh
# A chromedriver on a free port of 127.0.0.1, and with it every Chromium it starts: all end, and leave no profile behind, when
# standard input ends. Whoever starts this makes it the leader of a process group of its own.
TMPDIR=$(mktemp -d) || exit 1
export TMPDIR
# It wants one port of both families, and gives up when the one it was given is taken in the other: then it tries another.
for _ in 1 2 3 4 5; do chromedriver --port=0 && break; done &
cat >/dev/null
# Only a session that nobody closed is still there.
trap '' TERM
kill -s TERM -- "-$$"
wait
until rm -rf "$TMPDIR" 2>/dev/null; do sleep 0.1; done
