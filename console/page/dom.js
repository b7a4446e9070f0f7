// What senders chose reaches the page as text nodes and attributes alone.

const svgSpace = "http://www.w3.org/2000/svg";

/** make returns an element: make("p", { className: "x" }, "text", other). */
export function make(name, properties = {}, ...children) {
	const element = document.createElement(name);
	for (const [property, value] of Object.entries(properties)) {
		if (property.includes("-") || property === "role") element.setAttribute(property, value);
		else element[property] = value;
	}
	element.append(...children);
	return element;
}

export function svg(name, attributes = {}, ...children) {
	const element = document.createElementNS(svgSpace, name);
	for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
	element.append(...children);
	return element;
}

export const byId = (id) => document.getElementById(id);

// Control characters, and those that turn the direction of the text around them.
const unseen = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\u2028\u2029]/gu;

/** shown makes visible what would show as nothing, or as something else. */
export function shown(text) {
	return String(text).replace(unseen, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

/** foreign is a sender's text, which has no say in the order of what is around it. */
export function foreign(text) {
	const visible = shown(text);
	return make("bdi", { title: visible }, visible);
}

const dayFormat = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const timeFormat = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const fullFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** clock is the time of day in local time, with the day where that is another. */
export function clock(iso) {
	const at = new Date(iso);
	const text = timeFormat.format(at);
	return at.toDateString() === new Date().toDateString() ? text : `${dayFormat.format(at)}, ${text}`;
}

/** moment is an element with the time, whose title is the time in ISO 8601. */
export function moment(iso, format = clock) {
	return make("time", { dateTime: iso, title: iso }, format(iso));
}

export const full = (iso) => fullFormat.format(new Date(iso));

const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });

export function ago(iso) {
	const seconds = Math.max(0, (Date.now() - new Date(iso)) / 1000);
	for (const [unit, length, most] of [["second", 1, 90], ["minute", 60, 5400], ["hour", 3600, 129600], ["day", 86400, Infinity]]) {
		if (seconds < most) return relative.format(-Math.round(seconds / length), unit);
	}
}

// What became of deliveries: the kind by which it is coloured, and a sign of its
// own, so that colour alone tells nothing.
const verdicts = {
	forwarded: ["good", "M2 8l4 4 8-9"],
	failed: ["bad", "M8 2v7M8 12v2"],
	duplicate: ["calm", "M2 2h8v8H2zM6 10v4h8V6h-4"],
	busy: ["wait", "M3 2h10L3 14h10z"],
	ignored: ["calm", "M2 8h12"],
	handshake: ["calm", "M8 2a6 6 0 100 12A6 6 0 108 2zM8 6v4"],
	rejected: ["bad", "M3 3l10 10M13 3L3 13"],
};

export const verdictNames = Object.keys(verdicts);

/** refused tells the verdicts after which the application has not handled it. */
export const refused = (verdict) => ["rejected", "failed", "busy"].includes(verdict);

export function verdictMark(verdict, text = verdict) {
	const [kind, path] = verdicts[verdict] ?? ["calm", "M8 8h0"];
	return make("span", { className: `mark-verdict ${kind}` },
		svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: path })), text);
}

export const words = (name) => String(name).replaceAll("_", " ");
