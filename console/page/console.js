import { ask, follow } from "./api.js";
import { closeDetail, openDetail } from "./detail.js";
import { byId, make, shown, verdictNames } from "./dom.js";
import { showEndpoints } from "./endpoints.js";
import * as table from "./table.js";

const most = 10_000; // deliveries at once

let all = []; // the newest first
let waiting = []; // deliveries that are not shown yet
let paused = false;
let endpoints = [];
let loaded = false;

// --- What is shown -----------------------------------------------------------

const filters = { endpoint: byId("by-endpoint"), verdict: byId("by-verdict"), event: byId("by-event"), id: byId("by-id") };
filters.verdict.append(...verdictNames.map((name) => make("option", { value: name }, name)));

/** matcher tells whether a delivery has what the filters say. */
function matcher() {
	const endpoint = filters.endpoint.value;
	const verdict = filters.verdict.value;
	const id = filters.id.value.trim();
	const pattern = filters.event.value.trim().toLowerCase();
	const source = pattern.split("*").map((part) => part.replace(/\W/g, "\\$&")).join(".*");
	const event = new RegExp(pattern.includes("*") ? `^${source}$` : source, "s");
	return (delivery) => (endpoint === "" || delivery.endpoint === endpoint) &&
		(verdict === "" || delivery.verdict === verdict) &&
		(pattern === "" || event.test((delivery.event ?? "").toLowerCase())) &&
		(id === "" || `#${delivery.number}` === id || [delivery.delivery_id, delivery.request_id, delivery.trace_id].some((has) => has?.includes(id)));
}

function show() {
	const found = all.filter(matcher());
	table.show(found);
	const filtered = Object.values(filters).some((filter) => filter.value.trim() !== "");
	const kept = `${found.length}${filtered ? ` of ${all.length}` : ""} kept`;
	byId("count").textContent = [kept, paused && `${waiting.length} more since the pause`].filter(Boolean).join(", ");
	byId("clear").disabled = !filtered;
	const empty = byId("no-deliveries");
	empty.hidden = found.length > 0 || !loaded;
	byId("table").hidden = found.length === 0;
	empty.textContent = filtered
		? "No delivery that is kept has this. Clear the filters to see all."
		: "No delivery has come yet. Send one with hookpass send, or have the provider send a test, and it shows here at once.";
	return found.length;
}

let soon;

function showSoon() {
	soon ??= setTimeout(() => {
		soon = undefined;
		if (!paused) take();
		show();
	}, 100);
}

/** take moves what waits into the list, each in the place of its number. */
function take() {
	const known = new Set(all.map((delivery) => delivery.number));
	all = [...waiting.filter((delivery) => !known.has(delivery.number)), ...all];
	all.sort((a, b) => b.number - a.number);
	all.length = Math.min(all.length, most);
	waiting = [];
}

let typing;

for (const filter of Object.values(filters)) {
	filter.addEventListener("input", () => {
		const found = show();
		clearTimeout(typing);
		typing = setTimeout(() => say(`${found} deliveries shown`), 800);
	});
}

byId("clear").addEventListener("click", () => {
	for (const filter of Object.values(filters)) filter.value = "";
	say(`${show()} deliveries shown`);
	filters.endpoint.focus();
});

byId("pause").addEventListener("click", (event) => {
	paused = !paused;
	event.currentTarget.setAttribute("aria-pressed", String(paused));
	showSoon();
});

/** say tells those who do not see the page. */
function say(text) {
	byId("said").textContent = text;
}

// --- Endpoints ---------------------------------------------------------------

async function loadEndpoints() {
	({ endpoints } = await ask("endpoints"));
	showEndpoints(endpoints, (endpoint, verdict) => {
		filters.endpoint.value = endpoint;
		filters.verdict.value = verdict;
		say(`${show()} deliveries shown`);
		byId("deliveries-title").scrollIntoView();
	});
	const names = endpoints.map((endpoint) => endpoint.name);
	const chosen = filters.endpoint.value;
	if (chosen !== "" && !names.includes(chosen)) names.push(chosen);
	if ([...filters.endpoint.options].slice(1).map((option) => option.value).join("\n") !== names.join("\n")) {
		filters.endpoint.replaceChildren(make("option", { value: "" }, "All"), ...names.map((name) => make("option", { value: name }, shown(name))));
		filters.endpoint.value = chosen;
	}
	byId("no-endpoints").hidden = true;
}

let counted;

/** countSoon reads the endpoints again: after a delivery, and every 15 seconds. */
function countSoon(delay) {
	if (counted !== undefined && counted.due <= Date.now() + delay) return;
	clearTimeout(counted?.timer);
	counted = {
		due: Date.now() + delay,
		timer: setTimeout(async () => {
			counted = undefined;
			if (!document.hidden) await loadEndpoints().catch(() => {}); // the stream tells of what is wrong
			countSoon(15_000);
		}, delay),
	};
}

// --- The stream --------------------------------------------------------------

function connection(state, label) {
	const shownAt = byId("connection");
	if (shownAt.dataset.state === state) return;
	if (state === "lost" || shownAt.dataset.state === "lost") say(label);
	shownAt.dataset.state = state;
	shownAt.querySelector(".label").textContent = label;
}

/** load reads what is kept, unless the stream can go on from where it ended. */
async function load() {
	const newest = waiting.concat(all.slice(0, 1)).reduce((a, b) => (b.number > (a?.number ?? 0) ? b : a), undefined);
	if (newest !== undefined) {
		const same = await ask(`deliveries/${newest.number}`).then((delivery) => delivery.time === newest.time, () => false);
		if (same) return newest.number;
	}
	const { deliveries } = await ask(`deliveries?limit=${most}`);
	all = deliveries;
	waiting = [];
	return all[0]?.number ?? 0;
}

function failed(error) {
	const problem = byId("problem");
	const none = byId("no-endpoints");
	none.hidden = error.status !== 404;
	problem.hidden = error.status === 404;
	if (error.status === 404) {
		none.textContent = "The running configuration has no endpoint. Put verify_webhook into a site of the Caddyfile, and load it.";
		byId("endpoints").replaceChildren();
	} else if (problem.textContent !== error.message) {
		problem.textContent = shown(error.message); // a repeated one would be read out again
	}
}

// A browser has few connections to a host, and hookpass has few streams: a page
// that nobody sees gives its own back after a minute.
const rest = 60_000;
let stream = new AbortController();
let tired;

document.addEventListener("visibilitychange", () => {
	clearTimeout(tired);
	if (document.hidden) tired = setTimeout(() => stream.abort(), rest);
});

async function awake() {
	if (!document.hidden || !stream.signal.aborted) return;
	connection("resting", "Resting");
	while (document.hidden) await new Promise((changed) => { document.addEventListener("visibilitychange", changed, { once: true }); });
}

async function run() {
	for (let wait = 250; ; wait = Math.min(wait * 2, 10_000)) {
		try {
			await awake();
			stream = new AbortController();
			await loadEndpoints();
			const last = await load();
			loaded = true;
			show();
			countSoon(15_000);
			await follow(last, {
				signal: stream.signal,
				opened() {
					wait = 125;
					byId("problem").hidden = true;
					connection("live", "Live");
				},
				found(delivery) {
					waiting.push(delivery);
					if (waiting.length > most) waiting.shift();
					showSoon();
					countSoon(1000);
				},
			});
			if (stream.signal.aborted) continue;
			connection("connecting", "Connecting"); // a reload has ended the stream, as a rule
		} catch (error) {
			if (stream.signal.aborted) continue;
			failed(error);
			connection("lost", "Not connected, trying again");
		}
		await new Promise((again) => {
			setTimeout(again, wait);
			addEventListener("online", again, { once: true });
		});
	}
}

// --- One delivery ------------------------------------------------------------

const opened = () => Number(new URLSearchParams(location.hash.slice(1)).get("delivery")) || 0;

let returnTo = 0;

function navigate() {
	const number = opened();
	if (number > 0) {
		returnTo = number;
		openDetail(number, (name) => endpoints.find((endpoint) => endpoint.name === name));
	} else {
		closeDetail();
	}
}

byId("detail").addEventListener("close", () => {
	if (opened() > 0) history.pushState(null, "", location.pathname + location.search);
	table.focus(returnTo);
});
addEventListener("hashchange", navigate);
addEventListener("popstate", navigate);

document.title = `${document.title} (${location.host})`;
navigate();
run();
