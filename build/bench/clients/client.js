// A stock Socket.IO client that does what a program on it would: keep the place and the agent's state.
// Arguments: URL, conversation, seconds between application pings (0 = none), reconnect or not.
const { io } = require("socket.io-client");
const [url, conversation, each, reconnect] = process.argv.slice(2);
let count = 0, last = -1, agent = "";
const socket = io(url, {
  transports: ["websocket"],
  query: { conversation_id: conversation, latest_event_id: -1 },
  reconnection: reconnect === "reconnect",
});
socket.on("oh_event", (e) => {
  count++;
  if (e.id > last) last = e.id;
  if (e.observation === "agent_state_changed") agent = e.extras.agent_state;
});
if (each > 0) setInterval(() => socket.connected && socket.emit("ping", () => {}), each * 1000);
socket.on("disconnect", () => {
  console.log(JSON.stringify({ count, last, agent, at: Date.now() }));
  if (reconnect !== "reconnect") process.exit(0);
});
