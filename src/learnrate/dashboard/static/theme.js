"use strict";
// In the head, not deferred: the colours are right before anything is painted.
(() => {
  const kinds = ["auto", "light", "dark"];
  const root = document.documentElement;
  const chosen = () => {
    const held = localStorage.getItem("learnrate-theme");
    return kinds.includes(held) ? held : "auto";
  };
  const apply = () => {
    const theme = chosen();
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button === null) return;
    button.textContent = theme[0].toUpperCase() + theme.slice(1);
    button.setAttribute("aria-label", `Colours: ${theme === "auto" ? "as the system says" : theme}`);
  };
  const changed = () => dispatchEvent(new Event("colours"));

  apply();
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme").addEventListener("click", () => {
      const next = kinds[(kinds.indexOf(chosen()) + 1) % kinds.length];
      localStorage.setItem("learnrate-theme", next);
      apply();
      changed();
    });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
})();
