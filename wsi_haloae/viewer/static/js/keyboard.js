// Every key of the page; what they do is written in the help (index.html).

export function listenToKeys(actions) {
  showFocusOfTheSlide();
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || document.getElementById("help").open) return;
    if (event.key.startsWith("Arrow") && event.target instanceof HTMLInputElement) return; // sliders and choices have their own
    const action = actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  });
}

// A click focuses the slide too (OpenSeadragon does it), but only who came with Tab wants to see where they are.
function showFocusOfTheSlide() {
  document.addEventListener("keydown", ({ key }) => key === "Tab" && document.body.classList.add("tabbing"));
  document.addEventListener("pointerdown", () => document.body.classList.remove("tabbing"));
}
