#!/bin/sh
# A Redis that ends when standard input ends. Whoever starts this makes it the leader of a process group of its own. A stopped
# one cannot end otherwise.
redis-server "$@" &
cat >/dev/null
kill -s KILL "$!" 2>/dev/null
wait
