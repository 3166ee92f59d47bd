// What a reader can do beyond reading: point at a figure's marks, sort and filter tables. The page is complete
// without it. DataTables is in the page, compressed, so that it opens from disk without a server.

const NEAR = 22; // CSS pixels from the pointer to a mark

function pointable(figure) {
  const box = figure.querySelector(":scope > div");
  const svg = box.querySelector("svg");
  if (svg === null) return; // an image has no marks
  const tips = JSON.parse(figure.querySelector("script.tips").textContent);
  const tip = Object.assign(document.createElement("div"), { className: "tip", hidden: true });
  tip.setAttribute("role", "status");
  box.append(tip);
  const ring = document.createElementNS(svg.namespaceURI, "circle");
  ring.setAttribute("class", "ring");
  ring.setAttribute("r", "6");

  const hide = () => {
    tip.hidden = true;
    ring.remove();
  };
  const show = (event) => {
    const matrix = svg.getScreenCTM();
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    let nearest = null;
    let least = NEAR / matrix.a;
    for (const candidate of tips) {
      const distance = Math.hypot(candidate[0] - at.x, candidate[1] - at.y);
      if (distance < least) [nearest, least] = [candidate, distance];
    }
    if (nearest === null) return hide();
    const [x, y, text] = nearest;
    ring.setAttribute("cx", x);
    ring.setAttribute("cy", y);
    svg.append(ring);
    tip.textContent = text;
    tip.hidden = false;
    const mark = new DOMPoint(x, y).matrixTransform(matrix);
    const frame = box.getBoundingClientRect();
    const left = mark.x - frame.left + box.scrollLeft;
    const right = box.scrollLeft + frame.width - tip.offsetWidth - 4;
    tip.style.left = `${Math.max(box.scrollLeft, Math.min(left + 10, right))}px`;
    const above = mark.y - frame.top - tip.offsetHeight - 10;
    tip.style.top = `${above > 0 ? above : mark.y - frame.top + 12}px`;
  };
  box.addEventListener("pointermove", show);
  box.addEventListener("pointerdown", show);
  box.addEventListener("pointerleave", hide);
}

function sortable(DataTable, table) {
  const rows = table.tBodies[0].rows.length;
  if (rows < 2) return;
  const headings = [...table.tHead.rows[0].cells];
  const names = headings.flatMap((heading, index) => (heading.matches(".n, .long") ? [] : [index]));
  new DataTable(table, {
    paging: false,
    info: false,
    autoWidth: false,
    order: [], // as it stands, until someone asks
    searching: rows > 5,
    layout: { topStart: rows > 5 ? "search" : null, topEnd: null, bottomStart: null, bottomEnd: null },
    language: { search: "Filter", emptyTable: "", zeroRecords: "No row matches" },
    columnDefs: rows > 5 ? [{ targets: names, columnControl: [["searchList"]] }] : [],
  });
  // Lines between groups mean something in the order of the page only.
  table.addEventListener("order.dt", () => {
    table.querySelectorAll("tr.group").forEach((row) => row.classList.remove("group"));
  });
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark", dark.matches);
dark.addEventListener("change", follow);
follow();

document.querySelectorAll("figure").forEach(pointable);

const packed = Uint8Array.from(atob(document.getElementById("datatables").textContent), (c) => c.charCodeAt(0));
const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
const source = await new Response(unpacked, { headers: { "Content-Type": "text/javascript" } }).blob();
const address = URL.createObjectURL(source);
const { default: DataTable } = await import(address);
URL.revokeObjectURL(address);
document.querySelectorAll("table").forEach((table) => sortable(DataTable, table));
document.documentElement.dataset.ready = "yes";
