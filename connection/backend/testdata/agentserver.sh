#!/bin/sh
# OpenHands' own agent-server, for tests.
#
#   agentserver.sh install                install it once into the user's cache; exit 3 = it cannot be had here
#   agentserver.sh run PORT KEY HOME      run it on 127.0.0.1:PORT with that session key ("" = open to everybody),
#                                         keeping its conversations in the folder HOME
#   agentserver.sh rerun PORT KEY HOME    run it so for each line of the input, one after the other: prints its process id,
#                                         and "ended" when it has. It is loaded once, which takes most of the time, and
#                                         started in a process of its own each time.
#
# It is pinned: what the tests know of it was heard from this version. It needs Python 3.12 or later.
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

install() {
	mkdir -p "$cache"
	# Test packages run at the same time and share the folder.
	exec 9>"$cache/lock"
	flock 9
	[ -e "$cache/done" ] && return
	p=$(python) || {
		echo "no Python 3.12 or later with venv" >&2
		exit 3
	}
	rm -rf "$cache/venv"
	"$p" -m venv "$cache/venv"
	"$cache/venv/bin/pip" install --quiet --disable-pip-version-check "openhands-agent-server==$version" \
		"openhands-sdk==$version" "openhands-tools==$version" >&2 || {
		echo "the package registry could not be reached, or does not have openhands-agent-server $version" >&2
		exit 3
	}
	touch "$cache/done"
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
	how=$1 port=$2
	mkdir -p "$4"
	cd "$4"
	# An environment of its own: no settings of the developer's leak in, and nothing is reported home.
	[ -z "$3" ] || key="OH_SESSION_API_KEYS_0=$3"
	set -- HOME="$4" TMPDIR="$4" PATH="$PATH" LANG=C.UTF-8 ${key:+"$key"} OH_ENABLE_VSCODE=false OH_PRELOAD_TOOLS=false \
		DO_NOT_TRACK=1 LITELLM_LOCAL_MODEL_COST_MAP=True "$cache/venv/bin/python"
	case $how in
	run) exec env -i "$@" -m openhands.agent_server --host 127.0.0.1 --port "$port" ;;
	rerun) exec env -i "$@" -c "$rerun" --host 127.0.0.1 --port "$port" ;;
	esac
	;;
*)
	echo "usage: agentserver.sh install | run PORT KEY HOME | rerun PORT KEY HOME" >&2
	exit 2
	;;
esac
