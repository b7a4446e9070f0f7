// The table has elements for the rows in sight and few more, however many
// deliveries there are.

import { byId, foreign, make, moment, shown, verdictMark, words } from "./dom.js";

const beyond = 8; // rows above and below those in sight

const scroller = byId("table");
const table = scroller.querySelector("table");
const body = byId("rows");
const above = room();
const below = room();
body.append(above, below);

let list = []; // what is shown, the newest first
let current = 0; // the number of the delivery that the keyboard is at
let height = 40; // of a row, in pixels
const rows = new Map(); // those that exist, by number

function room() {
	return make("tr", { className: "room", "aria-hidden": "true" }, make("td", { colSpan: 6 }));
}

/** show shows these deliveries, and keeps in place what is in sight. */
export function show(deliveries) {
	const anchor = list[Math.floor(scroller.scrollTop / height)]?.number;
	list = deliveries;
	if (scroller.scrollTop > 0 && anchor !== undefined) {
		const before = Math.floor(scroller.scrollTop / height);
		const now = position(anchor);
		if (now > before) {
			above.firstChild.style.height = `${now * height}px`; // or there is nowhere to scroll to yet
			scroller.scrollTop += (now - before) * height;
		}
	}
	render();
}

/** position is where the delivery is in the list; -1 if it is not. */
function position(number) {
	let low = 0;
	let high = list.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if (list[middle].number > number) low = middle + 1;
		else high = middle;
	}
	return list[low]?.number === number ? low : -1;
}

function render() {
	const from = Math.max(0, Math.min(Math.floor(scroller.scrollTop / height), list.length) - beyond);
	const to = Math.min(list.length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / height) + beyond);
	const wanted = new Set(list.slice(from, to).map((delivery) => delivery.number));
	for (const [number, row] of rows) {
		if (wanted.has(number)) continue;
		if (row.contains(document.activeElement)) scroller.focus({ preventScroll: true });
		row.remove();
		rows.delete(number);
	}
	const reachable = wanted.has(current) ? current : list[from]?.number;
	let next = above.nextSibling;
	for (let i = from; i < to; i++) {
		const delivery = list[i];
		let row = rows.get(delivery.number);
		if (row === undefined) {
			row = rowOf(delivery);
			rows.set(delivery.number, row);
			body.insertBefore(row, next); // one that exists stays where it is, and keeps the focus
		} else {
			next = row.nextSibling;
		}
		row.setAttribute("aria-rowindex", i + 2);
		row.querySelector("a").tabIndex = delivery.number === reachable ? 0 : -1;
	}
	above.firstChild.style.height = `${from * height}px`;
	below.firstChild.style.height = `${(list.length - to) * height}px`;
	above.hidden = from === 0;
	below.hidden = to === list.length;
	table.setAttribute("aria-rowcount", list.length + 1);
	measure();
}

function measure() {
	const measured = rows.values().next().value?.getBoundingClientRect().height;
	if (measured > 0 && measured !== height) {
		height = measured;
		render();
	}
}

function rowOf(delivery) {
	const { number, verdict } = delivery;
	const time = moment(delivery.time);
	const link = make("a", {
		href: `#delivery=${number}`,
		"aria-label": `${time.textContent}, delivery ${number}, ${verdict}, ${shown(delivery.endpoint)}`,
	}, time);
	const cell = (className, ...content) => make("td", { className, role: "cell" }, ...content);
	return make("tr", { className: "delivery", role: "row" },
		cell("time", link),
		cell("verdict", verdictMark(verdict)),
		cell("endpoint", foreign(delivery.endpoint)),
		cell("event", foreign(delivery.event ?? "")),
		cell("id", foreign(delivery.delivery_id ?? "")),
		cell("answer", outcome(delivery)));
}

function outcome(delivery) {
	const text = [
		delivery.reason && words(delivery.reason),
		delivery.status && `answered ${delivery.status}`,
		delivery.mode === "monitor" && "monitor mode",
		delivery.replayed && "replayed",
	].filter(Boolean).join(", ");
	return make("bdi", { title: text }, text);
}

/** focus puts the keyboard at a delivery, or at the table if that is not there. */
export function focus(number) {
	const at = position(number);
	if (at < 0) {
		scroller.focus({ preventScroll: true });
		return;
	}
	current = number;
	const top = at * height;
	const room = scroller.clientHeight - 2 * height; // less the head of the table
	if (top < scroller.scrollTop) scroller.scrollTop = top;
	else if (top > scroller.scrollTop + room) scroller.scrollTop = top - room;
	render();
	rows.get(number)?.querySelector("a").focus({ preventScroll: true });
}

scroller.addEventListener("scroll", render, { passive: true });
new ResizeObserver(render).observe(scroller);

scroller.addEventListener("keydown", (event) => {
	if (event.altKey || event.ctrlKey || event.metaKey || list.length === 0) return;
	const page = Math.max(1, Math.floor(scroller.clientHeight / height) - 2);
	const at = Math.max(0, position(current));
	const to = {
		ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: list.length - 1,
	}[event.key];
	if (to === undefined) return;
	event.preventDefault();
	focus(list[Math.max(0, Math.min(list.length - 1, to))].number);
});

body.addEventListener("focusin", (event) => {
	for (const [number, row] of rows) {
		const here = row.contains(event.target);
		if (here) current = number;
		row.querySelector("a").tabIndex = here ? 0 : -1;
	}
});

body.addEventListener("click", (event) => {
	const row = event.target.closest("tr.delivery");
	if (row && !event.target.closest("a") && getSelection().isCollapsed) row.querySelector("a").click();
});
