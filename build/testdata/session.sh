#!/bin/sh
# A desktop session from login to logout, run by a test under a bus and a screen of its own: a panel comes, what starts at
# login is started, and the panel must get an icon.
set -eu

ask() { gdbus call --session --dest "$1" --object-path "$2" --method "$3" "$4" "${5:-}" 2>/dev/null; }

xfce4-panel --disable-wm-check >/dev/null 2>&1 &
panel=$!
until gdbus call --session --dest org.freedesktop.DBus --object-path /org/freedesktop/DBus \
	--method org.freedesktop.DBus.NameHasOwner org.kde.StatusNotifierWatcher | grep -q true; do
	sleep 0.05
done

dex --autostart --environment XFCE

until ask org.kde.StatusNotifierWatcher /StatusNotifierWatcher org.freedesktop.DBus.Properties.Get \
	org.kde.StatusNotifierWatcher RegisteredStatusNotifierItems | grep -q StatusNotifierItem; do
	[ -z "${NOTHING:-}" ] || { sleep 1; break; } # time enough to be wrong in
	sleep 0.05
done
handline status || echo "status: $?"
handline quit || echo "quit: $?"
kill "$panel"
