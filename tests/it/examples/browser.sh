#!/usr/bin/env bash
# What an example takes for the system's browser: hands the URL on to the test, which is the person.
exec 3<>"/dev/tcp/127.0.0.1/$PERSON_PORT"
printf '%s\n' "$1" >&3
