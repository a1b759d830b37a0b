// A stock Socket.IO client: prints what it is told, one JSON value a line. Arguments: URL, then the query as JSON.
const { io } = require("socket.io-client");
const line = (v) => console.log(JSON.stringify(v));
const socket = io(process.argv[2], {
  transports: ["websocket"],
  query: JSON.parse(process.argv[3]),
  reconnection: false,
});
socket.on("connect", () => {
  line({ connect: true });
  socket.emit("oh_user_action", { action: "message", args: { content: "from node" } });
});
socket.on("connect_error", (e) => line({ refused: e.message }));
socket.on("disconnect", (why) => line({ disconnect: why }));
socket.on("oh_event", (e) => line({ event: e }));
