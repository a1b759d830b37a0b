#!/bin/sh
# OpenHands' own agent-server, for tests.
#
#   agentserver.sh install                install it once into the user's cache; exit 3 = it cannot be had here, 4 = no
#                                         package registry could be reached
#   agentserver.sh run PORT KEY HOME      run it on 127.0.0.1:PORT with that session key ("" = open to everybody),
#                                         keeping its conversations in the folder HOME
#   agentserver.sh rerun PORT KEY HOME    run it so for each line of the input, one after the other: prints its process id,
#                                         and "ended" when it has. It is loaded once, which takes most of the time, and
#                                         started in a process of its own each time.
#
# It is pinned: what the tests know of it was heard from this version. It needs Python 3.12 or later. Where there is none,
# root gets one in a tree of Debian 13 and runs the server in there.
set -eu
version=1.58.0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/handline-test/agent-server-$version

python() {
	shims=$(dirname "$(command -v python3 || echo none)") # where pyenv has its own, newer ones stand beside it
	for p in python3.14 python3.13 python3.12 python3 "$HOME"/.pyenv/versions/3.1[2-9]*/bin/python "$shims"/../versions/3.1[2-9]*/bin/python; do
		if "$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
			echo "$p"
			return
		fi
	done
	return 1
}

# plant makes the tree. The machine's certificates and name servers come with it, as packages are fetched in there too.
plant() {
	if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null || ! command -v unshare >/dev/null; then
		echo "no Python 3.12 or later with venv; root can have one where debootstrap and unshare are" >&2
		exit 3
	fi
	debootstrap --variant=minbase --include=python3-venv trixie "$cache/tree" >"$cache/log" 2>&1 || {
		echo "no Python 3.12 or later with venv, and debootstrap could not fetch Debian 13: $(tail -n 1 "$cache/log")" >&2
		exit 4
	}
	mkdir -p "$cache/tree/etc/ssl/certs"
	cp -rL /etc/ssl/certs/. "$cache/tree/etc/ssl/certs/" 2>/dev/null || true # links that lead nowhere are no loss
	cp /etc/resolv.conf /etc/hosts "$cache/tree/etc/"
}

install() {
	mkdir -p "$cache"
	# Test packages run at the same time and share the folder.
	exec 9>"$cache/lock"
	flock 9
	[ -e "$cache/done" ] && return
	rm -rf "$cache/venv" "$cache/tree"
	if p=$(python); then
		"$p" -m venv "$cache/venv"
		into=
	else
		plant
		chroot "$cache/tree" python3 -m venv /venv
		into="chroot $cache/tree"
	fi
	venv=$cache/venv
	[ -z "$into" ] || venv=/venv
	$into "$venv/bin/pip" install -q --disable-pip-version-check "openhands-agent-server==$version" \
		"openhands-sdk==$version" "openhands-tools==$version" >"$cache/log" 2>&1 || {
		tail -n 3 "$cache/log" >&2
		grep -Eq 'from versions: none|[Cc]onnection|timed out' "$cache/log" || exit 3
		echo "the package registry could not be reached" >&2
		exit 4
	}
	touch "$cache/done"
}

# within runs a command where the server is installed, under the same process id. The folder $1 is there too.
within() {
	folder=$1
	shift
	[ -d "$cache/tree" ] || exec "$@"
	mkdir -p "$cache/tree$folder"
	# shellcheck disable=SC2016 # the inner shell's own
	exec unshare --mount sh -c 'tree=$1 folder=$2; shift 2
		mount --bind "$folder" "$tree$folder" && mount --rbind /proc "$tree/proc" && mount --rbind /dev "$tree/dev" &&
		exec chroot "$tree" env -C "$folder" "$@"' sh "$cache/tree" "$folder" "$@"
}

rerun='
import os, sys
import openhands.agent_server.__main__ as server
import openhands.agent_server.api
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        sys.exit(server.main())
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
'

case "$1" in
install) install ;;
run | rerun)
	how=$1 port=$2 home=$4
	mkdir -p "$home"
	cd "$home"
	venv=$cache/venv
	[ ! -d "$cache/tree" ] || venv=/venv
	# An environment of its own: no settings of the developer's leak in, and nothing is reported home.
	[ -z "$3" ] || key="OH_SESSION_API_KEYS_0=$3"
	set -- env -i HOME="$home" TMPDIR="$home" PATH="$PATH" LANG=C.UTF-8 ${key:+"$key"} OH_ENABLE_VSCODE=false \
		OH_PRELOAD_TOOLS=false DO_NOT_TRACK=1 LITELLM_LOCAL_MODEL_COST_MAP=True "$venv/bin/python"
	case $how in
	run) within "$home" "$@" -m openhands.agent_server --host 127.0.0.1 --port "$port" ;;
	rerun) within "$home" "$@" -c "$rerun" --host 127.0.0.1 --port "$port" ;;
	esac
	;;
*)
	echo "usage: agentserver.sh install | run PORT KEY HOME | rerun PORT KEY HOME" >&2
	exit 2
	;;
esac
