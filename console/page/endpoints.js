import { ago, byId, full, make, moment, refused, shown, svg, verdictMark, verdictNames } from "./dom.js";

const minutes = 60;
const minute = 60_000;

/** showEndpoints makes a card each; choose is told of a verdict that is pressed. */
export function showEndpoints(endpoints, choose) {
	const holder = byId("endpoints");
	const focused = document.activeElement?.closest("#endpoints") ? document.activeElement.dataset.key : undefined;
	holder.replaceChildren(...endpoints.map((endpoint) => card(endpoint, choose)));
	if (focused !== undefined) [...holder.querySelectorAll("button")].find((button) => button.dataset.key === focused)?.focus();
}

function card(endpoint, choose) {
	const counts = verdictNames.filter((verdict) => endpoint.deliveries[verdict] > 0).map((verdict) => {
		const button = make("button", { type: "button", title: "Show these alone" }, verdictMark(verdict, `${verdict} ${endpoint.deliveries[verdict]}`));
		button.dataset.key = `${endpoint.name} ${verdict}`;
		button.addEventListener("click", () => choose(endpoint.name, verdict));
		return button;
	});
	const history = minutesOf(endpoint.last_hour);
	return make("li", { className: "endpoint-card" },
		make("div", { className: "title" },
			make("h3", {}, shown(endpoint.name)),
			make("span", {}, [endpoint.provider !== endpoint.name && shown(endpoint.provider), endpoint.mode === "monitor" && "monitor mode"].filter(Boolean).join(", ")),
			make("span", { className: "rate", title: "Mean of the last five minutes" }, `${rate(history)} a minute`)),
		plot(history),
		make("p", { className: "legend" }, make("span", {}, "1 h ago"), make("span", { title: "Below the line: rejected, failed or busy" }, "up: accepted, down: not"), make("span", {}, "now")),
		counts.length > 0
			? make("div", { className: "verdicts" }, ...counts)
			: make("p", { className: "calm" }, "Nothing has come since hookpass was started."),
		make("dl", {},
			make("dt", {}, "Last verified"), make("dd", {}, endpoint.last_verified ? since(endpoint.last_verified) : "none since the start"),
			...endpoint.secrets.flatMap((secret) => [
				make("dt", {}, `Secret ${shown(secret.label)}`),
				make("dd", {}, secret.last_used ? since(secret.last_used, "used ") : "not used since the start"),
			])));
}

function since(iso, before = "") {
	const time = moment(iso, (at) => before + ago(at));
	time.title = `${iso} (${full(iso)})`;
	return time;
}

/** minutesOf are the last hour's, the oldest first: [accepted, not]. */
function minutesOf(lastHour) {
	const now = Math.floor(Date.now() / minute);
	const history = Array.from({ length: minutes }, () => [0, 0]);
	for (const { minute: at, deliveries } of lastHour) {
		const bar = history[minutes - 1 - (now - Math.floor(new Date(at) / minute))];
		if (bar === undefined) continue; // the clocks differ
		for (const [verdict, n] of Object.entries(deliveries)) bar[refused(verdict) ? 1 : 0] += n;
	}
	return history;
}

function rate(history) {
	const mean = history.slice(-5).reduce((sum, [passed, other]) => sum + passed + other, 0) / 5;
	return mean >= 10 ? Math.round(mean) : Number(mean.toFixed(1));
}

// The plot is 300 units wide and 40 high; the axis is where the higher of what is
// above and of what is below leaves it room.
function plot(history) {
	const [up, down] = [0, 1].map((i) => Math.max(0, ...history.map((bar) => bar[i])));
	const unit = 38 / Math.max(1, up + down);
	const axis = up + down === 0 ? 39 : 1 + up * unit;
	const bars = (i, direction) => history.map((bar, at) => {
		const height = direction * Math.max(bar[i] && 1, bar[i] * unit);
		return height === 0 ? "" : `M${at * 5 + .5} ${axis}v${height.toFixed(2)}h4v${(-height).toFixed(2)}z`;
	}).join("");
	const sum = (i) => history.reduce((total, bar) => total + bar[i], 0);
	return svg("svg", {
		class: "plot", viewBox: "0 0 300 40", preserveAspectRatio: "none", role: "img",
		"aria-label": `In the last hour ${sum(0)} accepted and ${sum(1)} not, at most ${up} and ${down} in a minute.`,
	},
		svg("path", { class: "passed", d: bars(0, -1) }),
		svg("path", { class: "refused", d: bars(1, 1) }),
		svg("line", { class: "axis", x1: 0, x2: 300, y1: axis, y2: axis }));
}
