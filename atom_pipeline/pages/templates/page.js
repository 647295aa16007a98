for (const box of document.querySelectorAll(".filter")) {
  const input = box.querySelector("input"), said = box.querySelector("output");
  const rows = [...document.querySelectorAll("tr[data-words]")];
  const plain = text => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const filter = () => {
    const words = plain(input.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const fits = words.every(word => plain(row.dataset.words).includes(word));
      row.hidden = !fits;
      shown += fits;
      for (const drawn of document.querySelectorAll(`[data-field="${row.id}"]`)) drawn.classList.toggle("dim", !fits);
    }
    said.textContent = words.length ? `${shown} of ${rows.length}` : "";
  };
  input.addEventListener("input", filter);
  box.hidden = false;
}
for (const box of document.querySelectorAll("g.box")) {
  const row = document.getElementById(box.dataset.field);
  box.addEventListener("click", () => { location.hash = row.id; });
}
const mark = () => {
  document.querySelectorAll("g.shown").forEach(box => box.classList.remove("shown"));
  const id = decodeURIComponent(location.hash.slice(1));
  if (id) document.querySelectorAll(`[data-field="${CSS.escape(id)}"]`).forEach(box => box.classList.add("shown"));
};
addEventListener("hashchange", mark);
mark();
