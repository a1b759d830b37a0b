"""A stock Socket.IO client. Arguments: URL, conversation."""
import asyncio, json, sys
import socketio

async def main():
    url, conversation = sys.argv[1:3]
    seen = {"count": 0, "last": -1, "agent": ""}
    client = socketio.AsyncClient(reconnection=False)

    @client.on("oh_event")
    async def on_event(e):
        seen["count"] += 1
        seen["last"] = max(seen["last"], e["id"])
        if e.get("observation") == "agent_state_changed":
            seen["agent"] = e["extras"]["agent_state"]

    await client.connect(f"{url}?conversation_id={conversation}&latest_event_id=-1", transports=["websocket"])
    await client.wait()
    print(json.dumps(seen))

asyncio.run(main())
