// All keyboard shortcuts of the page; the help (index.html) lists them.

export function listenToKeys(actions) {
  showFocusOfTheSlide();
  document.addEventListener("keydown", (event) => {
    if (event.altKey || document.getElementById("help").open) return;
    if (event.key.startsWith("Arrow") && event.target instanceof HTMLInputElement) return; // sliders and radio buttons use the arrow keys themselves
    const action = actions[event.ctrlKey || event.metaKey ? `Ctrl+${event.key}` : event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  });
}

// OpenSeadragon focuses the slide on a click too, but the focus ring is only useful to people who navigate with Tab.
function showFocusOfTheSlide() {
  document.addEventListener("keydown", ({ key }) => key === "Tab" && document.body.classList.add("tabbing"));
  document.addEventListener("pointerdown", () => document.body.classList.remove("tabbing"));
}
