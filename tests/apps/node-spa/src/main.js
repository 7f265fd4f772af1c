import "./style.css";

const pages = {
  "/": "The start page.",
  "/about": "A page that only the browser knows.",
};

document.querySelector("main").textContent = pages[location.pathname] ?? "No such page.";
