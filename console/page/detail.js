import { ask } from "./api.js";
import { byId, foreign, full, make, moment, shown, verdictMark, words } from "./dom.js";

const dialog = byId("detail");
const title = byId("detail-title");
const content = byId("detail-body");

let number; // of the delivery that is shown

/** openDetail shows a delivery; endpointOf returns an endpoint as the API has it. */
export async function openDetail(of, endpointOf) {
	number = of;
	title.textContent = `Delivery ${of}`;
	content.replaceChildren(make("p", { className: "calm" }, "Loading."));
	if (!dialog.open) dialog.showModal();
	title.focus();
	let sections;
	try {
		const delivery = await ask(`deliveries/${of}`);
		sections = [facts(delivery), hint(delivery), diagnosis(delivery), actions(delivery, endpointOf(delivery.endpoint)), header(delivery), body(delivery)];
	} catch (error) {
		const gone = error.status === 404 ? " Only the newest deliveries are kept: capacity in the recent block says how many." : "";
		sections = [make("p", { className: "notice" }, shown(error.message) + gone)];
	}
	if (number === of) content.replaceChildren(...sections.filter(Boolean));
}

export function closeDetail() {
	if (dialog.open) dialog.close();
}

byId("close").addEventListener("click", closeDetail);
dialog.addEventListener("click", (event) => {
	if (event.target === dialog && event.clientX < dialog.getBoundingClientRect().left) closeDetail();
});

function section(name, ...children) {
	return make("section", {}, make("h3", {}, name), ...children);
}

const labels = {
	time: "Arrived", endpoint: "Endpoint", provider: "Provider", verdict: "Verdict", reason: "Reason", event: "Event", delivery_id: "Delivery ID",
	status: "Application's status", mode: "Mode", secret: "Secret", remote: "Sender", method: "Method", path: "Path",
	timestamp_age_ms: "Age of timestamp", body_bytes: "Size of body", verify_us: "Time to verify", forward_ms: "Time at application",
	replayed: "Replayed", request_id: "Request ID", trace_id: "Trace ID",
};

const units = { timestamp_age_ms: "ms", body_bytes: "bytes", verify_us: "µs", forward_ms: "ms" };

function facts(delivery) {
	const list = make("dl", { className: "facts" });
	for (const [name, label] of Object.entries(labels)) {
		const value = delivery[name];
		if (value === undefined || value === "") continue;
		let text;
		if (name === "time") text = moment(value, full);
		else if (name === "verdict") text = verdictMark(value);
		else if (name === "reason") text = words(value);
		else text = foreign(units[name] ? `${value} ${units[name]}` : value);
		list.append(make("dt", {}, label), make("dd", {}, text));
	}
	return list;
}

function hint(delivery) {
	return delivery.hint && make("p", { className: "hint" }, shown(delivery.hint));
}

/** operation is a button, and below it what came of pressing it. */
function operation(label, work) {
	const result = make("div", { role: "status" });
	const button = make("button", { type: "button" }, label);
	button.addEventListener("click", async () => {
		button.disabled = true;
		result.replaceChildren(make("p", { className: "calm" }, "Working."));
		try {
			result.replaceChildren(...await work());
		} catch (error) {
			result.replaceChildren(make("p", { className: "notice" }, shown(error.message)));
		}
		button.disabled = false;
	});
	return { button, result };
}

function diagnosis(delivery) {
	if (delivery.verdict !== "rejected") return undefined;
	const { button, result } = operation("Find out why", async () => {
		const finding = await ask(`deliveries/${delivery.number}/diagnosis`);
		return [make("dl", { className: "facts" },
			make("dt", {}, "Cause"), make("dd", {}, words(finding.cause)),
			make("dt", {}, "What went wrong"), make("dd", {}, foreignText(finding.sentence)),
			make("dt", {}, "What to do"), make("dd", {}, foreignText(finding.remedy || "Nothing.")),
			make("dt", {}, "Certainty"), make("dd", {}, finding.proven
				? "Proven: with that undone, the signature is right."
				: `Not proven. Tried: ${finding.tried}.`))];
	});
	return section("Diagnosis", make("div", { className: "actions" }, button), result);
}

const foreignText = (text) => make("bdi", {}, shown(text));

function actions(delivery, endpoint) {
	const parts = [];
	if (delivery.replayable) {
		parts.push(...confirmed("Send again", "It is verified anew, as of its arrival, and sent to the application, even if that has handled it before.", async () => {
			const sent = await ask(`deliveries/${delivery.number}/replay`, "POST");
			const outcome = [sent.verdict, sent.reason && words(sent.reason), sent.status && `the application answered ${sent.status}`].filter(Boolean).join(", ");
			return [make("p", {}, make("a", { href: `#delivery=${sent.number}` }, `Delivery ${sent.number}`), `: ${outcome}.`)];
		}));
	}
	const id = delivery.delivery_id ?? "";
	if (id !== "" && !id.endsWith("…") && delivery.verdict !== "rejected" && endpoint && !["content", "off"].includes(endpoint.dedup_key)) {
		parts.push(...confirmed("Forget", "The next copy that the provider sends goes to the application, as if there had been none.", async () => {
			const { known } = await ask(`dedup/${encodeURIComponent(delivery.endpoint)}?id=${encodeURIComponent(id)}`, "DELETE");
			return [make("p", {}, known ? "Forgotten." : "It was not remembered.")];
		}));
	}
	return parts.length > 0 && section("Actions", ...parts);
}

/** confirmed is an operation that is asked about first. */
function confirmed(label, consequence, work) {
	const { button, result } = operation("Yes, do it", work);
	const ask = make("button", { type: "button", "aria-expanded": "false" }, `${label}…`);
	const cancel = make("button", { type: "button" }, "Cancel");
	const question = make("div", { className: "confirm", hidden: true, role: "group", "aria-label": label }, make("p", {}, consequence), button, cancel);
	const ending = (open) => {
		question.hidden = !open;
		ask.hidden = open;
		ask.setAttribute("aria-expanded", String(open));
		(open ? cancel : ask).focus();
	};
	ask.addEventListener("click", () => ending(true));
	cancel.addEventListener("click", () => ending(false));
	button.addEventListener("click", () => ending(false));
	return [make("div", { className: "actions" }, ask, question), result];
}

function header(delivery) {
	const fields = Object.entries(delivery.header ?? {});
	if (fields.length === 0) return undefined;
	const list = make("dl", { className: "facts code" });
	for (const [name, values] of fields.sort(([a], [b]) => (a < b ? -1 : 1))) {
		list.append(make("dt", {}, foreignText(name)), ...values.map((value) => make("dd", {}, foreignText(value))));
	}
	return section("Header", list, delivery.header_cut && make("p", { className: "calm" }, "There were more fields than are kept."));
}

function body(delivery) {
	if (delivery.body !== undefined) return section("Body", text(delivery.body));
	if (delivery.body_base64 !== undefined) return section("Body, in base64", text(delivery.body_base64));
	const why = delivery.body_withheld ? `Not kept: ${shown(delivery.body_withheld)}` : "Not kept. Write bodies on into the recent block of the webhooks option to keep bodies, and to be able to send deliveries again.";
	return section("Body", make("p", { className: "calm" }, why));
}

/** text is a body as it came: line ends and tabs do what they mean. */
function text(of) {
	const lines = of.split(/(\r\n|\n|\t)/).map((part) => (/^(\r\n|\n|\t)$/.test(part) ? part : shown(part)));
	return make("pre", { tabIndex: 0 }, lines.join(""));
}
