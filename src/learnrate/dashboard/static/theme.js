"use strict";
// Runs in the head, not deferred, so that the first paint has the right colours.
(() => {
  const themes = ["auto", "light", "dark"];
  const root = document.documentElement;
  const storedTheme = () => {
    const theme = localStorage.getItem("learnrate-theme");
    return themes.includes(theme) ? theme : "auto";
  };
  const apply = () => {
    const theme = storedTheme();
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button === null) return;
    button.textContent = theme[0].toUpperCase() + theme.slice(1);
    button.setAttribute("aria-label", `Colours: ${theme === "auto" ? "as the system prefers" : theme}`);
  };
  const dispatchChange = () => dispatchEvent(new Event("colours"));

  apply();
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme").addEventListener("click", () => {
      const next = themes[(themes.indexOf(storedTheme()) + 1) % themes.length];
      localStorage.setItem("learnrate-theme", next);
      apply();
      dispatchChange();
    });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dispatchChange);
})();
