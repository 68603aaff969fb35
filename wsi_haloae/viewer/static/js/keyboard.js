// Every key of the page; what they do is written in the help (index.html).

export function listenToKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || document.getElementById("help").open) return;
    if (event.key.startsWith("Arrow") && event.target instanceof HTMLInputElement) return; // sliders and choices have their own
    const action = actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  });
}
