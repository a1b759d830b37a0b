"""A stock Socket.IO client: prints what it is told, one JSON value a line. Arguments: URL with its query.

It is the asyncio client, because the other one handles each event in a thread of its own and so in any order.
"""
import asyncio
import json
import sys

import socketio


def line(value):
    print(json.dumps(value), flush=True)


async def main():
    client = socketio.AsyncClient(reconnection=False)

    @client.event
    async def connect():
        line({"connect": True})
        await client.emit("oh_user_action", {"action": "message", "args": {"content": "from python"}})

    @client.event
    async def connect_error(reason):
        line({"refused": reason["message"] if isinstance(reason, dict) else str(reason)})

    @client.event
    async def disconnect():
        line({"disconnect": "gone"})

    @client.on("oh_event")
    async def on_event(event):
        line({"event": event})

    try:
        await client.connect(sys.argv[1], transports=["websocket"], wait_timeout=10)
        await client.wait()
    except socketio.exceptions.ConnectionError:
        pass


asyncio.run(main())
