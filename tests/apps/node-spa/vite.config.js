import { defineConfig } from "vite";

// What a config var says is in the page once it is built.
const greeting = {
  name: "greeting",
  transformIndexHtml: (html) => html.replace("%GREETING%", process.env.GREETING ?? ""),
};

export default defineConfig({ plugins: [greeting] });
