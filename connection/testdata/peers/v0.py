"""A server of OpenHands V0's shape on python-socketio, the library OpenHands itself used: it replays inside the connect
handler, before the connect ack, and publishes live events only to those who joined after it. What it published is in
the log file, one event a line, and outlives kill -9.

    python v0.py PORT LOG EVERY_MS [KEY]

It listens on loopback, or on the address in HOST.
"""
import asyncio
import datetime
import json
import os
import sys
import urllib.parse

import socketio
from aiohttp import web

port, log, every = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
key = sys.argv[4] if len(sys.argv) > 4 else ""
events = []
if os.path.exists(log):
    with open(log) as f:
        events = [json.loads(line) for line in f if line.endswith("}\n")]
sio = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins="*", max_http_buffer_size=4 << 20)


@sio.event
async def connect(sid, environ):
    q = urllib.parse.parse_qs(environ["QUERY_STRING"])
    if "conversation_id" not in q:
        raise socketio.exceptions.ConnectionRefusedError("No conversation_id in query params")
    if key and q["session_api_key"][0] != key:  # a missing key is a KeyError, and so a silent hang, as in the original
        raise socketio.exceptions.ConnectionRefusedError("invalid_session_api_key")
    try:
        after = int(q.get("latest_event_id", ["-1"])[0])
    except ValueError:
        after = -1
    state = None
    for e in [e for e in events if e["id"] > after]:
        if e.get("observation") == "agent_state_changed":
            state = e
        else:
            await sio.emit("oh_event", e, to=sid)
    if state:
        await sio.emit("oh_event", state, to=sid)
    await asyncio.sleep(0.03)  # what is published now reaches nobody on this socket: only history has it
    await sio.enter_room(sid, "c1")


@sio.event
async def oh_user_action(sid, action):
    await publish(source="user", action="message", args=action["args"])


async def publish(**fields):
    e = {"id": events[-1]["id"] + 1 if events else 0, "timestamp": datetime.datetime.now().isoformat(),
         "source": "agent", "message": "", **fields}
    events.append(e)
    with open(log, "a") as f:
        f.write(json.dumps(e) + "\n")
    await sio.emit("oh_event", e, room="c1")


async def talk():
    n = 0
    while True:
        await asyncio.sleep(every / 1000)
        n += 1
        if n % 10 == 0:
            state = "running" if n % 20 else "awaiting_user_input"
            await publish(observation="agent_state_changed", content="", extras={"agent_state": state, "reason": ""})
        else:
            await publish(action="message", args={"content": f"event {n}", "wait_for_response": False})


INFO = {"conversation_id": "c1", "title": "A talk", "status": "RUNNING", "runtime_status": "STATUS$READY",
        "conversation_version": "V0", "last_updated_at": "2026-01-01T00:00:00"}


@web.middleware
async def guard(request, handler):
    if key and request.path.startswith("/api/conv") and request.headers.get("X-Session-API-Key") != key:
        return web.json_response({"error": "unauthorized"}, status=401)
    return await handler(request)


async def history(request):
    number = lambda name, default: int(request.query.get(name, default))
    start, end, limit = number("start_id", 0), number("end_id", 1 << 60), number("limit", 20)
    found = [e for e in events if start <= e["id"] <= end]
    if request.query.get("reverse") == "true":
        found.reverse()
    return web.json_response({"events": found[:limit], "has_more": len(found) > limit})


async def one(request):
    return web.json_response(INFO if request.match_info["id"] == "c1" else None)


async def some(request):
    return web.json_response({"results": [INFO], "next_page_id": None})


async def config(request):
    return web.json_response({"APP_MODE": "oss"})


async def page(request):
    return web.Response(text="<!doctype html><title>app</title>", content_type="text/html")


async def main():
    app = web.Application(middlewares=[guard])
    sio.attach(app)
    app.router.add_get("/api/options/config", config)
    app.router.add_get("/api/conversations", some)
    app.router.add_get("/api/conversations/{id}", one)
    app.router.add_get("/api/conversations/c1/events", history)
    app.router.add_get("/{rest:(?!socket.io).*}", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, os.environ.get("HOST", "127.0.0.1"), port, reuse_address=True).start()
    if every > 0:
        await talk()
    await asyncio.Event().wait()


asyncio.run(main())
