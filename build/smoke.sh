#!/bin/sh
# Starts an app as Finder does, asks it how it is, and has it quit: the least that must work on a Mac.
#
#   build/smoke.sh PATH/TO/Handline.app
#
# It uses the user's own home of Handline, so it is meant for a machine that has none.
set -eu
app=${1:?usage: build/smoke.sh APP}
handline=$app/Contents/MacOS/handline

"$handline" version
open "$app"
tries=0
until "$handline" status; do
	[ $? -ne 3 ] || break # it runs and is not connected: nothing is set up
	tries=$((tries + 1))
	[ "$tries" -lt 30 ] || { echo "smoke: it did not start" >&2; "$handline" logs; exit 1; }
	sleep 1
done
"$handline" quit
sleep 1
if pgrep -f "$handline" >/dev/null; then
	echo "smoke: it did not quit" >&2
	exit 1
fi
"$handline" logs
