const express = require("express");

const app = express();
app.get("/", (request, response) => {
  response.type("text").send(`Hello from Node.js with Express. ${process.env.GREETING ?? ""}\n`);
});

const server = app.listen(process.env.PORT ?? 5000, () => console.log("listening on", server.address().port));
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
